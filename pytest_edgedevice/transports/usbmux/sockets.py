"""Connections to usbmuxd: made with a deadline, and bounded in what they may say before they are handed on."""

from __future__ import annotations

import errno
import os
import socket
from typing import TYPE_CHECKING, Any

from pytest_edgedevice.errors import TransportError
from pytest_edgedevice.transports.usbmux import states
from pytest_edgedevice.transports.usbmux.address import REMEDY, shown, usbmuxd_address

if TYPE_CHECKING:
    from pytest_edgedevice.transports.usbmux.address import Address

MOST_TOLD_BYTES = 16 << 20
"""The longest conversation in which the library takes part: property lists of a few KiB."""
PIECE_BYTES = 1 << 18
KNOCK_S = 1.0


class Bounded(socket.socket):
    """A socket whose other end may say so much and no more, whatever length it promises."""

    __slots__ = ("_told_bytes",)

    def recv(self, bufsize: int, flags: int = 0, /) -> bytes:
        """As ever, in pieces; the library asks for four gigabytes at once when it is told that they come."""
        piece = super().recv(min(bufsize, PIECE_BYTES), flags)
        self._told_bytes = getattr(self, "_told_bytes", 0) + len(piece)
        if self._told_bytes > MOST_TOLD_BYTES:
            raise OSError(errno.EMSGSIZE, f"it says more than {MOST_TOLD_BYTES >> 20} MiB")
        return piece


def usual_address() -> Address:
    """Where usbmuxd is.

    Raises:
        TransportError: The environment says what is no address.
    """
    try:
        return usbmuxd_address(os.environ)[0]
    except ValueError as error:
        raise TransportError(str(error), hint=REMEDY) from None


def dialled(address: Address, *, timeout_s: float) -> Bounded:
    """A connection to usbmuxd, not blocking.

    Raises:
        TransportError: Nobody listens there.
    """
    try:
        found = _looked_up(address)
        made = Bounded(found[0], socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise states.no_usbmuxd(shown(address), _as_os_error(error)) from None
    try:
        made.settimeout(max(timeout_s, 0.001))
        made.connect(found[1])
        if not isinstance(address, str):
            made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        made.setblocking(False)
    except OSError as error:
        made.close()
        raise states.no_usbmuxd(shown(address), error) from None
    except BaseException:
        made.close()
        raise
    return made


def is_served() -> bool:
    """Whether somebody listens where usbmuxd should be."""
    try:
        dialled(usual_address(), timeout_s=KNOCK_S).close()
    except TransportError:
        return False
    return True


def _looked_up(address: Address) -> tuple[int, Any]:
    if isinstance(address, str):
        return socket.AF_UNIX, address
    family, _, _, _, target = socket.getaddrinfo(*address, type=socket.SOCK_STREAM)[0]
    return family, target


def _as_os_error(error: OSError | UnicodeError) -> OSError:
    return error if isinstance(error, OSError) else OSError(f"{error}")
