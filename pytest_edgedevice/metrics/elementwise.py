"""Elementwise closeness as a metric: the default, and the only one that sees every single element.

Owns how its bounds are made absolute. The comparison itself is ``closeness``. Knows numpy only.
"""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from pytest_edgedevice.metrics.arguments import check_bound
from pytest_edgedevice.metrics.closeness import Closeness, compare
from pytest_edgedevice.metrics.metric import Finding, Metric, digits
from pytest_edgedevice.metrics.structure import peak_of

if TYPE_CHECKING:
    from pytest_edgedevice.metrics.structure import Samples


@dataclass(frozen=True, slots=True)
class Within(Metric):
    """``|d - r| <= atol + rtol * |r| + of_peak * max |r|`` for all elements but an allowed share.

    Args:
        atol: Absolute bound, in the tensor's own unit.
        rtol: Bound relative to each element of the reference, dimensionless.
        of_peak: Bound relative to the reference's largest magnitude over the whole set: what
            arithmetic of limited precision does to an output, whatever its unit.
        share: Share of elements that may be out of bounds, 0 to 1; NaN and Inf never may.
    """

    atol: float = 0.0
    rtol: float = 0.0
    of_peak: float = 0.0
    share: float = 0.0
    name: ClassVar[str] = "within"
    needs_variation: ClassVar[bool] = False

    def __post_init__(self) -> None:
        for name in ("atol", "rtol", "of_peak"):
            check_bound(name, getattr(self, name), low=0)
        check_bound("share", self.share, low=0, high=1)

    @property
    def bound(self) -> str:
        """What passes, in words."""
        if self.of_peak:
            also = "".join(f" + {key} {value:g}" for key, value in self._given() if key != "of_peak")
            text = f"error at most {self.of_peak:g} of the largest |reference|{also}"
        else:
            text = f"atol {self.atol:g} + rtol {self.rtol:g}"
        return f"{text}, but for {100 * self.share:g} % of elements" if self.share else text

    def elementwise(self, reference: Samples) -> tuple[float, float]:
        """``atol`` and ``rtol`` for this reference, with ``of_peak`` in the first."""
        peak = peak_of(reference) if self.of_peak else 0.0
        return min(float(self.atol) + float(self.of_peak) * peak, sys.float_info.max), self.rtol

    def judge(self, actual: Samples, reference: Samples) -> Finding:
        """Judge an output; see ``Metric.judge``."""
        atol, rtol = self.elementwise(reference)
        return self.finding(compare(actual, reference, atol=atol, rtol=rtol), reference)

    def finding(self, found: Closeness, reference: Samples) -> Finding:
        """Judge a comparison that was made with this metric's own ``elementwise``."""
        passed = not found.nonfinite and found.mismatches <= self.share * found.elements
        return Finding(
            metric=self.name,
            passed=passed,
            values={"max_abs_error": found.max_abs_error, "share_out_of_bounds": found.share},
            saw=f"{found.mismatches} of {found.elements} elements out of bounds, {self.bound} asked",
            needed="" if passed else self._needed(found, reference),
            sample=None if found.worst is None else found.worst.sample,
            index=() if found.worst is None else found.worst.index,
        )

    def _given(self) -> list[tuple[str, float]]:
        return [(key, value) for key in ("atol", "rtol", "of_peak") if (value := getattr(self, key))]

    def _needed(self, found: Closeness, reference: Samples) -> str:
        ways = []
        if math.isfinite(found.needed_atol):
            peak = peak_of(reference)
            if self.of_peak and peak and not (self.atol or self.rtol):
                ways.append(f"of_peak={digits(math.nextafter(found.needed_atol / peak, math.inf), up=True)}")
            else:
                ways.append(f"atol={digits(found.needed_atol, up=True)}")
        if self.share:
            kept = ", ".join(f"{key}={value:g}" for key, value in self._given())
            ways.append(f"{kept}, share={digits(found.share, up=True)}")
        return " or ".join(f"within({way})" for way in ways)
