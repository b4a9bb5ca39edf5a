"""The difference as noise: mean squared error, signal-to-noise ratio, peak signal-to-noise ratio.

Owns the three definitions and the name of the peak. Knows numpy only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from pytest_edgedevice.given import shown
from pytest_edgedevice.metrics.arguments import check_bound, check_choice
from pytest_edgedevice.metrics.metric import (
    Finding,
    Metric,
    Over,
    single_bound,
)
from pytest_edgedevice.metrics.structure import Samples, Tensor, paired
from pytest_edgedevice.metrics.sums import Floats, Sums, pooled, sums

Peak = Literal["range", "max_abs"] | float


def mean_squared_error(actual: Tensor, reference: Tensor) -> float:
    """``mean((d - r)**2)`` over all elements, in the square of the tensor's unit; NaN or Inf gives NaN."""
    return float(_mse(pooled(sums(*paired(actual, reference))))[0])


def mse_by_sample(actual: Tensor, reference: Tensor) -> Floats:
    """``mean_squared_error`` of each sample, shape (n,)."""
    return _mse(sums(*paired(actual, reference)))


def signal_to_noise(actual: Tensor, reference: Tensor) -> float:
    """``10 log10(sum r**2 / sum (d - r)**2)``, dB: inf where nothing differs, -inf where only the reference is zero."""
    return float(_snr(pooled(sums(*paired(actual, reference))))[0])


def snr_by_sample(actual: Tensor, reference: Tensor) -> Floats:
    """``signal_to_noise`` of each sample, dB, shape (n,)."""
    return _snr(sums(*paired(actual, reference)))


def peak_signal_to_noise(actual: Tensor, reference: Tensor, *, peak: Peak = "range") -> float:
    """``10 log10(peak**2 / mean((d - r)**2))``, dB: inf where nothing differs, -inf where the peak is zero.

    Args:
        actual: Device output.
        reference: Reference of the same structure.
        peak: ``range`` is the reference's largest value less its smallest, ``max_abs`` its largest
            magnitude, both over the whole set; or a number, e.g. 255. Tools differ in this, so name it.

    Raises:
        ValueError: The structures differ, or ``peak`` is none of these.
    """
    return float(_psnr(pooled(sums(*paired(actual, reference))), check_peak(peak))[0])


def psnr_by_sample(actual: Tensor, reference: Tensor, *, peak: Peak = "range") -> Floats:
    """``peak_signal_to_noise`` of each sample with the set's one peak, dB, shape (n,)."""
    return _psnr(sums(*paired(actual, reference)), check_peak(peak))


def _mse(found: Sums) -> Floats:
    with np.errstate(over="ignore"):
        mean: Floats = np.ldexp(found.ee / np.maximum(found.elements, 1), 2 * found.exponent_e)
    return mean


def _snr(found: Sums) -> Floats:
    with np.errstate(all="ignore"):
        ratio = 10 * (np.log10(found.rr) - np.log10(found.ee))
        ratio += 20 * np.log10(2.0) * (found.exponent_r - found.exponent_e)
    ratio[found.ee == 0] = np.inf
    return ratio


def _psnr(found: Sums, peak: Peak) -> Floats:
    with np.errstate(all="ignore"):
        low, high = found.low_r.min(), found.high_r.max()
        # halved and doubled again in the logarithm, because the range of two huge values overflows
        half = {"range": high / 2 - low / 2, "max_abs": max(abs(low), abs(high)) / 2}
        top = half[peak] if isinstance(peak, str) else peak / 2
        noise = np.log10(found.ee / np.maximum(found.elements, 1)) + 2 * np.log10(2.0) * found.exponent_e
        ratio: Floats = 20 * (np.log10(top) + np.log10(2.0)) - 10 * noise
    ratio[found.ee == 0] = np.inf
    return ratio


def check_peak(peak: Peak) -> Peak:
    """Refuse a peak that is neither named nor a number above 0.

    Raises:
        ValueError: It is neither.
    """
    if isinstance(peak, str):
        if peak not in {"range", "max_abs"}:
            raise ValueError(f"peak must be 'range', 'max_abs' or a number, not {shown(peak)}")
        return peak
    check_bound("peak", peak, low=0)
    if not peak:
        raise ValueError("peak must be more than 0")
    return peak


@dataclass(frozen=True, slots=True)
class Mse(Metric):
    """Mean squared error at most a bound.

    Args:
        at_most: Largest error that passes, in the square of the tensor's unit.
        over: ``samples``: every sample has to pass; ``set``: the mean over all of them.
    """

    at_most: float
    over: Over = "samples"
    name: ClassVar[str] = "mse"
    needs_variation: ClassVar[bool] = False

    def __post_init__(self) -> None:
        check_bound("at_most", self.at_most, low=0)
        check_choice("over", self.over, ("samples", "set"))

    @property
    def bound(self) -> str:
        """What passes, in words."""
        return f"mse at most {self.at_most:g}"

    def judge(self, actual: Samples, reference: Samples) -> Finding:
        """Judge an output; see ``Metric.judge``."""
        found = sums(actual, reference)
        single, whole = _mse(found), _mse(pooled(found))
        return single_bound("mse", single, float(whole[0]), at_most=self.at_most, over=self.over)


@dataclass(frozen=True, slots=True)
class Snr(Metric):
    """Signal-to-noise ratio at least a bound.

    Args:
        at_least: Smallest ratio that passes, dB.
        over: As ``Mse``.
    """

    at_least: float = 40.0
    over: Over = "samples"
    name: ClassVar[str] = "snr"

    def __post_init__(self) -> None:
        check_bound("at_least", self.at_least)
        check_choice("over", self.over, ("samples", "set"))

    @property
    def bound(self) -> str:
        """What passes, in words."""
        return f"snr at least {self.at_least:g} dB"

    def judge(self, actual: Samples, reference: Samples) -> Finding:
        """Judge an output; see ``Metric.judge``."""
        found = sums(actual, reference)
        single, whole = _snr(found), _snr(pooled(found))
        return single_bound("snr", single, float(whole[0]), at_least=self.at_least, over=self.over, unit="dB")


@dataclass(frozen=True, slots=True)
class Psnr(Metric):
    """Peak signal-to-noise ratio at least a bound.

    Args:
        at_least: Smallest ratio that passes, dB.
        peak: As ``peak_signal_to_noise``; the name is shown wherever the value is.
        over: As ``Mse``.
    """

    at_least: float = 40.0
    peak: Peak = "range"
    over: Over = "samples"
    name: ClassVar[str] = "psnr"

    def __post_init__(self) -> None:
        check_bound("at_least", self.at_least)
        check_peak(self.peak)
        check_choice("over", self.over, ("samples", "set"))

    @property
    def bound(self) -> str:
        """What passes, in words."""
        return f"psnr at least {self.at_least:g} dB (peak {self.peak})"

    def judge(self, actual: Samples, reference: Samples) -> Finding:
        """Judge an output; see ``Metric.judge``."""
        found = sums(actual, reference)
        single = _psnr(found, self.peak)
        whole = float(_psnr(pooled(found), self.peak)[0])
        return single_bound(
            "psnr",
            single,
            whole,
            at_least=self.at_least,
            over=self.over,
            unit=f"dB (peak {self.peak})",
            arguments="" if self.peak == "range" else f", peak={self.peak!r}",
        )
