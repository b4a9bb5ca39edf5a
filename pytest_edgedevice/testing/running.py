"""What a model on a device must say of itself, compute and measure; part of ``DeviceContract``."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from pytest_edgedevice.errors import InputError, UsageError
from pytest_edgedevice.testing.cases import case
from pytest_edgedevice.testing.surroundings import DeviceSurroundings
from pytest_edgedevice.values import Quantization, TensorSpec

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_edgedevice.interfaces import DeviceLike
    from pytest_edgedevice.values import Array, Run

DTYPES = ("bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64",
          "float16", "float32", "float64", "complex64", "complex128")  # fmt: skip


def rows(count: int, *, start: int = 0) -> Array:
    """(count, 4) float32 whose every value is another."""
    return np.arange(4 * start, 4 * (start + count), dtype=np.float32).reshape(count, 4)


def listed(run: Run, name: str) -> Any:
    """One output as nested lists."""
    return [np.asarray(sample).tolist() for sample in run.outputs[name]]


def of_bytes(dtype: str) -> Array:
    """(3, 4) values of any bytes at all; NaN with all kinds of payload among the floats."""
    if dtype == "bool":
        return np.array([[True, False, True, True], [False] * 4, [True] * 4])
    size = np.dtype(dtype).itemsize
    values: Array = np.random.default_rng(7).integers(0, 256, (3, 4 * size), np.uint8).view(dtype)
    return values


class RunningContract(DeviceSurroundings):
    """Values, runs, measurements."""

    def test_a_data_set_is_evaluated_sample_by_sample(self, device: DeviceLike, models: Path) -> None:
        """Samples come from a generator, each is scored with its own label, and slices and worst samples are told."""
        samples = [({"x": row}, -row, f"row {at}", ("odd",) if at % 2 else ()) for at, row in enumerate(rows(50))]
        samples[7] = ({"x": samples[7][0]["x"]}, samples[7][1] - 5, "row 7", ("odd",))
        with device.load(models / "two_outputs.tflite", delegate="cpu") as model:
            found = model.evaluate(iter(samples), "max_abs_error", output="negated", worst=1, resume=False)
        assert (found.samples, found.value, found.slices["odd"].value) == (50, 0.1, 0.2)
        assert [(one.id, one.score) for one in found.worst] == [("row 7", 5.0)]

    def test_a_metric_that_fails_leaves_the_model_of_use(self, device: DeviceLike, models: Path) -> None:
        """What is in flight then is taken off the line."""
        with device.load(models / "add_float32.tflite", delegate="cpu") as model:
            with pytest.raises(UsageError, match="ZeroDivisionError"):
                model.evaluate({"a": rows(500), "b": rows(500)}, lambda output, _: 1 / output.item(0), resume=False)
            assert listed(model.run({"a": rows(1), "b": rows(1)}), "sum") == [[0, 2, 4, 6]]

    def test_a_model_is_told_in_plain_values(self, device: DeviceLike, models: Path) -> None:
        """Identity by content, tensors by name; all of it can be written as JSON."""
        content = (models / "add_int8.tflite").read_bytes()
        with device.load(models / "add_int8.tflite", delegate="cpu", threads=2) as model:
            info = model.info
            json.dumps([dataclasses.asdict(info), dataclasses.asdict(model.placement)], allow_nan=False)
        scaled = Quantization((0.0625,), (-1,))
        assert (info.name, info.size_bytes, info.threads) == ("add_int8.tflite", len(content), 2)
        assert info.sha256 == hashlib.sha256(content).hexdigest()
        assert info.inputs == tuple(TensorSpec(name, "int8", (1, 4), scaled) for name in "ab")
        assert info.outputs == (TensorSpec("sum", "int8", (1, 4), scaled),)
        assert info.variant == "int8"
        assert info.engine
        assert info.engine_version
        assert (model.device_name, model.load_ms > 0) == (device.name, True)

    def test_the_placement_is_what_was_proven(self, device: DeviceLike, models: Path) -> None:
        """Of a model that a delegate takes whole, and of one that it does not."""
        with device.load(models / "add_float32.tflite", delegate="xnnpack") as whole:
            assert (whole.placement.proven, whole.placement.delegated, whole.placement.nodes) == ("xnnpack", 1, 1)
        with device.load(models / "partial.tflite", delegate="xnnpack", fallback="allow") as partial:
            told = partial.placement
        assert (told.requested, told.nodes, told.delegated, told.partitions) == ("xnnpack", 3, 2, 2)
        assert (dict(told.left_over), told.complete, told.evidence != "") == ({"CUMSUM": 1}, False, True)

    def test_another_content_under_the_same_path_is_another_model(
        self, device: DeviceLike, models: Path, tmp_path: Path
    ) -> None:
        """A retrained model has the name of its predecessor."""
        path = tmp_path / "model.tflite"
        found = []
        for name in ("copy_float32", "no_signature"):
            path.write_bytes((models / f"{name}.tflite").read_bytes())
            with device.load(path) as model:
                found.append((model.info.sha256, listed(model.run(rows(1, start=1)), model.info.outputs[0].name)))
        assert found[0][0] != found[1][0]
        assert [value for _, value in found] == [[[4.0, 5.0, 6.0, 7.0]], [[8.0, 10.0, 12.0, 14.0]]]

    def test_a_run_says_what_ran_where(self, device: DeviceLike, models: Path) -> None:
        """Samples, their times, model, placement, device."""
        with device.load(models / "add_float32.tflite") as model:
            run = model.run({"a": rows(2), "b": rows(2)})
        assert (run.samples, run.model, run.placement, run.device) == (2, model.info, model.placement, device.name)
        assert [type(value) for value in run.inference_ns] == [int, int]
        assert all(value > 0 for value in run.inference_ns)

    def test_every_sample_gets_its_own_output(self, device: DeviceLike, models: Path) -> None:
        """Many samples, each with values that no other has, in order."""
        with device.load(models / "two_outputs.tflite") as model:
            run = model.run({"x": rows(300)})
        assert np.array_equal(np.asarray(run.outputs["doubled"]), 2 * rows(300))
        assert np.array_equal(np.asarray(run.outputs["negated"]), -rows(300))

    def test_every_dtype_comes_back_bit_by_bit(self, device: DeviceLike, models: Path) -> None:
        """Negative zeros, infinities and NaN payloads too."""
        sent = {dtype: of_bytes(dtype) for dtype in DTYPES}
        with device.load(models / "every_dtype.tflite", delegate="cpu") as model:
            got = model.run(sent, allow_nan=True).outputs
        back = {dtype: np.asarray(got[dtype]) for dtype in DTYPES}
        assert {dtype: (one.dtype, one.shape) for dtype, one in back.items()} == {
            dtype: (one.dtype, one.shape) for dtype, one in sent.items()
        }
        assert [dtype for dtype in DTYPES if back[dtype].tobytes() != sent[dtype].tobytes()] == []

    def test_inputs_are_matched_by_name(self, device: DeviceLike, models: Path) -> None:
        """Whatever their order in the mapping."""
        with device.load(models / "two_inputs.tflite") as model:
            run = model.run({"subtrahend": rows(1), "minuend": rows(1, start=2)})
        assert listed(run, "difference") == [[8.0] * 4]

    def test_inputs_may_be_given_in_every_form(self, device: DeviceLike, models: Path) -> None:
        """A mapping, a sequence of mappings, a single array, a list of one array a sample."""
        x = rows(3)
        forms: list[Any] = [{"x": x}, [{"x": x[:1]}, {"x": x[1:]}], x, {"x": [x[0], x[1], x[2]]}]
        with device.load(models / "copy_float32.tflite") as model:
            for inputs in forms:
                with case(inputs):
                    assert listed(model.run(inputs), "y") == x.tolist()

    def test_shapes_may_vary_from_sample_to_sample(self, device: DeviceLike, models: Path) -> None:
        """Outputs that differ in shape come as a list, one a sample; those that agree as one array."""
        images = [np.full((height, 2, 3), height, np.float32) for height in (1, 4, 2)]
        with device.load(models / "dynamic.tflite") as model:
            ragged = model.run({"image": images}).outputs["doubled"]
            even = model.run({"image": images[1][None]}).outputs["doubled"]
        assert isinstance(ragged, list)
        assert [(one.shape, float(one.max())) for one in ragged] == [((1, 2, 3), 2), ((4, 2, 3), 8), ((2, 2, 3), 4)]
        assert np.array_equal(np.asarray(even), 2 * images[1][None])

    def test_outputs_may_be_empty_or_without_dimensions(self, device: DeviceLike, models: Path) -> None:
        """Nothing found, and one number a sample."""
        with device.load(models / "dynamic_output.tflite", delegate="cpu") as model:
            run = model.run({"mask": np.array([[True, False, True, True], [False] * 4])})
        assert [np.asarray(one).tolist() for one in run.outputs["indices"]] == [[[0], [2], [3]], []]
        with device.load(models / "scalar.tflite") as model:
            (got,) = model.run(np.array([1, 2], np.float32)).outputs.values()
        assert np.asarray(got).tolist() == [-1.0, -2.0]

    def test_a_model_without_a_batch_dimension_gets_a_sample_axis(self, device: DeviceLike, models: Path) -> None:
        """A new first one."""
        with device.load(models / "no_batch.tflite") as model:
            (got,) = model.run(rows(2)).outputs.values()
        assert np.array_equal(np.asarray(got), -rows(2))

    def test_nan_is_refused_unless_it_is_allowed(self, device: DeviceLike, models: Path) -> None:
        """The refusal names the sample."""
        x = rows(3)
        x[2, 1] = np.nan
        with device.load(models / "copy_float32.tflite") as model:
            with pytest.raises(InputError, match=r"'x' holds NaN, first at sample 2 \[1\]"):
                model.run(x)
            (got,) = model.run(x, allow_nan=True).outputs.values()
        assert np.asarray(got).tobytes() == x.tobytes()

    def test_a_measurement_has_its_raw_series(self, device: DeviceLike, models: Path) -> None:
        """All times, the quantiles that are among them, and the conditions around it."""
        with device.load(models / "add_float32.tflite") as model:
            timing = model.measure(min_runs=7, max_runs=7)
        assert (timing.verdict, timing.budget_ms, timing.reason) == (None, None, "")
        assert len(timing.samples_ns) == 7
        assert all(type(value) is int and value > 0 for value in timing.samples_ns)
        quantiles = (timing.p50_ms, timing.p90_ms, timing.p95_ms, timing.p99_ms)
        assert {round(value * 1e6) for value in quantiles} <= set(timing.samples_ns)
        assert (timing.load_ms, timing.warmup_runs > 0, timing.first_ms > 0) == (model.load_ms, True, True)
        assert set(timing.conditions) == {"before", "after"}

    def test_a_measurement_is_judged(self, device: DeviceLike, models: Path) -> None:
        """With what was asked for, and a reason unless it passed."""
        with device.load(models / "slow.tflite", delegate="cpu") as model:
            for steps, budget_ms, verdict in ((200, 60_000, "pass"), (2000, 0.05, "fail")):
                sample = np.array([steps], np.int32)
                with case(verdict):
                    timing = model.measure(sample, budget_ms=budget_ms, quantile=0.9, confidence=0.9, max_s=20)
                    assert (timing.verdict, timing.reason == "") == (verdict, verdict == "pass")
                    assert (timing.budget_ms, timing.quantile, timing.confidence) == (budget_ms, 0.9, 0.9)

    def test_a_sample_to_measure_is_checked_like_one_to_run(self, device: DeviceLike, models: Path) -> None:
        """NaN and dtype."""
        with device.load(models / "copy_float32.tflite") as model:
            with pytest.raises(InputError, match="holds NaN"):
                model.measure(rows(1) * np.nan)
            with pytest.raises(InputError, match="needs float32, got int64"):
                model.measure(rows(1).astype(np.int64))
