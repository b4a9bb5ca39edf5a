"""Whether samples came back in another order: shifted, reversed or shuffled.

Owns the search for the sample of the reference that each sample of the device agrees
with. Runs only after a failure. Knows numpy only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_edgedevice.metrics.structure import Array, Samples
    from pytest_edgedevice.metrics.sums import Floats

_MAX_SAMPLES = 4096
_LOOKED_AT = 4096  # elements of a sample that its fingerprint is made of
_TRIES = 4  # nearest fingerprints that are compared in full
_SHOWN = 6


def order_text(actual: Samples, reference: Samples, agrees: Callable[[Array, Array], bool]) -> str:
    """Name the order in which the reference's samples would match; empty when there is none.

    Args:
        actual: Device output, finite.
        reference: Reference with as many samples.
        agrees: Whether a sample of the device agrees with one of the reference.
    """
    count = len(actual)
    if not 1 < count <= _MAX_SAMPLES:
        return ""
    found = _partners(actual, reference, agrees)
    matched = [(ours, theirs) for ours, theirs in enumerate(found) if theirs is not None]
    if all(ours == theirs for ours, theirs in matched):
        return ""
    ahead = {(theirs - ours) % count for ours, theirs in matched}
    if len(ahead) == 1 and len(matched) >= max(2, count - min(*ahead, *(count - one for one in ahead))):
        by = min(ahead | {one - count for one in ahead}, key=abs)
        return f"the device's sample i matches the reference's sample i{by:+d} throughout: the samples are shifted"
    if len(matched) == count:
        if all(ours + theirs == count - 1 for ours, theirs in matched):
            return "the samples match in reverse order"
        listed = ", ".join(f"{ours} is {theirs}" for ours, theirs in matched if ours != theirs)
        return f"all samples match in another order: device {_cut(listed)} of the reference"
    ours, theirs = next(pair for pair in matched if pair[0] != pair[1])
    return f"the device's sample {ours} matches the reference's sample {theirs}: their order may differ"


def _cut(listed: str) -> str:
    parts = listed.split(", ")
    return ", ".join(parts[:_SHOWN]) + (" ..." if len(parts) > _SHOWN else "")


def _partners(actual: Samples, reference: Samples, agrees: Callable[[Array, Array], bool]) -> list[int | None]:
    """For each of the device's samples the reference's that it agrees with; its own where both would do."""
    prints = _fingerprints(actual), _fingerprints(reference)
    order = np.argsort(prints[1], kind="stable")
    ranked = prints[1][order]
    free = np.ones(len(actual), bool)
    found: list[int | None] = [None] * len(actual)
    for ours, mark in enumerate(prints[0]):
        near = int(np.searchsorted(ranked, mark))
        window = order[max(0, near - _TRIES) : near + _TRIES]
        with np.errstate(all="ignore"):  # a print of huge values may be infinite
            by_distance = window[np.argsort(np.abs(prints[1][window] - mark), kind="stable")]
        for theirs in (ours, *by_distance.tolist()):
            if free[theirs] and agrees(actual[ours], reference[theirs]):
                found[ours] = int(theirs)
                free[theirs] = False
                break
    return found


def _fingerprints(samples: Samples) -> Floats:
    """One number a sample, near for samples that are near: a fixed random projection of its first elements."""
    weights = np.random.default_rng(1).standard_normal(_LOOKED_AT)
    prints = np.zeros(len(samples))
    with np.errstate(all="ignore"):
        for number, sample in enumerate(samples):
            head = np.reshape(sample, -1)[:_LOOKED_AT]
            wide = (head.real if head.dtype.kind == "c" else head).astype(np.float64)
            prints[number] = float(wide @ weights[: wide.size])
    return prints
