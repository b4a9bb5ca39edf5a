"""What a model tells when it is watched at work; part of ``DeviceContract``."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from pytest_edgedevice.errors import InputError
from pytest_edgedevice.testing.cases import case
from pytest_edgedevice.testing.running import listed, rows
from pytest_edgedevice.testing.surroundings import DeviceSurroundings

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_edgedevice.interfaces import DeviceLike

UNWATCHABLE: list[tuple[str, dict[str, Any]]] = [
    ("resources", {"seconds": 0}),
    ("resources", {"seconds": float("nan")}),
    ("stream", {"fps": 0}),
    ("stream", {"fps": "30"}),
    ("stream", {"fps": 10_000, "seconds": 1000}),
    ("profile", {"runs": 0}),
    ("profile", {"runs": True}),
    ("profile", {"seconds": -1}),
    ("stages", {"runs": 0}),
    ("stages", {"seconds": -1}),
    ("stages", {"module": "no-such-file.py", "sample": {}}),
]


class WatchingContract(DeviceSurroundings):
    """Resources, streams, stages, profiles."""

    def test_what_a_model_costs_is_told_or_why_it_is_not(self, device: DeviceLike, models: Path) -> None:
        """Every number is there, or a reason for it; never 0."""
        with device.load(models / "add_float32.tflite", delegate="cpu") as model:
            found = model.resources(seconds=0.05)
        json.dumps(dataclasses.asdict(found), allow_nan=False)
        told = {"memory": found.peak_bytes, "cpu": found.cpu_load_percent, "energy": found.energy_mj}
        assert {name for name, value in told.items() if value is None} == set(found.problems)
        assert all(value is None or value > 0 for value in told.values())
        assert all(found.problems.values())
        assert (found.model_bytes, found.load_ms) == (model.info.size_bytes, model.load_ms)

    def test_a_stream_tells_what_became_of_every_frame(self, device: DeviceLike, models: Path) -> None:
        """Taken in order or dropped, or it is refused by whoever cannot feed one."""
        frames = np.arange(12, dtype=np.float32).reshape(3, 4)
        with device.load(models / "copy_float32.tflite", delegate="cpu") as model:
            try:
                found = model.stream(frames, fps=200, seconds=0.1)
            except InputError as error:
                assert "agent" in str(error)  # noqa: PT017 - either is right
                return
        json.dumps(dataclasses.asdict(found), allow_nan=False)
        assert (found.offered, found.processed) == (20, len(found.frames))
        assert found.dropped_share == pytest.approx(1 - found.processed / 20)
        assert list(found.frames) == sorted(set(found.frames))
        assert all(age >= 0 for age in found.ages_ns)

    def test_stages_are_timed_apart_or_refused(self, device: DeviceLike, models: Path, tmp_path: Path) -> None:
        """By code that is sent there, by the program's own word, or by nobody: not every model is run by an agent."""
        module = tmp_path / "way.py"
        module.write_text("def preprocess(inputs):\n    return {'x': inputs['raw'] * 2}\n")
        sample = {"raw": np.ones((1, 4), np.float32)}
        with device.load(models / "copy_float32.tflite", delegate="cpu") as model:
            for given in ((module, sample), ()):
                try:
                    found = model.stages(*given, runs=4)
                except InputError as error:
                    assert "stages" in f"{error} {error.hint}" or "code" in str(error)  # noqa: PT017 - either is right
                    continue
                json.dumps(dataclasses.asdict(found), allow_nan=False)
                assert 1 <= len(found.inference_ns) <= 4
                assert len(found.before_ns) == len(found.inference_ns) == len(found.after_ns)
                assert found.p50_ms.keys() == {"before", "inference", "after", "total"}
            assert model.resources(seconds=0.01).model_bytes == model.info.size_bytes

    def test_a_profile_has_operators_or_a_reason(self, device: DeviceLike, models: Path) -> None:
        """Not both, and not neither."""
        with device.load(models / "add_float32.tflite", delegate="cpu") as model:
            found = model.profile(runs=3)
        json.dumps(dataclasses.asdict(found), allow_nan=False)
        assert bool(found.operators) != bool(found.problem)
        assert [one.name for one in found.operators] in ([], ["ADD"])

    def test_what_cannot_be_watched_is_the_callers_error(self, device: DeviceLike, models: Path) -> None:
        """And the model goes on."""
        with device.load(models / "add_float32.tflite", delegate="cpu") as model:
            for call, given in UNWATCHABLE:
                with case((call, given)):
                    with pytest.raises(InputError):
                        getattr(model, call)(**given)
                    assert listed(model.run({"a": rows(1), "b": rows(1)}), "sum") == [[0, 2, 4, 6]]
            assert model.resources(seconds=0.01).model_bytes == model.info.size_bytes
