"""Models in an app that listens on a port: connecting, opening it by a command, and how it may end."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from pytest_edgedevice.device import Device
from pytest_edgedevice.errors import (
    AgentDiedError,
    ConfigError,
    DeadlineError,
    DeviceLostError,
    EdgeDeviceError,
    InfraError,
    PortRefusedError,
    ProtocolError,
    TransportError,
)
from pytest_edgedevice.runners.app import AppRunner, connecting
from pytest_edgedevice.runners.app.starting import StartCommand
from tests.ports import Port
from tests.unit.runners.app_standin import Cable, StandIn, Talk

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pytest_edgedevice.runners.backend import LoadRequest, Site
    from pytest_edgedevice.runners.loaded import LoadedModel

PATIENCE_S = 30.0
X = {"x": np.array([[1, 2]], np.float32)}


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "model.tflite"
    path.write_bytes(b"a model")
    return path


@pytest.fixture
def closed() -> Iterator[int]:
    """A port that nobody listens on."""
    port = Port()
    yield port.number
    port.close()


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connecting, "AGAIN_S", 0.01)


def opened(port: int, *, cable: Cable | None = None, timeout_s: float = PATIENCE_S, **how: Any) -> Device:
    return Device(cable or Cable(), name="phone", facts={}, runner=AppRunner(port=port, **how), timeout_s=timeout_s)


def refusal(port: int, model: Path, **how: Any) -> EdgeDeviceError:
    """What is raised instead of a model."""
    with opened(port, **how) as device, pytest.raises(EdgeDeviceError) as raised:
        device.load(model)
    return raised.value


def python(code: str) -> list[str]:
    return [sys.executable, "-S", "-c", code]


def groups() -> set[int]:
    """Process groups that have a living process."""
    found = set()
    for file in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            state, _, group = file.read_text(encoding="utf-8").rsplit(")", 1)[1].split()[:3]
            found |= {int(group)} if state != "Z" else set()
    return found


def spoiled(script: Callable[[Talk], object]) -> Callable[[StandIn, Talk], None]:
    def spoil(_app: StandIn, talk: Talk) -> None:
        script(talk)

    return spoil


def test_a_model_runs_in_an_app(model: Path) -> None:
    with StandIn() as app, opened(app.port) as device, device.load(model) as loaded:
        assert np.asarray(loaded.run(X).outputs["y"]).tolist() == [[1, 2]]
        assert (loaded.info.engine, loaded.info.size_bytes) == ("coreml", 7)


def test_what_was_there_before_is_not_sent_again(model: Path) -> None:
    with StandIn() as app, opened(app.port) as device:
        assert [device.push(model).sent_bytes for _ in range(2)] == [7, 0]


def test_the_app_is_told_to_keep_nothing_when_the_device_is_left(model: Path) -> None:
    with StandIn() as app:
        with opened(app.port) as device, device.load(model):
            assert app.blobs
        assert not app.blobs


def test_a_device_that_nothing_was_sent_to_is_left_without_a_word() -> None:
    with StandIn() as app:
        opened(app.port).close()
        assert app.asked == []


def test_whoever_takes_over_from_one_that_crashed_has_its_models_removed() -> None:
    with StandIn() as app, opened(app.port) as device:
        app.blobs["left"] = b"by somebody"
        device.check_health()
        assert not app.blobs


def test_leaving_an_app_that_is_closed_meanwhile_is_no_error(model: Path) -> None:
    with StandIn() as app:
        device = opened(app.port)
        device.load(model)
    device.close()
    with pytest.raises(EdgeDeviceError, match="closed"):
        device.push(model)


def test_a_closed_app_says_what_is_to_be_opened(model: Path, closed: int) -> None:
    error = refusal(closed, model, bundle="org.example.bench")
    assert type(error) is PortRefusedError
    assert error.message == f"phone: nothing listens on port {closed} of the phone"
    assert error.hint == (
        f"unlock the phone and open the app org.example.bench there, which listens on port {closed}; or give the"
        " device's table in edgedevice.toml a command that opens it: start = [...]"
    )


def test_a_command_that_fails_is_told_with_what_it_said(model: Path, closed: int) -> None:
    error = refusal(closed, model, start=python("import sys; print('looking for {udid}'); sys.exit('no such bundle')"))
    assert type(error) is TransportError
    first, *said = error.message.splitlines()
    assert first.startswith("phone: the app could not be opened; the command ended with exit code 1: ")
    assert said == ["  it said: looking for 00008110-00AA", "  it said: no such bundle"]


def test_a_command_that_is_not_there_is_told(model: Path, closed: int) -> None:
    error = refusal(closed, model, start=["/no/such/go-ios", "launch"])
    assert type(error) is ConfigError
    assert error.message.startswith("the command that opens the app cannot be started: /no/such/go-ios launch: ")


def test_what_a_command_needs_and_nobody_told_is_asked_for_at_once() -> None:
    with pytest.raises(ConfigError, match=r"has \{bundle\}, and no bundle is known"):
        AppRunner(start=["ios", "launch", "{bundle}"])


def test_a_command_that_hangs_is_ended_at_the_deadline(model: Path, closed: int) -> None:
    error = refusal(closed, model, start=python("import time; time.sleep(600)"), start_timeout_s=0.5)
    assert type(error) is DeadlineError
    assert error.message.startswith(
        f"phone: the app did not say hello within 0.5 s after it was opened (nothing listens on port {closed} of the"
        " phone); the command still runs: "
    )


def test_an_app_may_come_some_time_after_its_command_has_ended(model: Path, closed: int, quick: None) -> None:
    came: list[StandIn] = []
    later = threading.Timer(0.5, lambda: came.append(StandIn(port=closed)))
    later.start()
    with opened(closed, start=python("")) as device, device.load(model) as loaded:
        assert loaded.run(X).samples == 1
    came[0].close()


def test_a_command_that_stays_is_ended_with_the_device(
    model: Path, closed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    with opened(closed, start=python("import time; time.sleep(600)")) as device:
        started: list[StartCommand] = []
        begin = StartCommand.__init__
        came: list[StandIn] = []

        def watched(self: StartCommand, arguments: list[str]) -> None:
            begin(self, arguments)
            started.append(self)
            came.append(StandIn(port=closed))

        monkeypatch.setattr(StartCommand, "__init__", watched)
        device.load(model)
        before = started[0].status
    assert (before, started[0].status) == (None, -9)
    came[0].close()


def test_what_stands_in_the_way_of_a_start_is_told_instead_of_trying(model: Path, closed: int) -> None:
    cable = Cable()
    cable.not_ready = TransportError("developer mode is off")
    assert refusal(closed, model, start=python("1/0"), cable=cable).message == "developer mode is off"


def test_an_app_that_is_suspended_is_opened_again(model: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The system takes connections for it: it is silent, and answers when it is brought to the front."""
    monkeypatch.setattr(connecting, "SILENT_S", 0.2)
    front = tmp_path / "front"

    def suspended(app: StandIn, talk: Talk) -> None:
        end = time.monotonic() + PATIENCE_S
        while not front.exists() and time.monotonic() < end:
            time.sleep(0.01)
        app.serve(talk)

    with StandIn(suspended) as app, opened(app.port, start=python(f"open({str(front)!r}, 'w')")) as device:
        assert device.load(model).info.sha256


