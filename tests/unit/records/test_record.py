"""A record is plain JSON of a fixed shape, whatever the check and the user handed in."""

from __future__ import annotations

import dataclasses
import json
import math
from fractions import Fraction
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from pytest_edgedevice.records import Record, build, with_conditions_after, with_outcome
from pytest_edgedevice.values import Evidence

if TYPE_CHECKING:
    from pytest_edgedevice.values import Fact, Verdict

SCHEMA = json.loads((files("pytest_edgedevice.records") / "schema-1.json").read_text())
VALIDATOR = Draft202012Validator(SCHEMA)
FACTS: dict[str, Fact] = {"local": True, "cores": 4, "arch": "x86_64", "load": 0.5}
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.integers(), inner),
    max_leaves=20,
)


def built(evidence: Evidence) -> Record:
    return build(evidence, test="t.py::test_a", facts=FACTS, version="0.1.0", time="2026-01-02T03:04:05.678+00:00")


def test_every_field_is_there_with_its_value(evidence: Evidence) -> None:
    assert built(evidence) == {
        "schema": 1,
        "version": "0.1.0",
        "time": "2026-01-02T03:04:05.678+00:00",
        "test": "t.py::test_a",
        "worker": "",
        "check": "latency",
        "verdict": "fail",
        "outcome": None,
        "message": "too slow",
        "model": {"name": "m.tflite", "sha256": "a" * 64, "size_bytes": 640, "variant": "float32"},
        "engine": {"name": "litert", "version": "2.1.0", "threads": 2},
        "delegate": {
            "requested": "xnnpack",
            "proven": "xnnpack",
            "nodes": 4,
            "delegated": 3,
            "partitions": 1,
            "left_over": {"SOFTMAX": 1},
            "evidence": "1 delegate node in the prepared graph",
        },
        "device": {"name": "local", "facts": FACTS, "recovered": [], "conditions": {}},
        "device_log": {},
        "repeated": "",
        "numbers": {"p95_ms": 3.5, "runs": 59},
    }


def test_the_schema_is_a_schema() -> None:
    Draft202012Validator.check_schema(SCHEMA)


def test_a_full_record_fits_the_schema(evidence: Evidence) -> None:
    VALIDATOR.validate(with_outcome(built(evidence), "failed"))


@pytest.mark.parametrize("verdict", ["pass", "fail", "inconclusive"])
def test_a_record_without_a_model_fits_the_schema(verdict: Verdict) -> None:
    VALIDATOR.validate(built(Evidence("metric", verdict, "", {})))


@pytest.mark.parametrize("field", SCHEMA["required"])
def test_a_record_that_lacks_a_field_does_not_fit(evidence: Evidence, field: str) -> None:
    record = built(evidence)
    del record[field]
    assert not VALIDATOR.is_valid(record)


@pytest.mark.parametrize("field", SCHEMA["required"])
def test_a_field_of_another_type_does_not_fit(evidence: Evidence, field: str) -> None:
    assert not VALIDATOR.is_valid({**built(evidence), field: ["x"]})


def test_an_unknown_field_does_not_fit(evidence: Evidence) -> None:
    assert not VALIDATOR.is_valid({**built(evidence), "extra": 1})


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        (np.int64(3), 3),
        (np.float32(0.5), 0.5),
        (np.float64("nan"), None),
        (np.bool_(True), True),
        (np.str_("x"), "x"),
        (np.array([[1, 2]]), [[1, 2]]),
        ((1, [2.0, (None,)]), [1, [2.0, [None]]]),
        (Fraction(1, 4), 0.25),
        (math.inf, None),
        ({1: {2}}, {"1": "{2}"}),
        (b"x", "b'x'"),
    ],
)
def test_whatever_a_check_hands_in_becomes_plain_json(value: Any, plain: Any) -> None:
    found = built(Evidence("metric", "pass", "", {"value": value}))["numbers"]["value"]
    assert found == plain
    assert type(found) is type(plain)


@given(ANYTHING)
def test_any_numbers_can_be_written_and_fit_the_schema(value: Any) -> None:
    record = built(Evidence("metric", "pass", "", {"value": value}))
    assert json.loads(json.dumps(record, allow_nan=False)) == record
    VALIDATOR.validate(record)


def test_what_was_done_for_the_test_before_it_ran_is_kept_and_fits_the_schema(evidence: Evidence) -> None:
    record = build(
        evidence,
        test="t.py::test_a",
        facts=FACTS,
        version="0.1.0",
        time="2026-01-02T03:04:05.678+00:00",
        recovered=("taken over from ada", "x" * 5000),
        repeated="y" * 10_000,
    )
    assert record["device"]["recovered"] == ["taken over from ada", "x" * 1000]
    assert record["repeated"] == "y" * 8000
    VALIDATOR.validate(record)


def test_what_the_device_told_before_and_after_is_kept_and_fits_the_schema(evidence: Evidence) -> None:
    record = build(
        evidence,
        test="t.py::test_a",
        facts=FACTS,
        version="0.1.0",
        time="2026-01-02T03:04:05.678+00:00",
        conditions={"before": {"battery_percent": 80, "charging": True, "odd": math.nan}},
        device_log={"logcat": "x" * 100_000 + "the end"},
    )
    after = with_conditions_after(record, {"battery_percent": 79})
    assert record["device"]["conditions"] == {"before": {"battery_percent": 80, "charging": True, "odd": None}}
    assert after["device"]["conditions"]["after"] == {"battery_percent": 79}
    assert len(record["device_log"]["logcat"]) == 20_000
    assert record["device_log"]["logcat"].endswith("the end")
    VALIDATOR.validate(record)
    VALIDATOR.validate(after)


def test_a_record_from_before_devices_were_taken_over_still_fits_the_schema(evidence: Evidence) -> None:
    record = built(evidence)
    del record["repeated"], record["device"]["recovered"], record["device"]["conditions"], record["device_log"]
    VALIDATOR.validate(record)


def test_a_message_without_end_is_cut(evidence: Evidence) -> None:
    record = built(dataclasses.replace(evidence, message="x" * 100_000))
    assert len(record["message"]) == 8000


def test_the_outcome_makes_a_new_record(evidence: Evidence) -> None:
    record = built(evidence)
    assert with_outcome(record, "infra")["outcome"] == "infra"
    assert record["outcome"] is None
