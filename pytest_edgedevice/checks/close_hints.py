"""What would match instead of what does not: another name, another output, another order.

Owns the hints that need more than one output or the model; those of one pair of
arrays are ``metrics.hints``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_edgedevice.checks.close_sides import affine_of
from pytest_edgedevice.metrics.hints import agrees, hint_of
from pytest_edgedevice.metrics.structure import kind_of, peak_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pytest_edgedevice.metrics.closeness import Closeness
    from pytest_edgedevice.metrics.structure import Samples
    from pytest_edgedevice.values import ModelInfo

_OF_PEAK = 1e-3  # within which real numbers match, where a test has no elementwise tolerance


def name_hint(
    extra: Sequence[str],
    missing: Sequence[str],
    actual: Mapping[str, Samples],
    reference: Mapping[str, Samples],
) -> str:
    """Say which names may belong together: by value, else by likeness; else how to compare a part."""
    from difflib import get_close_matches

    for theirs in missing:
        for ours in extra:
            if _agree(actual[ours], reference[theirs], *usual_tolerance(reference[theirs])):
                return f"device output {ours!r} has the values of reference {theirs!r}: rename the reference"
    for theirs in missing:
        near = get_close_matches(theirs, extra, n=1, cutoff=0.5)
        if near:
            return f"closest to reference {theirs!r} is device output {near[0]!r}: rename the reference"
    both = [name for name in actual if name in reference]
    return f"compare a part of them with outputs={tuple(both)!r}" if both else "no name is on both sides"


def output_hint(
    name: str,
    actual: Samples,
    reference: Mapping[str, Samples],
    *,
    found: Closeness,
    tolerance: tuple[float, float] | None,
    info: ModelInfo,
) -> str:
    """Say what would match a failing output; empty when nothing that we know of does.

    Args:
        name: Name of the output.
        actual: What the device gave.
        reference: All references, by output name.
        found: What the comparison with its own reference found.
        tolerance: ``atol`` and ``rtol`` within which something matches; by default what two runs may differ by.
        info: The model that ran.
    """
    tolerance = tolerance or usual_tolerance(reference[name])
    others = (other for other in reference if other != name)
    swapped = next((other for other in others if _agree(actual, reference[other], *tolerance)), None)
    if swapped is not None:
        return f"device output {name!r} has the values of reference {swapped!r}: the outputs may be swapped"
    theirs = reference[name]
    hint = hint_of(actual, theirs, same_structure=not found.structure, atol=tolerance[0], rtol=tolerance[1])
    if not hint and {kind_of(actual), kind_of(theirs)} == {"integer", "float"}:
        return _dequantise_hint(name, info)
    return hint


def usual_tolerance(reference: Samples) -> tuple[float, float]:
    """``atol`` and ``rtol`` within which two outputs may be called the same, for hints only."""
    kind = kind_of(reference)
    if kind in {"float", "complex"}:
        return _OF_PEAK * peak_of(reference), 0.0
    first = next(iter(reference), None) if isinstance(reference, tuple) else reference
    return (1.0 if kind == "integer" and first is not None and first.dtype.itemsize <= 2 else 0.0), 0.0


def _agree(actual: Samples, reference: Samples, atol: float, rtol: float) -> bool:
    for side in (actual, reference):
        if not isinstance(side, tuple) and (side.ndim == 0 or side.size == 0):
            return False
    return len(actual) > 0 and kind_of(actual) != "other" and agrees(actual, reference, atol=atol, rtol=rtol)


def _dequantise_hint(name: str, info: ModelInfo) -> str:
    affine = affine_of(info, name)
    if affine is None:
        return "dequantise first: (integer - zero_point) * scale"
    return f"compare pytest_edgedevice.dequantized(run): (integer - {affine.zero_point}) * {affine.scale!r}"
