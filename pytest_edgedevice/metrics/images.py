"""Structural similarity of images.

Owns SSIM as its authors define it: a Gaussian window of 11 by 11 and standard deviation 1.5. Knows numpy only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from pytest_edgedevice.metrics.arguments import check_bound, check_choice
from pytest_edgedevice.metrics.metric import Finding, Metric, Over, single_bound
from pytest_edgedevice.metrics.noise import Peak, check_peak
from pytest_edgedevice.metrics.structure import Array, Samples, Tensor, check_real, paired, peak_of, range_of

if TYPE_CHECKING:
    from pytest_edgedevice.metrics.sums import Floats

_SIDE = 11
_K1, _K2 = 0.01, 0.03
_WEIGHTS = np.exp(-0.5 * (np.arange(_SIDE) - _SIDE // 2) ** 2 / 1.5**2)
_WINDOW = _WEIGHTS / _WEIGHTS.sum()


def ssim_by_sample(actual: Tensor, reference: Tensor, *, peak: Peak = "range", channels: bool = True) -> Floats:
    """Mean structural similarity of each sample, -1 to 1, over the places where the whole window fits; shape (n,).

    Args:
        actual: Device output: images of (height, width), or with channels in a last axis of at most 4.
        reference: Reference of the same structure.
        peak: The dynamic range L: ``range`` is the reference's largest value less its smallest,
            ``max_abs`` its largest magnitude, over the whole set; or a number, e.g. 255.
        channels: Whether a third axis holds channels, whose similarities are averaged.

    Raises:
        ValueError: The structures differ, or a sample is no image of at least 11 by 11.

    Source:
        Wang, Bovik, Sheikh, Simoncelli: Image Quality Assessment, 2004; population covariances.
    """
    ours, theirs = paired(actual, reference)
    return _by_sample(ours, theirs, check_peak(peak), channels=channels)


def _by_sample(ours: Samples, theirs: Samples, peak: Peak, *, channels: bool) -> Floats:
    check_real(ours, theirs)
    known = {"range": range_of, "max_abs": peak_of}
    span = known[peak](theirs) if isinstance(peak, str) else float(peak)
    if not span:
        raise ValueError(f"the reference's {peak} is 0: SSIM has no scale to go by")
    return np.array([_ssim(d, r, span, channels=channels) for d, r in zip(ours, theirs, strict=True)])


def _ssim(actual: Array, reference: Array, span: float, *, channels: bool) -> float:
    shape = np.shape(actual)
    if len(shape) == 3 and channels:
        planes = [_ssim(actual[..., at], reference[..., at], span, channels=False) for at in range(shape[2])]
        return float(np.mean(planes))
    if len(shape) != 2 or min(shape) < _SIDE:
        raise ValueError(f"a sample of shape {shape} is no image of at least {_SIDE} by {_SIDE}")
    with np.errstate(all="ignore"):  # where it overflows the similarity is NaN, which no bound accepts
        return _similarity(actual.astype(np.float64) / span, reference.astype(np.float64) / span)


def _similarity(d: Floats, r: Floats) -> float:
    mean_d, mean_r = _blur(d), _blur(r)
    var_d, var_r = _blur(d * d) - mean_d**2, _blur(r * r) - mean_r**2
    both = _blur(d * r) - mean_d * mean_r
    above = (2 * mean_d * mean_r + _K1**2) * (2 * both + _K2**2)
    below = (mean_d**2 + mean_r**2 + _K1**2) * (var_d + var_r + _K2**2)
    return float(np.mean(above / below))


def _blur(image: Floats) -> Floats:
    """The window's mean at each place where it fits: down first, then across."""
    height, width = (side - _SIDE + 1 for side in image.shape)
    down = sum(
        (weight * image[at : at + height] for at, weight in enumerate(_WINDOW)), np.zeros((height, image.shape[1]))
    )
    return sum((weight * down[:, at : at + width] for at, weight in enumerate(_WINDOW)), np.zeros((height, width)))


@dataclass(frozen=True, slots=True)
class Ssim(Metric):
    """Structural similarity of each image at least a bound.

    Args:
        at_least: Smallest mean similarity that passes.
        peak: As ``ssim_by_sample``; the name is shown wherever the value is.
        channels: As ``ssim_by_sample``.
        over: ``samples``: every sample has to pass; ``set``: the mean over all of them.
    """

    at_least: float = 0.98
    peak: Peak = "range"
    channels: bool = True
    over: Over = "samples"
    name: ClassVar[str] = "ssim"

    def __post_init__(self) -> None:
        check_bound("at_least", self.at_least, low=-1, high=1)
        check_peak(self.peak)
        check_choice("over", self.over, ("samples", "set"))

    @property
    def bound(self) -> str:
        """What passes, in words."""
        return f"ssim at least {self.at_least:g} (peak {self.peak})"

    def judge(self, actual: Samples, reference: Samples) -> Finding:
        """Judge an output; see ``Metric.judge``."""
        single = _by_sample(actual, reference, self.peak, channels=self.channels)
        return single_bound(
            "ssim",
            single,
            float(single.mean()),
            at_least=self.at_least,
            over=self.over,
            unit=f"(peak {self.peak})",
            arguments="" if self.peak == "range" else f", peak={self.peak!r}",
        )
