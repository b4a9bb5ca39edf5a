"""``edgedevice run`` on this machine: real models, real agents, and what comes of misuse, loss and Ctrl-C."""

from __future__ import annotations

import contextlib
import json
import math
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import pytest

from pytest_edgedevice.cli import main, running_sweep
from pytest_edgedevice.cli import running as command
from pytest_edgedevice.errors import DeviceLostError
from tests.unit.cli.swept import FakeDevice, gives, timing

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.unit.cli.conftest import Terminal

pytestmark = pytest.mark.usefixtures("agents")
FIXTURES = Path(__file__).parents[3] / "fixtures"
TINY = FIXTURES / "tiny"
ADD = str(TINY / "no_batch.tflite")
DEADLINE_S = 60.0


@pytest.fixture(autouse=True)
def watched_briefly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Half a second of processor time a row is for what a user reads; here it is enough that it was watched."""
    monkeypatch.setattr(running_sweep, "WATCH_S", 0.01)


def told(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> dict[str, Any]:
    """What ``--json`` prints; of the numbers only a few matter here, so a few runs are enough."""
    assert main(["run", "--json", "--runs", "3", *arguments]) == code
    found = json.loads(capsys.readouterr().out)
    assert isinstance(found, dict)
    return found


class Opened(FakeDevice):
    """As ``open_device`` gives one."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing is there to be closed."""


def states(found: dict[str, Any]) -> list[tuple[str, int | None, str]]:
    return [(row["delegate"], row["threads"], row["state"]) for row in found["devices"][0]["rows"]]


def test_all_delegates_are_the_default_and_those_that_cannot_be_had_say_why(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["run", ADD, "--runs", "3"]) == 0
    shown = capsys.readouterr()
    assert shown.err == ""
    title, blank, head, *table = shown.out.splitlines()
    assert title.startswith("no_batch.tflite (")
    assert title.endswith(", random inputs")
    assert (blank, " ".join(head.split())) == ("", "delegate p50 ms p95 ms speed-up error relative memory placement")
    assert " ".join(line.split()[0] for line in table[:7]) == "cpu default xnnpack gpu npu nnapi reference"
    assert table[5].startswith("nnapi      impossible: delegate 'nnapi' cannot be had on local")
    assert table[2].split()[4:6] == ["equal", "0"]
    assert " runs each after warming up, on the device" in shown.out


def test_threads_make_a_row_each_and_numbers_are_whole(capsys: pytest.CaptureFixture[str]) -> None:
    found = told(capsys, str(FIXTURES / "models" / "face_detector.tflite"), "--delegate", "xnnpack", "--threads", "1,2")
    assert states(found) == [("cpu", 1, "ran"), ("xnnpack", 1, "ran"), ("xnnpack", 2, "ran")]
    first, *others = found["devices"][0]["rows"]
    assert (first["error"], first["speed_up"]) == (None, 1.0)
    for row in others:
        assert row["placement"]["proven"] == "xnnpack"
        assert (row["placement"]["delegated"], row["placement"]["nodes"]) == (164, 164)
        assert set(row["error"]["outputs"]) == {"regressors", "classificators"}
        assert 0 < row["error"]["relative"] < 1e-3
        assert row["runs"] == len(row["samples_ns"]) == 3
        assert row["resources"]["model_bytes"] == found["model"]["size_bytes"]


def test_quantised_outputs_are_compared_in_steps(capsys: pytest.CaptureFixture[str]) -> None:
    found = told(capsys, str(FIXTURES / "models" / "digits_int8.tflite"), "--delegate", "default")
    error = found["devices"][0]["rows"][1]["error"]
    assert (type(error["steps"]), error["absolute"]) == (int, None)


