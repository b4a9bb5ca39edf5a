"""As in coremltools: the structure of a compiled model, and which device is meant for each of its steps."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from coremltools import ComputeUnit
from coremltools.models.compute_device import (
    MLComputeDevice,
    MLCPUComputeDevice,
    MLGPUComputeDevice,
    MLNeuralEngineComputeDevice,
)
from coremltools.specification import content_of, macos_version

DEVICES = {"cpu": MLCPUComputeDevice, "gpu": MLGPUComputeDevice, "neural_engine": MLNeuralEngineComputeDevice}
ALLOWED = {
    "ALL": ("cpu", "gpu", "neural_engine"),
    "CPU_ONLY": ("cpu",),
    "CPU_AND_GPU": ("cpu", "gpu"),
    "CPU_AND_NE": ("cpu", "neural_engine"),
}


@dataclass(frozen=True)
class MLComputePlanDeviceUsage:
    """As in coremltools."""

    preferred_compute_device: MLComputeDevice
    supported_compute_devices: list[MLComputeDevice]


class MLComputePlan:
    """As in coremltools; a step whose device the compute units rule out is meant for the processor."""

    def __init__(self, content: dict[str, Any], unit: str) -> None:
        self._allowed = ALLOWED[unit]
        self.model_structure = _structure(content)

    def get_compute_device_usage_for_mlprogram_operation(self, operation: Any) -> MLComputePlanDeviceUsage | None:
        """As in coremltools."""
        return self._usage(operation.device)

    def get_compute_device_usage_for_neuralnetwork_layer(self, layer: Any) -> MLComputePlanDeviceUsage | None:
        """As in coremltools."""
        return self._usage(layer.device)

    def _usage(self, device: str) -> MLComputePlanDeviceUsage | None:
        if not device:
            return None  # constants have none
        chosen = DEVICES[device if device in self._allowed else "cpu"]()
        return MLComputePlanDeviceUsage(chosen, [chosen])

    @classmethod
    def load_from_path(cls, path: str, compute_units: ComputeUnit = ComputeUnit.ALL) -> MLComputePlan:
        """As in coremltools."""
        if macos_version() < (14, 4):
            raise RuntimeError("MLComputePlan is only available on macOS 14.4 and later.")
        if not path.endswith(".mlmodelc") or not Path(path).is_dir():
            raise RuntimeError(f"{path} is not a compiled model")
        return cls(content_of(path), compute_units.name)


def _step(device: str) -> Any:
    """One step; a constant has no device, or the processor."""
    constant = device in ("", "const")
    place = "cpu" if device == "const" else device
    return SimpleNamespace(device=place, blocks=[], operator_name="const" if constant else "ios16.linear")


def _structure(content: dict[str, Any]) -> Any:
    steps = [_step(device) for device in content.get("devices", [])]
    kind = content.get("type", "mlProgram")
    program = network = pipeline = None
    if kind == "mlProgram":
        inside = SimpleNamespace(operations=steps[:1])
        loop = SimpleNamespace(device="", blocks=[inside], operator_name="while_loop")  # a nested block, as loops have
        functions = {"main": SimpleNamespace(block=SimpleNamespace(operations=[loop, *steps[1:]]))}
        program = SimpleNamespace(functions=functions)
    elif kind == "neuralNetwork":
        network = SimpleNamespace(layers=steps)
    else:
        parts = [(f"part{at}", _structure({**one, "type": one["type"]})) for at, one in enumerate(content["parts"])]
        pipeline = SimpleNamespace(sub_models=parts)
    return SimpleNamespace(program=program, neuralnetwork=network, pipeline=pipeline)
