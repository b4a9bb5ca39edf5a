"""Pure functions on arrays: closeness of outputs, statistics of latency.

Knows numpy and the standard library, and nothing else of ours. The names below are
the metrics that a test hands to ``edge_check.close(..., metric=...)``; each is a frozen
value, and its module has the plain functions behind it. They are imported when first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pytest_edgedevice.metrics.metric import Finding as Finding
    from pytest_edgedevice.metrics.metric import GroupMetric as GroupMetric
    from pytest_edgedevice.metrics.metric import Metric as Metric
    from pytest_edgedevice.metrics.noise import Mse, Psnr, Snr
    from pytest_edgedevice.metrics.quantised import Steps
    from pytest_edgedevice.metrics.similarity import Cosine, Pearson
    from pytest_edgedevice.metrics.within import Within

    cosine, pearson, steps, within = Cosine, Pearson, Steps, Within
    mse, snr, psnr = Mse, Snr, Psnr

METRICS = {
    "cosine": ("similarity", "Cosine"),
    "mse": ("noise", "Mse"),
    "pearson": ("similarity", "Pearson"),
    "psnr": ("noise", "Psnr"),
    "snr": ("noise", "Snr"),
    "steps": ("quantised", "Steps"),
    "within": ("within", "Within"),
}
"""Name in a test to module and class."""

_BASES = {name: ("metric", name) for name in ("Finding", "GroupMetric", "Metric")}
__all__ = ["Finding", "GroupMetric", "Metric", "cosine", "mse", "pearson", "psnr", "snr", "steps", "within"]


def __getattr__(name: str) -> Any:
    found = METRICS.get(name) or _BASES.get(name)
    if found is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{found[0]}"), found[1])
