"""Two runs, and many: what changed, what of it is noise, and what is a regression."""

from __future__ import annotations

import random
import statistics
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_edgedevice.errors import UsageError
from pytest_edgedevice.history.choosing import choose, find_folder
from pytest_edgedevice.history.comparing import Change, Compared, compare_runs
from pytest_edgedevice.history.index import PastRun
from pytest_edgedevice.history.journal import remember
from pytest_edgedevice.history.regression import robustly_usual
from pytest_edgedevice.history.trends import regressed, trends_of, usual_of
from tests.made_records import close, latency, made

if TYPE_CHECKING:
    from collections.abc import Sequence

STEADY = [2.0, 2.02, 1.98, 2.01, 1.99, 2.0, 2.02, 1.98, 2.01, 1.99, 2.0, 2.01]


def compared(
    old: Sequence[dict[str, Any]], new: Sequence[dict[str, Any]], earlier: Sequence[float] = ()
) -> list[Compared]:
    return compare_runs(old, new, lambda *_: earlier)


def change(old: dict[str, Any], new: dict[str, Any], metric: str, earlier: Sequence[float] = ()) -> Change:
    (found,) = compared([old], [new], earlier)
    one = found.change(metric)
    assert one is not None
    return one


@pytest.mark.parametrize(
    ("after", "earlier", "beyond", "worse"),
    [
        (2.05, STEADY, False, False),
        (2.5, STEADY, True, True),
        (1.5, STEADY, True, False),
        (2.15, (), False, False),
        (2.3, (), True, True),
        (2.3, STEADY[:9], True, True),
        (2.5, [1.0, 3.0] * 6, False, False),
    ],
    ids=["noise", "slower", "faster", "10 % assumed", "over 10 %", "nine tell nothing", "all is noise here"],
)
def test_a_latency_is_held_against_the_noise_of_earlier_runs(
    after: float, earlier: Sequence[float], beyond: bool, worse: bool
) -> None:
    found = change(latency(2.0), latency(after), "p50_ms", earlier)
    assert (found.beyond, found.worse) == (beyond, worse)
    assert found.share == pytest.approx(after / 2 - 1)
    assert found.runs == (len(earlier) if len(earlier) >= 10 else 0)


@pytest.mark.parametrize(("after", "worse"), [(1e-3, False), (1.04e-3, False), (2e-3, True), (0.0, False)])
def test_errors_have_no_noise_of_their_own(after: float, worse: bool) -> None:
    assert change(close(1e-3), close(after), "max_abs_error", [1.0, 9.0] * 10).worse == worse


def test_an_error_that_was_none_has_no_share() -> None:
    found = change(close(0.0), close(1e-9), "max_abs_error")
    assert (found.share, found.worse) == (None, True)


@pytest.mark.parametrize(("limit", "worse"), [({"at_least": 0.5}, True), ({"at_most": 2}, False), ({}, False)])
def test_a_users_number_becomes_worse_in_the_direction_that_its_limit_tells(
    limit: dict[str, float], worse: bool
) -> None:
    old, new = ({"name": "top1", "value": value, **limit} for value in (0.95, 0.75))
    found = change(made("metric", old), made("metric", new), "top1")
    assert (found.beyond, found.worse) == (True, worse)


@pytest.mark.parametrize(
    ("before", "after", "regressed"),
    [
        (("pass", "passed"), ("fail", "failed"), True),
        (("pass", "passed"), ("inconclusive", "inconclusive"), True),
        (("pass", "passed"), ("fail", "infra"), True),
        (("pass", "passed"), ("fail", "skipped"), False),
        (("fail", "failed"), ("pass", "passed"), False),
        (("fail", "failed"), ("fail", "failed"), False),
    ],
)
def test_what_passed_and_does_not_any_more_is_a_regression(
    before: tuple[Any, Any], after: tuple[Any, Any], regressed: bool
) -> None:
    old, new = (made("close", {}, verdict=verdict, outcome=outcome) for verdict, outcome in (before, after))
    (found,) = compared([old], [new])
    assert found.regressed == regressed


def test_cells_that_only_one_run_has_are_no_regression() -> None:
    gone, new = compared([latency(device="hall")], [latency(device="kitchen", verdict="fail", outcome="failed")])
    assert (gone.cell.device, gone.after, gone.regressed) == ("hall", None, False)
    assert (new.cell.device, new.before, new.regressed) == ("kitchen", None, False)


@pytest.mark.parametrize(
    ("old", "new", "shown"),
    [
        (["skipped"], [], []),
        ([], ["failed"], []),
        (["passed"], ["passed"], []),
        (["passed"], ["failed"], [("passed", "failed")]),
    ],
    ids=["gone", "new", "same", "worse"],
)
def test_a_test_that_no_check_speaks_for_is_told_only_where_it_ends_otherwise(
    old: list[str], new: list[str], shown: list[tuple[str, str]]
) -> None:
    ended: dict[str, Any] = {
        "skipped": made("skip", {}, model="", verdict="inconclusive", outcome="skipped"),
        "passed": made("test", {}, model=""),
        "failed": made("test", {}, model="", verdict="fail", outcome="failed"),
    }
    before, after = ([ended[one] for one in run] for run in (old, new))
    assert [(one.before, one.after) for one in compared(before, after)] == shown


