"""Devices that a project or a lab has given names: ``edgedevice.toml``.

Owns where the file is found, what may stand in it, and the words it adds to the
vocabulary of expressions. Knows nothing of leases, links or pytest; a device in
the file need not be attached.
"""

from __future__ import annotations

from pytest_edgedevice.inventory.entries import DeviceEntry
from pytest_edgedevice.inventory.load import Inventory, load_inventory
from pytest_edgedevice.inventory.running import Running

__all__ = ["DeviceEntry", "Inventory", "Running", "load_inventory"]
