"""Faults that devices and pipelines really have, planted one by one: all are caught, and most are named."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from pytest_edgedevice.checks import CheckFailed, EdgeCheck
from pytest_edgedevice.metrics import cosine, psnr, steps, topk

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    Outputs = dict[str, npt.NDArray[Any]]

RANDOM = np.random.default_rng(23)
FLOATS: Outputs = {
    "features": RANDOM.standard_normal((5, 6, 8, 3)).astype(np.float32),
    "more": RANDOM.standard_normal((5, 6, 8, 3)).astype(np.float32),
}
INTEGERS: Outputs = {"scores": RANDOM.integers(-120, 120, (5, 40)).astype(np.int8)}


def changed(name: str, change: Callable[[npt.NDArray[Any]], npt.NDArray[Any]], outputs: Outputs = FLOATS) -> Outputs:
    return {**outputs, name: change(outputs[name].copy())}


def one(value: float) -> Callable[[npt.NDArray[Any]], npt.NDArray[Any]]:
    def plant(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        values.reshape(-1)[321] += np.float32(value)
        return values

    return plant


FAULTS: dict[str, tuple[Outputs, str]] = {
    "zero vector": (changed("features", lambda r: r * 0), "is dead: it is all zeros"),
    "NaN": (changed("features", one(np.nan)), "holds NaN or Inf: 1 of 720 elements"),
    "infinity": (changed("features", one(np.inf)), "holds NaN or Inf: 1 of 720 elements"),
    "stuck output": (changed("features", lambda r: np.repeat(r[:1], 5, axis=0)), "all 5 samples gave the same"),
    "one element": (changed("features", one(0.01)), "in 1 of 720 elements"),
    "swapped outputs": ({"features": FLOATS["more"], "more": FLOATS["features"]}, "the outputs may be swapped"),
    "transposed layout": (changed("features", lambda r: r.transpose(0, 3, 1, 2)), "would match (NHWC to NCHW)"),
    "transposed in place": (
        changed("features", lambda r: r.transpose(0, 3, 1, 2).reshape(r.shape)),
        "of 720 elements",
    ),
    "wrong scale": (changed("features", lambda r: r / 255), "reference * 1/255 would match"),
    "wrong offset": (changed("features", lambda r: r - np.float32(0.5)), "reference - 0.5 would match"),
    "shuffled samples": (changed("features", lambda r: r[[0, 3, 2, 1, 4]]), "device 1 is 3, 3 is 1 of the reference"),
    "late by a sample": (changed("features", lambda r: np.roll(r, 1, axis=0)), "the samples are shifted"),
    "channels reversed": (changed("features", lambda r: r[..., ::-1]), "RGB and BGR"),
    "half precision": (changed("features", lambda r: r.astype(np.float16).astype(r.dtype)), "of 720 elements"),
    "a sample less": (changed("features", lambda r: r[:4]), "the device has 4 samples, the reference 5"),
    "renamed": ({"feature": FLOATS["features"], "more": FLOATS["more"]}, "rename the reference"),
}


def float_run(make_run: Any, outputs: Outputs) -> Any:
    run = make_run(outputs, 5)
    model = replace(run.model, variant="float32", outputs=())
    return replace(run, model=model, placement=replace(run.placement, proven="xnnpack"))


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_caught_by_the_preset_and_named(check: EdgeCheck, make_run: Any, fault: str) -> None:
    outputs, told = FAULTS[fault]
    with pytest.raises(CheckFailed) as caught:
        check.close(float_run(make_run, outputs), FLOATS)
    assert told in str(caught.value)
    assert len(str(caught.value).splitlines()) <= 4


@pytest.mark.parametrize("fault", [fault for fault in FAULTS if fault not in {"one element", "half precision"}])
def test_a_gross_fault_is_caught_by_each_metric_alone(check: EdgeCheck, make_run: Any, fault: str) -> None:
    for metric in (cosine(), psnr(), "snr", "pearson"):
        with pytest.raises(CheckFailed):
            check.close(float_run(make_run, FAULTS[fault][0]), FLOATS, metric=metric)


@pytest.mark.parametrize("fault", [fault for fault in FAULTS if fault not in {"one element", "half precision"}])
def test_a_gross_fault_is_caught_by_the_loosest_preset(check: EdgeCheck, make_run: Any, fault: str) -> None:
    with pytest.raises(CheckFailed):
        check.close(float_run(make_run, FAULTS[fault][0]), FLOATS, preset="dynamic_int8")


def test_without_a_fault_nothing_is_raised(check: EdgeCheck, make_run: Any) -> None:
    assert check.close(float_run(make_run, FLOATS), FLOATS).passed
    assert check.close(float_run(make_run, FLOATS), FLOATS, metric=[cosine(1), psnr(200), topk(k=9)], atol=0).passed


@pytest.mark.parametrize(("off", "options"), [(2, {"metric": steps()}), (4, {}), (1, {"atol": 0})])
def test_a_step_too_many_is_caught(check: EdgeCheck, make_run: Any, off: int, options: dict[str, Any]) -> None:
    wrong = INTEGERS["scores"].copy()
    wrong[3, 7] += off
    with pytest.raises(CheckFailed, match=r"worst at sample 3 \[7\]"):
        check.close(make_run({"scores": wrong}), INTEGERS, **options)


@pytest.mark.parametrize(("off", "options"), [(1, {"metric": steps()}), (3, {})])
def test_as_many_steps_as_are_allowed_raise_no_alarm(
    check: EdgeCheck, make_run: Any, off: int, options: dict[str, Any]
) -> None:
    other = INTEGERS["scores"] + np.int8(off)
    assert check.close(make_run({"scores": other}), INTEGERS, **options).passed