def test_an_app_that_was_suspended_and_has_no_command_says_what_to_do(model: Path) -> None:
    with StandIn(spoiled(lambda talk: talk.ask())) as app:
        error = refusal(app.port, model, timeout_s=0.3)
    assert type(error) is DeadlineError
    assert error.message.startswith("the app on phone took the connection and did not say hello within 0.")
    assert error.hint.startswith("bring it to the foreground")


def test_what_came_before_the_silence_is_shown(model: Path) -> None:
    def chatty(talk: Talk) -> None:
        talk.connection.sendall(b"220 ftp ready\r\n")
        talk.ask()

    with StandIn(spoiled(chatty)) as app:
        assert refusal(app.port, model, timeout_s=0.5).message.endswith("\n  it said: 220 ftp ready")


@pytest.mark.parametrize(
    ("script", "kind", "said"),
    [
        (lambda talk: talk.greet(protocol=2), ProtocolError, "the agent speaks protocol 2, this host 1"),
        (lambda talk: talk.connection.sendall(b"garbage " * 9000), ProtocolError, "no agent answered, but"),
        (lambda _talk: None, AgentDiedError, "the app on phone closed the connection before it said hello"),
        (lambda talk: talk.greet(window=0), ProtocolError, "lacks 'engines' or 'window'"),
        (
            lambda talk: talk.turn_away("another host\x1b[2J is connected"),
            InfraError,
            "phone: the agent turned this conversation away: another host [2J is connected",
        ),
    ],
)
def test_whatever_else_listens_there_is_told(
    model: Path, script: Callable[[Talk], object], kind: type[EdgeDeviceError], said: str
) -> None:
    def then_wait(talk: Talk) -> None:
        script(talk)
        if kind is not AgentDiedError:
            talk.ask()

    with StandIn(spoiled(then_wait)) as app:
        error = refusal(app.port, model)
    assert type(error) is kind
    assert said in error.message


