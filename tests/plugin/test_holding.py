"""How long a worker keeps its device, and with whom it shares it."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from pytest_edgedevice.leases import who
from pytest_edgedevice.transports.local import local_identity
from tests.plugin.rack import conftest
from tests.plugin.test_world import until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

NEIGHBOUR = """
import sys
from pathlib import Path
from pytest_edgedevice.leases import Holder, acquire
from pytest_edgedevice.transports.local import local_identity
Path("asks").touch()
with acquire(local_identity(), holder=Holder.here(test="tests/theirs.py::test_b"), wait_s=30):
    Path("had").write_text("it")
"""
# the neighbour is started by the first test, and seen waiting before that test ends
TWO = """
import os, sys, pytest
from pathlib import Path
from pytest_edgedevice.leases import waiters
from pytest_edgedevice.transports.local import local_identity
log = []
@pytest.fixture(scope="session")
def built_on_it(edge_device):
    log.append("built")
    yield
    log.append("torn down")
def test_first(edge_device, built_on_it):
    log.append(edge_device)
    os.posix_spawn(sys.executable, [sys.executable, "neighbour.py"], os.environ)
    while not waiters(local_identity()): os.sched_yield()
def test_second(edge_device, built_on_it):
    SECOND
def test_third(edge_device):
    assert edge_device is not None
"""
HANDED_OVER = """assert Path("had").read_text() == "it"
    assert log[0] == log[3] == "built" and log[2] == "torn down" and log[1] is not edge_device"""
KEPT = """assert not Path("had").exists() and log[1:] == [edge_device]"""


@pytest.fixture
def neighbour(pytester: pytest.Pytester) -> None:
    (pytester.path / "neighbour.py").write_text(NEIGHBOUR)


@pytest.mark.usefixtures("neighbour")
@pytest.mark.parametrize("where", ["option", "ini"])
def test_held_for_a_test_the_device_goes_to_whoever_waits_and_comes_back(pytester: pytest.Pytester, where: str) -> None:
    if where == "ini":
        pytester.makeini("[pytest]\nedge_hold = test\n")
    pytester.makepyfile(TWO.replace("SECOND", HANDED_OVER))
    pytester.runpytest(*(["--edge-hold", "test"] if where == "option" else [])).assert_outcomes(passed=3)


@pytest.mark.usefixtures("neighbour")
def test_held_for_the_session_the_device_is_kept_while_others_wait(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(TWO.replace("SECOND", KEPT))
    pytester.runpytest().assert_outcomes(passed=3)
    until((pytester.path / "had").exists)


def test_held_for_a_test_the_device_is_kept_while_nobody_waits(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        "seen = []\ndef test_a(edge_device): seen.append(edge_device)\n"
        "def test_b(edge_device): assert seen == [edge_device]\n"
    )
    pytester.runpytest("--edge-hold", "test").assert_outcomes(passed=2)


def test_an_unknown_way_to_hold_is_told_before_anything_runs(pytester: pytest.Pytester) -> None:
    result = pytester.runpytest("--edge-hold", "ever")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*--edge-hold: 'ever' is not one of session, test"])


def test_an_error_while_the_users_fixtures_end_is_that_tests_error(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        "import pytest\n"
        "@pytest.fixture(scope='session')\ndef built(edge_device):\n    yield\n    raise RuntimeError('stuck')\n"
        "@pytest.mark.edge_shared\ndef test_a(built): pass\n"
        "def test_b(edge_device): assert not edge_device.shared\n"
    )
    result = pytester.runpytest()
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["*RuntimeError: stuck"])


SHARED = """
import os, pytest, time
from pathlib import Path
import numpy as np
ONES = {"a": np.ones((1, 4), "float32"), "b": np.ones((1, 4), "float32")}
def meet(count):
    Path(f"here-{os.getpid()}").touch()
    deadline = time.monotonic() + 60
    while len(list(Path().glob("here-*"))) < count:
        assert time.monotonic() < deadline, "the others never came"
        os.sched_yield()
"""


def test_shared_tests_of_four_workers_run_at_once(pytester: pytest.Pytester, workers: list[str]) -> None:
    body = (
        "@pytest.mark.edge_shared\n@pytest.mark.parametrize('number', range(4))\n"
        "def test_a(edge_model, edge_check, number):\n    model = edge_model('add_float32.tflite')\n    meet(4)\n"
        "    edge_check.close(model.run(ONES), {'sum': np.full((1, 4), 2, 'float32')}, atol=0, rtol=0)\n"
    )
    pytester.makepyfile(SHARED + body)
    pytester.runpytest("-n", "4").assert_outcomes(passed=4)


def test_nothing_shared_runs_while_a_test_measures(pytester: pytest.Pytester, workers: list[str]) -> None:
    body = """
