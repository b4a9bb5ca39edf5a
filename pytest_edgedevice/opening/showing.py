"""Transfers to a device that take their time, shown to whoever opened it."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_edgedevice.opening.candidates import Candidate
    from pytest_edgedevice.transports.base import Transport
    from pytest_edgedevice.transports.progress import Progress


def showing(candidate: Candidate, on_progress: Callable[[Progress], None] | None) -> Candidate:
    """The same device, whose links tell how far their transfers are; also those that are opened again later.

    Args:
        candidate: The device.
        on_progress: See ``Transport.on_progress``.
    """

    def connect() -> Transport:
        transport = candidate.connect()
        transport.on_progress = on_progress
        return transport

    return dataclasses.replace(candidate, connect=connect) if on_progress else candidate
