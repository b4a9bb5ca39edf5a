"""Inputs as a user gave them, brought into one form: name to array, or to a list of one array a sample."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from pytest_edgedevice.values import TensorSpec


def by_name(inputs: Any, specs: Sequence[TensorSpec]) -> dict[str, Any]:
    """What ``run`` has taken, samples along the first axis of every entry."""
    if isinstance(inputs, Mapping):
        return {str(name): values if isinstance(values, list | tuple) else np.asarray(values)
                for name, values in inputs.items()}  # fmt: skip
    if isinstance(inputs, Sequence) and not isinstance(inputs, str | bytes):
        names = [spec.name for spec in specs]
        return {name: [sample for part in inputs for sample in np.asarray(part[name])] for name in names}
    return {specs[0].name: np.asarray(inputs)}
