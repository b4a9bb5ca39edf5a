"""pytest-xdist and several devices: how many workers, who gets which, and what a crash leaves."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from pytest_edgedevice.leases import note_fault
from tests.plugin.rack import conftest

if TYPE_CHECKING:
    from collections.abc import Callable

RACKS: dict[str, dict[str, object]] = {
    "one": {"rack": True, "gpu": "big"},
    "two": {"rack": True, "gpu": "big"},
    "three": {"rack": True, "npu": "fast"},
}
EACH = """
import pytest
@pytest.mark.parametrize("number", range(6))
def test_a(edge_device, edge_check, number):
    edge_check.metric("number", number)
"""


@pytest.fixture(autouse=True)
def racks(pytester: pytest.Pytester, workers: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PYTEST_XDIST_AUTO_NUM_WORKERS", raising=False)
    pytester.makeconftest(conftest(**RACKS))


def run(pytester: pytest.Pytester, body: str, *arguments: str) -> pytest.RunResult:
    pytester.makepyfile(test_it=body)
    return pytester.runpytest("--edge-report", "json=out.jsonl", *arguments)


def automatic(pytester: pytest.Pytester, number: str, *arguments: str) -> Any:
    """How many workers pytest-xdist is told to start."""
    config = pytester.parseconfig("-n", number, *arguments)
    return config.hook.pytest_xdist_auto_num_workers(config=config)


@pytest.mark.parametrize("number", ["auto", "logical"])
@pytest.mark.parametrize(
    ("specs", "count"),
    [(["rack"], 3), (["one"], 1), (["gpu==big"], 2), (["one", "name==one"], 1), (["one", "three", "local"], 3)],
)
def test_there_is_one_worker_a_device(pytester: pytest.Pytester, number: str, specs: list[str], count: int) -> None:
    named = [argument for spec in specs for argument in ("--device", spec)]
    assert automatic(pytester, number, *named) == count


def test_a_device_that_is_sick_gets_no_worker(pytester: pytest.Pytester) -> None:
    for _ in range(2):
        note_fault("serial-two", name="two", reason="it broke")
    assert automatic(pytester, "auto", "--device", "rack") == 2


@pytest.mark.parametrize("where", ["environment", "ini"])
def test_devices_may_be_named_in_the_environment_and_the_ini(
    pytester: pytest.Pytester, where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if where == "ini":
        pytester.makeini("[pytest]\nedge_device = gpu\n")
    else:
        monkeypatch.setenv("PYTEST_EDGE_DEVICE", "gpu")
    assert automatic(pytester, "auto") == 2


def test_where_no_device_is_named_the_number_is_left_to_xdist(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytester.makeconftest("def pytest_xdist_auto_num_workers(config): return 3")
    assert automatic(pytester, "auto") == 3


def test_a_number_in_xdists_own_variable_counts(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTEST_XDIST_AUTO_NUM_WORKERS", "2")
    assert automatic(pytester, "auto", "--device", "rack") == 2


def test_a_wrong_spec_is_told_once_also_with_auto(pytester: pytest.Pytester) -> None:
    result = run(pytester, "def test_a(): pass", "-n", "auto", "--device", "racc")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert result.stderr.str().count("'racc' is neither a kind") == 1


def test_devices_that_are_contributed_late_are_found(pytester: pytest.Pytester) -> None:
    late = "\nclass Late:\n    pytest_edgedevice_devices = staticmethod(pytest_edgedevice_devices)\n"
    late += "del pytest_edgedevice_devices\ndef pytest_configure(config): config.pluginmanager.register(Late())\n"
    pytester.makeconftest(conftest(**RACKS) + late)
    run(pytester, EACH, "-n", "auto", "--device", "one").assert_outcomes(passed=6)


def test_more_workers_than_devices_are_warned_of_and_take_turns(pytester: pytest.Pytester) -> None:
    result = run(pytester, EACH, "-n", "3", "--device", "one")
    result.assert_outcomes(passed=6)
    result.stdout.fnmatch_lines(["edgedevice: 3 workers share 1 device: 2 wait in line at any time; use -n auto"])


def test_of_runs_that_named_no_device_nothing_is_said(pytester: pytest.Pytester) -> None:
    assert "in line" not in run(pytester, "def test_a(): pass", "-n", "3").stdout.str()


MEET = """
import os, pytest, time
from pathlib import Path
@pytest.mark.parametrize("number", range(3))
def test_a(edge_device, edge_check, number):
    edge_check.metric("number", number)
    Path(f"here-{edge_device.name}").touch()
    deadline = time.monotonic() + 60
    while len(list(Path().glob("here-*"))) < 3:
        assert time.monotonic() < deadline, "the others never came"
        os.sched_yield()
