"""``edgedevice conformance ios:UDID:PORT``: an app on an iPhone, leased as by a test, and left with nothing."""

from __future__ import annotations

import contextlib
import sys
from typing import TYPE_CHECKING

from pytest_edgedevice.cli.text import printable
from pytest_edgedevice.conformance import PhoneAgent
from pytest_edgedevice.errors import EdgeDeviceError, UsageError
from pytest_edgedevice.leases import Holder, acquire
from pytest_edgedevice.spec import parse_spec

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_edgedevice.transports.base import Transport

LEAVE_S = 5.0
"""How long the app may take to answer that is asked to remove what it was sent, seconds."""


@contextlib.contextmanager
def app_held(text: str, *, timeout_s: float, wait_s: float) -> Iterator[PhoneAgent]:
    """An app that answers, ours alone.

    Args:
        text: ``ios:UDID:PORT``.
        timeout_s: Deadline of a connection, seconds.
        wait_s: How long to wait while somebody else holds the phone, seconds.

    Raises:
        UsageError: The text is something else.
        DeviceBusyError: Somebody else holds the phone still; the message names the holder.
        InfraError: The phone or the app does not answer.
    """
    from pytest_edgedevice.transports.usbmux.transport import UsbmuxTransport

    spec, port = _told_apart(text)
    with UsbmuxTransport(parse_spec(spec).address, connect_timeout_s=timeout_s) as link:
        lease = acquire(
            link.identity(),
            holder=Holder.here(test="edgedevice conformance"),
            wait_s=wait_s,
            on_wait=lambda one: print(printable(str(one)), file=sys.stderr),
            wanted=spec,
        )
        try:
            agent = PhoneAgent(link, port, name=text, timeout_s=timeout_s)
            agent.open().kill()
        except BaseException:
            lease.release(untouched=True)
            raise
        try:
            yield agent
        finally:
            emptied = _emptied(link, port, text)
            lease.release(untouched=not emptied)  # who crashed before us is to be cleaned up after as ever


def _told_apart(text: str) -> tuple[str, int]:
    spec, _, digits = text.rpartition(":")
    port = int(digits) if digits.isascii() and digits.isdecimal() and len(digits) < 6 else 0
    if ":" not in spec or not 0 < port < 65536:
        raise UsageError(f"{text!r} is no ios:UDID:PORT", hint=f"such as {spec if ':' in spec else text}:17341")
    return spec, port


def _emptied(link: Transport, port: int, name: str) -> bool:
    """Whether the app has removed what it was sent; where it has not, that is said."""
    from pytest_edgedevice.runners.client import AgentClient

    try:
        process = link.open_port(port, timeout_s=LEAVE_S)
        AgentClient(process, where=name, timeout_s=LEAVE_S, app=True).leave(wipe=True)
    except EdgeDeviceError as error:
        why = printable(error.message.splitlines()[0])
        print(
            f"edgedevice: the models that were tried may be left in the app's caches on {printable(name)}, which did "
            f"not answer when it was asked to remove them: {why}\n"
            "  hint: the next test that loads a model there removes them; so should the app when it starts",
            file=sys.stderr,
        )
        return False
    return True
