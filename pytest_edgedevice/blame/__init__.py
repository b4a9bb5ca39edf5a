"""Who is to blame for a run that is not close to its reference: conversion, delegate, device or pre-processing.

Asks the same samples again: of the device with the same settings, with its
built-in and its reference kernels, and of this host. Knows checks, and devices by
their interface; nothing of pytest.
"""

from __future__ import annotations

from pytest_edgedevice.blame.asking import Host, Origin
from pytest_edgedevice.blame.investigating import investigate
from pytest_edgedevice.blame.outside import find_blame

__all__ = ["Host", "Origin", "find_blame", "investigate"]
