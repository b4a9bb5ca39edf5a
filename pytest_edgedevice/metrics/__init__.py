"""Pure functions on arrays: closeness of outputs, statistics of latency.

Knows numpy and the standard library, and nothing else of ours. The names below are
the metrics that a test hands to ``edge_check.close(..., metric=...)``; each is a frozen
value, and its module has the plain functions behind it. They are imported when first used;
no module has the name of a metric, because importing it would put the module in its place.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pytest_edgedevice.metrics.detector import Boxes
    from pytest_edgedevice.metrics.distributions import Js, Kl
    from pytest_edgedevice.metrics.elementwise import Within
    from pytest_edgedevice.metrics.images import Ssim
    from pytest_edgedevice.metrics.metric import Finding as Finding
    from pytest_edgedevice.metrics.metric import GroupMetric as GroupMetric
    from pytest_edgedevice.metrics.metric import Metric as Metric
    from pytest_edgedevice.metrics.noise import Mse, Psnr, Snr
    from pytest_edgedevice.metrics.quantised import Steps
    from pytest_edgedevice.metrics.ranking import TopK
    from pytest_edgedevice.metrics.segmentation import Masks
    from pytest_edgedevice.metrics.similarity import Cosine, Pearson
    from pytest_edgedevice.metrics.ulps import Ulp

    within, steps, ulp = Within, Steps, Ulp
    cosine, pearson = Cosine, Pearson
    mse, snr, psnr, ssim = Mse, Snr, Psnr, Ssim
    topk, kl, js = TopK, Kl, Js
    boxes, masks = Boxes, Masks

METRICS = {
    "boxes": ("detector", "Boxes"),
    "cosine": ("similarity", "Cosine"),
    "js": ("distributions", "Js"),
    "kl": ("distributions", "Kl"),
    "masks": ("segmentation", "Masks"),
    "mse": ("noise", "Mse"),
    "pearson": ("similarity", "Pearson"),
    "psnr": ("noise", "Psnr"),
    "snr": ("noise", "Snr"),
    "ssim": ("images", "Ssim"),
    "steps": ("quantised", "Steps"),
    "topk": ("ranking", "TopK"),
    "ulp": ("ulps", "Ulp"),
    "within": ("elementwise", "Within"),
}
"""Name in a test to module and class."""

_BASES = {name: ("metric", name) for name in ("Finding", "GroupMetric", "Metric")}
__all__ = [
    "Finding",
    "GroupMetric",
    "Metric",
    "boxes",
    "cosine",
    "js",
    "kl",
    "masks",
    "mse",
    "pearson",
    "psnr",
    "snr",
    "ssim",
    "steps",
    "topk",
    "ulp",
    "within",
]


def __getattr__(name: str) -> Any:
    found = METRICS.get(name) or _BASES.get(name)
    if found is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{found[0]}"), found[1])
