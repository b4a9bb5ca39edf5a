"""Energy by the charge that a battery lost, and why it mostly cannot be told."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from pytest_edgedevice.findings import Resources
from pytest_edgedevice.runners.battery import SOURCE, with_battery

BEFORE = {"battery_charge_uah": 2_803_131, "battery_mv": 4000, "charging": False}
AFTER = {**BEFORE, "battery_charge_uah": 2_800_631}
FOUND = Resources(100, 5.0, inferences=1000, wall_ms=40_000.0, problems={"energy": "no sensor", "memory": "none"})


def told(before: dict[str, Any], after: dict[str, Any], **changes: Any) -> Resources:
    return with_battery(replace(FOUND, conditions={"before": before, "after": after}, **changes))


def test_the_charge_that_left_the_battery_is_the_energy() -> None:
    """2,500 uAh at 4 V are 36 J: in 40 s 900 mW."""
    found = told(BEFORE, AFTER)
    assert found.energy_mj == pytest.approx(36.0)
    assert found.power_mw == pytest.approx(900.0)
    assert (found.energy_source, dict(found.problems)) == (SOURCE, {"memory": "none"})


@pytest.mark.parametrize(
    ("before", "after", "changes", "why"),
    [
        ({**BEFORE, "charging": True}, AFTER, {}, "unplug it"),
        (BEFORE, {**AFTER, "charging": True}, {}, "unplug it"),
        (BEFORE, AFTER, {"wall_ms": 5000.0}, "measure for longer, e.g. seconds=30"),
        (
            {**BEFORE, "battery_charge_uah": 2_803_000},
            {**AFTER, "battery_charge_uah": 2_801_000},
            {},
            "fell by 2000 uAh",
        ),
        (BEFORE, BEFORE, {}, "fell by 0 uAh"),
        (AFTER, BEFORE, {}, "fell by 0 uAh"),
        ({**BEFORE, "battery_mv": "x"}, AFTER, {}, "no charge or no voltage"),
        ({**BEFORE, "battery_charge_uah": -5}, AFTER, {}, "no charge or no voltage"),
    ],
)
def test_what_a_battery_cannot_tell_has_a_reason(
    before: dict[str, Any], after: dict[str, Any], changes: dict[str, Any], why: str
) -> None:
    found = told(before, after, **changes)
    assert (found.energy_mj, why in found.problems["energy"]) == (None, True)


def test_what_a_sensor_told_stays_and_so_does_the_reason_of_a_device_without_a_battery() -> None:
    assert told(BEFORE, AFTER, energy_mj=3.0).energy_mj == 3.0
    assert told({}, AFTER).problems["energy"] == "no sensor"
    assert told(BEFORE, AFTER, inferences=0).problems["energy"] == "no sensor"
