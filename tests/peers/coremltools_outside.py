"""coremltools from outside, as one JSON object: run with the real one and with the stand-in, which must look alike.

With ``models`` as argument, also: what our engine makes of models that coremltools itself has just written, which only
the real one can.
"""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

CALLS = (
    "coremltools.models.MLModel.__init__",
    "coremltools.models.MLModel.predict",
    "coremltools.models.MLModel.get_spec",
    "coremltools.models.MLModel.get_compiled_model_path",
    "coremltools.models.MLModel.make_state",
    "coremltools.models.CompiledMLModel.__init__",
    "coremltools.models.CompiledMLModel.predict",
    "coremltools.models.CompiledMLModel.make_state",
    "coremltools.models.compute_plan.MLComputePlan.load_from_path",
    "coremltools.models.compute_plan.MLComputePlan.get_compute_device_usage_for_mlprogram_operation",
    "coremltools.models.compute_plan.MLComputePlan.get_compute_device_usage_for_neuralnetwork_layer",
)
CLASSES = ("MLCPUComputeDevice", "MLGPUComputeDevice", "MLNeuralEngineComputeDevice")


def found(path: str) -> Any:
    """What a dotted path names."""
    parts = path.split(".")
    for end in range(len(parts) - 1, 0, -1):
        try:
            one: Any = importlib.import_module(".".join(parts[:end]))
        except ModuleNotFoundError:
            continue
        for name in parts[end:]:
            one = getattr(one, name)
        return one
    raise LookupError(path)


def calls() -> dict[str, list[list[str]]]:
    """Names and defaults of each call's parameters."""
    told = {}
    for path in CALLS:
        parameters = inspect.signature(found(path)).parameters.values()
        told[path] = [[one.name, one.kind.name, repr(one.default)] for one in parameters]
    return told


def outside() -> dict[str, Any]:
    """All that is compared."""
    import coremltools

    devices = importlib.import_module("coremltools.models.compute_device")
    plans = importlib.import_module("coremltools.models.compute_plan")
    return {
        "calls": calls(),
        "units": {unit.name: unit.value for unit in coremltools.ComputeUnit},
        "devices": [name for name in CLASSES if hasattr(devices, name)],
        "usage": [field.name for field in dataclasses.fields(plans.MLComputePlanDeviceUsage)],
    }


def models() -> dict[str, Any]:
    """Name of a model to its inputs and outputs as the engine describes them, its label, and how it is refused here."""
    import coremltools
    import numpy as np
    from coremltools.converters.mil import Builder
    from coremltools.converters.mil.mil import get_new_symbol, types

    from pytest_edgedevice.agent.engines.base import EngineError, LoadOptions
    from pytest_edgedevice.agent.engines.coreml import CoreMLEngine
    from pytest_edgedevice.agent.engines.coreml_features import features_of_spec

    def written(name: str, spec: Any, work: Any, *, target: Any = coremltools.target.iOS16, **more: Any) -> None:
        program = Builder.program(input_specs=spec, opset_version=target)(work)
        made = coremltools.convert(program, convert_to="mlprogram", minimum_deployment_target=target, **more)
        made.save(str(folder / f"{name}.mlpackage"))

    def plus_one(x: Any) -> Any:
        return Builder.add(x=x, y=np.float32(1), name="y")

    def plus_half(x: Any) -> Any:
        return Builder.add(x=x, y=np.float16(1), name="y")

    def counts(x: Any, cache: Any) -> Any:
        total = Builder.add(x=Builder.read_state(input=cache), y=Builder.cast(x=x, dtype="fp16"))
        Builder.coreml_update_state(state=cache, value=total)
        return Builder.cast(x=total, dtype="fp32", name="y")

    single, row, some = coremltools.precision.FLOAT32, Builder.TensorSpec(shape=(1, 4)), get_new_symbol()
    rows = [Builder.TensorSpec(shape=(some, 4))]
    sizes = coremltools.TensorType("x", shape=(coremltools.RangeDim(1, 8, default=2), 4))
    shapes = coremltools.TensorType("x", shape=coremltools.EnumeratedShapes([(1, 4), (3, 4)], default=(1, 4)))
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        written("plain", [row], plus_one, compute_precision=single)
        written("half", [Builder.TensorSpec(shape=(1, 4), dtype=types.fp16)], plus_half)
        written("range", rows, plus_one, compute_precision=single, inputs=[sizes])
        written("enumerated", rows, plus_one, compute_precision=single, inputs=[shapes])
        written("positions", [row], lambda x: Builder.non_zero(x=x, name="y"), compute_precision=single)
        state = Builder.StateTensorSpec((1, 4), dtype=types.fp16)
        written("state", [row, state], counts, target=coremltools.target.iOS18)
        image = [coremltools.ImageType("x", shape=(1, 3, 8, 6), color_layout=coremltools.colorlayout.BGR)]
        written("image", [Builder.TensorSpec(shape=(1, 3, 8, 6))], lambda x: Builder.relu(x=x, name="y"), inputs=image)
        told = {}
        for path in sorted(folder.iterdir()):
            features = features_of_spec(coremltools.utils.load_spec(str(path)))
            sides = [
                [[one.dtype, list(one.shape or ())] for one in side] for side in (features.inputs, features.outputs)
            ]
            told[path.stem] = [*sides, features.stateful, features.variant]
        try:
            CoreMLEngine(str(folder / "plain.mlpackage"), LoadOptions(delegate="cpu_only"), "")
        except EngineError as error:
            told["refused"] = [error.kind, str(error)]
    return told


if __name__ == "__main__":
    print(json.dumps({"outside": outside(), **({"models": models()} if sys.argv[1:] == ["models"] else {})}))
