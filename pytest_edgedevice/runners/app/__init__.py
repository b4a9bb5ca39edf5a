"""Models in an app that listens on a port of the device, and is no process of ours: an iPhone's."""

from __future__ import annotations

from pytest_edgedevice.runners.app.runner import APP_PORT, START_TIMEOUT_S, AppRunner

__all__ = ["APP_PORT", "START_TIMEOUT_S", "AppRunner"]
