"""How many independent runs a series is worth whose neighbours resemble each other.

Order statistics assume independent runs. A machine that is busy for a while makes
neighbours alike, and then a naive interval is far too narrow. Knows numpy only.
"""

from __future__ import annotations

import math

from pytest_edgedevice.metrics.series import Floats, Series, checked, logarithms, sample_quantile

BLOCKS = 30
"""A series is cut into this many blocks; dependence that reaches further than one of them is not seen."""
FEWEST_BLOCKS = 8


def autocorrelation(samples_ns: Series) -> float:
    """Lag-1 autocorrelation of the logarithm, clipped to 0 and above; 0 for a constant series."""
    logs = logarithms(checked(samples_ns))
    logs -= logs.mean()
    return lag_one(logs)


def lag_one(centred: Floats) -> float:
    """Lag-1 autocorrelation of a series whose mean is 0, clipped to 0 and above; 0 for one without variation."""
    power = float(centred @ centred)
    if power <= 1e-18 * centred.size:  # constant but for rounding
        return 0.0
    return max(0.0, float(centred[1:] @ centred[:-1]) / power)


def inflation(samples_ns: Series, *, tolerance: float = 0.0) -> float:
    """By how much dependence inflates the variance of a mean over the series; at least 1.

    The larger of two estimates on the logarithm of the latency: what a first-order
    autoregression with the same lag-1 autocorrelation has, (1 + rho) / (1 - rho), and what
    the means of ``BLOCKS`` blocks show directly. The first is steady in a short series; the
    second sees what one lag does not: slow spells of some runs in a noise that hides them
    from run to run.

    Args:
        samples_ns: The series, nanoseconds.
        tolerance: Variation that does not matter, as a share of the latency: as much
            independent noise is added, so that a slow wander that is small against it counts little.

    Source:
        Batch means; e.g. Law, "Simulation Modeling and Analysis", 9.5.3.
    """
    logs = logarithms(checked(samples_ns))
    logs -= logs.mean()
    variance, noise = float(logs @ logs) / logs.size, tolerance**2
    if variance <= 1e-18:
        return 1.0
    rho = lag_one(logs) * variance / (variance + noise)
    found = (1 + rho) / (1 - rho) if rho < 1 else float(logs.size)
    size = max(1, logs.size // BLOCKS)
    blocks = logs.size // size
    if blocks >= FEWEST_BLOCKS and size > 1:
        means = logs[-blocks * size :].reshape(blocks, size).mean(axis=1)
        found = max(found, (size * float(means.var(ddof=1)) + noise) / (variance + noise))
    return max(1.0, found)


def effective_size(samples_ns: Series, *, tolerance: float = 0.0) -> int:
    """Number of independent runs that the series is worth: its length over ``inflation``, at least 1."""
    return max(1, math.floor(len(samples_ns) / inflation(samples_ns, tolerance=tolerance) + 1e-9))


def distance(samples_ns: Series, *, quantile: float, budget_ns: float) -> float:
    """Variation that does not matter for a budget: a quarter of the way from the quantile to it, as a share.

    On the budget that is nothing. A budget of twice the quantile is not in danger from a
    latency that wanders by a percent, however slowly it does.
    """
    return abs(math.log(budget_ns / max(sample_quantile(samples_ns, quantile), 1.0))) / 4
