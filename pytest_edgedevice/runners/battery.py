"""Energy by the charge of a battery, where a device tells nothing better: what its link says before and after. Pure.

A phone's own files of current and voltage are mostly closed to a shell; its battery service tells the charge.
"""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_edgedevice.findings import Resources
    from pytest_edgedevice.values import Fact

CHARGE, VOLTAGE = "battery_charge_uah", "battery_mv"
"""Names of the conditions: microampere hours that are left, and millivolts."""
SOURCE = "the battery's charge counter"
LEAST_S = 30.0
"""The questions before and after take a moment, which has to be little against the work."""
LEAST_STEPS = 10
_MILLIJOULES = 3.6e-3
"""Of one microampere hour at one millivolt: 3.6e-3 A s times 1e-3 V are 3.6e-6 J."""


def with_battery(found: Resources) -> Resources:
    """What was found, with the energy that left the battery, or why that cannot be told.

    Args:
        found: Resources with the conditions before and after.
    """
    before, after = found.conditions.get("before", {}), found.conditions.get("after", {})
    if found.energy_mj is not None or CHARGE not in before or CHARGE not in after or not found.inferences:
        return found
    energy_mj, problem = _drawn(before, after, wall_s=found.wall_ms / 1e3)
    if energy_mj is None:
        return dataclasses.replace(found, problems={**found.problems, "energy": f"{SOURCE}: {problem}"})
    return dataclasses.replace(
        found,
        energy_mj=energy_mj / found.inferences,
        power_mw=energy_mj / found.wall_ms * 1e3,
        energy_source=SOURCE,
        problems={name: why for name, why in found.problems.items() if name != "energy"},
    )


def _drawn(before: Mapping[str, Fact], after: Mapping[str, Fact], *, wall_s: float) -> tuple[float | None, str]:
    """Millijoules that left the battery, or None and why they are not known."""
    if True in (before.get("charging"), after.get("charging")):
        return None, "the device is charging, so that it says nothing; unplug it, and reach it by adb over Wi-Fi"
    charges = [_whole(told.get(CHARGE)) for told in (before, after)]
    volts = [_whole(told.get(VOLTAGE)) for told in (before, after)]
    if not all(charges) or not all(volts):
        return None, "the device tells no charge or no voltage with it"
    if wall_s < LEAST_S:
        return None, f"it takes {LEAST_S:g} s at least to see it move; measure for longer, e.g. seconds={LEAST_S:g}"
    drawn_uah, step_uah = charges[0] - charges[1], math.gcd(*charges)
    if drawn_uah < LEAST_STEPS * step_uah:
        return None, f"it fell by {max(drawn_uah, 0)} uAh in steps of up to {step_uah} uAh; measure for longer"
    return drawn_uah * sum(volts) / 2 * _MILLIJOULES, ""


def _whole(value: Fact | None) -> int:
    """A count above 0; 0 for anything else."""
    return value if type(value) is int and value > 0 else 0
