"""Links to devices, one file each; ``base`` says what a link must offer."""

from __future__ import annotations

from pytest_edgedevice.transports.base import Completed, Process, Pushed, Stream, Transport

__all__ = ["Completed", "Process", "Pushed", "Stream", "Transport"]
