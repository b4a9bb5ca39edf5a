"""The contract of devices, lived by a recording: each test is recorded first, and then replayed.

What a recording cannot do is left out: it leases nothing, and neither kills nor times anything.
"""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_edgedevice.replay import open_replay, record
from pytest_edgedevice.testing.running import RunningContract
from tests.peers.board_in_process import BoardInProcess

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_edgedevice.interfaces import DeviceLike

TINY = Path(__file__).parents[3] / "fixtures" / "tiny"


class TestReplayedDevice(RunningContract):
    # times are measured in test_replayed_device
    test_a_measurement_has_its_raw_series = None  # type: ignore[assignment]
    test_a_measurement_is_judged = None  # type: ignore[assignment]
    test_a_sample_to_measure_is_checked_like_one_to_run = None  # type: ignore[assignment]

    @pytest.fixture
    def models(self) -> Path:
        return TINY

    @pytest.fixture
    def device(self, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[DeviceLike]:
        names = [name for name in inspect.signature(request.function).parameters if name != "device"]
        others = {name: request.getfixturevalue(name) for name in names}
        board: Any = BoardInProcess("bench (replayed)")
        with record(board, tmp_path / "run.npz"):
            request.function(device=board, **others)
        with open_replay(str(tmp_path / "run.npz")) as device:
            device.name = board.name
            yield device
