"""How far outputs of one model are from another's, or from references."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_edgedevice.evaluation.fitting import fitted, presented

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_edgedevice.evaluation.columns import Column
    from pytest_edgedevice.evaluation.dataset import Dataset
    from pytest_edgedevice.evaluation.evaluating import Runnable
    from pytest_edgedevice.values import ModelInfo


def errors_of(models: Mapping[str, Runnable], source: Dataset, most: int) -> tuple[dict[str, float | None], str]:
    """Largest error of each on the first samples, and what it was compared with."""
    chunk = next(iter(source.chunks(lambda: most)))
    outputs = {
        name: named(presented(model.run(fitted(chunk.inputs, model.info)), None), model.info)
        for name, model in models.items()
    }
    first = next(iter(models))
    reference, against = outputs[first], f"the outputs of {first!r}"
    if not isinstance(chunk.labels, list) and hasattr(chunk.labels, "keys") and chunk.labels.keys() >= reference.keys():
        reference, against = {name: chunk.labels[name] for name in reference}, f"the references of {source.name!r}"
    errors = {name: distance(found, reference) for name, found in outputs.items()}
    return errors, f"{against}, {chunk.samples} samples"


def named(outputs: Column, info: ModelInfo) -> dict[str, Any]:
    """Outputs by name, also where there is only one."""
    return outputs if isinstance(outputs, dict) else {info.outputs[0].name: outputs}


def distance(outputs: Mapping[str, Any], reference: Mapping[str, Any]) -> float | None:
    """The largest distance of two values of one name; None where names or shapes differ."""
    if outputs.keys() != reference.keys():
        return None
    largest = 0.0
    for name, real in outputs.items():
        for mine, wanted in zip(real, reference[name], strict=True):
            one, other = (np.asarray(value, np.float64) for value in (mine, wanted))
            if one.shape != other.shape:
                return None
            apart = float(np.abs(one - other).max()) if one.size else 0.0
            largest = apart if math.isnan(apart) else max(largest, apart)
            if math.isnan(largest):
                return largest
    return largest
