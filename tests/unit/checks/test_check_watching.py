"""Budgets of cost and pace: verdicts, texts, and what goes into the record."""

from __future__ import annotations

import json
import warnings
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import pytest

from pytest_edgedevice.checks import CheckFailed, EdgeCheck, InconclusiveWarning
from pytest_edgedevice.errors import UsageError
from pytest_edgedevice.findings import Operator, Profile, Resources, Stream
from pytest_edgedevice.records import build, unpack
from pytest_edgedevice.values import Disturbance
from tests.unit.checks.conftest import INFO, PLACEMENT

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_edgedevice.values import Evidence, ModelInfo, Placement

COST = Resources(
    model_bytes=229_746,
    load_ms=12.5,
    inferences=200,
    wall_ms=1000.0,
    peak_bytes=70_000_000,
    before_load_bytes=50_000_000,
    memory_counter="VmHWM since the load began",
    cpu_ms=4.5,
    cpu_load_percent=45.0,
    cores=4,
    energy_mj=8.0,
    power_mw=4000.0,
    energy_source="RAPL package-0",
)
UNTOLD = Resources(229_746, 12.5, problems={"memory": "no counter", "cpu": "no clock", "energy": "no sensor"})
FRAME_NS = round(1e9 / 30)


def stream_of(*, dropped: int = 0, age_ms: float = 20.0, oldest_ms: float = 0.0, count: int = 300) -> Stream:
    frames = tuple(range(dropped, count))
    ended = [frame * FRAME_NS + round(age_ms * 1e6) for frame in frames]
    if oldest_ms:
        ended[-1] = frames[-1] * FRAME_NS + round(oldest_ms * 1e6)
    return Stream(
        fps=30.0,
        offered=count,
        processed=len(frames),
        dropped_share=dropped / count,
        achieved_fps=len(frames) / 10,
        age_p50_ms=age_ms,
        age_p90_ms=age_ms,
        age_p95_ms=age_ms,
        age_p99_ms=age_ms,
        age_max_ms=max(age_ms, oldest_ms),
        jitter_ms=0.25,
        wake_p95_ms=0.1,
        cpu_load_percent=12.0,
        frames=frames,
        begun_ns=tuple(frame * FRAME_NS for frame in frames),
        ended_ns=tuple(ended),
    )


@dataclass
class Watched:
    """A model that tells what was written down."""

    cost: Resources = COST
    paced: Stream = stream_of()  # noqa: RUF009 - never changed
    profiled: Profile = Profile()  # noqa: RUF009 - never changed
    emulated: bool = False
    load_ms: float = 12.5
    info: ModelInfo = INFO
    placement: Placement = PLACEMENT
    device_name: str = "local"

    def resources(self, inputs: Any = None, *, seconds: float = 2.0) -> Resources:
        return self.cost

    def stream(self, frames: Any = None, *, fps: float = 30.0, seconds: float = 10.0) -> Stream:
        return self.paced

    def profile(self, inputs: Any = None, *, runs: int = 50, seconds: float = 10.0) -> Profile:
        return self.profiled


BUDGETS: dict[str, tuple[Any, dict[str, Any], dict[str, Any]]] = {
    "memory": (lambda check, model, more: check.memory(model, **more), {"max_mb": 20}, {"max_mb": 19.9}),
    "memory of the process": (
        lambda check, model, more: check.memory(model, of="process", **more),
        {"max_mb": 70},
        {"max_mb": 69.9},
    ),
    "cpu_load": (lambda check, model, more: check.cpu_load(model, **more), {"max_percent": 45}, {"max_percent": 44}),
    "energy": (lambda check, model, more: check.energy(model, **more), {"max_mj": 8}, {"max_mj": 7.9}),
    "load_time": (lambda check, model, more: check.load_time(model, **more), {"max_ms": 12.5}, {"max_ms": 12.4}),
}


def failure(act: Callable[[], Any]) -> tuple[str, str]:
    with pytest.raises(CheckFailed) as caught:
        act()
    return caught.value.evidence.verdict, str(caught.value)