def test_a_metric_that_only_one_run_has_has_no_change() -> None:
    found = change(latency(), close(), "p50_ms")
    assert (found.before, found.after, found.share, found.beyond) == (2.0, None, None, False)


def test_another_delegate_that_ran_is_seen() -> None:
    new = latency()
    new["delegate"]["proven"] = "xnnpack"
    (found,) = compared([latency()], [new])
    assert found.proven == ("cpu", "xnnpack")


def test_a_test_without_a_model_stands_for_itself() -> None:
    (found,) = compared([made("metric", {}, model="", device="")], [made("metric", {}, model="", device="")])
    assert str(found.cell) == "test_it.py::test_a"


def test_outliers_among_earlier_runs_move_the_rule_little() -> None:
    clean, soiled = robustly_usual(STEADY), robustly_usual([*STEADY[:-2], 9.0, 9.0])
    assert soiled.value == pytest.approx(clean.value, rel=0.01)
    assert soiled.highest < 2.3


def test_the_rule_needs_ten_runs() -> None:
    assert not regressed(9.0, usual_of(STEADY[:9]), "lower")
    assert regressed(9.0, usual_of(STEADY[:10]), "lower")
    assert not regressed(9.0, usual_of([]), "lower")


def test_the_rule_looks_at_the_last_twenty_runs() -> None:
    usual = usual_of([50.0] * 100 + STEADY + STEADY[:8])
    assert usual is not None
    assert usual.runs == 20
    assert usual.value == pytest.approx(2.0, rel=0.01)


@pytest.mark.parametrize(("better", "value", "bad"), [("higher", 1.0, True), ("higher", 3.0, False), ("", 9.0, False)])
def test_the_rule_knows_directions(better: Any, value: float, bad: bool) -> None:
    assert regressed(value, usual_of(STEADY), better) == bad


def test_values_without_logarithm_have_no_noise() -> None:
    usual = robustly_usual([0.0] * 12)
    assert (usual.value, usual.is_beyond(0.0), usual.is_beyond(1e-9)) == (0.0, False, True)


def test_wild_series_allow_everything_and_do_not_overflow() -> None:
    assert not robustly_usual([1e-300, 1e300] * 10).is_beyond(1e6)


@pytest.mark.parametrize("count", [10, 20])
def test_without_a_change_the_rule_is_wrong_about_once_in_a_thousand_runs(count: int) -> None:
    """On normal noise of 3 %: of 3,000 series at most three times the rate that is promised."""
    generator = random.Random(count)
    alarms = 0
    for _ in range(3000):
        series = [2.0 * (1 + generator.gauss(0, 0.03)) for _ in range(count + 1)]
        alarms += regressed(series[-1], robustly_usual(series[:-1]), "lower")
    assert alarms <= 9


def test_a_trend_is_of_one_cell_machine_and_metric_the_middle_value_of_each_run() -> None:
    def point(value: float, **more: Any) -> dict[str, Any]:
        cell = {"model": "m", "variant": "float32", "device": "d", "delegate": "cpu", "threads": 1}
        told = {"machine": "", "metric": "p95_ms", "unit": "ms", "better": "lower", "time": "", "verdict": "pass"}
        return {**cell, **told, "engine": "", "value": value, **more}

    points = [("a", point(1)), ("a", point(9)), ("a", point(2)), ("a", point(5, machine="lab")), ("b", point(3))]
    first, second = trends_of(points)
    assert [(past.run, past.value) for past in first.past] == [("a", 2), ("b", 3)]
    assert [(past.run, past.value) for past in second.past] == [("a", 5)]
    assert second.usual is None
    assert not second.regressed
    assert first.usual is not None
    assert first.usual.value == statistics.median([2])


RUNS = [PastRun(id_, "", "", 1, 0, 0) for id_ in ("20260101-aa", "20260101-ab", "20260102-cc")]


@pytest.mark.parametrize(
    ("name", "expected"), [("last", "20260102-cc"), ("last~2", "20260101-aa"), ("20260102", "20260102-cc"),
                           ("20260101-ab", "20260101-ab")]
)  # fmt: skip
def test_a_run_is_chosen_by_its_place_or_the_beginning_of_its_id(name: str, expected: str) -> None:
    assert choose(RUNS, name).id == expected


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("last~3", "there is no run 'last~3': the history has 3"),
        ("20260101", r"several runs begin with '20260101'(?s:.*)20260101-aa, 20260101-ab"),
        ("nonsense", r"no file and no run is called 'nonsense'(?s:.*)20260102-cc"),
        ("", "no file and no run is called ''"),
        ("last~-1", "no file and no run is called"),
    ],
)
def test_a_run_that_cannot_be_chosen_is_said(name: str, text: str) -> None:
    with pytest.raises(UsageError, match=text):
        choose(RUNS, name)


def test_a_project_without_a_history_would_keep_it_beside_its_tests(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert find_folder(Path("a/b")) == Path("a/b/.edgedevice")  # relative: what lies above is not this test's


def test_the_nearest_history_above_a_folder_is_found(tmp_path: Path) -> None:
    deep = tmp_path / "a" / "b"
    deep.mkdir(parents=True)
    remember(tmp_path / ".edgedevice", [latency()])
    assert find_folder(deep) == tmp_path / ".edgedevice"
