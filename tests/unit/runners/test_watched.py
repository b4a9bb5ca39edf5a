"""A loaded model that is watched at work: what is asked of its backend, and what of one that cannot tell."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pytest

from pytest_edgedevice.errors import InputError
from pytest_edgedevice.findings import Profile, Resources, Stages, Stream
from pytest_edgedevice.runners.backend import Backend, Site
from pytest_edgedevice.runners.care import Care
from pytest_edgedevice.runners.loaded import LoadedModel
from pytest_edgedevice.validity import Rules, spoiling
from pytest_edgedevice.values import ModelInfo, Placement, TensorSpec

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

SPEC = TensorSpec("x", "float32", (1, 2))
INFO = ModelInfo("m.tflite", "ab" * 32, 100, "float32", (SPEC,), (SPEC,), "litert", "2.3.0", 1)


STREAM = Stream(30.0, 1, 1, 0.0, 30.0, *(1.0,) * 5, 0.0, 0.0, None, (0,), (0,), (1_000_000,))
STAGES = Stages((1,), (2,), (3,), {}, {})


class Bare(Backend):
    """A backend that only runs and measures."""

    emulated = True
    told: Mapping[str, Any] = {"load_1min": 0.5}

    def run(self, *_: Any, **__: Any) -> Any: ...

    def measure(self, *_: Any, **__: Any) -> Any: ...

    def conditions(self) -> Mapping[str, Any]:
        return self.told

    def close(self) -> None: ...


class Instruments(Bare):
    """One that also watches, and writes down what it was asked."""

    def __init__(self) -> None:
        self.asked: dict[str, Any] = {}

    def stages(self, module: bytes, sample: Any, **given: Any) -> Stages:
        self.asked = {"module": module, "sample": sample, **given}
        return STAGES

    def own_stages(self, sample: Any, **given: Any) -> Stages:
        self.asked = {"sample": sample, **given}
        return STAGES

    def resources(self, sample: Any, **given: Any) -> Resources:
        self.asked = {"sample": sample, **given}
        return Resources(0, 0.0)

    def stream(self, frames: Any, **given: Any) -> Stream:
        self.asked = {"sample": frames, **given}
        return STREAM

    def profile(self, sample: Any, **given: Any) -> Profile:
        self.asked = {"sample": sample, **given}
        return Profile(problem="none")


def loaded(backend: Any, *, alone: bool = True, proven: str = "xnnpack", rules: Rules | None = None) -> LoadedModel:
    placement = Placement("cpu", proven, 1, 1, 1, {}, "counted")
    site = Site(cast("Any", None), "desk", 60.0, alone=alone, care=Care(rules or Rules(), cores=2))
    return LoadedModel(backend, info=INFO, placement=placement, site=site, load_ms=5.0)


def test_a_backend_without_instruments_says_why() -> None:
    model = loaded(Bare())
    why = "only an agent can tell, and another program runs this model"
    found = model.resources()
    assert (found.model_bytes, found.load_ms, found.emulated) == (100, 5.0, True)
    assert dict(found.problems) == dict.fromkeys(("cpu", "energy", "memory"), why)
    assert model.profile().problem == why
    with pytest.raises(InputError, match="no stream can be fed to the model: only an agent"):
        model.stream()
    with pytest.raises(InputError, match="need code of yours"):
        model.stages()


def test_a_model_chooses_its_own_sample_where_none_is_given() -> None:
    backend = Instruments()
    loaded(backend).resources(seconds=3.0)
    assert backend.asked["sample"].arrays["x"].shape == (1, 1, 2)
    assert backend.asked["seconds"] == 3.0


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


@pytest.mark.parametrize("call", ["resources", "stream", "profile", "stages"])
def test_whatever_is_watched_is_told_with_what_was_around_it(call: str) -> None:
    model = loaded(Instruments(), rules=Rules(busy="inconclusive"))
    Bare.told = {"load_1min": 5.0}
    try:
        found = getattr(model, call)()
    finally:
        Bare.told = {"load_1min": 0.5}
    assert found.conditions == {"before": {"load_1min": 5.0}, "after": {"load_1min": 5.0}}
    assert [one.moment for one in found.disturbances] == ["before", "after"]
    assert spoiling(found.disturbances).startswith("load 5 on 2 cores before the run")
    assert found.emulated


@pytest.mark.parametrize("call", ["resources", "stream", "profile", "stages"])
def test_a_device_that_has_to_cool_is_waited_for(call: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model = loaded(Instruments(), rules=Rules(hot="wait"))
    slept: list[float] = []
    told = iter([{"temperature_c": 90.0}, {"temperature_c": 60.0}])
    monkeypatch.setattr("pytest_edgedevice.runners.care.time.sleep", slept.append)
    monkeypatch.setattr(Bare, "conditions", lambda _self: next(told, {"temperature_c": 60.0}))
    found = getattr(model, call)()
    assert (len(slept), found.disturbances) == (1, ())


def test_a_program_with_code_of_its_own_is_given_one_of_the_models_samples() -> None:
    backend = Instruments()
    loaded(backend).stages(runs=9, seconds=2.0)
    assert (backend.asked["sample"].samples, backend.asked["runs"], backend.asked["seconds"]) == (1, 9, 2.0)


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
    with pytest.raises(InputError, match="name to array, not NoneType"):
        loaded(backend).stages(module)