@pytest.mark.parametrize("name", BUDGETS)
def test_a_cost_on_its_budget_passes_and_is_recorded(check: EdgeCheck, recorded: list[Evidence], name: str) -> None:
    ask, enough, _ = BUDGETS[name]
    ask(check, Watched(), enough)
    (evidence,) = recorded
    assert (evidence.verdict, evidence.message, evidence.check) == ("pass", "", name.partition(" ")[0])
    assert (evidence.model, evidence.placement, evidence.device) == (INFO, PLACEMENT, "local")
    assert evidence.numbers["observed"] == evidence.numbers["limit"] == next(iter(enough.values()))


@pytest.mark.parametrize("name", BUDGETS)
def test_a_cost_over_its_budget_fails(check: EdgeCheck, recorded: list[Evidence], name: str) -> None:
    ask, _, little = BUDGETS[name]
    verdict, text = failure(lambda: ask(check, Watched(), little))
    assert (verdict, [one.verdict for one in recorded]) == ("fail", ["fail"])
    assert f"over the {next(iter(little.values()))} " in text
    assert len(text.splitlines()) <= 4
    assert "on 'local' by xnnpack, 1 thread" in text


@pytest.mark.parametrize(("name", "why"), [("memory", "no counter"), ("cpu_load", "no clock"), ("energy", "no sensor")])
def test_what_was_not_measured_never_passes(check: EdgeCheck, name: str, why: str) -> None:
    ask, enough, _ = BUDGETS[name]
    verdict, text = failure(lambda: ask(check, Watched(cost=UNTOLD), dict.fromkeys(enough, 1000000000.0)))
    assert (verdict, f": {why}\n" in text, "cannot show" in text) == ("inconclusive", True, True)


def test_a_load_that_nobody_timed_never_passes(check: EdgeCheck) -> None:
    verdict, text = failure(lambda: check.load_time(Watched(load_ms=0.0), max_ms=1e9))
    assert (verdict, "does not tell how long loading took" in text) == ("inconclusive", True)


def test_what_was_not_measured_warns_where_the_policy_says_so(recorded: list[Evidence]) -> None:
    lenient = EdgeCheck(recorded.append, on_inconclusive="warn")
    with pytest.warns(InconclusiveWarning, match="no sensor") as seen:
        lenient.energy(Watched(cost=UNTOLD), max_mj=1)
    assert seen[0].filename == __file__


@pytest.mark.parametrize("name", BUDGETS)
def test_costs_of_an_emulator_say_nothing(check: EdgeCheck, name: str) -> None:
    ask, enough, _ = BUDGETS[name]
    model = Watched(cost=replace(COST, emulated=True), emulated=True)
    verdict, text = failure(lambda: ask(check, model, enough))
    assert (verdict, "the device is emulated" in text, "observed" in text) == ("inconclusive", True, True)
    ask(check, model, {**enough, "allow_emulated": True})


@pytest.mark.parametrize("wrong", [0, -1, float("nan"), float("inf"), "5", None, True, [1], 10**400])
@pytest.mark.parametrize("name", BUDGETS)
def test_a_budget_that_is_none_is_the_tests_error(
    check: EdgeCheck, recorded: list[Evidence], name: str, wrong: Any
) -> None:
    ask, enough, _ = BUDGETS[name]
    with pytest.raises(UsageError, match="must be a positive number"):
        ask(check, Watched(), dict.fromkeys(enough, wrong))
    assert recorded == []


@pytest.mark.parametrize("model", ["m.tflite", None])
def test_what_was_never_loaded_has_no_loading_time(check: EdgeCheck, model: Any) -> None:
    with pytest.raises(UsageError, match="model must be a loaded model"):
        check.load_time(model, max_ms=5)


def test_an_unknown_part_of_memory_is_refused_before_anything_is_measured(check: EdgeCheck) -> None:
    never: Any = object
    with pytest.raises(UsageError, match="of must be 'model' or 'process', not 'all'"):
        check.memory(Watched(cost=never), max_mb=5, of="all")  # type: ignore[arg-type]


