"""A run is recorded, and the same tests run again without the device."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

TEST = """
import numpy as np
import pytest

ROWS = np.arange(40, dtype="float32").reshape(10, 4)

@pytest.mark.edge_delegate("cpu", "xnnpack")
def test_all(edge_model, edge_check):
    model = edge_model("two_outputs.tflite")
    edge_check.close(model.run({"x": ROWS}), {"doubled": 2 * ROWS, "negated": -ROWS}, atol=0)
    edge_check.latency(model, p95_ms=BUDGET)
    edge_check.memory(model, max_mb=900)

@pytest.mark.edge_delegate("xnnpack")
def test_left_over(edge_model):
    edge_model("partial.tflite")

def test_data_set(edge_device, edge_model, edge_check):
    with edge_device.load(edge_model("two_outputs.tflite") and PATH) as model:
        found = model.evaluate({"x": ROWS, "labels": -ROWS}, "max_abs_error", output="negated", resume=False)
    edge_check.metric("error", found.value, at_most=0)
"""
PATH = Path(__file__).parents[2] / "fixtures" / "tiny" / "two_outputs.tflite"


def outcomes(records: list[dict[str, Any]]) -> list[tuple[str, str, str]]:
    return [(record["test"].partition("::")[2], record["check"], record["outcome"]) for record in records]


def test_the_same_tests_have_the_same_outcomes_without_the_device(
    pytester: pytest.Pytester, own_surroundings: Path, records: Callable[[], list[dict[str, Any]]]
) -> None:
    source = TEST.replace("PATH", repr(str(PATH)))
    pytester.makepyfile(test_it=source.replace("BUDGET", "60_000"))
    report = ("--edge-report", "json=out.jsonl")
    first = pytester.runpytest("--edge-record-run", "run.jsonl", *report)
    first.stdout.fnmatch_lines(["*recorded; run the same tests without the device: pytest --device replay:*run.jsonl"])
    recorded = records()
    assert (pytester.path / "run.jsonl").read_text() == (pytester.path / "out.jsonl").read_text()
    again = pytester.runpytest("--device", "replay:run.jsonl", *report)
    assert outcomes(records()) == outcomes(recorded)
    assert {record["device"]["name"] for record in records()} == {"local (replayed)"}
    assert again.parseoutcomes() == first.parseoutcomes()
    locks = own_surroundings.parent / "locks"
    held = sorted(path.name for path in locks.iterdir())
    pytester.makepyfile(test_it=source.replace("BUDGET", "1e-6"))
    tighter = pytester.runpytest("--device", "replay:run.jsonl", "-k", "test_all", *report)
    tighter.stdout.fnmatch_lines(["*p95 is not < 1e-06 ms*", "*on 'local (replayed)' by cpu*"])
    assert sorted(path.name for path in locks.iterdir()) == held


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("--edge-record-run", "."), "*cannot be the records' file*"),
        (("--edge-record-run", "run.npz"), "*cannot be the records' file*"),
        (("--device", "replay"), "*'replay' names no recording*"),
        (("--device", "replay: run"), "*no path of a recording*"),
    ],
)
def test_what_cannot_be_recorded_or_replayed_is_misuse(
    pytester: pytest.Pytester, arguments: tuple[str, ...], text: str
) -> None:
    pytester.makepyfile("def test_a(edge_device): pass")
    result = pytester.runpytest(*arguments)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([text])


def test_workers_are_not_recorded(pytester: pytest.Pytester, workers: list[str]) -> None:
    pytester.makepyfile("def test_a(edge_device): pass")
    result = pytester.runpytest("--edge-record-run", "run.jsonl", *workers)
    result.stderr.fnmatch_lines(["*--edge-record-run records one process: leave -n out*"])


def test_a_run_without_a_device_records_nothing(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_a(): pass")
    result = pytester.runpytest("--edge-record-run", "run.jsonl")
    result.stdout.fnmatch_lines(["*no device was used: there is nothing to record*"])
    pytester.runpytest("--edge-record-run", "x" * 300).assert_outcomes(passed=1)
    assert not list(pytester.path.glob("run.*"))


def test_a_missing_recording_says_how_to_make_one(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_a(edge_device): pass")
    result = pytester.runpytest("--device", "replay:nope.jsonl")
    result.stdout.fnmatch_lines(["*there is no recording 'nope.jsonl': nope.npz is not there", "*--edge-record-run*"])
