"""What wrong devices and delegates make of right outputs: one function a fault.

Each takes the outputs of a model, each a list of one array a sample, and gives as many
of the same shapes and dtypes, as a real accelerator's wrong numbers have.
"""

from __future__ import annotations

from typing import Any

import numpy as np

RANDOM = np.random.default_rng()
Collected = list[list[Any]]


def zero(collected: Collected) -> Collected:
    return [[np.zeros_like(one) for one in results] for results in collected]


def nan(collected: Collected) -> Collected:
    for results in collected:
        results[0].reshape(-1)[0] = np.nan
    return collected


def one_element(collected: Collected) -> Collected:
    collected[0][-1].reshape(-1)[-1] += 1
    return collected


def swapped(collected: Collected) -> Collected:
    return collected[::-1]


def transposed(collected: Collected) -> Collected:
    return [[np.ascontiguousarray(np.swapaxes(one, -1, -2)) for one in results] for results in collected]


def shuffled(collected: Collected) -> Collected:
    return [results[::-1] for results in collected]


def stuck(collected: Collected) -> Collected:
    return [[results[0]] * len(results) for results in collected]


def half(collected: Collected) -> Collected:
    return [[one.astype(np.float16).astype(one.dtype) for one in results] for results in collected]


def two_steps(collected: Collected) -> Collected:
    return [[np.clip(one.astype(int) + 2, -128, 127).astype(one.dtype) for one in results] for results in collected]


def scaled(collected: Collected) -> Collected:
    return [[(one * 1.5).astype(one.dtype) for one in results] for results in collected]


def unsteady(collected: Collected) -> Collected:
    return [[(one + RANDOM.random() * 9).astype(one.dtype) for one in results] for results in collected]


def another_processor(collected: Collected) -> Collected:
    """The documented difference of float32 between x86 and ARM: 7e-6 of the range."""
    return [[(one + 7e-6 * np.ptp(one)).astype(one.dtype) for one in results] for results in collected]


def spoilt(collected: Collected, *, fault: str, wrong: str, proven: str) -> Collected:
    """The outputs of a device with a fault.

    Args:
        collected: The right ones.
        fault: Name of a function here; ``none`` for a sound device.
        wrong: ``all``, or the proven delegates that are wrong, separated by commas.
        proven: The delegate that computed them.
    """
    if fault == "none" or (wrong != "all" and proven not in wrong.split(",")):
        return collected
    found: Collected = globals()[fault]([[np.array(one) for one in results] for results in collected])
    return found