BUSY = Disturbance("busy", "before", "inconclusive", "load 9 on 2 cores before the run: the machine was busy", True)


@pytest.mark.parametrize("name", ["memory", "cpu_load", "energy"])
def test_a_cost_on_a_device_that_its_rules_call_disturbed_shows_nothing(check: EdgeCheck, name: str) -> None:
    ask, enough, _ = BUDGETS[name]
    verdict, text = failure(lambda: ask(check, Watched(cost=replace(COST, disturbances=(BUSY,))), enough))
    assert (verdict, "load 9 on 2 cores" in text, "observed" in text) == ("inconclusive", True, True)


def test_a_stream_or_a_profile_on_such_a_device_shows_nothing(check: EdgeCheck) -> None:
    model = Watched(paced=replace(stream_of(), disturbances=(BUSY,)), profiled=Profile(disturbances=(BUSY,)))
    assert failure(lambda: check.realtime(model))[0] == "inconclusive"
    verdict, text = failure(lambda: check.profile(model))
    assert (verdict, "load 9 on 2 cores" in text) == ("inconclusive", True)


@pytest.mark.parametrize(("name", "named"), [("energy", True), ("memory", False)])
def test_what_may_have_cost_more_is_named_but_not_for_memory(check: EdgeCheck, name: str, named: bool) -> None:
    ask, _, little = BUDGETS[name]
    model = Watched(cost=replace(COST, disturbances=(replace(BUSY, rule="ignore"),)))
    assert ("the machine was busy" in failure(lambda: ask(check, model, little))[1]) == named


def test_memory_before_the_load_that_nobody_told_leaves_the_process_to_judge(check: EdgeCheck) -> None:
    model = Watched(cost=replace(COST, before_load_bytes=None))
    verdict, text = failure(lambda: check.memory(model, max_mb=500))
    assert (verdict, "of='process'" in text) == ("inconclusive", True)
    check.memory(model, max_mb=500, of="process")


def test_memory_is_of_the_model_or_of_its_process(check: EdgeCheck) -> None:
    with pytest.raises(UsageError, match="'model' or 'process'"):
        check.memory(Watched(), max_mb=1, of="device")  # type: ignore[arg-type]


def test_texts_say_which_counter_told_what(check: EdgeCheck) -> None:
    assert failure(lambda: check.memory(Watched(), max_mb=5))[1] == (
        "memory of 'face.tflite' is 20 MB, over the 5 MB allowed\n"
        "  VmHWM since the load began: 70 MB in all, 50 MB of it before the load; 200 inferences\n"
        "  on 'local' by xnnpack, 1 thread"
    )
    assert (
        "1.8 of 4 cores busy, 4.5 ms of processor time an inference"
        in failure(lambda: check.cpu_load(Watched(), max_percent=5))[1]
    )
    assert "RAPL package-0, 4 W: all that ran there meanwhile" in failure(lambda: check.energy(Watched(), max_mj=5))[1]


def test_a_number_does_not_round_to_its_budget(check: EdgeCheck) -> None:
    cost = replace(COST, energy_mj=8.00001)
    assert "is 8.00001 mJ, over the 8 mJ allowed" in failure(lambda: check.energy(Watched(cost=cost), max_mj=8))[1]


def test_a_model_that_keeps_up_passes(check: EdgeCheck, recorded: list[Evidence]) -> None:
    assert check.realtime(Watched(paced=stream_of(dropped=3)), max_drop=0.01, max_age_ms=20).processed == 297
    (evidence,) = recorded
    assert (evidence.check, evidence.verdict) == ("realtime", "pass")
    numbers = evidence.numbers
    assert (numbers["dropped_share"], numbers["age_ms"], numbers["age_quantile"]) == (0.01, 20.0, 0.99)


