"""A loaded model that is watched at work: what is asked of its backend, and what of one that cannot tell."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pytest

from pytest_edgedevice.errors import InputError
from pytest_edgedevice.findings import Profile, Resources
from pytest_edgedevice.runners.backend import Site
from pytest_edgedevice.runners.loaded import LoadedModel
from pytest_edgedevice.values import ModelInfo, Placement, TensorSpec

if TYPE_CHECKING:
    from pathlib import Path

SPEC = TensorSpec("x", "float32", (1, 2))
INFO = ModelInfo("m.tflite", "ab" * 32, 100, "float32", (SPEC,), (SPEC,), "litert", "2.3.0", 1)


class Bare:
    """A backend that only runs and measures."""

    emulated = True

    def close(self) -> None: ...


class Instruments(Bare):
    """One that also watches, and writes down what it was asked."""

    def __init__(self) -> None:
        self.asked: dict[str, Any] = {}

    def stages(self, module: bytes, sample: Any, **given: Any) -> Any:
        self.asked = {"module": module, "sample": sample, **given}

    def resources(self, sample: Any, **given: Any) -> Resources:
        self.asked = {"sample": sample, **given}
        return Resources(100, 5.0)

    def stream(self, frames: Any, **given: Any) -> Any:
        self.asked = {"sample": frames, **given}

    def profile(self, sample: Any, **given: Any) -> Profile:
        self.asked = {"sample": sample, **given}
        return Profile(problem="none")


def loaded(backend: Any, *, alone: bool = True, proven: str = "xnnpack") -> LoadedModel:
    placement = Placement("cpu", proven, 1, 1, 1, {}, "counted")
    site = Site(cast("Any", None), "desk", 60.0, alone=alone)
    return LoadedModel(backend, info=INFO, placement=placement, site=site, load_ms=5.0)


def test_a_backend_without_instruments_says_why() -> None:
    model = loaded(Bare())
    why = "only an agent can tell, and another program runs this model"
    found = model.resources()
    assert (found.model_bytes, found.load_ms, found.emulated) == (100, 5.0, True)
    assert dict(found.problems) == dict.fromkeys(("cpu", "energy", "memory"), why)
    assert model.profile() == Profile(problem=why)
    with pytest.raises(InputError, match=r"no stream can be fed to 'm\.tflite'"):
        model.stream()


def test_a_model_chooses_its_own_sample_where_none_is_given() -> None:
    backend = Instruments()
    loaded(backend).resources(seconds=3.0)
    assert backend.asked["sample"].arrays["x"].shape == (1, 1, 2)
    assert (backend.asked["seconds"], backend.asked["load_ms"]) == (3.0, 5.0)


def test_all_frames_of_a_stream_are_sent_and_their_count_is_that_of_the_rate() -> None:
    backend = Instruments()
    frames = np.arange(10, dtype=np.float32).reshape(5, 2)
    loaded(backend).stream(frames, fps=15, seconds=2)
    assert (backend.asked["sample"].samples, backend.asked["fps"], backend.asked["count"]) == (5, 15.0, 30)
    loaded(backend).stream(fps=0.1, seconds=1)
    assert (backend.asked["sample"].samples, backend.asked["count"]) == (1, 1)


@pytest.mark.parametrize(
    "frames", [np.full((2, 2), np.nan, np.float32), [{"x": np.zeros((1, 2), np.float32)}] * 2, np.zeros((0, 2))]
)
def test_frames_that_cannot_be_are_refused(frames: Any) -> None:
    with pytest.raises(InputError):
        loaded(Instruments()).stream(frames)


@pytest.mark.parametrize(("proven", "name"), [("xnnpack", "xnnpack"), ("cpu", "delegate"), ("unknown", "delegate")])
def test_the_delegate_of_a_profile_is_the_one_that_was_proven(proven: str, name: str) -> None:
    backend = Instruments()
    loaded(backend, proven=proven).profile(runs=7, seconds=2.0)
    assert (backend.asked["delegate"], backend.asked["runs"], backend.asked["seconds"]) == (name, 7, 2.0)


@pytest.mark.parametrize("call", ["resources", "stream"])
def test_nothing_is_measured_on_a_device_that_others_use(call: str) -> None:
    with pytest.raises(InputError, match="is shared"):
        getattr(loaded(Instruments(), alone=False), call)()


@pytest.mark.parametrize(
    ("call", "given"),
    [
        ("stream", {"fps": 30, "seconds": 7000}),
        ("stream", {"fps": float("inf")}),
        ("resources", {"seconds": True}),
        ("resources", {"seconds": 1e9}),
        ("profile", {"runs": 1001}),
        ("profile", {"runs": 1.0}),
    ],
)
def test_a_number_out_of_its_range_is_the_callers_error(call: str, given: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        getattr(loaded(Instruments()), call)(**given)


def test_code_can_be_run_where_an_agent_is(tmp_path: Path) -> None:
    module = tmp_path / "stages.py"
    module.write_text("pass")
    backend = Instruments()
    loaded(backend).stages(str(module), {"x": [1, 2]}, runs=3)
    assert (backend.asked["module"], backend.asked["sample"]["x"].tolist(), backend.asked["runs"]) == (
        b"pass",
        [1, 2],
        3,
    )
    with pytest.raises(InputError, match="no code can be run around"):
        loaded(Bare()).stages(module, {})
