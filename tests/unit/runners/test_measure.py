"""The measuring loop against an agent whose series are scripted: nothing here depends on the clock."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pytest

from pytest_edgedevice.agent.wire import Frame, describe
from pytest_edgedevice.errors import InputError, ProtocolError
from pytest_edgedevice.runners.agent_backend import AgentSeries
from pytest_edgedevice.runners.measure import measure
from pytest_edgedevice.runners.samples import Batch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pytest_edgedevice.runners.client import AgentClient
    from pytest_edgedevice.values import Timing

MS = 1_000_000


class ScriptedAgent:
    """Answers ``measure`` with the numbers of a function of the entry's position, per inference in nanoseconds."""

    def __init__(self, series: Callable[[int], int], *, tick_ns: int = 40) -> None:
        self.hello = {"clock_tick_ns": tick_ns}
        self.asked: list[dict[str, Any]] = []
        self._series = series
        self._at = 0
        self.reply: dict[str, Any] = {}
        self.data: np.ndarray[Any, Any] | None = None
        self.conditions: Any = {"load_1min": 0.5}
        self.worst: dict[str, Any] = {}

    def request(
        self,
        operation: str,
        fields: dict[str, Any] | None = None,
        buffers: object = (),
        *,
        timeout_s: float,
        max_reply_bytes: int = 0,
    ) -> Frame:
        if operation == "facts":
            return Frame({"conditions": self.conditions}, memoryview(b""))
        assert fields is not None
        self.asked.append(fields)
        times = np.array([self._series(self._at + at) for at in range(fields["runs"])], np.int64)
        self._at += len(times)
        if self.data is not None:
            times = self.data
        tensors = [describe("samples_ns", times.dtype.name, times.shape, "timing")]
        return Frame({"tensors": tensors, "first_ns": 5 * MS, **self.reply}, memoryview(times.tobytes()))

    def broken(self, what: str) -> ProtocolError:
        return ProtocolError(what)


def taken(agent: ScriptedAgent, **options: Any) -> Timing:
    defaults: dict[str, Any] = {
        "budget_ms": None,
        "quantile": 0.95,
        "confidence": 0.95,
        "min_runs": 0,
        "max_runs": 1000,
        "max_s": 1e6,
    }
    sample = Batch({"x": np.zeros((1, 4), np.float32)}, 1)
    series = AgentSeries(cast("AgentClient", agent), timeout_s=1)
    return measure(series, sample, load_ms=1, **{**defaults, **options})


