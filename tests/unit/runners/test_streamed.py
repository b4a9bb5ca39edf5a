"""What a device told of a stream, checked before it is believed, and summed up."""

from __future__ import annotations

import numpy as np
import pytest

from pytest_edgedevice.runners.streamed import Taken, summed_up, wrong_order

MS = 1_000_000


def taken(frames: list[int], begun: list[int], ended: list[int]) -> Taken:
    return Taken(*(np.array(one, np.int64) for one in (frames, begun, ended)))


@pytest.mark.parametrize(
    ("series", "said"),
    [
        (([0, 2], [0, 20], [5, 25]), ""),
        (([0, 1], [0, 10], [0, 10]), ""),
        (([2, 0], [20, 30], [25, 35]), "has frames that are not in order"),
        (([0, 0], [0, 30], [25, 35]), "has frames that are not in order"),
        (([0, 3], [0, 30], [5, 35]), "has frames that were not offered: 3 were"),
        (([-1, 1], [0, 30], [5, 35]), "has frames that were not offered: 3 were"),
        (([0, 1, 2, 2], [0, 30, 40, 50], [5, 35, 45, 55]), "has frames that were not offered: 3 were"),
        (([0, 1], [0, 20], [25, 30]), "has times that are not in order"),
        (([0, 1], [0, 20], [5, 19]), "has times that are not in order"),
        (([0, 1], [0, 9], [5, 30]), "has a frame that was taken before it was due"),
        (([0], [-1], [5]), "has times that cannot be"),
        (([0], [0], [1 << 62]), "has times that cannot be"),
    ],
)
def test_what_no_clock_and_no_queue_could_produce_is_found(
    series: tuple[list[int], list[int], list[int]], said: str
) -> None:
    assert wrong_order(taken(*series), interval_ns=10, count=3) == said


def test_a_stream_is_summed_up_by_order_statistics() -> None:
    interval = 100 * MS
    frames = [0, 1, 3, 4]
    begun = [0, 100 * MS, 300 * MS, 400 * MS]
    ended = [10 * MS, 260 * MS, 330 * MS, 420 * MS]
    found = summed_up(taken(frames, begun, ended), fps=10.0, count=5, cpu_load_percent=7.0)
    assert (found.offered, found.processed) == (5, 4)
    assert found.dropped_share == pytest.approx(0.2)
    assert found.achieved_fps == pytest.approx(8)
    assert found.ages_ns == (10 * MS, 160 * MS, 30 * MS, 20 * MS)
    assert (found.age_p50_ms, found.age_p90_ms, found.age_max_ms) == (20, 160, 160)
    assert found.jitter_ms == pytest.approx(float(np.std([250, 70, 90])))
    assert (found.wake_p95_ms, found.cpu_load_percent) == (0, 7.0)
    assert found.ended_ns[-1] < 5 * interval


def test_results_after_the_last_frame_take_their_time() -> None:
    found = summed_up(taken([0, 1], [0, 900 * MS], [900 * MS, 1800 * MS]), fps=10.0, count=2, cpu_load_percent=None)
    assert found.achieved_fps == pytest.approx(2 / 1.8)


def test_only_frames_that_were_waited_for_show_how_late_work_began() -> None:
    series = ([0, 1, 2], [0, 150 * MS, 200 * MS], [150 * MS, 160 * MS, 210 * MS])
    found = summed_up(taken(*series), fps=10.0, count=3, cpu_load_percent=None)
    assert found.wake_p95_ms == 0
    series = ([0, 1, 2], [0, 130 * MS, 200 * MS], [50 * MS, 160 * MS, 210 * MS])
    assert summed_up(taken(*series), fps=10.0, count=3, cpu_load_percent=None).wake_p95_ms == 30
