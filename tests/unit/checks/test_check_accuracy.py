"""Data sets are judged by bounds: pass, fail, or how many samples more."""

from __future__ import annotations

import math
from typing import Any

import pytest

from pytest_edgedevice.checks import CheckFailed, EdgeCheck
from pytest_edgedevice.errors import UsageError
from pytest_edgedevice.evaluation import Evaluation, Score, Worst
from pytest_edgedevice.records import build
from pytest_edgedevice.values import Evidence, ModelInfo, Placement

INFO = ModelInfo("digits.tflite", "ab" * 32, 100, "int8", (), (), "litert", "2.3", 1)
PLACEMENT = Placement("cpu", "xnnpack", 3, 3, 1, {}, "counted")


def rate(right: int, of: int) -> Score:
    return Score("rate", of, right / of, successes=right)


def mean(value: float, deviation: float | None, of: int) -> Score:
    return Score("mean", of, value, deviation=deviation)


def evaluation(total: Score, *, metric: str = "accuracy", high: bool = True, **slices: Any) -> Evaluation:
    worst = (Worst("photo 7", 0.0), Worst("bad\x1b[2Jname", math.nan))
    return Evaluation("faces", metric, total, slices, worst, high, 1.5, 0, INFO, PLACEMENT, "local")


def judged(found: Evaluation, **asked: Any) -> Evidence:
    seen: list[Evidence] = []
    check = EdgeCheck(seen.append)
    try:
        assert check.accuracy(found, **asked) is found
    except CheckFailed as error:
        return error.evidence
    return seen[0]


@pytest.mark.parametrize(
    ("right", "verdict"), [(990, "pass"), (971, "pass"), (970, "inconclusive"), (950, "inconclusive"), (949, "fail")]
)
def test_a_rate_passes_by_its_lower_bound_and_fails_by_its_upper_one(right: int, verdict: str) -> None:
    assert judged(evaluation(rate(right, 1000)), at_least=0.96).verdict == verdict


def test_few_samples_show_nothing_however_good_they_are() -> None:
    seen = judged(evaluation(rate(20, 20)), at_least=0.96)
    assert (seen.verdict, seen.numbers["needed"]) == ("inconclusive", 74)
    assert "needed: about 74 samples like these" in seen.message


def test_a_failure_says_value_bounds_slices_and_the_worst_samples() -> None:
    seen = judged(
        evaluation(rate(930, 1000), night=rate(45, 100), day=rate(99, 100)), at_least=0.96, slices={"night": 0.5}
    )
    assert seen.message.splitlines() == [
        (
            "accuracy of 'digits.tflite' on 'local' over 1,000 samples of 'faces' is 93 %, not >= 96 %: "
            "95 % bounds [91.53 %, 94.28 %], Clopper-Pearson"
        ),
        "  tagged 'night': 45 % of 100, not shown >= 50 % [36.52 %, 53.71 %]",
        "  worst: 'photo 7' 0, 'bad?[2Jname' nan",
    ]


def test_a_slice_fails_a_set_that_passes() -> None:
    seen = judged(evaluation(rate(999, 1000), night=rate(10, 100)), at_least=0.9, slices={"night": 0.5})
    assert seen.verdict == "fail"
    assert "over 100 samples of 'faces' tagged 'night' is 10 %, not >= 50 %" in seen.message
    assert [one["tag"] for one in seen.numbers["slices"]] == ["night"]


def test_more_slices_than_there_is_room_for_are_counted() -> None:
    slices: dict[str, Any] = {f"s{at}": rate(10, 100) for at in range(6)}
    seen = judged(evaluation(rate(600, 1000), **slices), slices=dict.fromkeys(slices, 0.9))
    assert "; and 2 more" in seen.message
    assert len(seen.message.splitlines()) <= 4


@pytest.mark.parametrize(("value", "verdict"), [(0.05, "pass"), (0.1, "inconclusive"), (0.2, "fail")])
def test_an_error_is_to_be_low(value: float, verdict: str) -> None:
    seen = judged(evaluation(mean(value, 0.3, 400), metric="mean_abs_error", high=False), at_most=0.1)
    assert (seen.verdict, seen.numbers["method"]) == (verdict, "Student's t")
    assert (seen.numbers["at_most"], seen.numbers["at_least"]) == (0.1, None)


def test_slices_alone_take_the_direction_of_the_metric() -> None:
    found = evaluation(mean(0.5, 0.1, 400), metric="mean_abs_error", high=False, night=mean(0.01, 0.001, 50))
    assert judged(found, slices={"night": 0.1}).verdict == "pass"


def test_one_sample_of_a_mean_shows_nothing() -> None:
    seen = judged(evaluation(mean(0.5, None, 1)), at_least=0.4)
    assert seen.verdict == "inconclusive"
    assert "[?, ?]" in seen.message


def test_a_value_that_is_exactly_what_is_wanted_needs_another_bound() -> None:
    assert "the value is too close to it" in judged(evaluation(rate(96, 100)), at_least=0.96).message


def test_a_bound_close_to_what_is_wanted_is_shown_with_more_digits() -> None:
    seen = judged(evaluation(mean(0.50001, 0.0, 9)), at_most=0.5)
    assert "is 0.50001, not <= 0.5:" in seen.message


def test_what_is_no_number_fails_and_says_for_how_many() -> None:
    broken = Score("rate", 100, math.nan, successes=90, not_finite=3)
    seen = judged(evaluation(broken, night=broken))
    assert (seen.verdict, "gave NaN or an infinity for 3 of them" in seen.message) == ("fail", True)
    asked = judged(evaluation(rate(99, 100), night=broken, day=broken), at_least=0.5, slices={"night": 0.5})
    assert "is no number" in asked.message
    both = judged(evaluation(broken, night=broken), at_least=0.5, slices={"night": 0.5})
    assert "tagged 'night': no number" in both.message


def test_without_a_bound_an_evaluation_is_recorded_with_all_its_slices() -> None:
    seen = judged(evaluation(rate(1, 2), night=rate(1, 1)))
    record = build(seen, test="t", facts={}, version="0", time="2026-01-01T00:00:00Z")
    assert (record["verdict"], record["message"], record["numbers"]["value"]) == ("pass", "", 0.5)
    assert record["numbers"]["slices"][0]["samples"] == 1
    assert record["numbers"]["worst"] == [{"id": "photo 7", "score": 0.0}, {"id": "bad\x1b[2Jname", "score": None}]


@pytest.mark.parametrize(
    "asked",
    [
        {"at_least": 0.5, "at_most": 0.6},
        {"at_least": "0.5"},
        {"at_least": True},
        {"at_most": math.nan},
        {"confidence": 1.0, "at_least": 0.5},
        {"confidence": 0.4, "at_least": 0.5},
        {"slices": {"night": None}, "at_least": 0.5},
        {"slices": {"rain": 0.5}},
        {"slices": ["night"]},
        {"slices": 0},
        {"at_least": 96},
        {"slices": {"night": 96}},
    ],
)
def test_what_cannot_be_asked_is_refused_and_no_evidence(asked: dict[str, Any]) -> None:
    seen: list[Evidence] = []
    with pytest.raises(UsageError):
        EdgeCheck(seen.append).accuracy(evaluation(rate(1, 2), night=rate(1, 1)), **asked)
    assert not seen


def test_something_else_than_an_evaluation_is_refused() -> None:
    value: Any = 0.97
    with pytest.raises(UsageError, match=r"model.evaluate\(dataset, metric\)"):
        EdgeCheck(lambda _: None).accuracy(value, at_least=0.96)
