"""What a release job reads says ship only where everything passed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

import pytest_edgedevice.records
from pytest_edgedevice.records.verdict import verdict_of

SCHEMA = json.loads((Path(pytest_edgedevice.records.__file__).parent / "verdict-1.json").read_text())
BEST = {"variant": "int8", "file": "m.tflite", "sha256": "ab" * 32, "size_bytes": 5}
NUMBERS = {"p50_ms": 1.0, "p95_ms": 2.0, "accuracy": 0.9, "lower": 0.8, "upper": 0.95}
ROW = {**BEST, **NUMBERS, "pareto": True, "admissible": True, "best": True, "reasons": []}


def record(
    outcome: str = "passed", *, check: str = "variants", verdict: str = "pass", **numbers: Any
) -> dict[str, Any]:
    told = {
        "rows": [ROW, {**ROW, "variant": "float32", "best": False, "pareto": False}],
        "limits": {"max_mb": 1},
        **numbers,
    }
    return {"test": "t.py::test", "check": check, "verdict": verdict, "outcome": outcome, "message": "",
            "device": {"name": "local"}, "numbers": told}  # fmt: skip


def verdict(*records: dict[str, Any], exit_status: int = 0, tested: bool = True) -> dict[str, Any]:
    found = verdict_of(records, exit_status=exit_status, tested=tested, version="1", time="2026-01-01T00:00:00Z")
    jsonschema.validate(found, SCHEMA)
    return found


def test_the_best_variant_is_told_with_its_hash() -> None:
    found = verdict(record())
    assert found["verdict"] == "pass"
    assert found["comparisons"][0]["best"] == {**BEST, **NUMBERS}
    assert found["comparisons"][0]["pareto"] == ["int8"]


@pytest.mark.parametrize(
    ("records", "exit_status", "tested", "expected"),
    [
        ([], 0, True, "pass"),
        ([], 0, False, "inconclusive"),
        ([], 1, True, "fail"),
        ([record()], 1, True, "fail"),
        ([record("failed", check="close", verdict="fail")], 1, True, "fail"),
        ([record("inconclusive", verdict="inconclusive")], 1, True, "inconclusive"),
        ([record("inconclusive", verdict="inconclusive"), record("infra")], 1, True, "fail"),
        ([record(), record("inconclusive", verdict="inconclusive")], 0, True, "inconclusive"),
    ],
)
def test_only_a_whole_run_that_passed_ships(
    records: list[dict[str, Any]], exit_status: int, tested: bool, expected: str
) -> None:
    assert verdict(*records, exit_status=exit_status, tested=tested)["verdict"] == expected


def test_tests_that_did_not_pass_are_named_once() -> None:
    assert verdict(record("failed"), record("failed"), record("skipped"), exit_status=1)["failed"] == ["t.py::test"]


def test_without_an_admissible_variant_there_is_no_best() -> None:
    found = verdict(record("failed", verdict="fail", rows=[{**ROW, "best": False}, "odd"]), exit_status=1)
    assert (found["comparisons"][0]["best"], len(found["comparisons"][0]["rows"])) == (None, 1)
