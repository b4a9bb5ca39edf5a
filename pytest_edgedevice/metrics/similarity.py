"""Likeness of two outputs in direction: cosine and Pearson's correlation, each with what it is blind to.

Owns both definitions and their edge cases. Knows numpy only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from pytest_edgedevice.metrics.arguments import check_bound, check_choice
from pytest_edgedevice.metrics.metric import (
    Finding,
    Metric,
    Over,
    digits,
    told,
    worst_of,
)
from pytest_edgedevice.metrics.structure import Samples, Tensor, paired
from pytest_edgedevice.metrics.sums import Floats, Sums, pooled, sums

if TYPE_CHECKING:
    import numpy.typing as npt


def cosine_similarity(actual: Tensor, reference: Tensor) -> float:
    """Cosine of the angle between two outputs as vectors, -1 to 1: ``d.r / (|d| |r|)``.

    Both zero is 1, one zero is 0, NaN or Inf on either side is NaN. Of one element it is the
    sign and nothing else. It does not see a scale: judge it together with ``norm_ratio``.
    """
    return _only(_cosines(pooled(sums(*paired(actual, reference)))))


def cosine_by_sample(actual: Tensor, reference: Tensor) -> Floats:
    """``cosine_similarity`` of each sample, shape (n,)."""
    return _cosines(sums(*paired(actual, reference)))


def norm_ratio(actual: Tensor, reference: Tensor) -> float:
    """Norm of the device's output over the reference's; both zero 1, only the reference's zero inf."""
    return _only(_gains(pooled(sums(*paired(actual, reference)))))


def pearson_correlation(actual: Tensor, reference: Tensor) -> float:
    """Pearson's correlation: the cosine of both sides after their own mean is taken off.

    Both constant is 1, one constant is 0, NaN or Inf is NaN. It sees neither a scale nor an offset.
    """
    return _only(_pearsons(pooled(sums(*paired(actual, reference), centred=True))))


def pearson_by_sample(actual: Tensor, reference: Tensor) -> Floats:
    """``pearson_correlation`` of each sample, shape (n,)."""
    return _pearsons(sums(*paired(actual, reference), centred=True))


def _only(values: Floats) -> float:
    return float(values[0])


def _cosines(found: Sums) -> Floats:
    zero_d, zero_r = found.dd == 0, found.rr == 0
    return _ratio(found, zero_d, zero_r)


def _pearsons(found: Sums) -> Floats:
    return _ratio(found, found.low_d >= found.high_d, found.low_r >= found.high_r)


def _ratio(found: Sums, zero_d: npt.NDArray[np.bool_], zero_r: npt.NDArray[np.bool_]) -> Floats:
    with np.errstate(all="ignore"):
        values = np.clip(found.dr / np.sqrt(found.dd) / np.sqrt(found.rr), -1.0, 1.0)
    values[zero_d | zero_r] = 0.0
    values[(zero_d & zero_r) | (found.ee == 0)] = 1.0  # the same is alike, whatever the rounding of the norms
    return values


def _gains(found: Sums, *, flat: npt.NDArray[np.bool_] | None = None) -> Floats:
    with np.errstate(all="ignore"):
        gains: Floats = np.ldexp(np.sqrt(found.dd) / np.sqrt(found.rr), found.exponent_d - found.exponent_r)
    gains[(found.dd == 0) & (found.rr == 0) if flat is None else flat] = 1.0
    return gains


@dataclass(frozen=True, slots=True)
class Cosine(Metric):
    """Cosine of each sample at least a bound, and the norm within a share of the reference's.

    Args:
        at_least: Smallest cosine that passes.
        gain: How far the norm may be from the reference's, as a share of it; None accepts any,
            which suits embeddings that are normalised later.
        over: ``samples``: every sample has to pass; ``set``: all samples as one vector. By default
            ``samples``, where a sample has more than one element.
    """

    at_least: float = 0.999
    gain: float | None = 0.1
    over: Over | None = None
    name: ClassVar[str] = "cosine"

    def __post_init__(self) -> None:
        _check(self.at_least, self.gain, self.over)

    @property
    def bound(self) -> str:
        """What passes, in words."""
        return _bound(self)

    def judge(self, actual: Samples, reference: Samples) -> Finding:
        """Judge an output; see ``Metric.judge``."""
        over = self.over or _default_over(actual)
        single = sums(actual, reference)
        whole = pooled(single)
        judged = single if over == "samples" else whole
        spread = np.abs(_gains(judged) - 1)
        values = {"cosine": _only(_cosines(whole)), "norm_ratio": _only(_gains(whole))}
        likeness = _Likeness(_cosines(judged), _gains(judged), {"norm ratio": spread}, _cosines(single))
        return _finding(self, over, likeness, values)


