"""From the frames that a device took to how it kept up: pure arithmetic on what it told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pytest_edgedevice.findings import Stream

if TYPE_CHECKING:
    import numpy.typing as npt

    Series = npt.NDArray[np.int64]

LONGEST_NS = 1 << 60


@dataclass(frozen=True, slots=True)
class Taken:
    """Every frame that was taken: its number, when work on it began and ended (nanoseconds since the first frame)."""

    frames: Series
    begun_ns: Series
    ended_ns: Series


def wrong_order(taken: Taken, *, interval_ns: int, count: int) -> str:
    """What no clock and no queue could have produced; empty where all is in order.

    Args:
        taken: At least one frame.
        interval_ns: From one frame to the next.
        count: Frames that were offered.
    """
    if len(taken.frames) > count or int(taken.frames[0]) < 0 or int(taken.frames[-1]) >= count:
        return f"has frames that were not offered: {count} were"
    if not (np.diff(taken.frames) > 0).all():
        return "has frames that are not in order"
    if int(taken.ended_ns.max()) > LONGEST_NS or int(taken.begun_ns[0]) < 0:
        return "has times that cannot be"
    if not (taken.begun_ns <= taken.ended_ns).all() or not (taken.begun_ns[1:] >= taken.ended_ns[:-1]).all():
        return "has times that are not in order"
    if (taken.begun_ns < taken.frames * interval_ns).any():
        return "has a frame that was taken before it was due"
    return ""


def summed_up(taken: Taken, *, fps: float, count: int, cpu_load_percent: float | None) -> Stream:
    """The numbers of a stream whose order was checked.

    Results a second are counted over the time of all offered frames, or until the last result where that came later.
    """
    interval_ns = round(1e9 / fps)
    due = taken.frames * interval_ns
    ages = np.sort(taken.ended_ns - due)
    between = np.diff(taken.ended_ns)
    waited = np.concatenate(([True], due[1:] >= taken.ended_ns[:-1]))
    late = np.sort((taken.begun_ns - due)[waited])
    lasted_ns = max(count * interval_ns, int(taken.ended_ns[-1]))
    return Stream(
        fps=fps,
        offered=count,
        processed=len(taken.frames),
        dropped_share=1 - len(taken.frames) / count,
        achieved_fps=len(taken.frames) / lasted_ns * 1e9,
        age_p50_ms=_quantile(ages, 0.5),
        age_p90_ms=_quantile(ages, 0.9),
        age_p95_ms=_quantile(ages, 0.95),
        age_p99_ms=_quantile(ages, 0.99),
        age_max_ms=int(ages[-1]) / 1e6,
        jitter_ms=float(np.std(between)) / 1e6 if len(between) else 0.0,
        wake_p95_ms=_quantile(late, 0.95),
        cpu_load_percent=cpu_load_percent,
        frames=tuple(taken.frames.tolist()),
        begun_ns=tuple(taken.begun_ns.tolist()),
        ended_ns=tuple(taken.ended_ns.tolist()),
    )


def _quantile(ascending: Series, quantile: float) -> float:
    """An order statistic, milliseconds: the smallest value that this share of all does not exceed."""
    rank = max(int(np.ceil(quantile * len(ascending) - 1e-9)), 1)
    return int(ascending[rank - 1]) / 1e6
