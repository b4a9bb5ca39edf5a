"""One device in one process: forgotten, shared by threads, inherited by a fork, left behind by a kill."""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from pytest_edgedevice import Device, open_device
from pytest_edgedevice.errors import DeviceBusyError, InputError
from tests.peers.forked_agents import forked_agents

if TYPE_CHECKING:
    from collections.abc import Iterator

ADD = Path(__file__).parents[2] / "fixtures" / "tiny" / "add_float32.tflite"
ONES = {"a": np.ones((1, 4), np.float32), "b": np.ones((1, 4), np.float32)}


@pytest.fixture(scope="module", autouse=True)
def _forked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Agents that need not start from nothing."""
    with forked_agents(tmp_path_factory.mktemp("agents")):
        yield


@pytest.fixture(autouse=True)
def _locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGEDEVICE_LOCKS", str(tmp_path / "locks"))


def test_threads_that_share_a_model_take_turns() -> None:
    with open_device("local") as device, device.load(ADD) as model, ThreadPoolExecutor(4) as threads:
        runs = list(threads.map(lambda _: model.run(ONES), range(40)))
    assert all(np.array_equal(run.outputs["sum"], [[2, 2, 2, 2]]) for run in runs)


def test_a_forked_child_neither_ends_nor_uses_what_its_parent_loaded() -> None:
    code = f"""
import os, sys, numpy
from pytest_edgedevice import open_device
from pytest_edgedevice.errors import InputError
x = {{name: numpy.ones((1, 4), numpy.float32) for name in "ab"}}
with open_device("local") as device:
    model = device.load({str(ADD)!r})
    if os.fork() == 0:
        try:
            model.run(x)
        except InputError:
            sys.exit(7)
    assert os.waitstatus_to_exitcode(os.wait()[1]) == 7
    assert (model.run(x).outputs["sum"] == 2).all()
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_device_that_was_forgotten_is_handed_back_with_a_warning() -> None:
    device = open_device("local")
    held = [device]
    del device
    with pytest.warns(ResourceWarning, match="never closed"):
        _forget(held)
    open_device("local").close()


def _forget(held: list[Device]) -> None:
    held.clear()
    gc.collect()


def test_a_second_open_in_one_process_says_that_this_process_holds_it() -> None:
    with open_device("local"), pytest.raises(DeviceBusyError, match="that is this process"):
        open_device("local")


OWNER = """
import os, sys
from pytest_edgedevice import open_device
device = open_device("local")
model = device.load(sys.argv[1])
print(device._transport.folder, model._backend.client.hello["pid"], flush=True)
sys.stdin.read()
"""


@pytest.fixture
def crashed(tmp_path: Path) -> Iterator[tuple[Path, int]]:
    """The folder of a session whose owner was killed while its agent was stopped, and the agent's number."""
    (tmp_path / "theirs").mkdir(exist_ok=True)
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER, str(ADD)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(tmp_path / "theirs")},
    )
    with owner:
        assert owner.stdout is not None
        folder, agent = owner.stdout.readline().split()
        os.kill(int(agent), signal.SIGSTOP)
        while state(int(agent)) not in "TX":  # another of its threads could still see the end of its stream
            time.sleep(0.001)
        owner.send_signal(signal.SIGKILL)
    yield Path(folder), int(agent)
    if alive(int(agent)):
        with contextlib.suppress(ProcessLookupError):  # it may end between the two
            os.kill(int(agent), signal.SIGKILL)


def alive(pid: int) -> bool:
    return state(pid) not in "ZX"


def state(pid: int) -> str:
    """The letter that the kernel gives; X where there is no such process any more."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()[0]
    except OSError:
        return "X"


@pytest.fixture(params=["theirs", "ours"], ids=["in the same place", "under another TMPDIR"])
def _temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """Where this session's folder is made."""
    (tmp_path / request.param).mkdir(exist_ok=True)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / request.param))


@pytest.mark.usefixtures("_temporary")
def test_a_stopped_agent_of_a_killed_session_is_gone_with_its_folder_when_the_next_has_opened(
    crashed: tuple[Path, int],
) -> None:
    folder, agent = crashed
    with open_device("local"):
        assert (alive(agent), folder.exists()) == (False, False)


@pytest.mark.usefixtures("_temporary")
def test_what_was_cleaned_up_is_told(crashed: tuple[Path, int]) -> None:
    with open_device("local") as device:
        assert device.recovered[1:] == ("ended 1 process", f"removed {crashed[0]}")


@pytest.mark.parametrize(
    "options",
    [
        {"engine": 5},
        {"delegate": None},
        {"delegate_options": [1]},
        {"delegate": "cpu", "delegate_options": {"a": 1}},
        {"timeout_s": float("nan")},
        {"timeout_s": 0},
        {"timeout_s": "x"},
        {"threads": True},
    ],
)
def test_arguments_of_load_that_cannot_be_are_refused_before_anything_starts(
    options: dict[str, object], device: Device
) -> None:
    with pytest.raises(InputError):
        device.load(ADD, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("path", [None, 3, b"model.tflite"])
def test_a_model_that_is_no_path_is_refused(path: object, device: Device) -> None:
    with pytest.raises(InputError, match="named by its path"):
        device.load(path)  # type: ignore[arg-type]


@pytest.mark.parametrize("wait_s", [-1, float("nan"), float("inf"), "x", None])
def test_a_wait_that_is_no_span_of_time_is_refused(wait_s: object) -> None:
    with pytest.raises(InputError, match="wait_s"):
        open_device("local", wait_s=wait_s)  # type: ignore[arg-type]


def test_what_is_measured_is_what_ran_even_if_the_array_changes_later(device: Device) -> None:
    with device.load(ADD) as model:
        x = {name: array.copy() for name, array in ONES.items()}
        model.run(x)
        x["a"][:] = np.nan
        assert model.measure(max_runs=10).samples_ns
        with pytest.raises(InputError, match="holds NaN"):
            model.measure(x)


@pytest.fixture
def device(_locks: None) -> Iterator[Device]:
    with open_device("local") as opened:
        yield opened