@pytest.mark.parametrize('number', range(4))
@pytest.mark.edge_shared
def test_numbers(edge_device, number):
    path = Path(f"shared-{os.getpid()}")
    path.touch()
    assert not list(Path().glob("alone-*"))
    for _ in range(1000): os.sched_yield()
    path.unlink()
@pytest.mark.parametrize('number', range(4))
def test_alone(edge_device, number):
    path = Path(f"alone-{os.getpid()}")
    path.touch()
    assert not list(Path().glob("shared-*")) and len(list(Path().glob("alone-*"))) == 1
    for _ in range(1000): os.sched_yield()
    path.unlink()
"""
    pytester.makepyfile(SHARED + body)
    pytester.runpytest("-n", "3", "--edge-hold", "test").assert_outcomes(passed=8)


def test_a_worker_that_has_the_device_alone_uses_it_for_shared_tests_too(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        "import pytest\nseen = []\ndef test_a(edge_device): seen.append(edge_device)\n"
        "@pytest.mark.edge_shared\ndef test_b(edge_device): assert seen == [edge_device] and not edge_device.shared\n"
    )
    pytester.runpytest().assert_outcomes(passed=2)


def test_a_worker_that_shares_the_device_leases_it_alone_for_the_next_test(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        "import pytest\n@pytest.mark.edge_shared\ndef test_a(edge_device): assert edge_device.shared\n"
        "def test_b(edge_device): assert not edge_device.shared\n"
    )
    pytester.runpytest().assert_outcomes(passed=2)


@pytest.mark.parametrize("before", ["", "def test_before(edge_device): pass\n"])
@pytest.mark.parametrize("how", ["edge_check.latency(model, p95_ms=1000)", "model.measure()"])
def test_a_shared_test_cannot_measure_whoever_else_is_there(pytester: pytest.Pytester, before: str, how: str) -> None:
    pytester.makepyfile(
        f"import pytest\n{before}@pytest.mark.edge_shared\ndef test_a(edge_model, edge_check):\n"
        f"    model = edge_model('add_float32.tflite')\n    {how}\n"
    )
    result = pytester.runpytest()
    result.assert_outcomes(failed=1, passed=1 if before else 0)
    result.stdout.fnmatch_lines(["E *InputError: *shared*"])


@pytest.mark.parametrize("arguments", ["True", "reason='numbers'"])
def test_a_misused_shared_marker_shows_its_form(pytester: pytest.Pytester, arguments: str) -> None:
    pytester.makepyfile(f"import pytest\n@pytest.mark.edge_shared({arguments})\ndef test_a(edge_model): pass")
    result = pytester.runpytest()
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines([f"*edge_shared({arguments}) is misused; its form is @pytest.mark.edge_shared"])


def test_two_specs_of_one_device_never_wait_for_each_other(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(conftest(one={}, two={}) + "\nlocal = LocalTransport.identity\nRack.identity = local\n")
    pytester.makepyfile(
        "def test_a(edge_device): pass\ndef test_b(edge_device, request):\n"
        "    assert edge_device.name == request.node.callspec.params['edge_device']\n"
    )
    result = pytester.runpytest(
        "--edge-wait", "0", "--edge-hold", "test", "--device", "one", "--device", "two", "--device", "local", "-v"
    )
    result.assert_outcomes(passed=6)
    result.stdout.fnmatch_lines(["*::test_b[[]two] PASSED*"])
    assert who(local_identity()) is None


@pytest.fixture
def release() -> Iterator[Callable[[], None]]:
    """Somebody holds this machine until told."""
    command = [
        sys.executable,
        "-c",
        NEIGHBOUR.replace('    Path("had").write_text("it")', '    print("held", flush=True)\n    sys.stdin.read()'),
    ]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        assert process.stdout.readline() == "held\n"
        yield process.stdin.close
        process.stdin.close()


@pytest.mark.usefixtures("release")
def test_who_waited_in_vain_once_waits_no_more_for_the_same(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_a(edge_device): pass\ndef test_b(edge_device): pass\ndef test_c(edge_device): pass")
    result = pytester.runpytest("--edge-wait", "0.5")
    result.assert_outcomes(errors=3)
    printed = result.stdout.str()
    assert printed.count("waited 0 s, place 1") + printed.count("waited 1 s, place 1") == 1
    assert printed.count("test tests/theirs.py::test_b") >= 3
