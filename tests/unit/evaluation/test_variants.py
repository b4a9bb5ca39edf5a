"""Several conversions in one table: taken in turns, compared with the first, chosen under limits."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
import pytest

from pytest_edgedevice.checks import CheckFailed, EdgeCheck
from pytest_edgedevice.errors import InputError, UsageError
from pytest_edgedevice.evaluation import VariantTable, compare_variants, from_arrays
from pytest_edgedevice.evaluation.choosing import Limits, choose
from pytest_edgedevice.evaluation.variants_text import table_lines
from pytest_edgedevice.records import build
from pytest_edgedevice.values import Evidence, Timing
from tests.unit.evaluation.conftest import NumpyModel, one_hot

CLASSES = [at % 3 for at in range(300)]
DATA: dict[str, Any] = {"x": one_hot(CLASSES), "labels": CLASSES}
TURNS: list[str] = []


def timing_of(ms: float, runs: int, *, emulated: bool = False) -> Timing:
    series = tuple(int(ms * 1e6 * (1 + 0.01 * (at * 7 % 10))) for at in range(runs))
    told = {"before": {"emulated": True}} if emulated else {}
    return Timing(None, series, 1, ms, ms, ms, ms, None, None, None, 0.95, 0.95, 1.0, 1.0, 0, True, conditions=told)


class TimedModel(NumpyModel):
    """One that takes a given time, is of a given size, and is wrong for the first so many samples."""

    def __init__(
        self, name: str, *, ms: float, size: int, wrong: int = 0, emulated: bool = False, **options: Any
    ) -> None:
        super().__init__(self._spoiled, **options)
        self.info = dataclasses.replace(self.info, name=f"{name}.tflite", size_bytes=size, variant=name)
        self._ms, self._wrong, self._emulated = ms, wrong, emulated
        self._seen = 0

    def _spoiled(self, values: Any) -> Any:
        spoiled = values.copy()
        spoiled[: max(self._wrong - self._seen, 0)] *= -1
        self._seen += len(values)
        return spoiled

    def measure(self, inputs: Any = None, *, min_runs: int = 0, max_runs: int = 5000, **_: Any) -> Timing:
        TURNS.append(self.info.variant)
        return timing_of(self._ms, min_runs, emulated=self._emulated)


def models(**more: Any) -> dict[str, TimedModel]:
    found = {
        "float32": TimedModel("float32", ms=10, size=4_000_000),
        "float16": TimedModel("float16", ms=10, size=2_000_000),
        "int8": TimedModel("int8", ms=4, size=1_000_000, wrong=30),
    }
    return found | more


def compared(given: Any = None, data: Any = DATA, **options: Any) -> VariantTable:
    return compare_variants(given or models(), data, **{"rounds": 5, **options})


def test_blocks_are_taken_in_turns_and_back() -> None:
    TURNS.clear()
    compared(rounds=2)
    names = ["float32", "float16", "int8"]
    assert names * 2 + names[::-1] == TURNS


def test_a_row_has_size_latency_accuracy_error_speed_up_and_loss() -> None:
    row = compared().rows()[2]
    assert (row["variant"], row["file"], row["size_bytes"], row["sha256"]) == (
        "int8",
        "int8.tflite",
        1_000_000,
        "ab" * 32,
    )
    assert (row["accuracy"], row["loss"], row["max_abs_error"]) == (0.9, pytest.approx(0.1), 0.0)
    assert (row["speed_up"], row["p50_ms"], row["p95_ms"]) == (pytest.approx(2.5), 4.16, 4.36)
    assert row["lower"] < 0.9 < row["upper"]


def test_the_front_has_what_nothing_else_beats() -> None:
    worse = TimedModel("dynamic_int8", ms=11, size=3_000_000, wrong=60)
    assert compared(models(dynamic_int8=worse)).front() == {"float16", "int8"}


def test_outputs_are_compared_with_the_first_variants_or_with_references() -> None:
    table = compared(error_samples=20)
    assert table.error_against == "the outputs of 'float32', 20 samples"
    assert [one.max_abs_error for one in table.variants] == [0, 0, 0]  # the wrong ones were among others
    golden = from_arrays({"x": DATA["x"]}, {"y": DATA["x"] + np.float32(0.5)}, name="faces")
    against = compared(data=golden, metric="max_abs_error")
    assert (against.error_against, against.variants[0].max_abs_error) == ("the references of 'faces', 64 samples", 0.5)
    assert choose(against, Limits(max_abs_error=0.4)).rows[0]["reasons"] == ["max error 0.5 > 0.4"]


def test_outputs_of_other_names_or_shapes_cannot_be_compared() -> None:
    renamed = TimedModel("int8", ms=1, size=1, outputs=("z",))
    table = compared({"float32": TimedModel("float32", ms=1, size=1), "int8": renamed})
    assert table.variants[1].max_abs_error is None
    with pytest.raises(UsageError, match="needs a data set"):
        choose(compared(data=None), Limits(max_abs_error=1))
    assert choose(table, Limits(max_abs_error=1)).rows[1]["reasons"] == ["max error cannot be told"]


def test_an_output_that_is_no_number_is_no_small_error() -> None:
    broken = TimedModel("int8", ms=1, size=1)
    broken.compute = lambda values: values * np.nan
    table = compared({"float32": TimedModel("float32", ms=1, size=1), "int8": broken})
    assert math.isnan(table.variants[1].max_abs_error or 0)
    assert choose(table, Limits(max_abs_error=1)).rows[1]["reasons"] == ["max error nan > 1"]


def test_the_best_is_the_fastest_that_keeps_the_limits() -> None:
    choice = choose(compared(), Limits(max_mb=2.5, p95_ms=12, min_accuracy=0.95))
    assert (choice.verdict, choice.best and choice.best.name) == ("pass", "float16")
    assert [row["reasons"] for row in choice.rows] == [["size 4 MB > 2.5 MB"], [], ["accuracy 0.9 < 0.95"]]


@pytest.mark.parametrize(("best_by", "best"), [("latency", "int8"), ("size", "int8"), ("accuracy", "float16")])
def test_what_decides_between_several_can_be_chosen(best_by: Any, best: str) -> None:
    choice = choose(compared(), Limits(), best_by=best_by)
    assert choice.best is not None
    assert choice.best.name == best


@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        ({"p50_ms": 9}, "p50 is not < 9 ms"),
        ({"max_loss": 0.05}, "loss 0.1 > 0.05"),
        ({"min_speed_up": 3}, "speed-up 2.5 < 3"),
    ],
)
def test_each_limit_has_its_reason(limits: dict[str, float], reason: str) -> None:
    reasons = [text for row in choose(compared(), Limits(**limits)).rows for text in row["reasons"]]
    assert any(text.startswith(reason) for text in reasons)


def test_what_is_not_shown_is_not_admissible_and_not_refuted() -> None:
    choice = choose(compared(), Limits(min_accuracy=0.999))
    assert (choice.verdict, choice.best) == ("inconclusive", None)
    assert choice.rows[0]["reasons"] == ["accuracy 1 is not shown to be >= 0.999"]


def test_times_of_an_emulated_device_show_nothing() -> None:
    table = compared({"float32": TimedModel("float32", ms=1, size=1, emulated=True)})
    assert choose(table, Limits(p95_ms=50)).verdict == "inconclusive"


def test_an_error_is_limited_from_above() -> None:
    table = compared(data={"x": DATA["x"], "labels": DATA["x"]}, metric="mean_squared_error")
    choice = choose(table, Limits(max_error=0.01, max_loss=0.001))
    assert choice.rows[2]["reasons"][0].startswith("mean_squared_error 0.1333 > 0.01")
    assert choice.rows[2]["loss"] > 0
    with pytest.raises(UsageError, match="its limit is max_error"):
        choose(table, Limits(min_accuracy=0.5))
    with pytest.raises(UsageError, match="its limit is min_accuracy"):
        choose(compared(), Limits(max_error=0.5))


def test_a_metric_that_is_no_number_is_never_admissible() -> None:
    table = compared(metric=lambda output, label: float("nan"))
    assert choose(table, Limits()).rows[0]["reasons"] == ["<lambda> is no number"]


@pytest.mark.parametrize("limits", [{"max_mb": 0}, {"p95_ms": -1}, {"max_loss": "0.1"}, {"min_accuracy": math.nan}])
def test_limits_that_are_no_numbers_are_refused(limits: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="limit"):
        Limits(**limits)


def test_another_preference_is_refused() -> None:
    preference: Any = "price"
    with pytest.raises(UsageError, match="best_by"):
        choose(compared(), Limits(), best_by=preference)
    with pytest.raises(UsageError, match="needs a data set"):
        choose(compared(data=None), Limits(), best_by="accuracy")


@pytest.mark.parametrize("options", [{"rounds": 0}, {"error_samples": 0}, {"confidence": 1.0}, {"confidence": 0.1}])
def test_numbers_out_of_their_range_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="must be"):
        compared(**options)


def test_variants_on_two_devices_cannot_be_compared() -> None:
    given = models()
    given["int8"].device_name = "another desk"
    with pytest.raises(InputError, match="on one device"):
        compared(given)
    with pytest.raises(InputError, match="at least one model"):
        compare_variants({}, DATA)


def test_a_generator_is_no_data_set_for_several_variants() -> None:
    with pytest.raises(InputError, match="gives its samples only once"):
        compared(data=iter([(one_hot(0), 0)]))
    assert compared(data=lambda: iter([(one_hot(0), 0)])).variants[0].max_abs_error == 0


def test_without_a_data_set_sizes_and_latencies_are_compared() -> None:
    table = compared(data=None)
    assert (table.rows()[1]["accuracy"], table.front()) == (None, {"int8"})
    assert "metric" not in str(table)


def test_the_table_is_text() -> None:
    first, *_, last = str(compared()).splitlines()
    assert first.split() == [
        "variant",
        "file",
        "delegate",
        "size",
        "p50",
        "p95",
        "speed-up",
        "metric",
        "loss",
        "max",
        "error",
    ]
    assert last.split()[:7] == ["int8", "*", "int8.tflite", "cpu", "1.00", "MB", "4.16"]
    assert "90 % [86.68, 92.71]" in last
    assert "+10.00 points" in last


def test_a_table_of_anything_else_is_dashes_and_steers_no_terminal() -> None:
    rows: list[dict[str, Any]] = [
        {"variant": "a\x1b[2J", "p50_ms": "5", "accuracy": math.nan, "admissible": False, "reasons": ["x\ny"]}
    ]
    head, line = table_lines([*rows])
    assert (head.split(), line.split()) == (["variant", "metric", "verdict"], ["a?[2J", "nan", "[-,", "-]", "x?y"])


def test_a_narrow_terminal_leaves_out_what_matters_least() -> None:
    choice = choose(compared(), Limits(max_mb=2.5))
    wide, narrow = (table_lines(choice.rows, width=width) for width in (400, 72))
    assert max(map(len, narrow)) <= 72 < max(map(len, wide))
    assert "verdict" in narrow[0]
    assert "file" not in narrow[0]


class TestCheck:
    def judged(self, table: VariantTable, **limits: Any) -> Evidence:
        seen: list[Evidence] = []
        try:
            EdgeCheck(seen.append).variants(table, **limits)
        except CheckFailed as error:
            return error.evidence
        return seen[0]

    def test_the_record_has_every_row_the_limits_and_the_best(self) -> None:
        seen = self.judged(compared(), max_mb=2.5)
        record = build(seen, test="t", facts={}, version="0", time="2026-01-01T00:00:00Z")
        numbers = record["numbers"]
        assert (record["verdict"], numbers["best"], numbers["limits"]) == ("pass", "int8", {"max_mb": 2.5})
        assert [(row["variant"], row["admissible"], row["pareto"]) for row in numbers["rows"]] == [
            ("float32", False, False),
            ("float16", True, True),
            ("int8", True, True),
        ]
        assert record["model"]["name"] == "int8.tflite"

    def test_a_failure_says_why_of_each(self) -> None:
        seen = self.judged(compared(), max_mb=0.5, min_accuracy=0.95)
        assert seen.message.splitlines() == [
            "none of 3 variants on 'desk' keeps every limit: max_mb=0.5, min_accuracy=0.95",
            "  float32: size 4 MB > 0.5 MB",
            "  float16: size 2 MB > 0.5 MB",
            "  int8: size 1 MB > 0.5 MB; accuracy 0.9 < 0.95",
        ]

    def test_a_failure_of_many_has_four_lines(self) -> None:
        more = {name: TimedModel(name, ms=1, size=9_000_000) for name in "abc"}
        seen = self.judged(compared(models(**more)), max_mb=0.5)
        assert len(seen.message.splitlines()) == 4
        assert "b: size 9 MB > 0.5 MB | c: size 9 MB > 0.5 MB" in seen.message

    def test_what_is_not_shown_is_inconclusive(self) -> None:
        seen = self.judged(compared(), min_accuracy=0.999)
        assert (seen.verdict, "is shown to keep every limit" in seen.message) == ("inconclusive", True)

    def test_something_else_than_a_table_is_refused(self) -> None:
        wrong: Any = models()
        with pytest.raises(UsageError, match="a table of variants is needed"):
            EdgeCheck(lambda _: None).variants(wrong)
