"""Device tests of Core ML models, in real agents whose coremltools is a stand-in: what people are told."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest

from tests.standins.coreml_models import FOLDER, content, package

if TYPE_CHECKING:
    from collections.abc import Callable

SCALES = """
import numpy as np
import pytest

X = np.arange(8, dtype="f4").reshape(2, 4)

@pytest.mark.edge_delegate("cpu_only", "cpu_and_ne", "cpu_and_gpu")
def test_scales(edge_model, edge_check):
    model = edge_model("scale.mlpackage")
    edge_check.close(model.run({"x": X}), {"y": 2 * X + 1}, atol=0)
    edge_check.latency(model, p95_ms=60_000)
"""
BACKGROUND = "Insufficient Permission (to submit GPU work from background)"


@pytest.fixture(autouse=True)
def _standin(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """The agents of this test have it, and a model of the neural engine's."""
    monkeypatch.setenv("PYTHONPATH", str(FOLDER))
    package(pytester.path, name="scale")


@pytest.fixture
def done(pytester: pytest.Pytester) -> pytest.RunResult:
    """The tests that scale, run."""
    pytester.makepyfile(SCALES)
    reports = ["--edge-report", "json=out.jsonl", "--edge-report", "html=out.html"]
    return pytester.runpytest("--device", "local", *reports, "--junit-xml=out.xml")


def test_what_was_requested_is_called_so_and_what_has_no_work_fails(
    pytester: pytest.Pytester, done: pytest.RunResult, records: Callable[[], list[dict[str, Any]]]
) -> None:
    done.assert_outcomes(passed=2, failed=1)
    done.stdout.fnmatch_lines(["*leaves the gpu without work: cpu 3*", "*cpu_and_ne (requested)*"])
    schema = json.loads((files("pytest_edgedevice.records") / "schema-1.json").read_text("utf-8"))
    told = {}
    for record in records():
        jsonschema.validate(record, schema)
        told[record["test"].rpartition("[")[2]] = record["delegate"]
    planned = {one["requested"]: (one["requested_only"], one["plan"]) for one in told.values() if one}
    assert planned == {"cpu_only": (True, {"cpu": 3}), "cpu_and_ne": (True, {"neural_engine": 2, "cpu": 1})}
    properties = (pytester.path / "out.xml").read_text("utf-8")
    assert '<property name="edge.plan" value="neural engine 2, cpu 1"' in properties
    assert "edge.proven" not in properties
    page = (pytester.path / "out.html").read_text("utf-8")
    assert "cpu_and_ne (requested)" in page
    assert "nothing: the runtime takes a request and does not tell what it did" in page


def test_a_fallback_that_is_allowed_runs_as_planned(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(SCALES.replace('"cpu_only", "cpu_and_ne", "cpu_and_gpu"', '"cpu_and_gpu", fallback="allow"'))
    done = pytester.runpytest("--device", "local")
    done.assert_outcomes(passed=1)
    done.stdout.fnmatch_lines(["*cpu_and_gpu (requested)*"])


def test_compute_units_that_give_something_else_than_the_processor_are_to_blame(pytester: pytest.Pytester) -> None:
    package(pytester.path, content(off={"CPU_AND_NE": 3}), name="wrong")
    pytester.makepyfile(
        SCALES.replace("scale.mlpackage", "wrong.mlpackage").replace(
            '"cpu_only", "cpu_and_ne", "cpu_and_gpu"', '"cpu_and_ne"'
        )
    )
    done = pytester.runpytest("--device", "local")
    done.assert_outcomes(failed=1)
    blamed = "*model with delegate 'cpu_only' on the device agrees (0), so the delegate 'cpu_and_ne' is the likely*"
    done.stdout.fnmatch_lines([blamed])


def test_an_app_behind_is_the_worlds_fault(pytester: pytest.Pytester) -> None:
    package(pytester.path, content(fault={"predict": BACKGROUND}), name="behind")
    pytester.makepyfile(SCALES.replace("scale.mlpackage", "behind.mlpackage").replace(', "cpu_and_gpu"', ""))
    done = pytester.runpytest("--device", "local")
    done.assert_outcomes(errors=2)
    done.stdout.fnmatch_lines([f"*{BACKGROUND}*", "*hint: bring the app to the foreground*"])


def test_a_host_without_core_ml_says_where_it_is(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PYTHONPATH")
    pytester.makepyfile(SCALES.replace('@pytest.mark.edge_delegate("cpu_only", "cpu_and_ne", "cpu_and_gpu")', ""))
    done = pytester.runpytest("--device", "local")
    done.assert_outcomes(failed=1)
    done.stdout.fnmatch_lines(["*engine 'coreml' is not installed on the device: Core ML needs macOS*"])
