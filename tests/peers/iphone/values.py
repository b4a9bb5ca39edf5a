"""What lockdownd tells: to everybody, and to computers that the phone trusts."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.peers.iphone.phone import Phone

AMFI, BATTERY, DISK = "com.apple.security.mac.amfi", "com.apple.mobile.battery", "com.apple.disk_usage"
INTERNATIONAL = "com.apple.international"
ONLY_BY_KEY = {AMFI}
"""Domains that are empty for who asks for all of it."""

FIRST_WITH_DEVELOPER_MODE = 16
"""Version of iOS."""


def public_values(udid: str, *, name: str, product: str, version: str) -> dict[str, Any]:
    """What it tells everybody who asks, of no particular domain."""
    octets = [f"{one:02x}" for one in hashlib.sha256(udid.encode()).digest()[:5]]
    return {
        "BasebandVersion": "2.60.02",
        "BoardId": 14,
        "BuildVersion": "22F76",
        "CPUArchitecture": "arm64e",
        "ChipID": 0x8130,
        "DeviceClass": "iPad" if product.startswith("iPad") else "iPhone",
        "DeviceColor": "1",
        "DeviceName": name,
        "DieID": int(udid[-12:], 16),
        "HardwareModel": "D84AP",
        "HasSiDP": True,
        "PartitionType": "GUID_partition_scheme",
        "ProductName": "iPhone OS",
        "ProductType": product,
        "ProductVersion": version,
        "ProductionSOC": True,
        "ProtocolVersion": "2",
        "SupportedDeviceFamilies": [1],
        "TelephonyCapability": True,
        "UniqueChipID": int(udid[-16:].replace("-", ""), 16),
        "UniqueDeviceID": udid,
        "WiFiAddress": ":".join(["3c", *octets]),
    }


def private_values(udid: str) -> dict[str, Any]:
    """What it tells in a session besides."""
    return {
        "ActivationState": "Activated",
        "BluetoothAddress": "3c:22:fb:00:00:02",
        "HostAttached": True,
        "ModelNumber": "MU783",
        "RegionInfo": "ZD/A",
        "SerialNumber": "F" + hashlib.sha256(udid.encode()).hexdigest()[:9].upper(),
        "TimeZone": "Europe/Berlin",
        "TimeZoneOffsetFromUTC": 3600.0,
        "TrustedHostAttached": True,
        "Uses24HourClock": True,
    }


def domain_values(phone: Phone, domain: str) -> dict[str, Any]:
    """What it tells in a session of one domain; nothing of one that it does not know."""
    known: dict[str, dict[str, Any]] = {
        AMFI: {"DeveloperModeStatus": phone.developer_mode},
        BATTERY: {
            "BatteryCurrentCapacity": int(phone.battery),
            "BatteryIsCharging": phone.charging,
            "ExternalChargeCapable": True,
            "ExternalConnected": phone.charging,
            "FullyCharged": phone.battery >= 100,
            "GasGaugeCapability": True,
            "HasBattery": True,
        },
        DISK: {"TotalDiskCapacity": 256 << 30, "TotalDataAvailable": 100 << 30},
        INTERNATIONAL: {"Language": "en", "Locale": "en_DE"},
    }
    if int(str(phone.values["ProductVersion"]).split(".")[0]) < FIRST_WITH_DEVELOPER_MODE:
        del known[AMFI]
    return known.get(domain, {})


def power_source(phone: Phone) -> dict[str, Any]:
    """What the registry of the kernel's devices holds of the battery; capacity in percent, hundredths of a degree."""
    return {
        "AppleRawCurrentCapacity": int(42.0 * phone.battery),
        "AppleRawMaxCapacity": 4200,
        "CurrentCapacity": int(phone.battery),
        "CycleCount": 211,
        "DesignCapacity": 4422,
        "ExternalConnected": phone.charging,
        "FullyCharged": phone.battery >= 100,
        "InstantAmperage": 350 if phone.charging else -350,
        "IsCharging": phone.charging and phone.battery < 100,
        "MaxCapacity": 100,
        "NominalChargeCapacity": 4250,
        "Temperature": 2980,
        "UpdateTime": 1_760_000_000,
        "Voltage": 4105,
    }
