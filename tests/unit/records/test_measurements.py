"""What of a record is a measurement: names, units, directions; and what is none."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_edgedevice.records import measurements
from tests.made_records import close, latency, made


def values(record: dict[str, Any]) -> dict[str, float]:
    return {one.metric: one.value for one in measurements(record)}


def test_a_latency_has_its_quantiles_with_the_bounds_of_the_one_that_was_judged() -> None:
    p50, p95 = measurements(latency(2.0, 3.0))
    assert (p50.metric, p50.value, p50.unit, p50.lower) == ("p50_ms", 2.0, "ms", None)
    assert (p95.lower, p95.upper) == pytest.approx((2.7, 3.3))


@pytest.mark.parametrize("void", [{"emulated": True}, {"steady": False}, {"runs": 0}])
def test_times_that_say_nothing_are_no_measurements(void: dict[str, Any]) -> None:
    record = latency()
    record["numbers"].update(void)
    assert measurements(record) == []


def test_the_last_third_of_a_long_run_is_a_measurement_of_its_own() -> None:
    record = latency()
    record["numbers"].update(judged_from=20, load_ms=5.0)
    assert values(record) == {"sustained_p50_ms": 2.0, "sustained_p95_ms": 3.0, "load_ms": 5.0}


@pytest.mark.parametrize(("cold", "expected"), [(True, {"first_ms": 7.0}), (False, {})])
def test_the_first_inference_counts_where_it_was_the_first(cold: bool, expected: dict[str, float]) -> None:
    record = made("latency", {"first_ms": 7.0, "cold": cold})
    assert values(record) == expected


def test_the_error_is_that_of_the_worst_output() -> None:
    record = close()
    record["numbers"]["outputs"] += [{"max_abs_error": 0.5}, {"max_abs_error": None}, "nonsense"]
    assert values(record) == {"max_abs_error": 0.5}


@pytest.mark.parametrize(
    ("check", "numbers", "metric", "value"),
    [
        ("size", {"size_bytes": 640}, "size_bytes", 640.0),
        ("memory", {"observed": 12.5}, "memory_mb", 12.5),
        ("cpu_load", {"observed": 40.0}, "cpu_load_percent", 40.0),
        ("energy", {"observed": 3.0}, "energy_mj", 3.0),
        ("load_time", {"observed": 8.0}, "load_ms", 8.0),
        ("faster", {"ratio": 0.8}, "ratio", 0.8),
    ],
)
def test_every_check_that_measures_has_its_metric(
    check: str, numbers: dict[str, Any], metric: str, value: float
) -> None:
    assert values(made(check, numbers)) == {metric: value}


def test_frames_have_their_rate_and_what_was_dropped_of_them() -> None:
    record = made("realtime", {"achieved_fps": 29.0, "dropped_share": 0.01})
    assert [(one.metric, one.better) for one in measurements(record)] == [
        ("achieved_fps", "higher"),
        ("dropped_share", "lower"),
    ]
    record["numbers"]["emulated"] = True
    assert measurements(record) == []


def test_a_data_set_has_its_metric_and_that_of_every_slice() -> None:
    numbers = {"metric": "top1", "value": 0.9, "lower": 0.8, "slices": [{"tag": "night", "value": 0.7}, "nonsense"]}
    whole, night = measurements(made("accuracy", numbers))
    assert (whole.metric, whole.value, whole.lower, whole.better) == ("top1", 0.9, 0.8, "higher")
    assert (night.metric, night.value) == ("top1[night]", 0.7)
    assert measurements(made("accuracy", {"value": 3.0, "higher_is_better": False}))[0].better == "lower"


def test_every_stage_has_its_quantiles() -> None:
    record = made("stages", {"p50_ms": {"pre": 1.0, "total": 3.0}, "p95_ms": {"total": 4.0}})
    assert values(record) == {"pre_p50_ms": 1.0, "total_p50_ms": 3.0, "total_p95_ms": 4.0}
    record["numbers"]["emulated"] = True
    assert values(record) == {}


@pytest.mark.parametrize(
    ("limits", "better"),
    [({"at_least": 0.9}, "higher"), ({"at_most": 9}, "lower"), ({}, ""), ({"at_least": 1, "at_most": 2}, "")],
)
def test_the_limit_of_a_users_number_tells_which_direction_is_better(limits: dict[str, float], better: str) -> None:
    (found,) = measurements(made("metric", {"name": "top1", "value": 0.95, "unit": "%", **limits}))
    assert (found.metric, found.unit, found.better) == ("top1", "%", better)


@pytest.mark.parametrize("value", [None, "3", True, [], float("nan"), 10**400])
def test_what_is_no_finite_number_is_no_measurement(value: Any) -> None:
    record = made("metric", {"name": "top1"})
    record["numbers"]["value"] = value
    assert measurements(record) == []


@pytest.mark.parametrize("numbers", [None, [], {"budgets": [1, {"quantile": None}], "outputs": 3}, {"budgets": 3}])
@pytest.mark.parametrize("check", ["latency", "close", "profile", "accuracy", "stages"])
def test_numbers_of_another_form_give_nothing(check: str, numbers: Any) -> None:
    assert measurements({**made(check, {}), "numbers": numbers}) == []
