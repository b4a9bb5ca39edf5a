"""Whether an output carries information, and how alike two outputs are in direction.

Owns the rules for a dead output: a tolerance that is too loose, or a set that
is too quiet, must not let a zero vector or a stuck tensor pass. Knows numpy only.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytest_edgedevice.metrics.structure import Array, Samples

DEAD_SHARE = 1e-3  # below this share of the reference, a norm is none and a variation is rounding
_CHUNK = 65_536
SAFE = (1e-200, 1e200)  # sums of squares in this range neither overflowed nor lost what matters


def cosine_and_gain(sums: Sequence[float], segments: Sequence[tuple[Array, Array]]) -> tuple[float, float]:
    """Cosine of the two sides as vectors, and norm of the first over norm of the second.

    Args:
        sums: Sums over all elements of ``d*d``, ``r*r`` and ``d*r``.
        segments: The pairs of arrays, read again where the sums left float64's range.

    Returns:
        Cosine in -1 to 1 (both zero 1, one zero 0), and the gain (both zero 1, only the second zero inf).
    """
    dd, rr, dr = sums
    scale = 1.0
    if not (SAFE[0] < dd < SAFE[1] and SAFE[0] < rr < SAFE[1]):
        top_d, top_r = (max(_peak(pair[side]) for pair in segments) for side in (0, 1))
        if not (top_d and top_r):
            return (1.0, 1.0) if top_d == top_r else (0.0, math.inf if top_d else 0.0)
        dd, rr, dr = _scaled_sums(segments, top_d, top_r)
        scale = top_d / top_r
    norm_d, norm_r = math.sqrt(dd), math.sqrt(rr)
    return max(-1.0, min(1.0, dr / norm_d / norm_r)), norm_d / norm_r * scale


def dead_reason(actual: Samples, reference: Samples, *, gain: float) -> str:
    """Say why the device's output is dead; empty when it is alive.

    The reference counts as varying only beyond a thousandth of its size (for 8 and
    16 bit integers: beyond one step), because a half-precision accelerator may
    round less than that away in good faith.

    Args:
        actual: Device output, finite, samples along the first axis.
        reference: Reference of the same structure, finite.
        gain: Norm of the first over norm of the second.
    """
    if gain < DEAD_SHARE and not _within_a_step(reference):
        return f"its norm is {gain:.2g} of the reference's" if gain else "it is all zeros"
    return _constant_reason(actual, reference) or _stuck_reason(actual, reference)


def _constant_reason(actual: Samples, reference: Samples) -> str:
    first = next(part for part in _parts(actual) if part.size).flat[0]
    if not all(_all_equal(part, first) for part in _parts(actual)):
        return ""
    pieces = [piece for part in _parts(reference) for piece in _flat(part)]
    varies = _varies([(piece, pieces[0][0]) for piece in pieces])
    return f"every element is {first} while the reference varies" if varies else ""


def _stuck_reason(actual: Samples, reference: Samples) -> str:
    if len(actual) < 2 or not _same_shapes(actual):
        return ""
    if not all(_all_equal(part, actual[0]) for part in _rows(actual)):
        return ""
    varies = _varies([(part, reference[0]) for part in _rows(reference)])
    return f"all {len(actual)} samples gave the same while the reference varies" if varies else ""


def _same_shapes(samples: Samples) -> bool:
    return not isinstance(samples, tuple) or len({part.shape for part in samples}) == 1


def _parts(samples: Samples) -> Sequence[Array]:
    return samples if isinstance(samples, tuple) else (samples,)


def _rows(samples: Samples) -> Sequence[Array]:
    """Pieces of several samples each, so that many tiny samples are not a loop of many steps."""
    if isinstance(samples, tuple):
        return [part[np.newaxis] for part in samples]
    step = max(1, _CHUNK // max(1, samples[0].size))
    return [samples[start : start + step] for start in range(0, len(samples), step)]


def _all_equal(part: Array, value: Array) -> bool:
    pieces = _flat(part) if np.ndim(value) == 0 else [part]
    return all(bool((piece == value).all()) for piece in pieces)


def _flat(part: Array) -> Iterator[Array]:
    """The array's elements, a cache-sized piece at a time."""
    flat = part.reshape(-1)
    return (flat[start : start + _CHUNK] for start in range(0, flat.size, _CHUNK))


def _varies(pairs: Sequence[tuple[Array, Array]]) -> bool:
    """Whether arrays differ from what they should equal by more than rounding."""
    part = pairs[0][0]
    size, spread = 0.0, 0.0
    with np.errstate(all="ignore"):
        for values, base in pairs:
            wide = values.astype(np.complex128 if values.dtype.kind == "c" else np.float64)
            size = max(size, _peak(wide))
            spread = max(spread, float(np.abs(wide - base).max()))
    if part.dtype.kind in "iu":
        return spread > (1 if _is_quantised(part) else 0)
    return spread > DEAD_SHARE * size


def _within_a_step(reference: Samples) -> bool:
    """Whether a quantised reference is no further from zero than rounding may take it."""
    return all(_is_quantised(part) and _peak(part) <= 1 for part in _parts(reference))


def _is_quantised(part: Array) -> bool:
    """Narrow integers are quantised values; wider ones are numbers of classes, counts, positions."""
    return part.dtype.kind in "iu" and part.dtype.itemsize <= 2


def _peak(values: Array) -> float:
    if not values.size:
        return 0.0
    if values.dtype.kind == "b":
        return float(values.any())
    if values.dtype.kind == "c":
        return float(max(_peak(values.real), _peak(values.imag)))
    return max(abs(float(values.max())), abs(float(values.min())))


def _scaled_sums(segments: Sequence[tuple[Array, Array]], top_d: float, top_r: float) -> tuple[float, float, float]:
    dd = rr = dr = 0.0
    for actual, reference in segments:
        for ours, theirs in zip(_flat(actual), _flat(reference), strict=True):
            d, r = _scaled(ours, top_d), _scaled(theirs, top_r)
            dd, rr, dr = dd + float(d @ d), rr + float(r @ r), dr + float(d @ r)
    return dd, rr, dr


def _scaled(values: Array, top: float) -> Array:
    if values.dtype.kind == "c":
        return np.ascontiguousarray(values, np.complex128).view(np.float64) / top
    return values.astype(np.float64) / top
