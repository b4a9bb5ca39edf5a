"""Device tests with ``runner = "native"``: what ran is in every record, what cannot run is skipped."""

from __future__ import annotations

import platform
from typing import TYPE_CHECKING, Any

import pytest

from tests.native.conftest import tflite_library

if TYPE_CHECKING:
    from collections.abc import Callable

TABLE = """
[devices.desk]
spec = "local"
runner = "native"
runtime = "{runtime}"

[devices.own]
spec = "local"
runner = "native"
"""
ADDS = """
import numpy as np
import pytest

def test_adds(edge_model, edge_check):
    model = edge_model("add_float32.tflite")
    run = model.run({"a": np.ones((2, 4), "f4"), "b": np.ones((2, 4), "f4")})
    edge_check.close(run, {"sum": np.full((2, 4), 2, "f4")}, atol=0)
    edge_check.latency(model, p95_ms=60_000)
"""


@pytest.fixture(autouse=True)
def device_file(pytester: pytest.Pytester) -> None:
    pytester.makefile(".toml", edgedevice=TABLE.format(runtime=tflite_library(platform.machine())))


def test_records_hold_the_runtimes_version_and_the_nodes_that_xnnpack_took(
    pytester: pytest.Pytester, records: Callable[[], list[dict[str, Any]]]
) -> None:
    pytester.makepyfile(ADDS)
    pytester.runpytest("--device", "desk", "--edge-report", "json=out.jsonl").assert_outcomes(passed=1)
    written = records()
    assert [record["check"] for record in written] == ["close", "latency"]
    for record in written:
        assert record["engine"] == {"name": "tflite", "version": "2.17.1", "threads": 1}
        told = record["delegate"]
        assert (told["requested"], told["proven"], told["nodes"], told["delegated"]) == ("default", "xnnpack", 1, 1)
        assert record["device"]["name"] == "desk"


def test_the_installed_runtime_is_used_where_none_is_named(
    pytester: pytest.Pytester, records: Callable[[], list[dict[str, Any]]]
) -> None:
    pytester.makepyfile(ADDS)
    pytester.runpytest("--device", "own", "--edge-report", "json=out.jsonl").assert_outcomes(passed=1)
    assert {(record["engine"]["name"], record["delegate"]["proven"]) for record in records()} == {("litert", "xnnpack")}


def test_a_delegate_that_the_runner_can_never_have_is_skipped_in_a_matrix(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(ADDS)
    names = ("cpu", "xnnpack", "reference", "npu", "nnapi", "gpu")
    wished = [word for name in names for word in ("--edge-delegate", name)]
    done = pytester.runpytest("--device", "desk", *wished, "-rs")
    done.assert_outcomes(passed=2, skipped=4)
    offers = "its agent, with tflite 2.17.1, offers default, cpu, xnnpack, external"
    done.stdout.fnmatch_lines([f"*delegate 'npu' cannot be had on desk: {offers}*"])


def test_the_python_agent_too_says_what_it_can_never_have(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(ADDS)
    done = pytester.runpytest("--device", "local", "--edge-delegate", "cpu", "--edge-delegate", "nnapi", "-rs")
    done.assert_outcomes(passed=1, skipped=1)
    done.stdout.fnmatch_lines(["*delegate 'nnapi' cannot be had on local: its agent, with litert *"])


def test_a_delegate_that_a_test_itself_asks_for_is_an_error_that_it_can_expect(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import pytest
        from pytest_edgedevice.errors import DelegateError

        def test_has_none(edge_model):
            with pytest.raises(DelegateError, match="'npu' cannot be had on desk"):
                edge_model("add_float32.tflite", delegate="npu")
        """
    )
    pytester.runpytest("--device", "desk").assert_outcomes(passed=1)


def test_an_engine_that_the_runtime_is_not_fails_with_the_remedy(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(ADDS)
    done = pytester.runpytest("--device", "desk", "--edge-engine", "litert")
    done.assert_outcomes(failed=1)
    done.stdout.fnmatch_lines(["*engine 'litert' is not loaded on the device, 'tflite' is: name libLiteRt.so*"])


def test_a_matrix_of_one_machine_with_both_agents_agrees(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(ADDS)
    pytester.runpytest("--device", "local", "--device", "desk").assert_outcomes(passed=2)
