"""The lease on a board, taken on it for a host that is connected to it: one domain with whoever works there itself."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from pytest_edgedevice.leases.holder import Holder, from_record
from pytest_edgedevice.leases.looking import who
from pytest_edgedevice.leases.waiting import acquire

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_edgedevice.leases.lease import Lease

SIBLING_WAIT_S = 15.0


def hold(record: bytes, *, key: str, folder: str, wait_s: float, tell: Callable[[object], None]) -> Lease | None:
    """Take the board's lock, or wait in its line.

    Args:
        record: Who the host says that it is; it becomes the holder's record.
        key: The board's identity.
        folder: The session's folder on the board.
        wait_s: How long to wait, seconds.
        tell: Called while waiting, with our place and the holder.

    Returns:
        The lease; None when the host holds this very lock, as both ends are one machine.

    Raises:
        DeviceBusyError, LeaseError: See ``acquire``.
    """
    holder = from_record(record) or Holder()
    if (there := who(key)) is not None and there.pid and _same(there, holder):
        return None
    holder = dataclasses.replace(holder, folder=folder)
    return acquire(
        key, holder=holder, wait_s=wait_s, on_wait=tell, sibling_wait_s=SIBLING_WAIT_S, wanted="the board itself"
    )


def _same(one: Holder, other: Holder) -> bool:
    """Whether two records are of one lease: who, where and since when to the fraction of a second."""
    return (one.user, one.pid, one.host, one.since) == (other.user, other.pid, other.host, other.since)