def jitter(base_ns: int) -> Callable[[int], int]:
    noise = np.random.default_rng(0).integers(0, base_ns // 100, 1 << 20)
    return lambda at: base_ns + int(noise[at])


@pytest.mark.parametrize(("budget_ms", "verdict"), [(11.0, "pass"), (9.0, "fail")])
def test_a_series_on_one_side_of_the_budget_is_decided_at_the_first_look(budget_ms: float, verdict: str) -> None:
    timing = taken(ScriptedAgent(jitter(10 * MS)), budget_ms=budget_ms)
    assert (timing.verdict, timing.steady, bool(timing.reason)) == (verdict, True, verdict == "fail")
    assert len(timing.samples_ns) < 1000


def test_a_budget_inside_the_noise_is_inconclusive_at_the_cap_with_its_interval() -> None:
    rng = np.random.default_rng(1)
    values = rng.integers(9 * MS, 11 * MS, 1 << 18)
    budget_ms = float(np.quantile(values, 0.95)) / MS
    timing = taken(ScriptedAgent(lambda at: int(values[at])), budget_ms=budget_ms, max_runs=400)
    assert (timing.verdict, len(timing.samples_ns)) == ("inconclusive", 400)
    assert timing.lower_ms is not None
    assert timing.upper_ms is not None
    assert timing.lower_ms <= budget_ms <= timing.upper_ms
    assert "interval" in timing.reason


def test_a_latency_that_never_settles_is_inconclusive_whatever_the_budget() -> None:
    timing = taken(ScriptedAgent(lambda at: 10 * MS + at * MS), budget_ms=1e9)
    assert (timing.verdict, timing.steady) == ("inconclusive", False)
    assert timing.reason == f"the latency never settled in {timing.warmup_runs} warm-up runs"


def test_warm_up_is_dropped_and_nothing_else() -> None:
    agent = ScriptedAgent(lambda at: at + 10 * MS)
    timing = taken(agent)
    assert timing.samples_ns == tuple(range(timing.warmup_runs - 1 + 10 * MS, agent._at + 10 * MS))


def test_an_inference_of_a_few_ticks_is_timed_several_at_once() -> None:
    agent = ScriptedAgent(jitter(400), tick_ns=40)
    timing = taken(agent, budget_ms=1)
    assert timing.batch == agent.asked[-1]["batch"] == 5
    assert (timing.verdict, timing.p50_ms < 0.00041) == ("pass", True)


def test_a_budget_that_only_the_mean_of_several_keeps_is_not_shown() -> None:
    timing = taken(ScriptedAgent(jitter(400), tick_ns=40), budget_ms=0.001)
    assert (timing.batch, timing.verdict) == (5, "inconclusive")
    assert "5 together take longer" in timing.reason


def test_nothing_passes_before_half_a_second_was_observed() -> None:
    timing = taken(ScriptedAgent(jitter(MS)), budget_ms=100, max_runs=5000)
    assert timing.verdict == "pass"
    assert sum(timing.samples_ns) >= 500 * MS


def test_a_clear_verdict_of_a_model_of_a_millisecond_takes_well_under_a_second() -> None:
    agent = ScriptedAgent(jitter(MS))
    timing = taken(agent, budget_ms=100, max_runs=5000)
    assert timing.verdict == "pass"
    assert agent._at < 700  # milliseconds, the warm-up among them


def test_a_series_that_never_settles_but_never_kept_the_budget_fails() -> None:
    timing = taken(ScriptedAgent(lambda at: 10 * MS + at * MS), budget_ms=1)
    assert (timing.verdict, timing.steady) == ("fail", False)


def test_a_cap_below_what_the_quantile_needs_is_refused_with_the_number() -> None:
    with pytest.raises(InputError, match=r"p99\.99999 .*\n.* a quantile that fewer runs show"):
        taken(ScriptedAgent(jitter(MS)), budget_ms=1, quantile=0.9999999)
    with pytest.raises(InputError, match="max_runs=59"):
        taken(ScriptedAgent(jitter(MS)), budget_ms=10, max_runs=50)


def test_a_clock_that_stands_still_is_no_division_by_zero() -> None:
    assert taken(ScriptedAgent(lambda _: 0)).p50_ms == 0


@pytest.mark.parametrize("budget_ms", [0.019, 1e-9])
def test_a_budget_under_twenty_ticks_of_the_clock_is_refused(budget_ms: float) -> None:
    with pytest.raises(InputError, match="under 20 ticks of the device's clock"):
        taken(ScriptedAgent(jitter(MS), tick_ns=1000), budget_ms=budget_ms)


def test_without_a_budget_there_is_no_verdict() -> None:
    timing = taken(ScriptedAgent(jitter(10 * MS)))
    assert (timing.verdict, timing.reason, len(timing.samples_ns) >= 100) == (None, "", True)


@pytest.mark.parametrize("runs", [1, 7, 300])
def test_the_number_of_runs_is_kept(runs: int) -> None:
    assert len(taken(ScriptedAgent(jitter(MS)), min_runs=runs, max_runs=max(runs, 1)).samples_ns) == runs


def test_the_time_limit_ends_the_series(monkeypatch: pytest.MonkeyPatch) -> None:
    def clock() -> Iterator[float]:
        now = 0.0
        while True:
            yield now
            now += 0.5

    readings = clock()
    monkeypatch.setattr(time, "monotonic", lambda: next(readings))
    timing = taken(ScriptedAgent(jitter(900 * MS)), budget_ms=905, max_s=3)
    assert timing.verdict == "inconclusive"
    assert 1 <= len(timing.samples_ns) < 20


@pytest.mark.parametrize(
    "options",
    [
        {"quantile": 0},
        {"quantile": 1},
        {"quantile": float("nan")},
        {"confidence": 1.5},
        {"confidence": 1 - 1e-15},
        {"budget_ms": 0},
        {"budget_ms": -1},
        {"budget_ms": float("nan")},
        {"budget_ms": float("inf")},
        {"budget_ms": 10**5000},
        {"budget_ms": 1e308},
        {"max_runs": 10**9},
        {"max_s": 0},
        {"max_s": float("nan")},
        {"max_s": 1e308},
        {"max_runs": 0},
        {"min_runs": -1},
    ],
    ids=lambda options: str(options)[:40] if 10**5000 not in options.values() else "huge",
)
def test_an_argument_out_of_range_is_refused_before_anything_runs(options: dict[str, Any]) -> None:
    agent = ScriptedAgent(jitter(MS))
    with pytest.raises(InputError):
        taken(agent, **options)
    assert agent.asked == []


@pytest.mark.parametrize(
    "data",
    [
        np.zeros(0, np.int64),
        np.array([-1], np.int64),
        np.array([1, 2], np.int64),
        np.array([[1]], np.int64),
        np.array([np.nan]),
        np.array([1], np.int32),
    ],
    ids=repr,
)
def test_a_series_that_is_none_is_a_breach_of_the_protocol(data: np.ndarray[Any, Any]) -> None:
    agent = ScriptedAgent(jitter(MS))
    agent.data = data
    with pytest.raises(ProtocolError):
        taken(agent)


@pytest.mark.parametrize("reply", [{"tensors": None}, {"tensors": []}, {"first_ns": "1"}, {"first_ns": None}], ids=str)
def test_a_reply_that_is_malformed_is_a_breach_of_the_protocol(reply: dict[str, Any]) -> None:
    agent = ScriptedAgent(jitter(MS))
    agent.reply = reply
    with pytest.raises(ProtocolError):
        taken(agent)


@pytest.mark.parametrize("conditions", [None, [], {"load": []}, {"load": None}], ids=str)
def test_conditions_that_are_malformed_are_a_breach_of_the_protocol(conditions: Any) -> None:
    agent = ScriptedAgent(jitter(MS))
    agent.conditions = conditions
    with pytest.raises(ProtocolError, match="no conditions"):
        taken(agent)


class Clock:
    """Time that passes only while inferences run."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class HotDevice(ScriptedAgent):
    """Gets slower as it runs; its inferences make the clock go on."""

    def __init__(self, clock: Clock, base_ns: int, *, slower: float = 0.5, after_s: float = 10.0) -> None:
        super().__init__(lambda _: 0)
        self._clock, self._base_ns, self._slower, self._after_s = clock, base_ns, slower, after_s
        self._noise = np.random.RandomState(0)
        self.untimed = 0

    def request(self, operation: str, fields: dict[str, Any] | None = None, *rest: Any, **options: Any) -> Frame:
        if fields is not None:
            self.untimed += fields["settle"]
            self._clock.now += fields["settle"] * self._base_ns / 1e9
            times = []
            begun = self._clock.now
            for _ in range(fields["runs"]):
                hot = self._slower if self._clock.now > self._after_s else 0.0
                times.append(int(self._base_ns * (1 + hot) * (1 + 0.01 * self._noise.random_sample())))
                self._clock.now += times[-1] / 1e9
                if self._clock.now - begun > fields["max_ns"] / 1e9:
                    break
            self.data = np.array(times, np.int64)
        return super().request(operation, fields, *rest, **options)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock of the measuring loop, which nobody else here reads."""
    made = Clock()
    monkeypatch.setattr(time, "monotonic", made)
    return made


@pytest.mark.parametrize(("budget_ms", "verdict"), [(12, "fail"), (16, "pass")])
def test_a_sustained_run_judges_what_a_hot_device_has_left(clock: Clock, budget_ms: float, verdict: str) -> None:
    timing = taken(HotDevice(clock, 10 * MS), budget_ms=budget_ms, sustained_s=40, max_s=1, max_runs=60)
    assert (timing.verdict, timing.judged_from) == (verdict, len(timing.samples_ns) - len(timing.samples_ns) // 3)
    assert timing.drift > 0.3
    assert timing.p50_ms == pytest.approx(15, rel=0.02)
    assert clock.now == pytest.approx(40, abs=1)


def test_a_sustained_run_of_a_short_inference_is_timed_now_and_then(clock: Clock) -> None:
    agent = HotDevice(clock, MS // 5, slower=0.0)
    timing = taken(agent, budget_ms=1, sustained_s=30)
    assert 5_000 < len(timing.samples_ns) < 40_000
    assert agent.untimed > 60_000
    assert (timing.verdict, timing.drift) == ("pass", 0)


def test_a_sustained_run_without_a_budget_has_no_verdict(clock: Clock) -> None:
    timing = taken(HotDevice(clock, 10 * MS), sustained_s=20)
    assert (timing.verdict, timing.reason, timing.drift > 0.3) == (None, "", True)


def test_a_sustained_run_that_is_too_short_to_tell_says_what_is_needed(clock: Clock) -> None:
    timing = taken(HotDevice(clock, 100 * MS), budget_ms=101.5, sustained_s=2)
    assert (timing.verdict, timing.needed[:7]) == ("inconclusive", "needed:")


@pytest.mark.parametrize("seconds", [-1, float("nan"), 1e9, "long"])
def test_a_sustained_time_out_of_range_is_refused(seconds: Any) -> None:
    with pytest.raises(InputError, match="sustained_s"):
        taken(ScriptedAgent(jitter(MS)), sustained_s=seconds)


def test_a_noisy_device_settles_where_longer_windows_agree() -> None:
    noise = np.random.RandomState(1).normal(1, 0.15, 1 << 16)
    timing = taken(ScriptedAgent(lambda at: int(20 * MS * max(noise[at], 0.3))), budget_ms=100)
    assert (timing.steady, timing.verdict) == (True, "pass")


def test_a_slow_model_is_judged_by_the_runs_that_its_time_allowed(clock: Clock) -> None:
    timing = taken(HotDevice(clock, 450 * MS, slower=0.0), budget_ms=600, max_s=30)
    assert timing.verdict == "pass"
    assert 59 <= len(timing.samples_ns) < 90


def test_the_first_inference_is_cold_only_once() -> None:
    assert taken(ScriptedAgent(jitter(MS))).cold
    assert not taken(ScriptedAgent(jitter(MS)), cold=False).cold


def test_the_confidence_of_the_last_look_is_kept() -> None:
    timing = taken(ScriptedAgent(jitter(10 * MS)), budget_ms=11, max_runs=5000)
    assert timing.look_confidence is not None
    assert timing.look_confidence > 0.99


def test_conditions_are_asked_for_during_a_long_run_and_ever_less_often(clock: Clock) -> None:
    timing = taken(HotDevice(clock, 10 * MS), sustained_s=60)
    assert list(timing.conditions) == ["before", "during 1", "during 2", "after"]
    short = taken(HotDevice(clock, 10 * MS), sustained_s=10)
    assert list(short.conditions) == ["before", "after"]
