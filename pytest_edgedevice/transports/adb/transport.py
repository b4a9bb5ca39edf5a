"""An Android phone, or any Linux that runs adbd, through the adb server.

A keeper on the device watches over the session: when the connection, this process or the server
ends, it ends what was started and removes what was brought. Each program has a connection of its
own, with its errors and exit status apart from its output. ``adb kill-server`` is never called.
"""

from __future__ import annotations

import os
import re
import time
from collections import deque
from typing import TYPE_CHECKING

from pytest_edgedevice.errors import DeadlineError, TransportError
from pytest_edgedevice.transports.adb import facts as adb_facts
from pytest_edgedevice.transports.adb import guard as adb_guard
from pytest_edgedevice.transports.adb import states as adb_states
from pytest_edgedevice.transports.adb.asking import Asking
from pytest_edgedevice.transports.adb.files import AdbFiles
from pytest_edgedevice.transports.adb.process import AdbProcess, run_to_end
from pytest_edgedevice.transports.adb.server import AdbServer
from pytest_edgedevice.transports.adb.session import Session
from pytest_edgedevice.transports.base import Completed, Pushed, Transport
from pytest_edgedevice.transports.progress import shown, size_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from pytest_edgedevice.transports.adb.address import Address
    from pytest_edgedevice.transports.adb.states import AdbDevice
    from pytest_edgedevice.values import Fact

CONNECT_S = 30.0
LIST_S = 10.0
MOST_PIDS = 1000
CLOSE_S = 5.0
MOST_OUTPUT_BYTES = 64 << 20
"""Longest output of a program that ``run`` keeps, and of its errors."""
SETTLE_S = 5.0
LOOK_S = 0.05
_UNSETTLED = {"absent", "offline", "connecting", "authorizing"}
_HOST_PORT = re.compile(r"(?:[\w.-]+|\[[0-9A-Fa-f:.%]+\]):\d{1,5}")


def list_devices(server: Address | None = None, *, timeout_s: float = LIST_S) -> list[AdbDevice]:
    """Every device the adb server knows, also those that are offline, unauthorized, or not ours to open.

    Args:
        server: Host and port, or the path of a socket; by default where the environment says. On this machine
            it is started when it does not run.
        timeout_s: Deadline, seconds.

    Raises:
        MissingExtraError: adbutils is not installed.
        TransportError: There is no server.
        DeadlineError: It does not answer.
    """
    deadline = time.monotonic() + timeout_s
    asked = AdbServer(server)
    asked.start(deadline=deadline)
    return asked.devices(deadline=deadline)


