"""Quantised outputs in integer steps.

Owns what a step is: 1 in an integer tensor, the tensor's scale in one that was
dequantised. Knows numpy only.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from pytest_edgedevice.metrics.arguments import check_bound
from pytest_edgedevice.metrics.metric import Affine, Finding, Metric, digits
from pytest_edgedevice.metrics.structure import Samples, Tensor, kind_of, paired, place
from pytest_edgedevice.metrics.sums import Floats, pieces

if TYPE_CHECKING:
    from pytest_edgedevice.metrics.structure import Array


@dataclass(frozen=True, slots=True)
class StepCount:
    """How far two quantised outputs are apart.

    Attributes:
        elements: Elements compared.
        most: Largest distance, steps; whole for integers.
        apart: Elements that are a step or more apart (floats: more than half a step).
        beyond: Elements further apart than the steps that were asked about.
        sample, index: Where the largest distance is.
        per_sample: Largest distance in each sample.
    """

    elements: int
    most: float
    apart: int
    beyond: int
    sample: int
    index: tuple[int, ...]
    per_sample: Floats


def count_steps(
    actual: Tensor,
    reference: Tensor,
    *,
    affine: Affine | None = None,
    reference_affine: Affine | None = None,
    at_most: float = 1,
) -> StepCount:
    """Count the steps between two quantised outputs.

    Integers are subtracted exactly; floats are values of a quantised tensor, ``|d - r| / scale``, whose
    own rounding (two units in the last place of the larger side) is taken off.

    Args:
        actual: Device output.
        reference: Reference of the same structure.
        affine: The device tensor's scale and zero point; floats need it, integers ignore it.
        reference_affine: The reference's, where it is known; it must be the same.
        at_most: Counts elements beyond so many steps.

    Raises:
        ValueError: The structures, the scales or the zero points differ; or floats without a scale.
    """
    ours, theirs = paired(actual, reference)
    problem = affine_problem(affine, reference_affine)
    if problem:
        raise ValueError(problem)
    if kind_of(ours) == "float" and affine is None:
        raise ValueError("steps of a float output need its scale, and the model tells none for it")
    if kind_of(ours) not in {"float", "integer"}:
        raise ValueError(f"a {kind_of(ours)} output has no steps")
    return _count(ours, theirs, affine.scale if affine is not None else 1.0, at_most)


def affine_problem(actual: Affine | None, reference: Affine | None) -> str:
    """Say that an integer does not mean the same on both sides; empty where it does, or a side is not known."""
    if actual is None or reference is None or actual == reference:
        return ""
    sides = (f"scale {one.scale!r} and zero point {one.zero_point}" for one in (actual, reference))
    return "an integer does not mean the same on both sides: {} on the device, {} in the reference".format(*sides)


def _count(ours: Samples, theirs: Samples, scale: float, at_most: float) -> StepCount:
    most, apart, beyond, where = -1.0, 0, 0, (0, 0)
    per_sample = np.zeros(len(ours))
    least = 0.5 if kind_of(ours) == "float" else 0.0
    for rows, start, d, r in pieces(ours, theirs):
        far = _distances(d, r, scale)
        apart += int(np.count_nonzero(far > least))
        beyond += int(np.count_nonzero(far > at_most))
        per_sample[rows] = np.maximum(per_sample[rows], far.max(axis=1))
        row, column = np.unravel_index(far.argmax(), far.shape)
        if far[row, column] > most:
            most, where = float(far[row, column]), (rows.start + int(row), start + int(column))
    sample, index = where[0], place(ours, *where)
    return StepCount(sum(part.size for part in ours), max(most, 0.0), apart, beyond, sample, index, per_sample)


def _distances(d: Array, r: Array, scale: float) -> Floats:
    if d.dtype.kind == "f" or r.dtype.kind == "f":
        wide_d, wide_r = d.astype(np.float64), r.astype(np.float64)
        size = np.maximum(np.abs(wide_d), np.abs(wide_r))
        unit = max(np.finfo(side.dtype).eps for side in (d, r))
        with np.errstate(over="ignore"):  # then they are infinitely many steps apart
            return np.asarray(np.maximum(np.abs(wide_d - wide_r) - 2 * float(unit) * size, 0.0) / scale)
    if max(d.dtype.itemsize, r.dtype.itemsize) > 4:  # a difference of 64-bit integers may not fit in one
        exact: Floats = np.abs(d.astype(object) - r.astype(object)).astype(np.float64)
        return exact
    return np.abs(d.astype(np.int64) - r.astype(np.int64)).astype(np.float64)


@dataclass(frozen=True, slots=True)
class Steps(Metric):
    """No element further than so many quantisation steps, and no more than a share of them a step off.

    Args:
        at_most: Largest distance that passes, steps.
        share: Largest share of elements that may be a step or more off, 0 to 1.
        scale: Step of a float output for which the model tells none, in the tensor's unit.
    """

    at_most: float = 1
    share: float = 1.0
    scale: float | None = None
    name: ClassVar[str] = "steps"
    needs_variation: ClassVar[bool] = False

    def __post_init__(self) -> None:
        check_bound("at_most", self.at_most, low=0)
        check_bound("share", self.share, low=0, high=1)
        check_bound("scale", self.scale, low=0, optional=True)
        if self.scale == 0:
            raise ValueError("scale must be more than 0")

    @property
    def bound(self) -> str:
        """What passes, in words."""
        share = f", off in at most {100 * self.share:g} % of elements" if self.share < 1 else ""
        return f"at most {self.at_most:g} {'step' if self.at_most == 1 else 'steps'}{share}"

    def fitted(self, affine: Affine) -> Steps:
        """The same with the tensor's own scale, unless the test named one."""
        return self if self.scale is not None else replace(self, scale=affine.scale)

    def elementwise(self, reference: Samples) -> tuple[float, float] | None:
        """The steps in the tensor's own unit; None for a float output whose scale is not known."""
        if kind_of(reference) == "integer":
            return float(self.at_most), 0.0
        if self.scale is None:
            return None
        return min(float(self.at_most) * float(self.scale), sys.float_info.max), 2 * float(np.finfo(np.float32).eps)

    def judge(self, actual: Samples, reference: Samples) -> Finding:
        """Judge an output; see ``Metric.judge``."""
        affine = None if self.scale is None else Affine(self.scale, 0)
        found = count_steps(actual, reference, affine=affine, at_most=self.at_most)
        share = found.apart / found.elements
        far = f"{found.most:.4g} {'step' if found.most == 1 else 'steps'}"
        off = f"{found.apart} of {found.elements} elements off ({100 * share:.3g} %)"
        parts = []
        if found.beyond:
            parts.append(f"at_most={digits(found.most, up=True)}")
        if share > self.share:
            parts.append(f"share={digits(share, up=True)}")
        kept = [f"at_most={self.at_most:g}"] if not found.beyond else []
        kept += [f"share={self.share:g}"] if self.share < 1 and share <= self.share else []
        return Finding(
            metric="steps",
            passed=not parts,
            values={"steps_max": found.most, "steps_share": share},
            saw=f"{far} and {off}, {self.bound} asked",
            needed=f"steps({', '.join([*parts, *kept])})" if parts else "",
            sample=found.sample,
            index=found.index,
            per_sample=found.per_sample,
            bad_samples=int(np.count_nonzero(found.per_sample > self.at_most)),
        )