def test_inputs_of_a_file_are_what_runs(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    np.savez(tmp_path / "in.npz", x=np.array([[1, np.inf, 3, 4]], np.float32))
    found = told(capsys, ADD, "--delegate", "cpu,xnnpack", "--input", str(tmp_path / "in.npz"))
    assert found["inputs"] == str(tmp_path / "in.npz")
    assert found["devices"][0]["rows"][1]["error"]["problem"] == "y: 1 NaN or Inf here, 1 in the reference"


def test_inputs_that_do_not_fit_are_told_once(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    np.savez(tmp_path / "in.npz", z=np.ones((1, 4), np.float32))
    assert main(["run", ADD, "--delegate", "cpu,xnnpack", "--input", str(tmp_path / "in.npz")]) == 1
    rows = capsys.readouterr().out.splitlines()[3:]
    assert rows == [
        "cpu        the model has no input 'z'; its inputs are ['x']",
        "           hint: did you mean 'x'?",
        "xnnpack    the same",
    ]


@pytest.mark.parametrize("name", ["stateful", "two_inputs", "scalar", "dynamic", "dynamic_output", "unnamed", "nan"])
def test_odd_models_run(capsys: pytest.CaptureFixture[str], name: str) -> None:
    found = told(capsys, str(TINY / f"{name}.tflite"), "--delegate", "cpu,default")
    assert [state for _, _, state in states(found)] == ["ran", "ran"]


def test_a_delegate_that_leaves_operators_over_is_a_row(capsys: pytest.CaptureFixture[str]) -> None:
    found = told(capsys, str(TINY / "partial.tflite"), "--delegate", "xnnpack,default")
    assert [state for _, _, state in states(found)] == ["ran", "failed", "ran"]
    assert "took 2 of 3 operators" in found["devices"][0]["rows"][1]["sentence"]
    assert found["devices"][0]["rows"][2]["placement"]["left_over"] == {"CUMSUM": 1}


@pytest.mark.parametrize("name", ["crash", "crash_on_load", "custom_op"])
def test_a_model_that_never_runs_is_rows_of_sentences_and_an_exit_code(
    capsys: pytest.CaptureFixture[str], name: str
) -> None:
    found = told(capsys, str(TINY / f"{name}.tflite"), "--delegate", "cpu,reference", code=1)
    assert [state for _, _, state in states(found)] == ["failed", "failed"]
    assert found["devices"][0]["error"] is None


@pytest.mark.parametrize("name", ["a\x1b[2J.tflite", "ü 模型 $(reboot).tflite", "-a'b\"c.tflite", "b\udcff.tflite"])
def test_a_hostile_file_name_is_only_a_name(capsys: pytest.CaptureFixture[str], tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(Path(ADD).read_bytes())
    assert main(["run", "--runs", "3", "--delegate", "cpu", "--", os.path.join(".", name)]) == 0  # noqa: PTH118 - "./"
    assert all(line.isprintable() for line in capsys.readouterr().out.splitlines())
    assert told(capsys, str(tmp_path / name), "--delegate", "cpu")["model"]["name"] == name


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["no.tflite"], "edgedevice: model 'no.tflite' does not exist\n  hint: paths are relative to "),
        ([str(TINY)], "is a folder"),
        ([ADD, "--input", "no.npz"], "edgedevice: inputs 'no.npz' cannot be read: No such file or directory"),
        ([ADD, "--config", "no.toml"], "no.toml"),
        ([ADD, "--device", "kitchen"], "edgedevice: "),
        ([ADD, "--device", "cores>=9999"], "edgedevice: "),
        ([ADD, "--device", ""], "edgedevice: "),
    ],
    ids=str,
)
def test_what_is_not_there_is_one_sentence(capsys: pytest.CaptureFixture[str], arguments: list[str], text: str) -> None:
    assert main(["run", *arguments]) == 1
    shown = capsys.readouterr()
    assert text in shown.err
    assert shown.out == ""


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--delegate", "warp"], "delegate 'warp' is unknown; known are default, cpu"),
        (["--delegate", "cpu,"], "delegate '' is unknown"),
        (["--delegate", "external:"], "delegate 'external:' is unknown"),
        (["--threads", "0"], "'0' is no number of threads, such as 1,2,4, from 1 to 1024"),
        (["--threads", "1,,2"], "'' is no number of threads"),
        (["--threads", "9" * 5000], "is no number of threads"),
        (["--runs", "-1"], "'-1' is no number of runs"),
        (["--runs", "1e3"], "'1e3' is no number of runs"),
    ],
    ids=str,
)
def test_misuse_exits_with_2(capsys: pytest.CaptureFixture[str], arguments: list[str], text: str) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["run", ADD, *arguments])
    assert stopped.value.code == 2
    assert text in capsys.readouterr().err


def test_a_library_with_commas_in_its_path_is_one_delegate(capsys: pytest.CaptureFixture[str]) -> None:
    found = told(capsys, ADD, "--delegate", "external:/no/a,b.so")
    assert states(found) == [("cpu", 1, "ran"), ("external:/no/a,b.so", 1, "failed")]


def test_an_engine_that_is_not_there_is_a_sentence_in_every_row(capsys: pytest.CaptureFixture[str]) -> None:
    found = told(capsys, ADD, "--engine", "warp", "--delegate", "cpu", code=1)
    assert "engine 'warp' is unknown" in found["devices"][0]["rows"][0]["sentence"]


