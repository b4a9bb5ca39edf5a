"""What lockdownd and the kernel of a phone tell, as facts and conditions by the names that other links use. Pure.

Everything here was said by a phone: what is of the wrong type or absurd is not told, and never an error.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from pytest_edgedevice.transports.usbmux.states import clean

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_edgedevice.values import Fact

MOST_TEXT = 300
COLDEST_C, HOTTEST_C = -60.0, 200.0
LEAST_MV, MOST_MV = 1000, 30_000
MOST_MAH = 100_000
MOST_BYTES = 1 << 50
FIRST_NPU = {"iPhone": 11, "iPad": 8}
"""First product number whose neural engine Core ML uses: A12, of 2018."""
FIRST_64_BIT = 11
"""Since iOS 11 there are none but 64-bit devices."""
_POWERED = ("ExternalConnected", "IsCharging", "BatteryIsCharging")
_HANDHELD = ("iPhone", "iPad", "iPod")
_PRODUCT = re.compile(r"([A-Za-z]{1,30})(\d{1,4}),\d{1,4}", re.ASCII)
_TEXTS = {
    "release": "ProductVersion",
    "build": "BuildVersion",
    "model": "ProductType",
    "device_class": "DeviceClass",
    "host": "DeviceName",
    "board": "HardwareModel",
    "soc": "HardwarePlatform",
    "serial": "SerialNumber",
    "abi": "CPUArchitecture",
}


def facts(told: Mapping[str, Any], *, udid: str, link: str) -> dict[str, Fact]:
    """Facts by the names that selection expressions use; what is not told is not there.

    Args:
        told: lockdownd's values, the few that it tells everybody or all of a pairing.
        udid: As usbmuxd spells it.
        link: ``USB`` or ``network``.
    """
    found: dict[str, Fact] = {"ios": True, "os": "ios", "link": link, "manufacturer": "Apple", "udid": udid}
    found |= {name: text for name, key in _TEXTS.items() if (text := _text(told.get(key)))}
    kind, number = _product(_text(told.get("ProductType")))
    if (_text(told.get("DeviceClass")) or kind) in _HANDHELD:
        found["iphone"] = True
        found["gpu"] = "Apple GPU"
    if kind in FIRST_NPU and number >= FIRST_NPU[kind]:
        found["npu"] = "Apple Neural Engine"
    if version := _version(str(found.get("release", ""))):
        found["ios_version"] = version
    if arch := _architecture(str(found.get("abi", "")), str(found.get("release", ""))):
        found["arch"] = arch
    total = _number(told.get("TotalDiskCapacity"), 1, MOST_BYTES)
    return found if total is None else {**found, "storage_mb": int(total) // 1_000_000}


def battery(told: Mapping[str, Any]) -> dict[str, Fact]:
    """``battery_percent``, ``battery_c``, ``battery_mv``, ``battery_charge_uah`` and ``charging``.

    Args:
        told: The kernel's entry ``IOPMPowerSource``, or lockdownd's domain ``com.apple.mobile.battery``.
    """
    found: dict[str, Fact] = {}
    level = _number(told.get("CurrentCapacity", told.get("BatteryCurrentCapacity")), 0, 1_000_000)
    full = _number(told.get("MaxCapacity", 100), 1, 1_000_000)
    if level is not None and full is not None and level <= full:
        found["battery_percent"] = round(100 * level / full)
    hundredths = _number(told.get("Temperature"), COLDEST_C * 100, HOTTEST_C * 100)
    if hundredths:  # a device without a sensor says 0
        found["battery_c"] = round(hundredths / 100, 1)
    millivolts = _number(told.get("Voltage"), LEAST_MV, MOST_MV)
    if millivolts is not None:
        found["battery_mv"] = round(millivolts)
    charge_mah = _number(told.get("AppleRawCurrentCapacity"), 1, MOST_MAH)
    if charge_mah is not None:
        found["battery_charge_uah"] = round(1000 * charge_mah)
    powered = [told[key] for key in _POWERED if isinstance(told.get(key), bool)]
    return {**found, "charging": any(powered)} if powered else found


def storage(told: Mapping[str, Any]) -> dict[str, Fact]:
    """``space_free_mb``, out of lockdownd's domain ``com.apple.disk_usage``."""
    for key in ("AmountDataAvailable", "TotalDataAvailable"):
        free = _number(told.get(key), 0, MOST_BYTES)
        if free is not None:
            return {"space_free_mb": int(free) // 1_000_000}
    return {}


def major(told: Mapping[str, Any]) -> int:
    """The number of its iOS before the first point; 0 where it does not tell."""
    return int(_version(_text(told.get("ProductVersion"))))


def _version(release: str) -> float:
    """18.5 of iOS 18.5.1; no minor version of it was ever above 9. 0 where it says something else."""
    match = re.match(r"(\d{1,3}(?:\.\d)?)(?:\.|$)", release, re.ASCII)
    return float(match[1]) if match else 0.0


def _architecture(abi: str, release: str) -> str:
    if abi.startswith("arm64"):
        return "arm64"
    return abi or ("arm64" if major({"ProductVersion": release}) >= FIRST_64_BIT else "")


def _product(text: str) -> tuple[str, int]:
    match = _PRODUCT.fullmatch(text)
    return (match[1], int(match[2])) if match else ("", 0)


def _text(value: object) -> str:
    return clean(value, MOST_TEXT) if isinstance(value, str) else ""


def _number(value: object, least: float, most: float) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return value if least <= value <= most else None  # a NaN is in no range
