"""``edgedevice setup ios:UDID``: pair an iPhone with this host."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pytest_edgedevice.errors import UsageError
from pytest_edgedevice.inventory import load_inventory

if TYPE_CHECKING:
    from pytest_edgedevice.spec import DeviceSpec

KEYS_S = 5.0
"""What making the keys takes, beside the owner's answer."""


def iphone_named(text: str, config: Path | None) -> DeviceSpec | None:
    """How an iPhone is reached; None where the text names something else.

    Raises:
        SpecError, ConfigError: The text or the device file cannot be understood.
    """
    inventory = load_inventory(Path.cwd(), explicit=config)
    spec = inventory.parse(text)
    entry = inventory.devices.get(spec.name) if spec.kind == "named" else None
    there = entry.spec if entry else spec
    return there if there.kind == "ios" else None


def pair(name: str, spec: DeviceSpec, *, wait_s: float) -> bool:
    """Have it ask its owner whether it may trust this host, unless it does.

    Args:
        name: What the user typed.
        spec: How it is reached.
        wait_s: How long to wait for the owner, seconds.

    Raises:
        EdgeDeviceError: It is not there, it is locked, or its owner said no, or nothing.
    """
    from pytest_edgedevice.transports.usbmux.transport import UsbmuxTransport

    with UsbmuxTransport(spec.address) as link:
        if link.facts()["paired"]:
            print(f"{name} is paired with this host already; nothing to do")
            return True
        print(f"{name} asks now whether it may trust this host: tap Trust on it, and type its passcode", flush=True)
        link.pair(timeout_s=wait_s + KEYS_S)
    print(f"{name} is paired with this host now; see what else it needs: edgedevice doctor {name}")
    return True


def refuse_engine(name: str) -> None:
    """Say that nothing is brought to an iPhone.

    Raises:
        UsageError: Always.
    """
    raise UsageError(
        f"nothing is brought to {name}, or taken away from it: an iPhone runs apps, and setup pairs it with this host",
        hint="leave --engine, --wheels and --remove out; unpair on the phone: Settings, General, Reset, "
        "Reset Location & Privacy",
    )