def test_another_version_says_what_to_update(model: Path) -> None:
    with StandIn(lambda app, talk: app.serve(talk, protocol=2)) as app:
        assert refusal(app.port, model).hint == "update the app on the device, or pytest-edgedevice here"


def ending(operation: str) -> Callable[[StandIn, Talk], None]:
    """It ends amid the answer to one operation."""

    def script(app: StandIn, talk: Talk) -> None:
        talk.greet()
        while (frame := talk.ask()) is not None:
            if frame.header["op"] == operation:
                talk.connection.sendall(b"EDG1\xff")
                return
            app.answer(talk, frame)

    return script


@pytest.mark.parametrize(
    ("operation", "hint"),
    [("load", "too large to be compiled"), ("run", "Neural Engine"), ("put", "room"), ("facts", "crash reports")],
)
def test_an_app_that_ends_was_ended_by_the_system(model: Path, operation: str, hint: str) -> None:
    def use(device: Device) -> None:
        loaded = device.load(model)
        loaded.run(X)
        loaded.conditions()

    with StandIn(ending(operation)) as app, opened(app.port) as device, pytest.raises(AgentDiedError) as raised:
        use(device)
    assert raised.value.message.endswith(
        f"the app on phone ended amid {operation!r}: it crashed, or the system ended it, most often for want of memory"
    )
    assert hint in raised.value.hint


def test_a_phone_that_is_unplugged_amid_a_run_is_lost(model: Path) -> None:
    cable = Cable()
    with StandIn(ending("run")) as app, opened(app.port, cable=cable) as device:
        loaded = device.load(model)
        cable.gone = DeviceLostError("phone is not attached any more", hint="plug it in")
        with pytest.raises(DeviceLostError) as raised:
            loaded.run(X)
    assert str(raised.value) == "phone is not attached any more (amid 'run')\n  hint: plug it in"


def test_an_app_that_died_is_opened_again_for_the_next_model(model: Path, closed: int, quick: None) -> None:
    first = StandIn(ending("load"), port=closed)
    with opened(closed, start=python("")) as device:
        with pytest.raises(AgentDiedError):
            device.load(model)
        first.close()
        later = threading.Timer(0.2, lambda: came.append(StandIn(port=closed)))
        came: list[StandIn] = []
        later.start()
        assert device.load(model).info.name == model.name
    came[0].close()


@pytest.mark.parametrize("waits", [True, False])
def test_an_app_that_serves_one_at_a_time_names_the_model_that_is_loaded(model: Path, *, waits: bool) -> None:
    turn = threading.Lock()

    def one_at_a_time(app: StandIn, talk: Talk) -> None:
        if turn.acquire(blocking=waits):
            try:
                app.serve(talk)
            finally:
                turn.release()

    with StandIn(one_at_a_time) as app, opened(app.port) as device:
        with device.load(model):
            device._timeout_s = 0.3
            with pytest.raises(DeadlineError if waits else AgentDiedError) as raised:
                device.load(model)
        assert raised.value.message.endswith(
            "; 'model.tflite' is loaded there, and an app may serve one conversation at a time"
        )
        device._timeout_s = PATIENCE_S
        assert device.load(model).run(X).samples == 1


def test_a_load_has_ten_times_the_deadline_of_an_answer(model: Path) -> None:
    asked: list[LoadRequest] = []

    class Watched(AppRunner):
        def load(self, site: Site, request: LoadRequest) -> LoadedModel:
            asked.append(request)
            return super().load(site, request)

    with StandIn() as app, Device(Cable(), name="phone", facts={}, runner=Watched(port=app.port)) as device:
        device.load(model)
        device.load(model, timeout_s=70)
    assert [one.timeout_s for one in asked] == [600, 70]


