"""A leased device: load models on it, clean it, wait for it to come back.

The public API outside pytest, and what the plugin's fixtures are made of.
``Device`` and ``LoadedModel`` speak in plain values, so that a proxy for a
device on another host can stand in for them.
"""

from __future__ import annotations

from pytest_edgedevice.device.device import TIMEOUT_S, Device
from pytest_edgedevice.device.loading import DELEGATES, check_seconds
from pytest_edgedevice.device.reconnecting import AnotherDeviceError, check_identity

__all__ = ["DELEGATES", "TIMEOUT_S", "AnotherDeviceError", "Device", "check_identity", "check_seconds"]
