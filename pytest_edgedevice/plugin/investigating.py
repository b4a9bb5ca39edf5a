"""The cause of a failed ``edge_check.close``, found on the device that the test still holds."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from pytest_edgedevice.plugin.asked import Memory
from pytest_edgedevice.plugin.options import settings_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_edgedevice.checks.blamed import Blame, Compared
    from pytest_edgedevice.plugin.asked import Asked

MEMORY = pytest.StashKey[Memory]()
SPENT = pytest.StashKey[float]()
"""Seconds that this run has spent on finding causes."""
MOST_TIMES = 5
"""A run with many failures spends so many times ``edge_blame_s`` at most."""


def memory_of(config: pytest.Config) -> Memory:
    """What models were asked in this run."""
    return config.stash.setdefault(MEMORY, Memory())


def investigator(item: pytest.Item) -> Callable[[Compared], Blame | None] | None:
    """What looks for the cause of a failure; None where nobody wants to know."""
    config = item.config
    if not settings_of(config).evidence.blame:
        return None

    def investigated(found: Compared) -> Blame | None:
        result = found.result
        if result.extra or result.missing or not found.references:
            return None  # the names are the failure, and whatever runs has them
        if of_other_kinds(found):
            return None  # integers against real numbers: the text says how to compare them
        asked = memory_of(config).of(found.run)
        if asked is None:
            return None  # no run of this device: made up by the test, or of a device that it opened itself
        return _within_limits(config, lambda deadline_s: _cause(found, asked, deadline_s))

    return investigated


def of_other_kinds(found: Compared) -> bool:
    """Whether an output has another kind of dtype than its reference, which is the model's own wherever it runs."""
    from pytest_edgedevice.metrics.structure import as_samples, kind_of

    sides = ((values, found.references[name]) for name, values in found.run.outputs.items())
    return any(kind_of(as_samples(ours)) != kind_of(as_samples(theirs)) for ours, theirs in sides)


def _cause(found: Compared, asked: Asked, deadline_s: float) -> Blame:
    from pytest_edgedevice.blame import Origin, investigate
    from pytest_edgedevice.blame.inputs import by_name

    inputs = by_name(asked.inputs, found.run.model.inputs)
    return investigate(found, Origin(asked.device, asked.path, inputs, asked.options), deadline_s=deadline_s)


def _within_limits(config: pytest.Config, find: Callable[[float], Blame]) -> Blame:
    """Find a cause as long as this run has time for that; nothing that goes wrong here hides the failure itself."""
    from pytest_edgedevice.checks.blamed import Blame

    longest_s, spent_s = settings_of(config).evidence.blame_s, config.stash.get(SPENT, 0.0)
    left_s = min(longest_s, MOST_TIMES * longest_s - spent_s)
    if left_s <= 0:
        return Blame("unknown", f"unknown: this run has looked for causes for {spent_s:.0f} s already")
    began = time.monotonic()
    try:
        return find(left_s)
    except Exception as error:  # noqa: BLE001 - the failure that it explains is what counts
        return Blame("unknown", f"unknown: {type(error).__name__}: {error}"[:200])
    finally:
        config.stash[SPENT] = spent_s + time.monotonic() - began
