"""A recording that was made of models which ran in this process."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from pytest_edgedevice.findings import Operator, Profile, Resources, Stages, Stream
from pytest_edgedevice.replay import open_replay, record
from pytest_edgedevice.values import Disturbance, Timing
from tests.peers.board_in_process import BoardInProcess

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_edgedevice.replay import ReplayedDevice

TINY = Path(__file__).parents[3] / "fixtures" / "tiny"
ROWS = np.arange(40, dtype=np.float32).reshape(10, 4)
SERIES = tuple(int(one) for one in np.random.default_rng(0).normal(2e6, 1e4, 400))
TIMING = Timing(
    verdict="pass",
    samples_ns=SERIES,
    batch=1,
    p50_ms=2.0,
    p90_ms=2.0,
    p95_ms=2.0,
    p99_ms=2.0,
    lower_ms=1.9,
    upper_ms=2.1,
    budget_ms=5.0,
    quantile=0.95,
    confidence=0.95,
    load_ms=3.0,
    first_ms=4.0,
    warmup_runs=10,
    steady=True,
    conditions={"before": {"load": 0.1, "governor": "performance"}, "after": {"load": 0.2}},
    disturbances=(Disturbance("busy", "after", "ignore", "load 0.2 on 2 cores"),),
)
RESOURCES = Resources(100, 3.0, inferences=7, wall_ms=2.0, peak_bytes=10_000, before_load_bytes=9000)
STREAM = Stream(30.0, 3, 2, 1 / 3, 20.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0.1, 0.1, None, (0, 2), (0, 5), (3, 9))
PROFILE = Profile((Operator("ADD", "cpu", 1, 0.1, 1.0),), 5, 0.1)
STAGES = Stages((1,), (2,), (3,), {"total": 6e-6}, {"total": 6e-6})


class Telling(BoardInProcess):
    """A board whose models also tell times, costs and profiles, always the same."""

    def conditions(self) -> dict[str, Any]:
        return {"battery": 80}

    def load(self, path: Any, **options: Any) -> Any:
        model: Any = super().load(path, **options)
        model.measure = lambda *_, **given: dataclasses.replace(TIMING, **given)
        model.resources = lambda *_, **__: RESOURCES
        model.stream = lambda *_, **__: STREAM
        model.profile = lambda *_, **__: PROFILE
        model.stages = lambda *_, **__: STAGES
        return model


@pytest.fixture(scope="session")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``run.jsonl`` with ``run.npz`` beside it: of a model that tells everything, one that is silent, one refused."""
    folder = tmp_path_factory.mktemp("recording")
    board: Any = Telling("pixel")
    with record(board, folder / "run.npz"):
        model = board.load(TINY / "two_outputs.tflite", delegate="xnnpack", threads=2)
        model.run({"x": ROWS[:4]})
        model.run({"x": ROWS[2:8]})
        model.run({"x": ROWS[:4]})
        model.measure(quantile=0.5)
        model.measure()
        for tell in (model.resources, model.stream, model.profile, model.stages):
            tell()
        board.load(TINY / "no_batch.tflite")
        with pytest.raises(Exception, match="custom op"):
            board.load(TINY / "custom_op.tflite")
    (folder / "run.jsonl").write_text("")
    return folder / "run.jsonl"


@pytest.fixture
def replayed(recording: Path) -> Iterator[ReplayedDevice]:
    """The recorded device."""
    with open_replay(str(recording)) as device:
        yield device


@pytest.fixture
def model(replayed: ReplayedDevice) -> Any:
    """The model that told everything."""
    return replayed.load(TINY / "two_outputs.tflite", delegate="xnnpack", threads=2)
