"""Budgets of a sample's whole way: each stage, and their sum."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import pytest

from pytest_edgedevice.checks import CheckFailed, EdgeCheck
from pytest_edgedevice.errors import UsageError
from pytest_edgedevice.findings import Stages
from pytest_edgedevice.records import build, unpack
from pytest_edgedevice.values import Disturbance
from tests.unit.checks.conftest import INFO, PLACEMENT

if TYPE_CHECKING:
    from pytest_edgedevice.values import Evidence, ModelInfo, Placement


def stages_of(before_ms: float = 60, inference_ms: float = 30, after_ms: float = 10, *, runs: int = 400) -> Stages:
    """Times that are a little longer in every other run."""
    before, inference, after = (
        tuple(round(one * 1e6 * (1.01 if run % 2 else 1)) for run in range(runs))
        for one in (before_ms, inference_ms, after_ms)
    )
    return Stages(before, inference, after, {"total": 100.0}, {"total": 101.0}, {"before": {"load_1min": 0.1}})


@dataclass
class Staged:
    """A model whose stages were written down."""

    found: Stages = field(default_factory=stages_of)
    info: ModelInfo = INFO
    placement: Placement = PLACEMENT
    device_name: str = "local"
    asked: list[Any] = field(default_factory=list)

    def stages(self, *given: Any, **limits: Any) -> Stages:
        self.asked += [*given, limits]
        return self.found


def failure(check: EdgeCheck, model: Staged, **budgets: Any) -> tuple[str, str]:
    with pytest.raises(CheckFailed) as caught:
        check.stages(model, **budgets)
    assert len(str(caught.value).splitlines()) <= 4
    return caught.value.evidence.verdict, str(caught.value)


def test_stages_within_their_budgets_pass_and_are_recorded(check: EdgeCheck, recorded: list[Evidence]) -> None:
    model: Any = Staged()
    check.stages(model, "stages.py", {"photo": 1}, total_ms=102, before_ms=61, inference_ms=31, after_ms=11, runs=300)
    assert model.asked == ["stages.py", {"photo": 1}, {"runs": 300, "seconds": 30.0}]
    numbers = build(recorded[0], test="t", facts={}, version="1", time="now")["numbers"]
    assert (recorded[0].check, recorded[0].verdict, len(numbers["budgets"])) == ("stages", "pass", 4)
    assert unpack(numbers["stage_samples_ns"]["before"]) == list(model.found.before_ns)


def test_an_inference_in_time_is_not_the_truth(check: EdgeCheck) -> None:
    verdict, text = failure(check, Staged(), total_ms=50, inference_ms=50)
    assert verdict == "fail"
    assert text.startswith("'face.tflite': all stages together: p95 is not < 50 ms: 95 % interval [101")
    assert "p95 in ms: pre-processing 60.6, inference 30.3, post-processing 10.1, all stages together 101" in text
    assert text.endswith("on 'local' by xnnpack, 1 thread")


def test_the_sum_is_of_each_run_and_not_of_quantiles(check: EdgeCheck) -> None:
    """One run in ten is slow before, another after: no run is slow in both."""
    slow = replace(
        stages_of(),
        before_ns=tuple(100_000_000 if run % 10 == 0 else 10_000_000 for run in range(400)),
        after_ns=tuple(100_000_000 if run % 10 == 5 else 10_000_000 for run in range(400)),
    )
    check.stages(Staged(slow), total_ms=145)


def test_too_few_runs_show_nothing(check: EdgeCheck) -> None:
    verdict, text = failure(check, Staged(stages_of(runs=20)), total_ms=1000)
    assert (verdict, "needs at least 59 runs" in text) == ("inconclusive", True)


def test_a_stage_that_is_not_there_never_passes(check: EdgeCheck) -> None:
    verdict, text = failure(check, Staged(stages_of(after_ms=0)), after_ms=5)
    assert (verdict, "there is no post-processing in what was timed" in text) == ("inconclusive", True)


def test_stages_on_an_emulator_or_a_device_that_its_rules_call_disturbed_say_nothing(check: EdgeCheck) -> None:
    emulated = Staged(replace(stages_of(), emulated=True))
    assert failure(check, emulated, total_ms=500)[0] == "inconclusive"
    check.stages(emulated, total_ms=500, allow_emulated=True)
    busy = Disturbance("busy", "before", "inconclusive", "load 9 on 2 cores before the run", True)
    verdict, text = failure(check, Staged(replace(stages_of(), disturbances=(busy,))), total_ms=500)
    assert (verdict, "load 9 on 2 cores" in text) == ("inconclusive", True)


def test_what_was_met_is_named_beside_a_failure(check: EdgeCheck) -> None:
    hot = Disturbance("hot", "after", "ignore", "the processor at 95 C", True)
    model = Staged(replace(stages_of(), disturbances=(hot,)))
    verdict, text = failure(check, model, total_ms=90)
    assert (verdict, text.endswith("1 thread; the processor at 95 C")) == ("fail", True)
    assert "95 C" not in failure(check, model, total_ms=20)[1], "heat makes nothing five times slower"


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"total_ms": 0},
        {"total_ms": "5"},
        {"before_ms": -1},
        {"total_ms": 5, "quantile": 1},
        {"total_ms": 5, "confidence": 0.4},
        {"total_ms": 5, "confidence": "no"},
    ],
)
def test_budgets_that_are_none_are_the_tests_error(
    check: EdgeCheck, recorded: list[Evidence], wrong: dict[str, Any]
) -> None:
    with pytest.raises(UsageError):
        check.stages(Staged(), **wrong)
    assert recorded == []


@pytest.mark.parametrize(
    "ask",
    [
        lambda check: check.stages("a", total_ms=5),
        lambda check: check.latency("a", p95_ms=5),
        lambda check: check.memory("a", max_mb=5),
        lambda check: check.energy("a", max_mj=5),
        lambda check: check.cpu_load("a", max_percent=5),
        lambda check: check.realtime("a"),
        lambda check: check.profile("a"),
    ],
)
def test_a_path_is_no_loaded_model(check: EdgeCheck, ask: Any) -> None:
    with pytest.raises(UsageError, match="must be a loaded model, not str 'a'"):
        ask(check)
