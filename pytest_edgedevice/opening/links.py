"""Devices behind a link: asked what they are by the connection that may then be used to open them."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, TypeVar

from pytest_edgedevice.errors import InfraError
from pytest_edgedevice.inventory.known import remember
from pytest_edgedevice.opening.candidates import Candidate
from pytest_edgedevice.opening.running import runner_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pytest_edgedevice.inventory import DeviceEntry
    from pytest_edgedevice.spec import DeviceSpec
    from pytest_edgedevice.transports.base import Transport

W = TypeVar("W")

SLACK_S = 5.0
"""What a link may take beyond its own deadline to give up."""
KEPT_S = 10.0
"""How long the first connection is kept for whoever opens the device, seconds."""


def asked(spec: DeviceSpec, entry: DeviceEntry | None, connect: Callable[[], Transport]) -> Candidate:
    """A device, connected to and asked what it is.

    Args:
        spec: How to reach it.
        entry: Its table in the device file, if it has one.
        connect: Opens the link to it.

    Raises:
        TransportError: It cannot be reached.
        ConfigError: Its table names a runner that cannot be used over this link.
    """
    name = entry.name if entry else str(spec)
    runner = runner_of(entry, spec.kind)
    link = KeptLink(connect)
    first = link()
    try:
        identity, told = first.identity(), first.facts()
    except BaseException:
        first.close()
        raise
    remember(str(spec), identity)
    link.keep(first)
    facts = {**told, **(entry.known_facts() if entry else {"name": name})}
    return Candidate(name, identity, facts, link, runner)


def asked_together(ways: Sequence[W], reach: Callable[[W], Candidate], *, timeout_s: float) -> list[Candidate]:
    """Every device that can be reached now, in the order of the ways to them; all are asked at the same time.

    Args:
        ways: What tells ``reach`` how.
        reach: Makes a candidate, or remembers why there is none.
        timeout_s: Who has not answered by then is left out, seconds.

    Raises:
        UsageError: Something is wrong in a device's table.
    """
    found: dict[int, Candidate] = {}
    errors: list[BaseException] = []

    def ask(place: int, way: W) -> None:
        try:
            found[place] = reach(way)
        except InfraError:
            return  # remembered by whoever reaches, and told where nothing else fits
        except BaseException as error:  # noqa: BLE001 - raised again, where somebody can hear it
            errors.append(error)

    # threads that nobody needs to wait for: Ctrl-C ends a run at once, and with it its connections
    asking = [threading.Thread(target=ask, args=one, daemon=True) for one in enumerate(ways)]
    for thread in asking:
        thread.start()
    deadline = time.monotonic() + timeout_s
    for thread in asking:
        thread.join(max(deadline - time.monotonic(), 0))
    if errors:
        raise errors[0]
    return [found[place] for place in sorted(found)]


class KeptLink:
    """Opens the link to one device; the first one may be a link that is open already.

    Args:
        connect: Opens one.
    """

    def __init__(self, connect: Callable[[], Transport]) -> None:
        self._connect = connect
        self._guard = threading.Lock()
        self._kept: Transport | None = None
        self._timer: threading.Timer | None = None

    def __call__(self) -> Transport:
        """The link that was kept, if it is still alive, or a new one."""
        kept = self._taken()
        if kept is not None and kept.is_alive:
            return kept
        if kept is not None:
            kept.close()
        return self._connect()

    def keep(self, link: Transport) -> None:
        """Keep a link for a while; it is closed if nobody comes for it."""
        self._kept = link
        self._timer = threading.Timer(KEPT_S, self._let_go)
        self._timer.daemon = True
        self._timer.start()

    def _let_go(self) -> None:
        kept = self._taken()
        if kept is not None:
            kept.close()

    def _taken(self) -> Transport | None:
        with self._guard:
            kept, self._kept = self._kept, None
            if self._timer is not None:
                self._timer.cancel()  # its thread would wait for nothing
            return kept
