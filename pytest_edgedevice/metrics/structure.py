"""Whether two outputs may be compared at all: sample count, shape and kind of dtype.

Owns how an output is read as samples and how a difference in structure is
worded. Knows numpy only; nothing of runs, goldens, checks or devices.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Samples = Array | tuple[Array, ...]
Tensor = npt.ArrayLike | Sequence[npt.ArrayLike]
Kind = Literal["float", "integer", "bool", "complex", "other"]

_KINDS: dict[str, Kind] = {"f": "float", "i": "integer", "u": "integer", "b": "bool", "c": "complex"}


def as_samples(values: Tensor) -> Samples:
    """Read an output as samples: one array along the first axis, or a tuple where the shapes vary.

    A list is one entry a sample; where all entries share shape and dtype they
    become one array, so that a list of equal arrays and their stack are the same.

    Raises:
        ValueError: A sample is itself a nested list of uneven lengths.
    """
    if isinstance(values, np.ndarray) and values.dtype == object and values.ndim == 1:
        values = list(values)
    if not isinstance(values, list | tuple):
        return np.asarray(values)
    parts = tuple(np.asarray(value) for value in values)
    if parts and len({(part.shape, part.dtype) for part in parts}) == 1:
        return np.stack(parts)
    return parts


def paired(actual: Tensor, reference: Tensor) -> tuple[Samples, Samples]:
    """Read both sides as samples, for a function that is used alone.

    Raises:
        ValueError: They cannot be compared; the text says why.
    """
    ours, theirs = as_samples(actual), as_samples(reference)
    problems = structure_problems(ours, theirs)
    if problems:
        raise ValueError("; ".join(problems))
    return ours, theirs


def check_real(*sides: Samples) -> None:
    """Refuse complex numbers, for a metric that they mean nothing to.

    Raises:
        ValueError: A side is complex.
    """
    if any(kind_of(side) == "complex" for side in sides):
        raise ValueError("it is of real numbers, and the output is complex")


def place(samples: Samples, sample: int, position: int) -> tuple[int, ...]:
    """Index within a sample of its element at a flat position; empty where a sample is a single number."""
    return tuple(int(axis) for axis in np.unravel_index(position, np.shape(samples[sample])))


def kind_of(samples: Samples) -> Kind:
    """Kind of dtype; a tuple's is its first sample's."""
    if isinstance(samples, tuple):
        return kind_of(samples[0]) if samples else "other"
    return _KINDS.get(samples.dtype.kind, "other")


def is_constant(samples: Samples) -> bool:
    """Whether an output is one and the same value everywhere, in more than one element."""
    parts = [part for part in _parts(samples) if part.size]
    if sum(part.size for part in parts) < 2:
        return False
    return all(bool((part == parts[0].flat[0]).all()) for part in parts)


def peak_of(samples: Samples) -> float:
    """Largest magnitude of an output; 0 where it is empty, NaN and Inf left out."""
    peak = 0.0
    for part in _parts(samples):
        if kind_of(part) == "other":
            continue
        if part.size and part.dtype.kind != "c":
            ends = float(part.max()), float(part.min())
            if not (math.isfinite(ends[0]) and math.isfinite(ends[1])):
                finite = part[np.isfinite(part)]
                ends = (float(finite.max()), float(finite.min())) if finite.size else (0.0, 0.0)
            peak = max(peak, abs(ends[0]), abs(ends[1]))
        elif part.size:
            sizes = np.abs(part)
            peak = max(peak, float(np.where(np.isfinite(sizes), sizes, 0.0).max()))
    return peak


def range_of(samples: Samples) -> float:
    """Largest value of a finite output less its smallest; 0 where it is empty."""
    parts = [part for part in _parts(samples) if part.size]
    low, high = (pick((float(getattr(part, pick.__name__)()) for part in parts), default=0.0) for pick in (min, max))
    return high - low


def describe(samples: Samples) -> str:
    """Dtype and shape for people, e.g. ``float32 (3, 896, 1)``."""
    if not isinstance(samples, tuple):
        return f"{samples.dtype} {samples.shape}"
    if not samples:
        return "no samples"
    dtypes = "/".join(sorted({str(part.dtype) for part in samples}))
    return f"{dtypes}, {len(samples)} samples of varying shape"


def structure_problems(actual: Samples, reference: Samples, *, shapes: bool = True) -> tuple[str, ...]:
    """Say why two outputs cannot be compared element by element; empty when they can.

    Same number of samples, same shape of each, at least one element, same *kind*
    of dtype: a float64 reference for a float32 output is fine, a float reference
    for an integer output is not, because nothing is dequantised in silence.

    Args:
        actual: Device output.
        reference: Reference.
        shapes: Whether the shapes have to be the same, and hold something.
    """
    for side, samples in (("device", actual), ("reference", reference)):
        if not isinstance(samples, tuple) and samples.ndim == 0:
            return (f"the {side} has no sample axis: {describe(samples)}",)
    if len(actual) != len(reference):
        return (f"the device has {_count(len(actual))}, the reference {_count(len(reference))}",)
    problems = [*(_shape_problems(actual, reference) if shapes else []), *_dtype_problems(actual, reference)]
    if shapes and not problems and not sum(part.size for part in _parts(actual)):
        problems.append(f"there is nothing to compare: both sides are empty ({describe(actual)})")
    return tuple(problems)


def _shape_problems(actual: Samples, reference: Samples) -> list[str]:
    if not isinstance(actual, tuple) and not isinstance(reference, tuple):
        if actual.shape == reference.shape:
            return []
        return [f"shapes differ: device {actual.shape}, reference {reference.shape}"]
    odd = [i for i, (a, r) in enumerate(zip(actual, reference, strict=True)) if a.shape != r.shape]
    if not odd:
        return []
    first = odd[0]
    where = f"shapes differ in {len(odd)} of {_count(len(actual))}, first in sample {first}"
    return [f"{where}: device {actual[first].shape}, reference {reference[first].shape}"]


def _dtype_problems(actual: Samples, reference: Samples) -> list[str]:
    for side, samples in (("device", actual), ("reference", reference)):
        for part in _parts(samples):
            if kind_of(part) == "other":
                return [f"the {side}'s dtype {part.dtype} is not numeric: convert it to a dtype of numpy's own"]
    kinds = {(kind_of(a), kind_of(r)) for a in _parts(actual)[:1] for r in _parts(reference)}
    kinds |= {(kind_of(a), kind_of(r)) for a in _parts(actual) for r in _parts(reference)[:1]}
    for ours, theirs in sorted(kinds):
        if ours != theirs:
            sides = f"device {_dtype(actual)} ({ours}), reference {_dtype(reference)} ({theirs})"
            return [f"dtypes differ in kind: {sides}"]
    return []


def _parts(samples: Samples) -> tuple[Array, ...]:
    return samples if isinstance(samples, tuple) else (samples,)


def _dtype(samples: Samples) -> str:
    return "/".join(sorted({str(part.dtype) for part in _parts(samples)}))


def _count(samples: int) -> str:
    return "1 sample" if samples == 1 else f"{samples} samples"
