"""What Android's services say of battery and heat, read out of texts that were written for people. Pure.

Their wording differs by release and maker, and a line may be missing, cut or absurd: what is not understood is
not told. It is never a zero, and never an error.

Source: AOSP, ``BatteryService.java`` and ``ThermalManagerService.java`` of Android 6 to 16.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_edgedevice.values import Fact

MOST_LINES = 2000
MOST_LINE = 1000
COLDEST_C, HOTTEST_C = -60.0, 200.0
LEAST_MV, MOST_MV = 1000, 30_000
"""Some makers tell volts or microvolts under the same name."""
MOST_UAH = 100_000_000
_THERMAL_STATUS = ("none", "light", "moderate", "severe", "critical", "emergency", "shutdown")
_CHARGING, _FULL = "2", "5"
_TEMPERATURE = re.compile(r"Temperature\{mValue=([-+.\w]{1,30}), ?mType=(-?\d{1,6}), ?mName=([^,}]{0,100})")
_CPU, _GPU, _SKIN, _NPU = "0", "1", "3", "9"


def battery(text: str) -> dict[str, Fact]:
    """``battery_percent``, ``battery_c``, ``battery_mv``, ``battery_charge_uah`` and ``charging``.

    As far as ``dumpsys battery`` tells them: the charge that is left is told since Android 8, in microampere hours.
    """
    told: dict[str, str] = {}
    for line in _lines(text):
        name, colon, value = line.partition(":")
        if colon:
            told.setdefault(name.strip(), value.strip())
    found: dict[str, Fact] = {}
    if told.get("present") == "false":
        return found
    level, scale = _number(told.get("level")), _number(told.get("scale", "100"))
    if level is not None and scale and 0 <= level <= scale <= 1_000_000:
        found["battery_percent"] = round(100 * level / scale)
    tenths = _number(told.get("temperature"))
    # a device without a sensor says 0
    if tenths and COLDEST_C <= tenths / 10 <= HOTTEST_C:
        found["battery_c"] = tenths / 10
    millivolts, charge = _number(told.get("voltage")), _number(told.get("Charge counter"))
    if millivolts is not None and LEAST_MV <= millivolts <= MOST_MV:
        found["battery_mv"] = round(millivolts)
    if charge is not None and 0 < charge <= MOST_UAH:
        found["battery_charge_uah"] = round(charge)
    plugged = [value == "true" for name, value in told.items() if name.endswith(" powered")]
    if told.get("status") in {_CHARGING, _FULL} or any(plugged):
        found["charging"] = True
    elif plugged or "status" in told:
        found["charging"] = False
    return found


def thermal(text: str) -> dict[str, Fact]:
    """``thermal_status``, ``temperature_c`` (of the hottest processor) and ``skin_c``: ``dumpsys thermalservice``."""
    found: dict[str, Fact] = {}
    hottest: dict[str, float] = {}
    current: dict[str, float] = {}
    kept = hottest
    for line in _lines(text):
        if (status := re.fullmatch(r"\s*Thermal Status: (\d)\s*", line)) and int(status[1]) < len(_THERMAL_STATUS):
            found["thermal_status"] = _THERMAL_STATUS[int(status[1])]
        elif "Current temperatures from HAL" in line:
            kept = current  # those above are cached ones, and may be old
        elif "thresholds" in line or "cooling devices" in line:
            kept = {}
        elif match := _TEMPERATURE.search(line):
            value = _number(match[1])
            if value is not None and COLDEST_C <= value <= HOTTEST_C:
                kept[match[2]] = max(value, kept.get(match[2], value))
    values = current or hottest
    processors = [values[kind] for kind in (_CPU, _GPU, _NPU) if kind in values]
    if processors:
        found["temperature_c"] = round(max(processors), 1)
    if _SKIN in values:
        found["skin_c"] = round(values[_SKIN], 1)
    return found


def _lines(text: str) -> Iterator[str]:
    for line in text.split("\n", MOST_LINES)[:MOST_LINES]:
        yield line[:MOST_LINE].rstrip("\r")


def _number(text: str | None) -> float | None:
    try:
        value = float(text) if text is not None and len(text) < 32 else math.nan
    except ValueError:
        return None
    return value if math.isfinite(value) else None
