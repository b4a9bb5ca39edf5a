"""What has to be sound before values are matched in another way than element by element.

Owns the checks of outputs whose elements have no fixed place, such as boxes. Knows numpy only.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from pytest_edgedevice.metrics.closeness import Closeness, Element, NonFinite, compare
from pytest_edgedevice.metrics.structure import Samples, Tensor, as_samples, peak_of, structure_problems


def unordered(actual: Tensor, reference: Tensor, *, alive: bool = True) -> Closeness:
    """Check what has to be sound before values are matched in another way than element by element.

    Number of samples and kind of dtype have to fit, nothing may be NaN or Inf, and the output has to
    carry information where its reference does. Shapes may differ: there may be more boxes than expected.

    Args:
        actual: Device output.
        reference: Reference.
        alive: Whether a dead output fails.
    """
    ours, theirs = as_samples(actual), as_samples(reference)
    problems = structure_problems(ours, theirs, shapes=False)
    if problems:
        return Closeness.of_structure(problems)
    if not structure_problems(ours, theirs):
        found = compare(ours, theirs, atol=0, rtol=0)
        return found if alive else replace(found, dead="")
    sides = _nonfinite(ours), _nonfinite(theirs)
    found = replace(Closeness.of_structure(()), actual_nonfinite=sides[0], reference_nonfinite=sides[1])
    silent = alive and peak_of(theirs) > 0 and peak_of(ours) == 0 and any(part.size for part in ours)
    return replace(found, dead="it is all zeros") if silent else found


def _nonfinite(samples: Samples) -> NonFinite:
    """NaN and Inf of one side; its first one stands for both sides of that element."""
    count, first = 0, None
    for number, part in enumerate(samples):
        bad = np.argwhere(~np.isfinite(part))
        count += len(bad)
        if len(bad) and first is None:
            index = tuple(int(axis) for axis in bad[0])
            value = np.asarray(part)[index].item()
            first = Element(number, index, value, value, math.nan)
    return NonFinite(count, first)
