"""pytest on simulated iPhones whose world goes wrong: whose fault it is, what is read, and that the phone is free."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest

from pytest_edgedevice.leases import who
from pytest_edgedevice.testing.device import until
from pytest_edgedevice.transports.usbmux import library
from tests.contract import ios_devices
from tests.contract.ios_devices import IDENTITY, PORT, UDID, table, until_left
from tests.peers.iphone import App, Phone, SimulatedPhones, disorder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.peers.iphone.disorder import Disorder

OTHER = "00008110-000A0B0C0D0E0F01"
SPEC = f"ios:{UDID}"
FAULTS = ("dies_mid_reply", "dies_of_loading", "garbage", "hangs_up", "silent_after_hello", "speaks_version_2")
START = "import numpy as np\nfrom tests.contract.ios_devices import RUNNING\n"
SUM = """
def test_sum(edge_model):
    model = edge_model("add_float32.tflite")
    RUNNING["meanwhile"]()
    run = model.run({name: np.ones((1, 4), "float32") for name in "ab"})
    assert (run.outputs["sum"] == 2).all()
"""


library.require(lockdown=True)  # pytester forgets what is first imported inside a run, and ours keeps classes of it


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    with App(tmp_path_factory.mktemp("app")) as opened:
        yield opened


@pytest.fixture(scope="module")
def spoiled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    """One with faults, whose conversations may never end."""
    with App(tmp_path_factory.mktemp("spoiled"), *FAULTS) as opened:
        yield opened


@pytest.fixture
def bus(app: App, monkeypatch: pytest.MonkeyPatch, pytester: pytest.Pytester) -> Iterator[SimulatedPhones]:
    """A usbmuxd without phones; whatever happens to them, none is leased at the end and nothing is in the app."""
    pytester.makepyfile(START + SUM)
    monkeypatch.setenv("COLUMNS", "400")
    monkeypatch.setitem(ios_devices.RUNNING, "meanwhile", lambda: None)
    with SimulatedPhones() as started:
        monkeypatch.setenv("USBMUXD_SOCKET_ADDRESS", started.address)
        yield started
    assert who(IDENTITY) is None


@pytest.fixture
def phone(bus: SimulatedPhones, app: App) -> Phone:
    """The only phone there, with the app in front."""
    return bus.attach(udid=UDID, ports={PORT: app.address})


@pytest.fixture
def meanwhile(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], object]], None]:
    """Has something happen between load and run, the first time."""

    def happens(does: Callable[[], object]) -> None:
        todo = [does]
        monkeypatch.setitem(ios_devices.RUNNING, "meanwhile", lambda: todo.pop()() if todo else None)

    return happens


@pytest.fixture
def world_failed(pytester: pytest.Pytester) -> Callable[..., None]:
    """Runs the test, which must end as an error of the world that says all of this, in this order."""

    def check(*words: str, device: str = SPEC, more: tuple[str, ...] = ()) -> None:
        result = pytester.runpytest("--device", device, "--edge-reconnect", "0", *more)
        result.assert_outcomes(errors=1)
        result.stdout.fnmatch_lines([f"*{one}*" for one in words])
        result.stdout.no_fnmatch_line("*Traceback*")

    return check


NOT_THERE = "hint: plug it in, unlock it and tap Trust*"
DEADLINE = ("--edge-timeout", "1")


@pytest.mark.parametrize(
    ("attached", "device", "words"),
    [
        ({}, "ios", ("no iPhone is attached. usbmuxd at 127.0.0.1:* sees: nothing", NOT_THERE)),
        ({UDID: {}}, f"ios:{OTHER}", (f"no iPhone '{OTHER}' is attached. *sees: {UDID} (USB)", NOT_THERE)),
        ({UDID: {"locked": True}}, SPEC, (f"nothing listens on port 17341 of iPhone {UDID}: *or the phone is locked",
         "hint: unlock the phone and open the app there, *in edgedevice.toml a command that opens it: start =*")),
        ({UDID: {"paired": False, "ports": {}}}, SPEC,
         ("PortRefusedError: *or refuses this host, which it is not paired with",)),
        ({UDID: {"ports": {}}}, SPEC, ("PortRefusedError: *the app is closed or suspended, or the phone is locked",)),
        ({UDID: {"ports": {PORT: disorder.silent}}}, SPEC,
         ("DeadlineError: the app * took the connection and did not say hello within *",
          "hint: bring it to the foreground*and unlock the phone")),
        ({UDID: {"ports": {PORT: disorder.flood}}}, SPEC, (f"ProtocolError: {SPEC}: no agent answered, but *",)),
    ],
    ids=["none", "another", "locked", "not paired", "closed", "silent", "flood"],
)  # fmt: skip
def test_what_is_wrong_from_the_start_is_told(
    bus: SimulatedPhones,
    app: App,
    world_failed: Callable[..., None],
    attached: dict[str, dict[str, object]],
    device: str,
    words: tuple[str, ...],
) -> None:
    for udid, what in attached.items():
        bus.attach(udid=udid, **{"ports": {PORT: app.address}, **what})
    world_failed(*words, device=device, more=DEADLINE)


@pytest.mark.parametrize("pairing", ["accept", "pending", "deny"])
def test_a_phone_that_is_not_paired_runs_models_where_its_app_is_open(
    bus: SimulatedPhones, app: App, pytester: pytest.Pytester, pairing: str
) -> None:
    phone = bus.attach(udid=UDID, paired=False, pairing=pairing, ports={PORT: app.address})
    pytester.runpytest("--device", SPEC).assert_outcomes(passed=1)
    assert phone.trusted == {}  # nobody was asked for trust by the way
    until_left(app)


def test_of_two_phones_any_serves_where_none_is_named(
    bus: SimulatedPhones, app: App, pytester: pytest.Pytester
) -> None:
    for udid in (UDID, OTHER):
        bus.attach(udid=udid, ports={PORT: app.address})
    pytester.runpytest("--device", "ios").assert_outcomes(passed=1)
    until_left(app)


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("dies_mid_reply", ("AgentDiedError: the app on * ended amid 'run': *want of memory", "hint: the first pred*")),
        ("dies_of_loading", ("AgentDiedError: model 'add_float32.tflite': the app * ended amid 'load': *", "hint: *")),
        (
            "garbage",
            ("AgentDiedError: the app * closed the connection before it said hello", "*it said: HTTP/1.1 400*"),
        ),
        ("hangs_up", ("AgentDiedError: the app * closed the connection before it said hello", "hint: it crashed as *")),
        ("silent_after_hello", ("DeadlineError: the app * did not answer 'have' within 1 s", "hint: *foreground")),
        (
            "speaks_version_2",
            ("ProtocolError: * speaks protocol 2, this host 1", "hint: update the app on the device*"),
        ),
    ],
)
def test_an_app_that_goes_wrong_is_the_worlds_fault(
    bus: SimulatedPhones, spoiled: App, world_failed: Callable[..., None], fault: str, words: tuple[str, ...]
) -> None:
    bus.attach(udid=UDID, ports={PORT: spoiled.at(fault)})
    world_failed(*words, more=DEADLINE)


def test_an_unplugged_phone_is_lost(
    phone: Phone, meanwhile: Callable[..., None], world_failed: Callable[..., None]
) -> None:
    meanwhile(phone.detach)
    world_failed(
        f"DeviceLostError: iPhone {UDID} was unplugged, or has restarted*amid 'run'*",
        "hint: plug it in again and unlock it; is the cable sound?",
    )


def test_a_phone_that_is_plugged_in_again_goes_on(
    phone: Phone, app: App, meanwhile: Callable[..., None], pytester: pytest.Pytester
) -> None:
    def loose() -> None:
        phone.detach()
        phone.attach_again()

    meanwhile(loose)
    result = pytester.runpytest("--device", SPEC, "-s")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines([f"*{SPEC} was lost (iPhone {UDID} was unplugged*"])
    until_left(app)


def test_a_usbmuxd_that_ends_in_mid_run_is_named(
    phone: Phone, meanwhile: Callable[..., None], world_failed: Callable[..., None]
) -> None:
    meanwhile(phone.bus.stop)
    world_failed(f"DeviceLostError: the connection to iPhone {UDID} ended: usbmuxd at * does not run*amid 'run'*")


def test_without_usbmuxd_it_is_said_where_it_was_looked_for(
    bus: SimulatedPhones, world_failed: Callable[..., None]
) -> None:
    bus.stop()
    world_failed("usbmuxd at 127.0.0.1:* does not run*", "hint: USBMUXD_SOCKET_ADDRESS says that it is there*")


def test_an_app_behind_is_to_be_brought_to_the_front(
    phone: Phone, app: App, meanwhile: Callable[..., None], world_failed: Callable[..., None]
) -> None:
    meanwhile(lambda: app.tell(app_state="background"))
    try:
        world_failed(
            f"InfraError: {SPEC} computed nothing, as the app is not in front: Insufficient Permission*",
            "hint: bring the app to the foreground*",
        )
    finally:
        app.tell()


def test_an_app_that_is_suspended_in_mid_run_is_not_waited_for_longer_than_the_deadline(
    phone: Phone,
    app: App,
    meanwhile: Callable[..., None],
    world_failed: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("pytest_edgedevice.runners.app.runner.LEAVE_S", 0.2)
    meanwhile(app.suspend)
    try:
        world_failed("DeadlineError: the app * did not answer 'run' within 1 s", "*in the foreground", more=DEADLINE)
    finally:
        app.resume()


@pytest.mark.parametrize("lie", [disorder.garbage, disorder.bomb])
def test_a_usbmuxd_that_is_none_is_the_worlds_fault(
    phone: Phone, world_failed: Callable[..., None], lie: Disorder
) -> None:
    phone.bus.faults["ListDevices"] = lie
    world_failed("TransportError: usbmuxd at * gives no answer that makes sense: *")


def test_a_phone_that_promises_gigabytes_is_the_worlds_fault(phone: Phone, world_failed: Callable[..., None]) -> None:
    phone.faults["GetValue"] = disorder.huge_length
    world_failed(f"TransportError: iPhone {UDID} was asked for its facts and answered: *over the 4194304-byte limit*")


@pytest.mark.parametrize(
    ("what", "words"),
    [
        ({"developer_mode": False}, ("TransportError: the developer mode of iPhone * is off*", "hint: turn it on: *")),
        ({"paired": False}, (f"TransportError: iPhone {UDID} is not paired with this host", "hint: unlock it, run: *")),
        ({"locked": True}, (f"TransportError: iPhone {UDID} is locked", "hint: unlock it*")),
        ({}, ("TransportError: p15: the app could not be opened; the command ended with exit code 3: sh -c *",
              "*it said: no such bundle", "hint: run that command by hand until it works")),
    ],
    ids=["developer mode off", "not paired", "locked", "the command fails"],
)  # fmt: skip
def test_what_keeps_a_command_from_opening_the_app_is_told(
    bus: SimulatedPhones,
    world_failed: Callable[..., None],
    pytester: pytest.Pytester,
    what: dict[str, bool],
    words: tuple[str, ...],
) -> None:
    bus.attach(udid=UDID, **what)
    start = 'start = ["sh", "-c", "echo no such bundle >&2; exit 3"]'
    (pytester.path / "edgedevice.toml").write_text(table("p15", start), encoding="utf-8")
    world_failed(*words, device="p15")


@pytest.mark.usefixtures("cold")  # it must be a child of this process
def test_a_command_opens_the_app_and_is_ended_with_the_run(
    phone: Phone, tmp_path_factory: pytest.TempPathFactory, pytester: pytest.Pytester
) -> None:
    with App(tmp_path_factory.mktemp("closed")) as closed:
        closed.close()
        phone.ports[PORT] = closed.address
        (pytester.path / "edgedevice.toml").write_text(table("p15", f"start = {closed.command!r}"), encoding="utf-8")
        pytester.runpytest("--device", "p15").assert_outcomes(passed=1)
        until(lambda: refused(closed))


def refused(app: App) -> bool:
    """Whether nobody listens there any more."""
    with socket.socket() as client:
        return client.connect_ex(app.address) != 0