def test_a_load_that_takes_too_long_says_where_the_deadline_is(model: Path) -> None:
    def never(app: StandIn, talk: Talk) -> None:
        talk.greet()
        while (frame := talk.ask()) is not None:
            if frame.header["op"] != "load":
                app.answer(talk, frame)

    with StandIn(never) as app, opened(app.port) as device, pytest.raises(DeadlineError) as raised:
        device.load(model, timeout_s=0.3)
    assert raised.value.message == "model 'model.tflite': the app on phone did not answer 'load' within 0.3 s"
    assert "timeout_s" in raised.value.hint


def test_the_background_says_what_to_bring_to_the_front(model: Path) -> None:
    with StandIn() as app, opened(app.port) as device, device.load(model) as loaded:
        app.changes["run"] = {"op": "error", "kind": "background", "message": "no GPU work", "tensors": []}
        with pytest.raises(InfraError) as raised:
            loaded.run(X)
    assert type(raised.value) is InfraError
    assert raised.value.message == "phone computed nothing, as the app is not in front: no GPU work"
    assert raised.value.hint.startswith("bring the app to the foreground and keep the screen on")


@pytest.mark.parametrize(
    ("operation", "answer", "words"),
    [
        ("load", {"kind": "missing", "message": "no blob 12"},
         "phone: the app has lost what it was sent, or said it had (no blob 12)"),
        ("put", {"kind": "full", "message": "no room"}, "phone: no room"),
        ("load", {"kind": "memory", "message": "no memory"}, "phone: no memory"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_the_device_names_it(
    operation: str, answer: dict[str, str], words: str, model: Path
) -> None:
    with StandIn() as app, opened(app.port) as device:
        app.changes[operation] = {"op": "error", **answer}
        with pytest.raises(InfraError) as raised:
            device.load(model)
    assert raised.value.message.endswith(words)
    assert "edgedevice.toml" not in raised.value.hint


def test_the_worst_that_was_told_of_a_measurement_is_in_its_conditions(model: Path) -> None:
    with StandIn() as app, opened(app.port) as device, device.load(model) as loaded:
        app.changes["measure"] = {"conditions": {"thermal_state": "serious", "low_power_mode": True}}
        timing = loaded.measure(X, max_runs=5)
        assert timing.conditions["before"] == {"app_state": "active", "thermal_state": "nominal"}
        assert timing.conditions["after"] == {
            "app_state": "active",
            "thermal_state": "serious",
            "low_power_mode": True,
        }
        assert loaded.conditions()["thermal_state"] == "nominal"


@pytest.mark.parametrize("told", [7, {"app_state": None}, {str(number): 1 for number in range(65)}])
def test_conditions_that_are_none_end_the_conversation(model: Path, told: Any) -> None:
    with StandIn() as app, opened(app.port) as device, device.load(model) as loaded:
        app.changes["measure"] = {"conditions": told}
        with pytest.raises(ProtocolError, match=r"'measure' has .*conditions"):
            loaded.measure(X, max_runs=5)


def test_what_a_command_started_ends_also_when_we_are_killed() -> None:
    """Also when the command itself has ended long before, and left something that runs."""
    code = (
        "import time\n"
        "from pytest_edgedevice.runners.app.starting import StartCommand\n"
        "command = StartCommand(['/bin/sh', '-c', 'sleep 600 & exit 7'])\n"
        "while command.status is None: time.sleep(0.01)\n"
        "print(command.status, command._child.pid, flush=True)\n"
        "time.sleep(600)\n"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        status, group = map(int, process.stdout.readline().split())
        os.killpg(group, 0)
        process.kill()
    assert status == 7
    deadline = time.monotonic() + PATIENCE_S
    while group in groups():
        assert time.monotonic() < deadline, f"group {group} outlives us"
        time.sleep(0.01)


@pytest.mark.parametrize("system", ["Linux", "macOS"])
def test_how_a_command_ended_is_told_on_every_system(system: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if system == "macOS":
        monkeypatch.delattr(os, "waitid", raising=False)
    command = StartCommand(["/bin/sh", "-c", "kill -15 $$"])
    deadline = time.monotonic() + PATIENCE_S
    while command.status is None and time.monotonic() < deadline:
        time.sleep(0.01)
    assert command.status == -15
    command.end()
    assert command.status == -15
