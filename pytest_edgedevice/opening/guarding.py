"""The device's own lock, taken through its link, so that users of other hosts are waited for too."""

from __future__ import annotations

import dataclasses
import time
from typing import TYPE_CHECKING

from pytest_edgedevice.device import check_identity
from pytest_edgedevice.leases import Lease, Waiting
from pytest_edgedevice.leases.holder import to_record

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_edgedevice.opening.candidates import Candidate
    from pytest_edgedevice.transports.base import Transport

LEAST_S = 1.5
LEAST_AFTER_CRASH_S = 12.0
"""How long to wait at least, seconds: a board lets go of a host that died at once, of a silent one after 10."""


def guarded(candidate: Candidate, lease: Lease, wait_s: float, on_wait: Callable[[Waiting], None] | None) -> Candidate:
    """The same device, whose links hold its own lock too.

    Args:
        candidate: The device, leased here.
        lease: That lease; its holder is who waits there as well.
        wait_s: How long to wait in the device's line, seconds.
        on_wait: Told while waiting.
    """
    started = time.monotonic()
    waits_s = [max(wait_s, LEAST_AFTER_CRASH_S if lease.crashed else LEAST_S)]

    def tell(text: str) -> None:
        if on_wait is not None:
            on_wait(Waiting((lease.key,), 1, None, time.monotonic() - started, wanted=candidate.name, there=text))

    def connect() -> Transport:
        transport = candidate.connect()
        try:
            check_identity(transport.identity(), expected=lease.key, name=candidate.name)
            # a link that comes back may find the lock of its predecessor
            longest_s = waits_s.pop() if waits_s else LEAST_AFTER_CRASH_S
            record = to_record(lease.holder, key=lease.key)
            transport.taken_over = tuple(transport.guard(record, wait_s=longest_s, on_wait=tell))
        except BaseException:
            transport.close()
            raise
        return transport

    return dataclasses.replace(candidate, connect=connect)
