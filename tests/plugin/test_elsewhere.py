"""A device behind another host's lease, contributed by a conftest and used by ordinary device tests."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).parents[2]
CONFTEST = """
import sys
from pathlib import Path
sys.path.insert(0, {root!r})
from tests.contract.proxy.client import ProxyDevice
from tests.contract.proxy.isolation import far_command

def pytest_edgedevice_devices(config):
    return {{"far": lambda: ProxyDevice(far_command(Path({storage!r})), name="far")}}
"""
USES = """
import numpy as np
import pytest

A, B = np.arange(8, dtype="float32").reshape(2, 4), np.ones((2, 4), "float32")

@pytest.mark.edge_delegate("cpu", "xnnpack")
def test_close_and_fast(edge_device, edge_model, edge_check):
    model = edge_model("add_float32.tflite")
    edge_check.close(model.run({"a": A, "b": B}), {"sum": A + 1}, atol=0, rtol=0)
    edge_check.latency(model, p95_ms=60_000)

@pytest.mark.edge_requires("cores>=1")
def test_wrong(edge_model, edge_check):
    run = edge_model("add_float32.tflite").run({"a": A, "b": B})
    edge_check.close(run, {"sum": A}, atol=0.5)
"""
LOSES = """
import os, signal
import numpy as np
from tests.contract.processes import descendants

def test_loses_its_server(edge_device, edge_model):
    model = edge_model("add_float32.tflite")
    os.kill(descendants(edge_device._line._child._child.pid)[0], signal.SIGKILL)
    model.measure()

def test_is_served_again(edge_model):
    edge_model("add_float32.tflite").measure(max_runs=5)
"""


@pytest.fixture
def storage(pytester: pytest.Pytester) -> Path:
    """``/var/tmp`` of the far host, and a conftest that contributes its device as ``far``."""
    folder = pytester.mkdir("far")
    pytester.makeconftest(CONFTEST.format(root=str(ROOT), storage=str(folder)))
    return folder


def test_device_tests_run_on_it_without_a_lease_of_ours(
    pytester: pytest.Pytester,
    storage: Path,
    own_surroundings: Path,
    records: Callable[[], list[dict[str, Any]]],
) -> None:
    pytester.makepyfile(USES)
    result = pytester.runpytest("--device", "far", "--edge-report", "json=out.jsonl")
    result.assert_outcomes(passed=2, failed=1)
    result.stdout.fnmatch_lines(["*CheckFailed: output 'sum' differs from its reference in 8 of 8 elements*"])
    found = records()
    assert {record["device"]["name"] for record in found} == {"far"}
    assert [(record["check"], record["delegate"]["proven"], record["outcome"]) for record in found] == [
        *[(check, delegate, "passed") for delegate in ("cpu", "xnnpack") for check in ("close", "latency")],
        ("close", "xnnpack", "failed"),
    ]
    assert not list((own_surroundings.parent / "locks").glob("*.lock"))
    assert list((storage / "pytest-edgedevice").glob("*.lock"))


def test_a_server_that_is_lost_is_the_worlds_fault_and_the_next_test_opens_the_device_anew(
    pytester: pytest.Pytester, storage: Path
) -> None:
    pytester.makepyfile(LOSES)
    result = pytester.runpytest("--device", "far", "--edge-reconnect", "1")
    result.stdout.fnmatch_lines(["*DeviceLostError: the server of the device is gone*"])
    assert result.parseoutcomes()["passed"] == 1
    assert "failed" not in result.parseoutcomes()


def test_what_offers_only_a_part_of_a_device_is_refused(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(
        "class Part:\n    name = 'part'\n    def load(self, path): pass\n"
        "def pytest_edgedevice_devices(config):\n    return {'far': Part}"
    )
    pytester.makepyfile("def test_a(edge_device): pass")
    result = pytester.runpytest("--device", "far")
    result.stdout.fnmatch_lines(["*device 'far': *opened Part, not a Transport*"])
    result.assert_outcomes(errors=1)