def test_several_devices_run_in_turn_and_one_that_is_missing_stops_no_other(
    capsys: pytest.CaptureFixture[str], device_file: Path
) -> None:
    arguments = ["--delegate", "cpu", "--runs", "3", "--device", "nowhere", "--device", "bench", "--device", "local"]
    assert main(["run", ADD, *arguments]) == 0
    shown = capsys.readouterr()
    assert [line.partition(" on ")[2].split(",")[0] for line in shown.out.splitlines() if " on " in line][:1] == [
        "bench"
    ]
    assert " on local, " in shown.out
    assert "nowhere" in shown.err


def test_a_board_behind_ssh_runs_models_too(capsys: pytest.CaptureFixture[str], board: Path) -> None:
    found = told(capsys, ADD, "--delegate", "xnnpack", "--device", "ssh:pi@kitchen")
    assert states(found) == [("cpu", 1, "ran"), ("xnnpack", 1, "ran")]
    assert found["devices"][0]["rows"][1]["placement"]["proven"] == "xnnpack"


def test_a_device_that_somebody_holds_is_told(capsys: pytest.CaptureFixture[str], ada: object) -> None:
    assert main(["run", ADD, "--wait", "0"]) == 1
    shown = capsys.readouterr().err
    assert "ada" in shown
    assert "hint: wait longer with --wait SECONDS" in shown


def test_what_a_measurement_waits_for_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def opened(*_: Any, on_pause: Callable[[str], None], **__: Any) -> Opened:
        on_pause("it is hot")
        on_pause("")
        return Opened(cpu=gives(1))

    monkeypatch.setattr(command, "open_device", opened)
    assert main(["run", ADD, "--delegate", "cpu"]) == 0
    assert capsys.readouterr().err == "it is hot\n"


def test_a_line_of_what_is_done_now_is_wiped_before_the_next_thing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setattr(command, "open_device", lambda *_, **__: Opened(cpu=gives(1)))
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    assert main(["run", ADD, "--delegate", "cpu", "--device", "a\x1b[2Jb" * 9]) == 0
    assert capsys.readouterr().err.split("\r")[1:6:2] == [
        "opening " + "a?[2Jb" * 5 + "a",
        f"{'running cpu, 1 thread':39}",
        " " * 39,
    ]


def test_a_device_that_is_lost_keeps_its_rows_and_tells_why(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    device = Opened(cpu=gives(1), others=DeviceLostError("desk is gone", hint="plug it in"))
    monkeypatch.setattr(command, "open_device", lambda *_, **__: device)
    assert main(["run", ADD]) == 0
    shown = capsys.readouterr()
    assert "cpu 164/164" in shown.out
    assert "latency: 118 runs" in shown.out
    assert shown.err == "edgedevice: desk is gone\n  hint: plug it in\n"
    found = told(capsys, ADD)
    assert found["devices"][0]["error"] == {"message": "desk is gone", "hint": "plug it in"}
    assert states(found) == [("cpu", 1, "ran")]


def test_numbers_that_json_does_not_know_are_null(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    model = gives(1)
    monkeypatch.setattr(model, "measure", lambda **_: timing(1.0, p99_ms=math.inf))
    monkeypatch.setattr(command, "open_device", lambda *_, **__: Opened(cpu=model))
    assert told(capsys, ADD, "--delegate", "cpu")["devices"][0]["rows"][0]["p99_ms"] is None


def test_a_terminal_shows_what_is_done_now_and_then_only_the_table(terminal: Callable[..., Terminal]) -> None:
    shown = terminal("run", ADD, "--delegate", "cpu,xnnpack", "--runs", "3")
    shown.until("running xnnpack, 1 thread")
    assert shown.end() == 0
    assert "error: largest difference" in shown.shown


def test_ctrl_c_says_so_and_leaves_nothing(
    terminal: Callable[..., Terminal], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path / "temp"))
    shown = terminal("run", str(TINY / "slow.tflite"), "--delegate", "cpu", "--runs", "100000")
    shown.until("running cpu")
    deadline = time.monotonic() + DEADLINE_S
    while not (agents := descendants(shown.process.pid)):
        assert time.monotonic() < deadline, "no agent ever started"
        time.sleep(0.02)
    shown.type(b"\x03")
    assert shown.end() == 1
    assert "edgedevice: interrupted" in shown.shown
    while any(Path(f"/proc/{pid}").exists() for pid in agents):
        assert time.monotonic() < deadline, "the agent outlives the command"
        time.sleep(0.02)
    assert list((tmp_path / "temp").iterdir()) == []
    assert main(["run", ADD, "--delegate", "cpu", "--runs", "3", "--wait", "0"]) == 0  # nobody holds the device


def descendants(pid: int) -> list[int]:
    """Processes below one, as Linux lists them."""
    found = []
    for tasks in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):  # it has just ended
            for child in tasks.read_text().split():
                found += [int(child), *descendants(int(child))]
    return found
