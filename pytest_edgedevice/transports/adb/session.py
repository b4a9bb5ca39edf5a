"""One session on a device: its keeper, which ends everything when we are gone, and the connections beside it."""

from __future__ import annotations

import contextlib
import os
import secrets
import threading
import time
from typing import TYPE_CHECKING

from pytest_edgedevice.errors import (
    DeadlineError,
    DeviceLostError,
    DeviceNotFoundError,
    EdgeDeviceError,
    TransportError,
)
from pytest_edgedevice.transports.adb import states as adb_states
from pytest_edgedevice.transports.adb.keeper import TTL_S, Keeper, script
from pytest_edgedevice.transports.adb.stream import AdbStream
from pytest_edgedevice.transports.adb.sync import Sync
from pytest_edgedevice.transports.pipes import TAIL_BYTES

if TYPE_CHECKING:
    import socket

    from pytest_edgedevice.transports.adb.server import AdbServer

KILL_S = 2.0
OPEN_S = TTL_S + 5.0
"""How long a device may take to open a connection, seconds: one that is silent for that long is lost by its keeper."""
SHELL = b"shell,v2,raw:"


class Session:
    """A folder on the device and whoever watches over it.

    Args:
        server: The adb server.
        serial: The device's link, as the server names it.
        base: Folder for sessions there; empty for its own choice.
        timeout_s: Deadline for the start.

    Attributes:
        folder: The session's folder.
        has_lock: Whether the device has a tool for locks.

    Raises:
        TransportError: The device cannot be used, or no folder can be made there.
        DeadlineError: It does not answer in time.
    """

    def __init__(self, server: AdbServer, serial: str, *, base: str, timeout_s: float) -> None:
        self._server, self.serial = server, serial
        self._cause: TransportError | None = None
        self._guard = threading.Lock()
        self._streams: set[AdbStream | Sync] = set()
        self._process = os.getpid()
        self._closing = False
        deadline = time.monotonic() + timeout_s
        token = f"EDGEDEVICE-{secrets.token_hex(8)}"
        link = server.open(serial, SHELL + script(token, base), deadline=deadline)
        stream = AdbStream(link, lost=self._lost)
        self._add(stream)
        try:
            self._keeper = Keeper(stream, token, where=str(self), lost=self.lose)
            self._keeper.begin(base, deadline)
        except BaseException:
            stream.close()
            raise
        self.folder, self.has_lock = self._keeper.folder, self._keeper.has_lock

    def __str__(self) -> str:
        return f"adb device {self.serial!r}"

    @property
    def is_alive(self) -> bool:
        """Whether it is there, as far as has been noticed."""
        return self._cause is None and not self._closing

    def start(self, code: bytes, *, deadline: float, most_errors: int = TAIL_BYTES) -> AdbStream:
        """Start a shell with a text; its streams end when the session does."""
        stream = AdbStream(self._connect(SHELL + code, deadline), lost=self._lost, most_errors=most_errors)
        self._add(stream)
        return stream

    def open_sync(self, *, deadline: float) -> Sync:
        """Open a connection for files."""
        sync = Sync(self._connect(b"sync:", deadline), where=str(self), lost=self._lost)
        self._add(sync)
        return sync

    def close(self, stream: AdbStream | Sync) -> None:
        """Close what was opened here."""
        if os.getpid() == self._process:  # what a forked child has of the lock may be held for ever
            with self._guard:
                self._streams.discard(stream)
        stream.close()

    def ask(self, request: str, verb: str, *, timeout_s: float) -> list[list[str]]:
        """Ask the keeper; see ``Keeper.ask``."""
        self._check()
        return self._keeper.ask(request, verb, timeout_s=timeout_s)

    def kill_group(self, pid: int) -> None:
        """End a process group on the device; never raises."""
        with contextlib.suppress(EdgeDeviceError):
            self.ask(f"kill {pid}", "killed", timeout_s=KILL_S)

    def confirm(self) -> None:
        """Look whether the keeper is there still: it ends every program when it takes us for gone.

        Raises:
            DeviceLostError: It is not.
        """
        try:
            self.ask("beat 0", "alive", timeout_s=KILL_S)
        except DeviceLostError:
            raise
        except EdgeDeviceError:
            return

    def end(self, *, timeout_s: float) -> None:
        """Have the keeper end everything and remove the folder; never raises. A forked child does nothing."""
        if os.getpid() != self._process or self._closing:
            return
        with contextlib.suppress(EdgeDeviceError):
            self.ask("bye", "gone", timeout_s=timeout_s)
        self._closing = True
        self._keeper.end()
        with self._guard:
            streams, self._streams = self._streams, set()
        for stream in streams:
            stream.close()

    def _connect(self, service: bytes, deadline: float) -> socket.socket:
        self._check()
        try:
            return self._server.open(self.serial, service, deadline=min(deadline, time.monotonic() + OPEN_S))
        except DeadlineError as error:
            raise self._cause or error from None
        except (TransportError, DeviceNotFoundError) as error:
            raise self._blamed(error) from None

    def _check(self) -> None:
        if os.getpid() != self._process:
            raise DeviceLostError(f"the link to {self} belongs to another process, which this one was forked from")
        if self._closing:
            raise TransportError("the link is closed")
        if self._cause is not None:
            raise self._cause

    def _blamed(self, error: TransportError | DeviceNotFoundError) -> EdgeDeviceError:
        """The error to tell for one that came from the server: the loss of the device, where it is one."""
        if self._cause is not None:
            return self._cause
        state = self._server.state_of(self.serial)
        if state == "device":  # it refuses a service, and is there
            return error
        return adb_states.lost(self.serial, state, what=error.message.splitlines()[0])

    def _add(self, stream: AdbStream | Sync) -> None:
        with self._guard:
            if not self._closing:
                self._streams.add(stream)
        if self._closing:  # by another thread, since we looked
            stream.close()
            self._check()
        if self._cause is not None:  # lost meanwhile
            stream.break_off()

    def _lost(self, how: str) -> TransportError:
        """The error for a stream that broke; when the whole session is over, that is why."""
        if self._closing:
            return TransportError("the link is closed")
        return self._cause or adb_states.lost(self.serial, self._server.state_of(self.serial), what=how)

    def lose(self, how: str | DeviceLostError) -> TransportError:
        """The device is gone: everybody who waits for it is told."""
        cause = how if isinstance(how, DeviceLostError) else self._lost(how.splitlines()[0])
        self._cause = self._cause or cause
        with self._guard:
            streams = tuple(self._streams)
        for stream in streams:
            stream.break_off()
        return self._cause
