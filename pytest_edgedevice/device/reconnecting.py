"""Taking over a device: one that was lost and is back, or one whose holder crashed."""

from __future__ import annotations

import contextlib
import socket
import time
from typing import TYPE_CHECKING

from pytest_edgedevice.errors import (
    DeadlineError,
    DeviceBusyError,
    DeviceLostError,
    DeviceNotFoundError,
    EdgeDeviceError,
    TransportError,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_edgedevice.leases import Holder
    from pytest_edgedevice.transports.base import Transport

RETRY_S = 0.5


def connected_again(connect: Callable[[], Transport] | None, *, identity: str, name: str, wait_s: float) -> Transport:
    """Connect until it works or the time is over.

    A device may be back and still held, by what served the link that was lost and has not ended yet: on a busy
    machine that takes longer than one try to connect waits for it.

    Args:
        connect: Opens the link; None when nobody knows how.
        identity: What the hardware must be.
        name: What people call it.
        wait_s: How long to try, seconds.

    Raises:
        DeviceLostError: It did not come back in time, or other hardware did.
        DeviceBusyError: It came back, and is held all the time; the message names the holder.
    """
    if connect is None:
        raise DeviceLostError(f"nobody knows how to connect to {name} again")
    deadline = time.monotonic() + wait_s
    while True:
        try:
            return _connected(connect, identity, name)
        except AnotherDeviceError:
            raise
        except (TransportError, DeadlineError, DeviceBusyError, DeviceNotFoundError) as error:
            left_s = deadline - time.monotonic()
            if left_s <= 0:
                if isinstance(error, DeviceBusyError):
                    raise
                raise DeviceLostError(
                    f"{name} did not come back within {wait_s:g} s: {error.message}", hint=error.hint
                ) from error
            time.sleep(min(RETRY_S, left_s))


class AnotherDeviceError(DeviceLostError):
    """Where one piece of hardware was, another answers: to wait longer is in vain."""


def _connected(connect: Callable[[], Transport], identity: str, name: str) -> Transport:
    """Connect, and ask who is there; a device that is booting may do the one and not yet the other."""
    transport = connect()
    try:
        check_identity(transport.identity(), expected=identity, name=name)
    except BaseException:
        with contextlib.suppress(EdgeDeviceError):
            transport.close()
        raise
    return transport


def check_identity(found: str, *, expected: str, name: str) -> None:
    """Refuse other hardware than the one that was leased.

    Raises:
        AnotherDeviceError: It is other hardware.
    """
    if found != expected:
        raise AnotherDeviceError(
            f"another device answers for {name} now: {found}, not {expected}",
            hint="connect the one that was there, or start the tests again",
        )


def taken_over(crashed: Holder) -> str:
    """Say from whom a device was taken over; of the record's claims those that help to find out what happened."""
    known = [f"pid {crashed.pid}" if crashed.pid else "pid unknown"]
    known[0] += f" on {crashed.host}" if crashed.host and crashed.host != socket.gethostname() else ""
    known += [crashed.worker] if crashed.worker else []
    known += [f"test {crashed.test}"] if crashed.test else []
    return f"taken over from {crashed.user or 'an unknown user'} ({', '.join(known)}), who crashed"
