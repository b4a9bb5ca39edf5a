"""The runner ``benchmark_model`` on another machine, by another link; the tool is the stand-in that adds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from pytest_edgedevice.device import Device
from pytest_edgedevice.runners.benchmark_model.runner import BenchmarkModelRunner
from pytest_edgedevice.transports.ssh.transport import SshTransport
from tests.board import start_board
from tests.unit.runners.benchmark_standin import TINY, tool
from tests.unit.runners.command_standin import rows

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.board


def test_samples_run_exactly_on_a_board_and_nothing_stays_there(tmp_path: Path) -> None:
    steady = "def timed(values): return 500"
    runner = BenchmarkModelRunner(tool(tmp_path, steady, python="/usr/bin/python3"), environment={"LANG": "C"})
    with start_board(tmp_path / "board") as board:
        link = SshTransport(board.name, program=board.program)
        with Device(link, name="board", runner=runner) as device:
            model = device.load(TINY / "add_float32.tflite", delegate="xnnpack")
            done = model.run({"a": rows(2), "b": 3 * rows(2)})
            timing = model.measure(min_runs=3, max_runs=3, max_s=60)
        assert np.array_equal(np.asarray(done.outputs["sum"]), 4 * rows(2))
        assert (model.placement.proven, model.emulated, len(timing.samples_ns)) == ("xnnpack", True, 3)
        assert timing.conditions["after"]["emulated"] is True
        assert board.left() == []
