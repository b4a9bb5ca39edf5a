"""How close one output is to its reference: everything a verdict and its failure text need.

Owns the definition of "close": structure, then finite, then alive, then
``|actual - reference| <= atol + rtol * |reference|``. Knows numpy only;
nothing of runs, goldens or devices, and it words no verdict.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from pytest_edgedevice.metrics.alive import SAFE, cosine_and_gain, dead_reason
from pytest_edgedevice.metrics.histogram import Histogram, histogram_of
from pytest_edgedevice.metrics.scan import Scan, float_up
from pytest_edgedevice.metrics.structure import (
    Array,
    Samples,
    Tensor,
    as_samples,
    kind_of,
    structure_problems,
)

Number = int | float | complex | bool


@dataclass(frozen=True, slots=True)
class Element:
    """One element, and what each side has there.

    Attributes:
        sample: Position along the first axis.
        index: Position within that sample; empty where a sample is a single number.
        actual: The device's value.
        reference: The reference's value.
        error: Absolute difference; NaN where a side is not finite.
    """

    sample: int
    index: tuple[int, ...]
    actual: Number
    reference: Number
    error: float


@dataclass(frozen=True, slots=True)
class NonFinite:
    """NaN and Inf of one side: how many elements, and the first of them."""

    count: int = 0
    first: Element | None = None


@dataclass(frozen=True, slots=True)
class Closeness:
    """One output against its reference.

    Attributes:
        elements: Elements compared; 0 where the structure forbids it.
        mismatches: Elements out of tolerance, NaN and Inf among them.
        worst: The mismatch that exceeds its bound the most; without one, the largest error.
        needed_atol: Smallest ``atol`` that would pass with ``rtol=0``; inf where none would.
        needed_rtol: ``rtol`` that would pass with ``atol=0``, at most one rounding step above
            the smallest; inf where none would (reference 0, or a NaN).
        max_abs_error: Largest absolute difference among finite pairs, in the tensor's own unit.
        cosine: Cosine of the angle between both as vectors; both zero 1, one zero 0;
            None where a side is not finite.
        actual_nonfinite, reference_nonfinite: NaN and Inf on the device's and the reference's side.
        dead: Why the output carries no information; empty when it does.
        tolerance: ``atol`` and ``rtol`` that ``mismatches`` counts by.
        structure: Why the two cannot be compared; empty when they can.
        mse: Mean squared error; None where a side is not finite or the sum left float64's range.
        snr_db: Signal-to-noise ratio, dB; inf where nothing differs, None as ``mse``.
        histogram: Absolute errors of finite pairs, an octave a bin; None where nothing was compared.
    """

    elements: int
    mismatches: int
    worst: Element | None
    needed_atol: float
    needed_rtol: float
    max_abs_error: float
    cosine: float | None
    actual_nonfinite: NonFinite = NonFinite()
    reference_nonfinite: NonFinite = NonFinite()
    dead: str = ""
    structure: tuple[str, ...] = ()
    mse: float | None = None
    snr_db: float | None = None
    histogram: Histogram | None = None
    tolerance: tuple[float, float] = (0.0, 0.0)

    @staticmethod
    def of_structure(problems: tuple[str, ...]) -> Closeness:
        """What is found where two outputs cannot be compared."""
        return Closeness(0, 0, None, math.inf, math.inf, math.inf, None, structure=problems)

    @property
    def sound(self) -> bool:
        """Whether values can be judged at all: structure, finite, alive."""
        return not (self.structure or self.nonfinite or self.dead)

    @property
    def share(self) -> float:
        """Share of elements out of tolerance, 0 to 1."""
        return self.mismatches / self.elements if self.elements else 0.0

    @property
    def nonfinite(self) -> int:
        """Number of NaN and Inf on both sides together."""
        return self.actual_nonfinite.count + self.reference_nonfinite.count

    @property
    def close(self) -> bool:
        """Whether nothing is wrong: structure, finite, alive, every element within tolerance."""
        return self.sound and not self.mismatches


def compare(actual: Tensor, reference: Tensor, *, atol: float, rtol: float) -> Closeness:
    """Check ``|actual - reference| <= atol + rtol * |reference|`` elementwise, and report all about it.

    Computed in float64 (64-bit integers exactly) whatever the inputs' types, so
    that a float16 output is not judged with float16 arithmetic. A NaN or Inf on
    either side is out of tolerance, also where both have one: a device must not
    hide behind it. Works block by block; a copy is made of an array only where it
    is not contiguous.

    Args:
        actual: Device output, samples along the first axis, or a list of one array a sample.
        reference: Server output of the same structure; the side ``rtol`` scales.
        atol: Absolute bound, in the tensor's own unit.
        rtol: Relative bound, dimensionless.

    Raises:
        ValueError: A tolerance is negative or not finite, or a sample is no array.

    Source:
        The bound of ``numpy.isclose``, asymmetric in ``reference``.
    """
    if not all(math.isfinite(bound) and bound >= 0 for bound in (atol, rtol)):
        raise ValueError(f"tolerances must be finite and not negative: atol={atol}, rtol={rtol}")
    ours, theirs = as_samples(actual), as_samples(reference)
    problems = structure_problems(ours, theirs)
    if problems:
        return Closeness.of_structure(problems)
    segments = list(_segments(ours, theirs))
    scan = Scan(
        atol=atol,
        rtol=rtol,
        room=max(a.size for a, _ in segments),
        is_complex=kind_of(ours) == "complex",
    )
    for number, (a, r) in enumerate(segments):
        scan.feed(number, a.reshape(-1), r.reshape(-1))
    return _report(scan, ours, theirs, segments)


def _segments(actual: Samples, reference: Samples) -> list[tuple[Array, Array]]:
    """Pairs that are scanned in one go: the whole arrays, or sample by sample where shapes vary."""
    if isinstance(actual, tuple) or isinstance(reference, tuple):
        return list(zip(actual, reference, strict=True))
    return [(actual, reference)]


def _report(scan: Scan, actual: Samples, reference: Samples, segments: list[tuple[Array, Array]]) -> Closeness:
    def element(place: tuple[int, int] | None) -> Element | None:
        return None if place is None else _element(place, segments, by_sample=by_sample)

    by_sample = isinstance(actual, tuple) or isinstance(reference, tuple)
    worst = element(scan.worst)
    cosine, dead = None, ""
    if scan.all_finite:
        cosine, gain = cosine_and_gain(scan.norms, segments)
        dead = dead_reason(actual, reference, gain=gain)
    mse, snr_db = _noise(scan)
    return Closeness(
        elements=scan.elements,
        mismatches=scan.mismatches,
        worst=worst,
        needed_atol=scan.max_error if scan.all_finite else math.inf,
        needed_rtol=_needed_rtol(scan),
        max_abs_error=scan.max_error,
        cosine=cosine,
        actual_nonfinite=NonFinite(scan.actual.count, element(scan.actual.first)),
        reference_nonfinite=NonFinite(scan.reference.count, element(scan.reference.first)),
        dead=dead,
        mse=mse,
        snr_db=snr_db,
        histogram=histogram_of(scan.octaves),
        tolerance=(scan.atol, scan.rtol),
    )


def _noise(scan: Scan) -> tuple[float | None, float | None]:
    """Mean squared error and signal-to-noise ratio; None where a sum of squares over- or underflowed."""
    if not scan.all_finite:
        return None, None
    if not scan.max_error:
        return 0.0, math.inf
    signal = scan.norms[1]
    if not SAFE[0] < scan.squares < SAFE[1]:
        return None, None
    mse = scan.squares / scan.elements
    if not signal:
        return mse, -math.inf
    return mse, 10 * math.log10(signal / scan.squares) if SAFE[0] < signal < SAFE[1] else None


def _element(place: tuple[int, int], segments: list[tuple[Array, Array]], *, by_sample: bool) -> Element:
    segment, position = place
    actual, reference = segments[segment]
    index = tuple(int(axis) for axis in np.unravel_index(position, actual.shape))
    ours, theirs = actual[index].item(), reference[index].item()
    sample, *rest = (segment, *index) if by_sample else index
    return Element(sample, tuple(rest), ours, theirs, _distance(ours, theirs))


def _distance(actual: Number, reference: Number) -> float:
    if isinstance(actual, complex) or isinstance(reference, complex):
        gap = complex(actual) - complex(reference)
        return math.hypot(gap.real, gap.imag)
    if isinstance(actual, int) and isinstance(reference, int):
        return float_up(abs(actual - reference))
    return (
        math.nan if not (math.isfinite(actual) and math.isfinite(reference)) else abs(float(actual) - float(reference))
    )


def _needed_rtol(scan: Scan) -> float:
    if not scan.all_finite:
        return math.inf
    # one step up, because error / |r| may have been rounded down and `rtol * |r|` must reach the error
    return math.nextafter(scan.needed_rtol, math.inf) if scan.needed_rtol else 0.0
