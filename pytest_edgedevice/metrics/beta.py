"""The regularised incomplete beta function and its inverse, which intervals of rates and of means rest on.

A dozen lines instead of a library of hundreds of megabytes. Knows the standard library only.
"""

from __future__ import annotations

import math

_SMALL = 1e-300
_PRECISION = 1e-15
_MOST_TERMS = 100_000


def beta_share(x: float, a: float, b: float) -> float:
    """The share of a beta distribution with parameters ``a`` and ``b`` that lies below ``x``.

    Args:
        x: 0 to 1.
        a: Above 0; the chance of ``a`` successes or more among ``a + b - 1`` trials of chance ``x`` is this share.
        b: Above 0.

    Source:
        Continued fraction 8.17.22 of the NIST Digital Library of Mathematical Functions, by Lentz's method.
    """
    if x <= 0 or x >= 1:
        return 0.0 if x <= 0 else 1.0
    if x > (a + 1) / (a + b + 2):  # where the fraction converges fast
        return 1.0 - beta_share(1 - x, b, a)
    log_front = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)
    return math.exp(log_front) / a * _fraction(x, a, b)


def beta_quantile(share: float, a: float, b: float) -> float:
    """The point below which that share of the distribution lies; by bisection, to the last bit that matters."""
    low, high = 0.0, 1.0
    while high - low > 4 * math.ulp(high):
        middle = (low + high) / 2
        if beta_share(middle, a, b) < share:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def _fraction(x: float, a: float, b: float) -> float:
    numerator, denominator = 1.0, _inverse(1 - (a + b) * x / (a + 1))
    value = denominator
    for term in range(1, _MOST_TERMS):
        even = term * (b - term) * x / ((a + 2 * term - 1) * (a + 2 * term))
        odd = -(a + term) * (a + b + term) * x / ((a + 2 * term) * (a + 2 * term + 1))
        for part in (even, odd):
            denominator = _inverse(1 + part * denominator)
            numerator = 1 + part / numerator
            if abs(numerator) < _SMALL:
                numerator = _SMALL
            change = denominator * numerator
            value *= change
        if abs(change - 1) < _PRECISION:
            break
    return value


def _inverse(value: float) -> float:
    return 1 / (value if abs(value) >= _SMALL else _SMALL)
