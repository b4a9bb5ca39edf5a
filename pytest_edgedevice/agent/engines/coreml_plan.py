"""What Core ML intends to run where, as its compute plan tells it: an intention, and no proof."""

from __future__ import annotations

from collections import Counter
from typing import Any, Callable, Dict, Iterator, Tuple

DEVICES = {
    "MLCPUComputeDevice": "cpu",
    "MLGPUComputeDevice": "gpu",
    "MLNeuralEngineComputeDevice": "neural_engine",
}
CONSTANT = "const"
MOST_SAID = 200
Step = Tuple[Callable[[Any], Any], Any]


def plan_of(compiled: str, unit: Any, function: str) -> Tuple[Dict[str, int], str]:
    """Operators by device, and why there is no plan.

    Constants, which some versions give a device to, are not counted. A plan is nice to have: whatever fails
    here is a reason.

    Args:
        compiled: Path of the compiled model.
        unit: One of ``coremltools.ComputeUnit``.
        function: Which function of a model program runs; empty for the main one.
    """
    try:
        from coremltools.models.compute_plan import MLComputePlan

        plan = MLComputePlan.load_from_path(path=compiled, compute_units=unit)
        counts: Counter[str] = Counter()
        for ask, step in _steps(plan, plan.model_structure, function):
            usage = ask(step)
            if usage is not None:
                counts[DEVICES.get(type(usage.preferred_compute_device).__name__, "other")] += 1
    except Exception as error:  # noqa: BLE001 - coremltools raises whatever it likes where macOS is older than 14.4
        return {}, " ".join(f"{error}".split())[:MOST_SAID] or type(error).__name__
    return dict(counts), "" if counts else "the plan names no operator"


def _steps(plan: Any, structure: Any, function: str) -> Iterator[Step]:
    if structure.program is not None:
        functions = structure.program.functions
        name = function if function in functions else "main" if "main" in functions else next(iter(functions))
        blocks = [functions[name].block]
        while blocks:
            for operation in blocks.pop().operations:
                if operation.operator_name.rpartition(".")[2] == CONSTANT:
                    continue
                yield plan.get_compute_device_usage_for_mlprogram_operation, operation
                blocks.extend(operation.blocks)
    elif structure.neuralnetwork is not None:
        for layer in structure.neuralnetwork.layers:
            yield plan.get_compute_device_usage_for_neuralnetwork_layer, layer
    elif structure.pipeline is not None:
        for _, part in _named(structure.pipeline.sub_models):
            yield from _steps(plan, part, "")


def _named(parts: Any) -> Any:
    """Pairs of name and model, whether they come as a mapping or as pairs."""
    return parts.items() if hasattr(parts, "items") else parts