@pytest.mark.parametrize(
    ("changes", "budget"),
    [
        ({"dropped": 4}, {}),
        ({"age_ms": 100.1}, {}),
        ({"oldest_ms": 101.0}, {"age_quantile": 1}),
        ({}, {"max_age_ms": 9}),
    ],
)
def test_a_model_that_does_not_keep_up_fails(check: EdgeCheck, changes: dict[str, Any], budget: dict[str, Any]) -> None:
    verdict, text = failure(lambda: check.realtime(Watched(paced=stream_of(**changes)), **budget))
    assert (verdict, len(text.splitlines())) == ("fail", 4)
    assert text.startswith("'face.tflite' does not keep up with 30 frames a second\n")


def test_the_oldest_of_a_hundred_frames_may_be_older(check: EdgeCheck) -> None:
    check.realtime(Watched(paced=stream_of(oldest_ms=500.0)))


def test_a_device_that_wakes_late_is_not_the_models_fault(check: EdgeCheck) -> None:
    late = replace(stream_of(dropped=30), wake_p95_ms=20.0)
    verdict, text = failure(lambda: check.realtime(Watched(paced=late)))
    assert (verdict, "began 20 ms late (p95)" in text) == ("inconclusive", True)
    check.realtime(Watched(paced=replace(stream_of(), wake_p95_ms=20.0)))


def test_a_stream_on_an_emulator_says_nothing(check: EdgeCheck) -> None:
    model = Watched(paced=replace(stream_of(), emulated=True))
    assert failure(lambda: check.realtime(model))[0] == "inconclusive"
    check.realtime(model, allow_emulated=True)


@pytest.mark.parametrize(
    "wrong", [{"max_drop": 1}, {"max_drop": -0.1}, {"max_age_ms": 0}, {"age_quantile": 0}, {"age_quantile": 1.1}]
)
def test_a_pace_that_cannot_be_is_the_tests_error(check: EdgeCheck, wrong: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        check.realtime(Watched(), **wrong)


def test_the_record_of_a_stream_holds_what_its_verdict_rests_on(check: EdgeCheck, recorded: list[Evidence]) -> None:
    check.realtime(Watched())
    record = build(recorded[0], test="t", facts={}, version="1", time="now")
    numbers = json.loads(json.dumps(record, allow_nan=False))["numbers"]
    assert unpack(numbers["age_samples_ns"]) == [20_000_000] * 300
    assert "frames" not in numbers
    assert (numbers["offered"], numbers["processed"], numbers["max_drop"]) == (300, 300, 0.01)


def test_the_ten_slowest_operators_are_recorded(check: EdgeCheck, recorded: list[Evidence]) -> None:
    operators = tuple(Operator(f"OP{at}", "xnnpack", 1, 12.0 - at, 0.1) for at in range(12))
    check.profile(Watched(profiled=Profile(operators, 50, 78.0)))
    numbers = build(recorded[0], test="t", facts={}, version="1", time="now")["numbers"]
    assert [one["name"] for one in numbers["operators"]] == [f"OP{at}" for at in range(10)]
    assert numbers["operators"][0] == {"name": "OP0", "delegate": "xnnpack", "count": 1, "time_ms": 12.0, "share": 0.1}
    assert (numbers["others"], numbers["total_ms"], numbers["runs"]) == ({"types": 2, "time_ms": 3.0}, 78.0, 50)


def test_a_profile_that_is_none_is_inconclusive(check: EdgeCheck) -> None:
    verdict, text = failure(lambda: check.profile(Watched(profiled=Profile(problem="no profiler here"))))
    assert verdict == "inconclusive"
    assert text == "cannot profile 'face.tflite': no profiler here\n  on 'local' by xnnpack, 1 thread"


def test_costs_can_be_written_as_json(check: EdgeCheck, recorded: list[Evidence]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check.memory(Watched(), max_mb=100)
    record = build(recorded[0], test="t", facts={}, version="1", time="now")
    assert json.loads(json.dumps(record, allow_nan=False))["numbers"]["resources"]["peak_bytes"] == 70_000_000
