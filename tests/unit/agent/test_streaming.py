"""A stream of frames against a clock that only the model moves: drops and ages are those of arithmetic."""

from __future__ import annotations

import functools
import gc
import itertools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_edgedevice.agent import instruments
from pytest_edgedevice.agent.engines.base import Engine, Profiled
from pytest_edgedevice.agent.session import Session
from pytest_edgedevice.agent.streaming import sleep_until, stream
from pytest_edgedevice.agent.wire import Frame, describe, split_tensors
from pytest_edgedevice.runners.streamed import Taken, summed_up, wrong_order

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

MS = 1_000_000
FRAME_NS = round(1e9 / 30)


@dataclass
class Clock:
    """Time that stands still unless somebody works or waits; a wait may end late."""

    now: int = 5_000_000_000
    late_ns: int = 0
    waits: list[int] = field(default_factory=list)

    def read(self) -> int:
        return self.now

    def wait_until(self, due_ns: int) -> None:
        self.waits.append(due_ns)
        self.now = max(self.now, due_ns) + self.late_ns

    def work(self, took_ns: int) -> None:
        self.now += took_ns


def taken(clock: Clock, process: Callable[[int], None], *, interval_ns: int = FRAME_NS, count: int = 300) -> Taken:
    found = stream(process, interval_ns=interval_ns, count=count, clock=clock.read, wait_until=clock.wait_until)
    return Taken(*(np.array(one, np.int64) for one in found))


def of_constant(took_ms: float, *, count: int = 300) -> Any:
    clock = Clock()
    found = taken(clock, lambda _: clock.work(round(took_ms * MS)), count=count)
    assert wrong_order(found, interval_ns=FRAME_NS, count=count) == ""
    return summed_up(found, fps=30.0, count=count, cpu_load_percent=None)


@pytest.mark.parametrize(
    ("took_ms", "fps", "least_age_ms", "most_age_ms"),
    # a model that is faster than the frames sees each at once; a slower one is never idle, and finds a frame that has
    # waited for less than one interval
    [(20.0, 30.0, 20.0, 20.0), (40.0, 25.0, 40.0, 40.0 + 1000 / 30), (80.0, 12.5, 80.0, 80.0 + 1000 / 30)],
)
def test_drops_and_ages_are_those_of_arithmetic(
    took_ms: float, fps: float, least_age_ms: float, most_age_ms: float
) -> None:
    found = of_constant(took_ms)
    assert found.achieved_fps == pytest.approx(fps, rel=0.02)
    assert found.dropped_share == pytest.approx(1 - fps / 30, abs=0.02)
    ages = np.array(found.ages_ns) / MS
    assert ages.min() == pytest.approx(least_age_ms, rel=0.02)
    assert least_age_ms * 0.98 <= found.age_p50_ms <= found.age_p99_ms <= found.age_max_ms <= most_age_ms * 1.02
    # the age of a frame when work begins is spread evenly over the interval where nothing keeps both in step
    assert float(ages.mean()) == pytest.approx((least_age_ms + most_age_ms) / 2, rel=0.06 if took_ms > 33 else 0.02)


@pytest.mark.parametrize("took_ms", [20.0, 40.0, 80.0])
def test_ages_repeat_with_the_period_that_both_rates_have(took_ms: float) -> None:
    """40 ms against 33 1/3: each frame waits 6 2/3 ms longer than the last, until one is dropped; so for 80 ms."""
    begins = {20.0: [0.0], 40.0: [0.0, 20 / 3, 40 / 3, 20.0, 80 / 3], 80.0: [0.0, 40 / 3, 80 / 3, 20 / 3, 20.0]}
    expected = [took_ms + begin for begin in begins[took_ms]]
    ages = np.array(of_constant(took_ms, count=3000).ages_ns[:-1]) / MS  # the last frame is taken when all are due
    for at, age in enumerate(expected):
        assert float(np.median(ages[at :: len(expected)])) == pytest.approx(age, rel=0.02)


def test_a_model_that_keeps_up_has_no_jitter_and_one_that_does_not_has_its_own() -> None:
    assert of_constant(20.0).jitter_ms == pytest.approx(0, abs=0.01)
    assert of_constant(40.0).jitter_ms == pytest.approx(0, abs=0.5)
    clock = Clock()
    took = itertools.cycle([10 * MS, 30 * MS])
    found = summed_up(taken(clock, lambda _: clock.work(next(took))), fps=30.0, count=300, cpu_load_percent=None)
    assert found.jitter_ms == pytest.approx(20, rel=0.02)


def test_waits_that_end_late_are_told_apart_from_a_slow_model() -> None:
    clock = Clock(late_ns=9 * MS)
    found = summed_up(taken(clock, lambda _: clock.work(MS)), fps=30.0, count=300, cpu_load_percent=None)
    assert found.wake_p95_ms == pytest.approx(9, rel=0.01)
    assert of_constant(80.0).wake_p95_ms == 0


