"""``edge_check.faster``: two models in turn, the verdict about their ratio, and its evidence."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import math
import time
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from pytest_edgedevice.checks import CheckFailed, EdgeCheck, InconclusiveWarning
from pytest_edgedevice.errors import UsageError
from pytest_edgedevice.values import Disturbance
from tests.unit.checks.conftest import INFO, FakeModel, timing_of

if TYPE_CHECKING:
    from pytest_edgedevice.values import Evidence, Timing


class Desk:
    """A device that gets slower as it is used, and whatever runs there meets the same."""

    def __init__(self, *, noise: float = 0.02, wander: float = 0.002) -> None:
        self._random = np.random.RandomState(1)
        self._noise, self._wander = noise, wander
        self.used: list[str] = []

    def block(self, name: str, typical_ms: float, runs: int) -> list[float]:
        self.used.append(name)
        slower = 1 + self._wander * len(self.used)
        return [
            float(value) for value in typical_ms * slower * np.exp(self._noise * self._random.standard_normal(runs))
        ]


class DeskModel(FakeModel):
    """A model on that desk."""

    def __init__(self, desk: Desk, name: str, typical_ms: float, **changes: Any) -> None:
        super().__init__(timing_of([1.0]), info=dataclasses.replace(INFO, name=name))
        self._desk, self._typical_ms, self._changes = desk, typical_ms, changes
        self.blocks: list[int] = []

    def measure(self, inputs: Any = None, **asked: Any) -> Timing:
        self.blocks.append(asked["min_runs"])
        assert asked["min_runs"] == asked["max_runs"]
        return timing_of(self._desk.block(self.info.name, self._typical_ms, asked["min_runs"]), **self._changes)


def pair(ratio: float, *, typical_ms: float = 10.0, noise: float = 0.02, **changes: Any) -> tuple[Any, Any]:
    desk = Desk(noise=noise)
    return DeskModel(desk, "new", typical_ms * ratio, **changes), DeskModel(desk, "old", typical_ms, **changes)


def test_a_model_that_is_no_slower_passes_with_its_evidence(check: EdgeCheck, recorded: list[Evidence]) -> None:
    new, old = pair(1.0)
    found = check.faster(new, old)
    (evidence,) = recorded
    assert (evidence.check, evidence.verdict, evidence.message) == ("faster", "pass", "")
    assert evidence.model == new.info
    assert (evidence.numbers["old"]["name"], evidence.numbers["blocks"]) == ("old", 8)
    assert found.upper is not None
    assert found.upper <= 1.05
    assert found.p_within < 0.01 < found.p_over
    json.dumps(evidence.numbers, allow_nan=False)


def test_the_verdict_can_be_computed_again_from_the_raw_series(check: EdgeCheck, recorded: list[Evidence]) -> None:
    found = check.faster(*pair(1.0))
    numbers = recorded[0].numbers
    runs = numbers["block_runs"]["new"]
    series = numbers["new_samples_ns"]
    medians = [sorted(series[at : at + runs])[(runs + 1) // 2 - 1] / 1e6 for at in range(0, len(series), runs)]
    assert medians == pytest.approx(found.new_ms)


def test_blocks_are_taken_in_turn_so_that_a_slope_meets_both(check: EdgeCheck) -> None:
    new, old = pair(1.0)
    check.faster(new, old)
    assert new._desk.used[2:] == ["new", "old", "old", "new"] * 4


def test_a_block_lasts_about_fifty_milliseconds(check: EdgeCheck) -> None:
    new, old = pair(0.1, typical_ms=10.0)
    check.faster(new, old)
    assert set(old.blocks[1:]) == {5}
    assert set(new.blocks[1:]) <= set(range(45, 52))


def test_a_model_that_is_slower_fails_and_says_by_how_much(check: EdgeCheck, recorded: list[Evidence]) -> None:
    with pytest.raises(CheckFailed) as caught:
        check.faster(*pair(1.2))
    lines = str(caught.value).splitlines()
    assert lines[0].startswith("new / old is not <= 1.05: 95 % interval [1.1")
    assert lines[0].endswith(", 8 blocks each")
    assert lines[1].startswith("  on 'local': new 'new' by xnnpack, 1 thread, 1")
    assert lines[2].startswith("  Mann-Whitney p ")
    assert [one.verdict for one in recorded] == ["fail"]


def test_a_model_can_be_asked_to_be_faster(check: EdgeCheck) -> None:
    assert check.faster(*pair(0.7), at_most=0.8).verdict == "pass"
    with pytest.raises(CheckFailed, match=r"is not <= 0.5"):
        check.faster(*pair(0.7), at_most=0.5)


def test_a_ratio_on_the_limit_is_inconclusive_after_all_blocks(check: EdgeCheck, recorded: list[Evidence]) -> None:
    with pytest.raises(CheckFailed) as caught:
        check.faster(*pair(1.05, noise=0.1))
    lines = str(caught.value).splitlines()
    assert lines[0].startswith("cannot show new / old <= 1.05: 95 % interval [")
    assert lines[0].endswith(", 32 blocks each")
    assert len(lines) == 4
    assert lines[3].startswith("  needed: ")
    assert recorded[0].verdict == "inconclusive"


def test_what_cannot_be_shown_warns_where_the_policy_says_so(recorded: list[Evidence]) -> None:
    with pytest.warns(InconclusiveWarning, match="cannot show new / old") as caught:
        EdgeCheck(recorded.append, on_inconclusive="warn").faster(*pair(1.05, noise=0.1))
    assert caught[0].filename == __file__


def test_time_ends_a_comparison_with_what_it_has(check: EdgeCheck, monkeypatch: pytest.MonkeyPatch) -> None:
    readings = iter(range(1000))
    monkeypatch.setattr(time, "monotonic", lambda: next(readings))
    with pytest.raises(CheckFailed, match=r"interval \[\?, \?\], 4 blocks each\n(.*\n)*  needed: 8 blocks of each"):
        check.faster(*pair(1.0), max_s=2.5)


def test_an_open_comparison_tells_the_blocks_that_would_decide_it(check: EdgeCheck) -> None:
    with pytest.raises(CheckFailed, match=r"needed: about [\d,]+ blocks like these, at_most=1\.\d+, or a steadier"):
        check.faster(*pair(1.03, noise=0.15))


def test_the_same_model_against_itself_passes(check: EdgeCheck) -> None:
    new, _ = pair(1.0)
    assert check.faster(new, new).verdict == "pass"


def test_models_on_two_devices_cannot_be_compared(check: EdgeCheck, recorded: list[Evidence]) -> None:
    new, old = pair(1.0)
    old.device_name = "pixel8"
    with pytest.raises(UsageError, match="'local' and 'pixel8'"):
        check.faster(new, old)
    assert (recorded, new.blocks) == ([], [])


@pytest.mark.parametrize("bad", [0, -1, math.nan, math.inf, "fast", True])
@pytest.mark.parametrize("name", ["at_most", "confidence", "max_s"])
def test_numbers_out_of_range_are_misuse_before_anything_is_measured(check: EdgeCheck, name: str, bad: Any) -> None:
    new, old = pair(1.0)
    options: dict[str, Any] = {name: bad}
    with pytest.raises(UsageError, match=name):
        check.faster(new, old, **options)
    assert new.blocks == []


def test_an_emulated_device_shows_nothing_and_is_not_kept_for_long(check: EdgeCheck, recorded: list[Evidence]) -> None:
    new, old = pair(1.0, conditions={"before": {"emulated": True}})
    with pytest.raises(CheckFailed, match="the device is emulated"):
        check.faster(new, old)
    assert (recorded[0].verdict, len(new.blocks)) == ("inconclusive", 9)
    assert check.faster(*pair(1.0, conditions={"before": {"emulated": True}}), allow_emulated=True).verdict == "pass"


def test_a_clock_too_coarse_to_tell_two_models_apart_shows_no_difference(check: EdgeCheck) -> None:
    assert check.faster(*pair(1.0, noise=0.0)).verdict == "pass"


@pytest.mark.parametrize("ratio", [1.0, 1.15])
def test_verdicts_are_right_on_a_device_that_wanders(ratio: float) -> None:
    wrong = 0
    for seed in range(40):
        desk = Desk(noise=0.08, wander=0.004)
        desk._random = np.random.RandomState(seed)
        found: list[Evidence] = []
        new: Any = DeskModel(desk, "new", 10 * ratio)
        old: Any = DeskModel(desk, "old", 10)
        with contextlib.suppress(CheckFailed):
            EdgeCheck(found.append).faster(new, old)
        wrong += found[0].verdict == ("fail" if ratio == 1 else "pass")
    assert wrong == 0


def test_a_comparison_that_shows_nothing_names_what_disturbed_it(check: EdgeCheck, recorded: list[Evidence]) -> None:
    busy = Disturbance("busy", "before", "ignore", "load 3.9 on 2 cores before the run: the machine was busy")
    with pytest.raises(CheckFailed, match=r"load 3\.9 on 2 cores") as raised:
        check.faster(*pair(1.05, noise=0.3, disturbances=(busy,)))
    assert len(str(raised.value).splitlines()) <= 4
    assert recorded[0].numbers["disturbances"] == [busy.text]


def test_a_comparison_on_a_device_that_its_rules_refuse_shows_nothing(check: EdgeCheck) -> None:
    hot = Disturbance("hot", "after", "inconclusive", "the processor at 99 C: the device was hot")
    with pytest.raises(CheckFailed, match=r"^the processor at 99 C: the device was hot"):
        check.faster(*pair(1.0, disturbances=(hot,)))