class AdbTransport(Transport):
    """A connection to one device.

    Args:
        serial: As ``adb devices`` lists it, or ``host:port``, which is connected to first. Empty for
            ``ANDROID_SERIAL``, or the only device.
        server: Host and port of the adb server, or the path of its socket; by default where the environment says.
        base: Folder for our files there; by default below ``/data/local/tmp``, or ``/tmp`` where that is missing.
        connect_timeout_s: Deadline for all of the connecting.

    Raises:
        DeviceNotFoundError: There is no such device, or more than one.
        TransportError: It cannot be used; the hint says what to do.
        MissingExtraError: adbutils is not installed.
        DeadlineError: Somebody did not answer in time.
    """

    kind = "adb"

    def __init__(
        self,
        serial: str = "",
        *,
        server: Address | None = None,
        base: str = "",
        connect_timeout_s: float = CONNECT_S,
    ) -> None:
        deadline = time.monotonic() + connect_timeout_s
        if "\n" in base or "\0" in base or (base and not base.startswith("/")):
            raise TransportError(f"the folder {base!r} on an adb device is no absolute path")
        self._closed = False
        self._processes: list[AdbProcess] = []
        self._pids: deque[int] = deque(maxlen=MOST_PIDS)
        self._server = AdbServer(server)
        self._server.start(deadline=deadline)
        self.serial = _found(self._server, serial or os.environ.get("ANDROID_SERIAL", ""), deadline)
        self._session = Session(self._server, self.serial, base=base, timeout_s=_left(deadline))
        self.folder = self._session.folder
        self._files = AdbFiles(self._session)
        try:
            self._asking = Asking(self._session, timeout_s=_left(deadline))
        except BaseException:
            self.close()
            raise

    def __repr__(self) -> str:
        return f"<AdbTransport to {self.serial} by {self._server}>"

    @property
    def is_alive(self) -> bool:
        """Whether the connection is there, as far as has been noticed."""
        return not self._closed and self._session.is_alive

    def identity(self) -> str:
        """See the base class: of Android the serial number; of another Linux what ``local`` would say there."""
        return adb_facts.identity(self._asking.told, self.serial)

    def facts(self) -> Mapping[str, Fact]:
        """See the base class; as they were when the connection was made."""
        return {**adb_facts.facts(self._asking.told, self.serial), "device_lock": self._session.has_lock}

    def conditions(self) -> Mapping[str, Fact]:
        """See the base class: clocks, heat, battery, free memory and space."""
        self._check_open()
        return self._asking.conditions()

    def aftermath(self, pid: int | None, since: float) -> Mapping[str, str]:
        """See the base class: ``logcat``, and ``tombstone`` where it may be read; without a number, of all of ours."""
        return self._asking.aftermath({pid} if pid else set(self._pids), since)

    def agent_command(self, agent: str) -> list[str]:
        """See the base class: a native agent, as there is no Python."""
        return [agent, "--folder", self.folder, "--wipe"]

    def run(self, arguments: Sequence[str], *, timeout_s: float, stdin: bytes = b"") -> Completed:
        """See the base class."""
        self._check_open()
        name = arguments[0] if arguments else ""
        try:
            return Completed(
                *run_to_end(self._session, arguments, stdin, timeout_s=timeout_s, most_bytes=MOST_OUTPUT_BYTES)
            )
        except DeadlineError:
            raise DeadlineError(f"{name!r} did not end within {timeout_s:g} s and was killed") from None

    def start(self, arguments: Sequence[str]) -> AdbProcess:
        """See the base class."""
        self._check_open()
        self._processes = [one for one in self._processes if not one.killed]
        process = AdbProcess(self._session, arguments)
        self._processes.append(process)
        self._pids.append(process.pid)
        return process

    def push(self, source: Path, *, timeout_s: float) -> Pushed:
        """See the base class; comes back when the bytes are there, and has a large file's hash compared behind it."""
        self._check_open()
        with shown(self.on_progress, source.name, size_of([source])) as moved:
            return self._files.push_all([source], timeout_s=timeout_s, moved=moved)[0]

    def push_all(self, sources: Sequence[Path], *, timeout_s: float) -> Sequence[Pushed]:
        """See the base class; small files travel together."""
        self._check_open()
        with shown(self.on_progress, f"{len(sources)} files", size_of(sources)) as moved:
            return self._files.push_all(sources, timeout_s=timeout_s, moved=moved)

    def place(self, content: bytes, *, timeout_s: float) -> str:
        """See the base class."""
        self._check_open()
        with shown(self.on_progress, "our agent", len(content)) as moved:
            return self._files.place(content, timeout_s=timeout_s, moved=moved)

    def clean(self, left: str, *, timeout_s: float) -> Sequence[str]:
        """See the base class; the keeper proves that it is a dead session's folder."""
        self._check_open()
        return adb_guard.clean(self._session, left, timeout_s=timeout_s)

    def guard(self, record: bytes, *, wait_s: float, on_wait: Callable[[str], None] | None = None) -> Sequence[str]:
        """See the base class; where the device has no tool for locks, others are not kept out, and it says so."""
        self._check_open()
        return adb_guard.take(self._session, record, wait_s=wait_s, on_wait=on_wait)

    def _check_open(self) -> None:
        if self._closed:
            raise TransportError("the link is closed")

    def close(self) -> None:
        """See the base class; the lock is handed back when everything is removed."""
        if self._closed:
            return
        self._closed = True
        self._files.end(timeout_s=CLOSE_S)
        self._session.end(timeout_s=CLOSE_S)


def _found(server: AdbServer, serial: str, deadline: float) -> str:
    """The device that is meant; its link's name."""
    networked = serial and _HOST_PORT.fullmatch(serial)
    devices = _attached(server, serial, deadline) if networked else server.devices(deadline=deadline)
    device = adb_states.chosen(devices, serial, server=str(server))
    features = server.features(device.serial, deadline=deadline)
    if "shell_v2" not in features:
        raise TransportError(
            f"adb device {device.serial!r} is too old: its adb has no 'shell_v2', so that no exit code can be believed",
            hint="Android 7 or later is needed; an adb server older than 1.0.36 hides it too",
        )
    return device.serial


def _attached(server: AdbServer, serial: str, deadline: float) -> list[AdbDevice]:
    """All devices, once the server has connected to one at ``host:port``, which is offline at first, and at last."""
    patience = min(deadline, time.monotonic() + SETTLE_S)
    while True:
        devices = server.devices(deadline=deadline)
        state = next((one.state for one in devices if one.serial == serial), "absent")
        if state not in _UNSETTLED or time.monotonic() > patience:
            return devices
        if state == "absent":
            server.attach(serial, deadline=deadline)
        time.sleep(LOOK_S)


def _left(deadline: float) -> float:
    return max(deadline - time.monotonic(), 0.0)