"""


def test_workers_have_devices_of_their_own_at_one_time(pytester: pytest.Pytester) -> None:
    run(pytester, MEET, "-n", "auto", "--device", "rack").assert_outcomes(passed=3)


def test_a_worker_keeps_its_device(pytester: pytest.Pytester, records: Callable[[], list[dict[str, Any]]]) -> None:
    run(pytester, EACH.replace("range(6)", "range(12)"), "-n", "2", "--device", "rack").assert_outcomes(passed=12)
    pairs = {(one["worker"], one["device"]["name"]) for one in records()}
    assert len(pairs) == len({worker for worker, _ in pairs})


def test_a_crashed_workers_device_goes_to_its_replacement(
    pytester: pytest.Pytester, records: Callable[[], list[dict[str, Any]]]
) -> None:
    body = EACH + (
        "def test_b(edge_model, edge_check):\n    import os, signal\n"
        "    edge_check.size(edge_model('add_float32.tflite'), max_mb=1)\n"
        "    if os.environ['PYTEST_XDIST_WORKER'] == 'gw0': os.kill(os.getpid(), signal.SIGKILL)\n"
        "def test_c(edge_model, edge_check):\n"
        "    edge_check.size(edge_model('add_float32.tflite'), max_mb=1)\n"
    )
    result = run(pytester, body, "-n", "1", "--device", "one", "--edge-wait", "5")
    result.assert_outcomes(passed=7, failed=1)
    last = records()[-1]
    assert last["worker"] == "gw1"
    assert last["device"]["recovered"][0].startswith("taken over from ")
    assert "gw0, test test_it.py::test_b" in last["device"]["recovered"][0]
    result.stdout.fnmatch_lines(["edgedevice: one was taken over from *gw0, test test_it.py::test_b), who crashed: *"])


def test_groups_of_tests_that_need_one_kind_of_device_get_it(pytester: pytest.Pytester) -> None:
    body = """
import pytest
@pytest.mark.xdist_group("gpu")
@pytest.mark.edge_requires("gpu==big")
@pytest.mark.parametrize("number", range(3))
def test_gpu(edge_device, number): assert edge_device.facts["gpu"] == "big"
@pytest.mark.xdist_group("npu")
@pytest.mark.edge_requires("npu")
@pytest.mark.parametrize("number", range(3))
def test_npu(edge_device, number): assert edge_device.name == "three"
"""
    result = run(pytester, body, "-n", "2", "--dist", "loadgroup", "--device", "rack", "-v")
    result.assert_outcomes(passed=6)
    ran = re.findall(r"\[(gw\d)\].* PASSED .*::test_(\w+)\[\d\]@(\w+)", result.stdout.str())
    assert len(ran) == 6
    assert len({(worker, group) for worker, _, group in ran}) == 2  # each group stayed on one worker
    assert all(test == group for _, test, group in ran)


def test_a_worker_whose_device_fell_sick_goes_on_with_another(
    pytester: pytest.Pytester, records: Callable[[], list[dict[str, Any]]]
) -> None:
    body = (
        "import pytest\nfrom pytest_edgedevice.errors import AgentDiedError\n"
        "@pytest.mark.parametrize('number', range(2))\n"
        "def test_a(edge_device, number): raise AgentDiedError('it broke')\n"
        "def test_b(edge_device, edge_check): edge_check.metric('x', 1)\n"
    )
    result = run(pytester, body, "-n", "1", "--device", "rack")
    result.assert_outcomes(errors=2, passed=1)
    assert [one["device"]["name"] for one in records()] == ["one", "one", "two"]
    result.stdout.fnmatch_lines(["edgedevice: one was quarantined after 2 errors in a row: it broke (in *"])
