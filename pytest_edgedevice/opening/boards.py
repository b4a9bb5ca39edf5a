"""Boards over SSH as devices that could be opened."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_edgedevice.opening.links import SLACK_S, asked, asked_together
from pytest_edgedevice.transports.ssh.transport import CONNECT_S, SshTransport

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pytest_edgedevice.inventory import DeviceEntry
    from pytest_edgedevice.opening.candidates import Candidate
    from pytest_edgedevice.spec import DeviceSpec


def reached(spec: DeviceSpec, entry: DeviceEntry | None = None) -> Candidate:
    """A board, connected to and asked what it is.

    Args:
        spec: How to reach it.
        entry: Its table in the device file, if it has one.

    Raises:
        TransportError: It cannot be reached, or runs no helper.
    """
    base, python = (entry.folder, entry.python) if entry else (None, None)
    cache_bytes = entry.cache_mb * 1_000_000 if entry else 0

    def connect() -> SshTransport:
        return SshTransport(
            spec.host,
            user=spec.user,
            port=spec.port,
            base=base or "",
            python=python or "",
            cache_bytes=cache_bytes,
        )

    return asked(spec, entry, connect)


def pool(entries: Sequence[DeviceEntry], reach: Callable[[DeviceEntry], Candidate]) -> list[Candidate]:
    """Every board that can be reached now, in the order of the device file; all are asked at the same time.

    Args:
        entries: The device file's boards.
        reach: Makes a candidate, or remembers why there is none.
    """
    return asked_together(entries, reach, timeout_s=CONNECT_S + SLACK_S)
