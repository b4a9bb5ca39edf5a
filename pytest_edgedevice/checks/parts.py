"""Some samples of a run: which ones, cut out of arrays or lists, and how far two of them are apart."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pytest_edgedevice.values import Run

MOST_SAMPLES = 32
"""So many are asked again all together, where that is quick."""
FEW = 4
QUICK_NS = 500_000_000


def rows(values: Any, picked: Sequence[int]) -> Any:
    """Some samples of an array (n, ...), or of a list of one array a sample."""
    if isinstance(values, list | tuple):
        return [values[index] for index in picked]
    return np.asarray(values)[list(picked)]


def part_of(values: Mapping[str, Any], picked: Sequence[int]) -> dict[str, Any]:
    """The same samples of each tensor."""
    return {name: rows(value, picked) for name, value in values.items()}


def part_of_run(run: Run, picked: Sequence[int]) -> Run:
    """A run of some samples only."""
    times = tuple(run.inference_ns[index] for index in picked if index < len(run.inference_ns))
    return dataclasses.replace(run, outputs=part_of(run.outputs, picked), samples=len(picked), inference_ns=times)


def choices(run: Run, references: Mapping[str, Any]) -> list[list[int]]:
    """Sets of samples to look at, the first that shows the failure is enough: the worst few, then all."""
    everything = list(range(run.samples))
    if run.samples <= MOST_SAMPLES and sum(run.inference_ns) <= QUICK_NS:
        return [everything]
    worst = sorted(worst_first(run, references)[:FEW])
    return [worst, everything] if run.samples <= MOST_SAMPLES else [worst]


def worst_first(run: Run, references: Mapping[str, Any]) -> list[int]:
    """All samples, the one that is farthest from its reference first."""
    found = _errors(run, references)
    return sorted(range(run.samples), key=lambda index: -found[index])


def _errors(run: Run, references: Mapping[str, Any]) -> list[float]:
    """How far each sample is from its reference, in units of each output's largest reference."""
    worst = [0.0] * run.samples
    for name, values in run.outputs.items():
        theirs = references.get(name)
        if theirs is None or len(theirs) != run.samples or len(values) != run.samples:
            continue
        unit = max((_largest(one) for one in theirs), default=0.0) or 1.0
        for index in range(run.samples):
            worst[index] = max(worst[index], distance(values[index], theirs[index]) / unit)
    return worst


def _largest(values: Any) -> float:
    array = np.asarray(values)
    if array.dtype.kind not in "fiubc" or not array.size:
        return 0.0
    top = float(np.abs(array.astype(np.complex128 if array.dtype.kind == "c" else np.float64)).max())
    return top if math.isfinite(top) else 0.0


def apart(one: Mapping[str, Any], other: Mapping[str, Any]) -> float:
    """The largest difference between outputs of the same names; infinite where names or shapes differ."""
    if one.keys() != other.keys():
        return math.inf
    return max((_all_apart(values, other[name]) for name, values in one.items()), default=0.0)


def _all_apart(values: Any, others: Any) -> float:
    if len(values) != len(others):
        return math.inf
    if isinstance(values, list | tuple) or isinstance(others, list | tuple):
        return max((distance(a, b) for a, b in zip(values, others, strict=True)), default=0.0)
    return distance(values, others)


def distance(one: Any, other: Any) -> float:
    """The largest absolute difference of two arrays; equal NaN are no difference, NaN against a number is infinite."""
    a, b = np.asarray(one), np.asarray(other)
    if a.shape != b.shape or a.dtype.kind not in "fiubc" or b.dtype.kind not in "fiubc":
        return math.inf
    if not a.size or np.array_equal(a, b):
        return 0.0
    kind = np.complex128 if "c" in (a.dtype.kind, b.dtype.kind) else np.float64
    with np.errstate(all="ignore"):
        difference = np.abs(a.astype(kind) - b.astype(kind))
    difference[(a == b) | (np.isnan(a) & np.isnan(b))] = 0.0
    top = float(difference.max())
    return math.inf if math.isnan(top) else top
