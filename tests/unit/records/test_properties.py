"""What JUnit's XML says of each check, in words that people and CI systems read."""

from __future__ import annotations

import pytest

from pytest_edgedevice.records import plan_of, properties_of_all
from tests.made_records import close, latency, made


def test_a_test_says_what_was_checked_where_and_how_it_came_out() -> None:
    assert properties_of_all([close(1e-6), latency(2.0, 3.0, verdict="fail")]) == [
        ("edge.device", "kitchen"),
        ("edge.model", "m.tflite"),
        ("edge.variant", "float32"),
        ("edge.delegate", "cpu"),
        ("edge.proven", "cpu"),
        ("edge.engine", "litert 2.1.0"),
        ("edge.close.verdict", "pass"),
        ("edge.close.max_abs_error", "1e-06"),
        ("edge.latency.verdict", "fail"),
        ("edge.latency.p50_ms", "2"),
        ("edge.latency.p95_ms", "3"),
    ]


def test_what_was_only_requested_is_not_called_proven() -> None:
    told = {"requested": "cpu_and_ne", "proven": "cpu_and_ne", "requested_only": True}
    found = dict(properties_of_all([{**latency(), "delegate": {**told, "plan": {"cpu": 4, "neural_engine": 212}}}]))
    assert (found["edge.delegate"], found["edge.plan"]) == ("cpu_and_ne", "neural engine 212, cpu 4")
    assert "edge.proven" not in found
    assert "edge.plan" not in dict(properties_of_all([{**latency(), "delegate": told}]))


@pytest.mark.parametrize(
    "plan", [None, [], 3, {"gpu": "many"}, {"gpu": True}, {"gpu": -1}, {"gpu": 1 << 64}, {"gpu": 1.5}]
)
def test_a_plan_of_somebody_else_is_not_believed(plan: object) -> None:
    assert plan_of({"plan": plan}) == ""


def test_what_a_record_does_not_know_is_left_out() -> None:
    record = made("device", {}, model="", device="", verdict="fail")
    assert properties_of_all([record]) == [("edge.device.verdict", "fail")]


def test_a_repeated_test_says_why() -> None:
    assert ("edge.repeated", "lost") in properties_of_all([{**latency(), "repeated": "lost"}])
