"""The world breaks in the middle of a run: agents die and hang, devices are held, pytest is interrupted."""

from __future__ import annotations

import os
import platform
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_edgedevice.leases import Holder, acquire
from pytest_edgedevice.transports.local import local_identity

if TYPE_CHECKING:
    from collections.abc import Iterator

MODELS = """
import os, time, numpy as np, pytest
from pathlib import Path
def ones(): return {name: np.ones((1, 4), "float32") for name in "ab"}
def crash(model):
    low, minus = np.full((1, 4), -2**31, "int32"), np.full((1, 4), -1, "int32")
    model.run({"a": low, "b": minus})
def hang(model): model.run({"steps": np.array([2**31 - 1], "int32")})
"""
NEXT = "\ndef test_next(edge_model, edge_check):\n    edge_check.size(edge_model('add_float32.tflite'), max_mb=1)\n"
DYING = [("edge_model('crash_on_load.tflite')", "SIGSEGV during 'load'")]
if platform.machine() == "x86_64":  # other processors define that division
    DYING += [("crash(edge_model('crash.tflite'))", "SIGFPE during 'run'")]
HOLD = """
import sys
from pytest_edgedevice.leases import Holder, acquire
from pytest_edgedevice.transports.local import local_identity
with acquire(local_identity(), holder=Holder.here(test="tests/test_theirs.py::test_long"), wait_s=0):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.mark.parametrize(("body", "text"), DYING)
def test_an_agent_that_dies_is_an_error_and_the_next_test_works(
    pytester: pytest.Pytester, body: str, text: str
) -> None:
    pytester.makepyfile(MODELS + f"def test_dies(edge_model):\n    {body}\n" + NEXT)
    result = pytester.runpytest()
    result.assert_outcomes(errors=1, passed=1)
    result.stdout.fnmatch_lines([f"E *AgentDiedError: *the agent on local died by {text}*", "test_dies *infra*"])


def test_an_agent_that_hangs_is_an_error_and_the_next_test_works(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(MODELS + "def test_hangs(edge_model):\n    hang(edge_model('slow.tflite'))\n" + NEXT)
    result = pytester.runpytest("--edge-timeout", "2")
    result.assert_outcomes(errors=1, passed=1)
    result.stdout.fnmatch_lines(["E *did not answer 'run' within 2 s and was ended", "E *hint: raise --edge-timeout*"])


def test_an_agent_that_dies_before_the_check_fails_every_later_use_of_the_model(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        MODELS + "def test_a(edge_model):\n    model = edge_model('slow.tflite')\n"
        "    with pytest.raises(Exception):\n        hang(model)\n    hang(model)\n"
    )
    result = pytester.runpytest("--edge-timeout", "2")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["E *has ended; load the model again"])


@pytest.fixture
def holder() -> Iterator[None]:
    """Another process holds this machine."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLD], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        assert process.stdout.readline() == "held\n"
        yield
        process.stdin.close()


@pytest.mark.usefixtures("holder")
def test_a_device_that_somebody_holds_is_an_error_that_names_the_holder(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_a(edge_device): pass\ndef test_b(edge_device): pass")
    result = pytester.runpytest("--edge-wait", "1")
    result.assert_outcomes(errors=2)
    result.stdout.fnmatch_lines(
        [
            "edgedevice: waiting for *: place 1, held by *test tests/test_theirs.py::test_long*",
            "*is held by * test tests/test_theirs.py::test_long*",
            "*hint: wait longer with --edge-wait SECONDS*",
        ]
    )


@pytest.mark.usefixtures("holder")
@pytest.mark.parametrize("off", ["no:terminal", "no:capture"])
def test_waiting_works_without_terminal_and_without_capture(pytester: pytest.Pytester, off: str) -> None:
    pytester.makepyfile("def test_a(edge_device): pass")
    arguments = ["-p", off] if off == "no:terminal" else ["-s"]
    assert pytester.runpytest("--edge-wait", "0.5", *arguments).ret == pytest.ExitCode.TESTS_FAILED


def test_others_read_which_test_the_device_is_used_for(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        "from pytest_edgedevice.leases import who\nfrom pytest_edgedevice.transports.local import local_identity\n"
        "def test_a(edge_device): pass\n"
        "def test_b(edge_device):\n    assert who(local_identity()).test.endswith('::test_a')\n"
        "def test_c(edge_model):\n    assert who(local_identity()).test.endswith('::test_c')\n"
    )
    pytester.runpytest().assert_outcomes(passed=2, failed=1)


INTERRUPTED = (
    MODELS
    + """
def test_long(edge_model):
    model = edge_model("slow.tflite")
    Path("started").write_text(os.environ["TMPDIR"])
    hang(model)
def test_never(edge_model): pass
"""
)


def leftovers(sessions: Path) -> list[str]:
    """Folders of sessions, and processes that run from one."""
    folders = [str(path) for path in sessions.glob("edgedevice-*/*session*")]
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if str(sessions) in (entry / "cmdline").read_text():
                folders.append(entry.name)
        except OSError:
            continue
    return folders


def until(condition: object, *, process: subprocess.Popen[bytes] | None = None) -> None:
    """Wait for a condition, at most 20 s; pytest's own timeout is not for this."""
    assert callable(condition)
    ticks = subprocess.Popen(["sleep", "20"])
    try:
        while not condition():
            assert ticks.poll() is None, "in vain"
            assert process is None or process.poll() is None, "pytest ended early"
            os.sched_yield()
    finally:
        ticks.kill()
        ticks.wait()


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_an_interrupted_run_leaves_no_agent_and_no_folder(
    pytester: pytest.Pytester, own_surroundings: Path, how: signal.Signals
) -> None:
    pytester.makepyfile(INTERRUPTED)
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        until((pytester.path / "started").exists, process=process)
        assert leftovers(own_surroundings)
        process.send_signal(how)
    assert process.returncode == (pytest.ExitCode.INTERRUPTED if how == signal.SIGINT else -signal.SIGKILL)
    until(lambda: not leftovers(own_surroundings))
    with acquire(local_identity(), holder=Holder.here(), wait_s=0) as lease:
        assert (lease.dirty is None) == (how == signal.SIGINT)