@dataclass(frozen=True, slots=True)
class Pearson(Metric):
    """Pearson's correlation of each sample at least a bound, standard deviation and mean near the reference's.

    Args:
        at_least: Smallest correlation that passes.
        gain: How far the standard deviation may be from the reference's, as a share of it, and the
            mean, as a share of the same; None accepts any scale and offset.
        over: As ``Cosine``.
    """

    at_least: float = 0.999
    gain: float | None = 0.1
    over: Over | None = None
    name: ClassVar[str] = "pearson"

    def __post_init__(self) -> None:
        _check(self.at_least, self.gain, self.over)

    @property
    def bound(self) -> str:
        """What passes, in words."""
        return _bound(self)

    def judge(self, actual: Samples, reference: Samples) -> Finding:
        """Judge an output; see ``Metric.judge``."""
        over = self.over or _default_over(actual)
        single = sums(actual, reference, centred=True)
        whole = pooled(single)
        judged = single if over == "samples" else whole
        gains, offsets = _spreads(judged)
        spreads = {"spread ratio": np.abs(gains - 1), "offset": offsets}
        all_gains, all_offsets = _spreads(whole)
        values = {
            "pearson": _only(_pearsons(whole)),
            "spread_ratio": _only(all_gains),
            "offset": _only(all_offsets),
        }
        likeness = _Likeness(_pearsons(judged), gains, spreads, _pearsons(single))
        return _finding(self, over, likeness, values)


def _spreads(found: Sums) -> tuple[Floats, Floats]:
    """Ratio of the standard deviations, and difference of the means over the reference's deviation."""
    flat_d, flat_r = found.low_d >= found.high_d, found.low_r >= found.high_r
    with np.errstate(all="ignore"):
        gains = np.where(flat_d, 0.0, _gains(found, flat=flat_d & flat_r))
        gains[flat_d & flat_r] = 1.0
        gains[~flat_d & flat_r] = np.inf
        apart = np.ldexp(found.mean_d, found.exponent_d) - np.ldexp(found.mean_r, found.exponent_r)
        deviation = np.ldexp(np.sqrt(found.rr / np.maximum(found.elements, 1)), found.exponent_r)
        level = np.abs(np.ldexp(found.mean_r, found.exponent_r))
        offsets = np.abs(apart) / np.where(flat_r, level, deviation)
    offsets[apart == 0] = 0.0
    return gains, offsets


def _check(at_least: float, gain: float | None, over: Over | None) -> None:
    check_bound("at_least", at_least, low=-1, high=1)
    check_bound("gain", gain, low=0, optional=True)
    if over is not None:
        check_choice("over", over, ("samples", "set"))


def _default_over(samples: Samples) -> Over:
    return "samples" if all(part.size > 1 for part in samples) else "set"


def _bound(metric: Cosine | Pearson) -> str:
    within = "" if metric.gain is None else f", scale within {metric.gain:g} of the reference's"
    return f"{metric.name} at least {metric.at_least:g}{within}"


@dataclass(frozen=True, slots=True)
class _Likeness:
    """What is judged (of each sample, or of the set), and the likeness of each sample."""

    judged: Floats
    gains: Floats
    spreads: dict[str, Floats]
    single: Floats


def _finding(metric: Cosine | Pearson, over: Over, found: _Likeness, values: dict[str, float]) -> Finding:
    likeness = found.judged
    low = ~(likeness >= metric.at_least)
    widest = np.max(list(found.spreads.values()), axis=0)
    off = np.zeros_like(low) if metric.gain is None else ~(widest <= metric.gain)
    bad = low | off
    worst = worst_of(likeness, at_least=True) if low.any() or not off.any() else worst_of(widest, at_least=False)
    values = {**values, f"{metric.name}_worst": float(found.single.min())}
    saw = f"{metric.name} {told(float(likeness[worst]), metric.at_least)}, at least {metric.at_least:g} asked"
    if off[worst] and metric.gain is not None:
        kinds = [f"{name} {values_[worst]:.4g}" for name, values_ in found.spreads.items() if name == "offset"]
        scale = "; ".join([f"its scale is {found.gains[worst]:.4g} of the reference's", *kinds])
        also = f"{saw}, and" if low[worst] else f"{metric.name} {likeness[worst]:.4f}, but"
        saw = f"{also} {scale}; within {metric.gain:g} asked"
    return Finding(
        metric=metric.name,
        passed=not bad.any(),
        values=values,
        saw=f"{saw}, over the set" if over == "set" else saw,
        needed=_needed(metric, likeness, widest) if bad.any() else "",
        sample=worst if over == "samples" else None,
        per_sample=found.single,
        bad_samples=int(bad.sum()) if over == "samples" else 0,
    )


def _needed(metric: Cosine | Pearson, likeness: Floats, widest: Floats) -> str:
    if np.isnan(likeness).any():
        return ""
    parts = [f"at_least={digits(min(metric.at_least, float(likeness.min())), up=False)}"]
    if metric.gain is not None and not (widest <= metric.gain).all():
        top = float(widest.max())
        parts.append(f"gain={digits(top, up=True)}" if np.isfinite(top) else "gain=None")
    return f"{metric.name}({', '.join(parts)})"
