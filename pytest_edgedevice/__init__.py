"""Test neural networks on the devices they ship to.

The names below are the public API for use outside pytest; they are imported
when first used, so that a project that merely has the plugin installed pays
nothing for them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pytest_edgedevice.blame import find_blame as find_blame
    from pytest_edgedevice.device import Device as Device
    from pytest_edgedevice.goldens import dequantized as dequantized
    from pytest_edgedevice.goldens import load_golden as load_golden
    from pytest_edgedevice.opening import open_device as open_device
    from pytest_edgedevice.runners.loaded import LoadedModel as LoadedModel

__version__ = "0.1.0"
__all__ = ["Device", "LoadedModel", "__version__", "dequantized", "find_blame", "load_golden", "open_device"]

_HOMES = {
    "Device": "pytest_edgedevice.device",
    "LoadedModel": "pytest_edgedevice.runners.loaded",
    "dequantized": "pytest_edgedevice.goldens",
    "find_blame": "pytest_edgedevice.blame",
    "load_golden": "pytest_edgedevice.goldens",
    "open_device": "pytest_edgedevice.opening",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)