def test_a_wait_that_ends_early_is_taken_up_again() -> None:
    clock = Clock()

    def early(due_ns: int) -> None:
        clock.waits.append(due_ns)
        clock.now += max((due_ns - clock.now) // 2, 1)

    found = stream(lambda _: None, interval_ns=1000, count=3, clock=clock.read, wait_until=early)
    assert list(found[0]) == [0, 1, 2]
    assert [begun >= 1000 * at for at, begun in enumerate(found[1])] == [True] * 3
    assert len(clock.waits) > 2


def test_one_frame_is_a_stream() -> None:
    found = of_constant(80.0, count=1)
    assert (found.processed, found.dropped_share, found.jitter_ms) == (1, 0.0, 0.0)
    assert found.achieved_fps == pytest.approx(12.5)


@settings(max_examples=200, deadline=None)
@given(
    took=st.lists(st.integers(0, 10_000), min_size=1, max_size=40),
    late=st.integers(0, 3000),
    interval=st.integers(1, 2000),
    count=st.integers(1, 200),
)
def test_whatever_the_times_are_the_order_is_kept(took: list[int], late: int, interval: int, count: int) -> None:
    clock, times = Clock(late_ns=late), itertools.cycle(took)
    found = taken(clock, lambda _: clock.work(next(times)), interval_ns=interval, count=count)
    assert wrong_order(found, interval_ns=interval, count=count) == ""
    assert (int(found.frames[0]), int(found.frames[-1])) == (0, count - 1)
    # the newest frame that was due is the one that was taken
    newest = np.minimum(found.begun_ns // interval, count - 1)
    assert (found.frames == newest).all()


def test_the_collector_rests_while_frames_come_and_works_after() -> None:
    seen: list[bool] = []
    clock = Clock()

    def process(_: int) -> None:
        seen.append(gc.isenabled())
        if len(seen) == 2:
            raise ValueError("enough")

    with pytest.raises(ValueError, match="enough"):
        taken(clock, process)
    assert (seen, gc.isenabled()) == ([False, False], True)


def test_who_is_late_does_not_sleep() -> None:
    sleep_until(0)


class StandIn(Engine):
    """An engine that takes its time of a clock of its own, and remembers what it was given."""

    name, version, variant = "standin", "1", "float32"
    inputs = outputs = [{"name": "x", "dtype": "float32", "shape": [1, 2], "quantization": None}]  # noqa: RUF012

    def __init__(self, clock: Clock, took_ms: float) -> None:
        self._clock = clock
        self._took_ns = round(took_ms * MS)
        self.seen: list[str] = []

    def placement(self) -> dict[str, Any]:
        return {}

    def set_inputs(self, arrays: Sequence[Any]) -> None:
        self.seen.append(f"given {arrays[0].flat[0]:g}")

    def invoke(self) -> None:
        self._clock.work(self._took_ns)

    def output(self, position: int) -> Any:
        self.seen.append(f"read {position}")

    def reset(self) -> None:
        self.seen.append("reset")

    def profile(self, arrays: Sequence[Any], *, runs: int, max_ns: int) -> Profiled:
        raise NotImplementedError


def ask(session: Session, **fields: Any) -> tuple[dict[str, Any], dict[str, list[int]]]:
    """A stream of two contents, 1 and 2."""
    payload = np.array([[[1, 1]], [[2, 2]]], np.float32).tobytes()
    header = {"op": "stream", "id": 1, "samples": 2, "tensors": [describe("x", "float32", (2, 1, 2))], **fields}
    reply, buffers = session.answer(Frame(header, memoryview(payload)))
    if reply["op"] == "error":
        return reply, {}
    octets = memoryview(b"".join(bytes(one) for one in buffers))
    return reply, {part.name: np.frombuffer(part.data, np.int64).tolist() for part in split_tensors(reply, octets)}


@pytest.fixture
def started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[float], tuple[Session, StandIn]]:
    """A session whose model takes so many milliseconds of a clock that nothing else moves."""

    def start(took_ms: float) -> tuple[Session, StandIn]:
        clock, session = Clock(), Session(str(tmp_path))
        engine = StandIn(clock, took_ms)
        monkeypatch.setattr(session, "_engine", engine)
        timed = functools.partial(stream, clock=clock.read, wait_until=clock.wait_until)
        monkeypatch.setattr(instruments, "stream", timed)
        return session, engine

    return start


@pytest.mark.parametrize(("took_ms", "processed"), [(20.0, 300), (40.0, 250), (80.0, 125)])
def test_an_agent_drops_what_arithmetic_says(
    started: Callable[[float], tuple[Session, StandIn]], took_ms: float, processed: int
) -> None:
    session, _ = started(took_ms)
    _, series = ask(session, interval_ns=FRAME_NS, frames=300, settle=0)
    found = Taken(*(np.array(series[name], np.int64) for name in ("frames", "begun_ns", "ended_ns")))
    told = summed_up(found, fps=30.0, count=300, cpu_load_percent=None)
    assert told.processed == pytest.approx(processed, rel=0.02)
    assert min(told.ages_ns) == took_ms * MS


def test_frames_are_offered_again_and_again_and_state_is_kept_between_them(
    started: Callable[[float], tuple[Session, StandIn]],
) -> None:
    session, engine = started(1.0)
    ask(session, interval_ns=FRAME_NS, frames=3, settle=1)
    once = ["given 1", "read 0"]
    assert engine.seen == ["reset", *once, "reset", *once, "given 2", "read 0", *once]


@pytest.mark.parametrize(
    ("field", "value"), [("interval_ns", 0), ("frames", 200_001), ("frames", None), ("settle", -1), ("samples", 1)]
)
def test_a_stream_that_cannot_be_is_refused(
    started: Callable[[float], tuple[Session, StandIn]], field: str, value: Any
) -> None:
    session, engine = started(1.0)
    reply, _ = ask(session, **{"interval_ns": FRAME_NS, "frames": 3, "settle": 1, field: value})
    assert (reply["op"], reply["kind"] in ("protocol", "input"), engine.seen) == ("error", True, [])
