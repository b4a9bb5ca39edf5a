"""Finds goldens that could not detect a broken model.

Owns the judgement over arrays that are already loaded; knows no files beyond
the place it names in its texts. Raises only ``GoldenError``.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_edgedevice.errors import GoldenError

ROUNDING = 1e-3
"""Share of the largest value; the same as in the check for dead outputs, so that no fault falls between the two."""

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from pytest_edgedevice.goldens.samples import Array, Samples


def check_inputs(inputs: Mapping[str, Samples], ids: Sequence[str], *, where: str) -> None:
    """Refuse NaN, and two samples whose inputs are all identical.

    Infinities pass: attention masks are made of them.

    Args:
        inputs: Input name to samples, as the model gets them.
        ids: Name of each sample, in the same order.
        where: The document, for messages.
    """
    for name, samples in inputs.items():
        index = _first(samples, np.isnan)
        if index is not None:
            raise GoldenError(
                f"{where}: inputs: {name!r} has NaN in sample {ids[index]!r}",
                hint="mend the sample; no model's answer to NaN means anything",
            )
    seen: dict[bytes, str] = {}
    for index, sample in enumerate(ids):
        digest = hashlib.sha256()
        for samples in inputs.values():
            array = np.ascontiguousarray(samples[index])
            if array.dtype.kind == "f":
                array = array + array.dtype.type(0)  # a negative zero is a zero
            digest.update(f"{array.shape}".encode())
            digest.update(array.tobytes())
        twin = seen.setdefault(digest.digest(), sample)
        if twin != sample:
            raise GoldenError(
                f"{where}: samples {twin!r} and {sample!r} are identical after pre-processing",
                hint="take one of them out, or give it the input it was meant to have",
            )


def check_references(
    references: Mapping[str, Samples], ids: Sequence[str], *, constant: Collection[str], where: str
) -> None:
    """Refuse values that are not finite, and outputs that are the same whatever the input.

    Args:
        references: Server output name to samples.
        ids: Name of each sample, in the same order.
        constant: Outputs that may be constant.
        where: The document, for messages.
    """
    for name, samples in references.items():
        index = _first(samples, lambda array: ~np.isfinite(array))
        if index is not None:
            raise GoldenError(
                f"{where}: references: {name!r} is not finite in sample {ids[index]!r}",
                hint="find out why the server gives NaN or Inf there, then record the references again",
            )
        blind = "" if name in constant else _blind(samples, len(ids))
        if blind:
            raise GoldenError(
                f"{where}: references: {name!r} {blind}; a model that ignores its input would pass",
                hint=f"add samples that differ; if it is right, list {name!r} in 'constant_outputs'",
            )


def _blind(samples: Samples, count: int) -> str:
    flat = np.concatenate([np.ravel(one) for one in samples])
    if not flat.size:
        return "is empty in every sample"
    rounding = _rounding(flat)
    if _alike(flat, flat[0], rounding):
        exact = ", all equal" if (flat == flat[0]).all() else ", all equal but for rounding"
        values = "one value" if flat.size == 1 else f"{flat.size} values{exact}"
        return f"has {values} ({flat[0]:g})" if flat.dtype != np.bool_ else f"has {values} ({flat[0]})"
    first = samples[0]
    if count > 1 and all(one.shape == first.shape and _alike(one, first, rounding) for one in samples):
        return f"is identical for all {count} samples"
    return ""


def _rounding(flat: Array) -> float:
    """What may be rounding: a check calls an output stuck only where its reference varies by more than this."""
    if flat.dtype.kind == "f":
        return ROUNDING * float(np.abs(flat).max())
    return 1.0 if flat.dtype.kind in "iu" and flat.dtype.itemsize <= 2 else 0.0


def _alike(values: Array, like: Array, rounding: float) -> bool:
    if values.dtype.kind in "fiu" and rounding:
        return bool((np.abs(values.astype(np.float64) - like.astype(np.float64)) <= rounding).all())
    return bool((values == like).all())


def _first(samples: Samples, bad: Any) -> int | None:
    """Index of the first sample with a bad value."""
    for index, sample in enumerate(samples):
        array: Array = np.asarray(sample)
        if array.dtype.kind == "f" and bad(array).any():
            return index
    return None
