"""An iPhone or iPad through usbmuxd: facts, battery, and streams to ports of apps.

It starts no programs and keeps no files: the app that runs models there is the user's own, and gets them by the
agents' protocol. Nothing is left there, so nothing has to be cleaned.
"""

from __future__ import annotations

import functools
import os
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn

from pytest_edgedevice.errors import (
    DeviceLostError,
    DeviceNotFoundError,
    EdgeDeviceError,
    PortRefusedError,
    TransportError,
)
from pytest_edgedevice.transports.base import Completed, Process, Pushed, Transport
from pytest_edgedevice.transports.usbmux import facts as phone_facts
from pytest_edgedevice.transports.usbmux import library, states
from pytest_edgedevice.transports.usbmux.address import shown
from pytest_edgedevice.transports.usbmux.attached import Attached, chosen
from pytest_edgedevice.transports.usbmux.port import PortProcess
from pytest_edgedevice.transports.usbmux.sockets import usual_address
from pytest_edgedevice.transports.usbmux.udid import identity

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from pytest_edgedevice.transports.usbmux.address import Address
    from pytest_edgedevice.transports.usbmux.told import Told
    from pytest_edgedevice.values import Fact

LIST_S = 10.0
CONNECT_S = 20.0
CONDITIONS_S = 20.0
FIRST_DEVELOPER_MODE = 16
"""Before iOS 16 there is no developer mode to turn on."""


@dataclass(frozen=True, slots=True)
class Readiness:
    """What a phone says of starting apps there.

    Attributes:
        paired: Whether it knows this host; the rest is told only then.
        locked: Whether it waits for its passcode.
        developer_mode: Whether it is on; None where it does not tell, and before iOS 16, which has none.
    """

    paired: bool
    locked: bool
    developer_mode: bool | None


def list_devices(address: Address | None = None, *, timeout_s: float = LIST_S) -> list[Attached]:
    """Every phone that usbmuxd lists, paired or not; one that has two links over USB.

    Args:
        address: Host and port of usbmuxd, or the path of its socket; by default where the environment says.
        timeout_s: Deadline, seconds.

    Raises:
        MissingExtraError: pymobiledevice3 is not installed.
        TransportError: There is no usbmuxd.
        DeadlineError: It does not answer.
    """
    return library.list_devices(usual_address() if address is None else address, timeout_s=timeout_s)


class UsbmuxTransport(Transport):
    """A connection to one phone.

    Args:
        udid: Its number, in any spelling; empty for the only one.
        address: Host and port of usbmuxd, or the path of its socket; by default where the environment says.
        connect_timeout_s: Deadline for all of the connecting.

    Raises:
        DeviceNotFoundError: There is no such phone, or more than one.
        MissingExtraError: pymobiledevice3 is not installed.
        TransportError: There is no usbmuxd.
        DeadlineError: Somebody did not answer in time.
    """

    kind = "ios"
    folder = ""

    def __init__(self, udid: str = "", *, address: Address | None = None, connect_timeout_s: float = CONNECT_S) -> None:
        self._deadline = time.monotonic() + connect_timeout_s
        self._address = usual_address() if address is None else address
        self._process = os.getpid()
        self._closed = False
        self._ports: list[PortProcess] = []
        self._told: Told | None = None
        self._phone = self._found(udid, timeout_s=connect_timeout_s)
        self.udid = self._phone.udid

    def __repr__(self) -> str:
        return f"<UsbmuxTransport to {self._phone} by usbmuxd at {shown(self._address)}>"

    @property
    def is_alive(self) -> bool:
        """Whether the link can be used still."""
        return not self._closed and os.getpid() == self._process

    def identity(self) -> str:
        """See the base class: its number."""
        return identity(self.udid)

    def facts(self) -> Mapping[str, Fact]:
        """See the base class; asked for once."""
        if self._told is None:
            self._told = self._ask(timeout_s=max(self._deadline - time.monotonic(), CONNECT_S / 2))
        told = {**self._told.values, **self._told.disk}
        found = phone_facts.facts(told, udid=self.udid, link=self._phone.link)
        return {**found, "paired": self._told.paired}

    def conditions(self) -> Mapping[str, Fact]:
        """See the base class: battery and free storage of a phone that is paired; of another one nothing."""
        if self._told is not None and not self._told.paired:
            return {}
        told = self._ask(battery=True, timeout_s=CONDITIONS_S)
        return phone_facts.battery(told.battery) | phone_facts.storage(told.disk)

    def open_port(self, port: int, *, timeout_s: float) -> Process:
        """See the base class."""
        self._check_open()
        deadline = time.monotonic() + timeout_s
        try:
            descriptor = library.connect(self._address, self._phone, port, timeout_s=timeout_s)
        except PortRefusedError:
            raise states.port_refused(self.udid, port, paired=self._told is None or self._told.paired) from None
        except DeviceLostError:  # plugged in anew, it has another number with usbmuxd
            self._phone = self._again(deadline)
            descriptor = library.connect(self._address, self._phone, port, timeout_s=deadline - time.monotonic())
        process = PortProcess(descriptor, why=functools.partial(self._why_ended, self._phone.device_id))
        self._ports = [*(one for one in self._ports if not one.killed), process]
        return process

    def readiness(self, *, timeout_s: float) -> Readiness:
        """What keeps others from starting an app there, as it is now.

        Raises:
            TransportError: The phone does not tell, and why.
            DeadlineError: It does not answer.
        """
        told = self._ask(developer_mode=True, timeout_s=timeout_s)
        has_mode = phone_facts.major(told.values) >= FIRST_DEVELOPER_MODE
        locked = told.values.get("PasswordProtected") is True
        return Readiness(told.paired, locked, told.developer_mode if has_mode else None)

    def ready_to_launch(self, *, timeout_s: float) -> None:
        """See the base class."""
        ready = self.readiness(timeout_s=timeout_s)
        if not ready.paired:
            raise states.not_paired(self.udid)
        if ready.locked:
            raise states.locked(self.udid)
        if ready.developer_mode is False:
            raise states.developer_mode_off(self.udid)

    def pair(self, *, timeout_s: float) -> None:
        """Have the phone ask its owner whether it may trust this host, and wait for the answer.

        Raises:
            TransportError: Somebody said no, or nobody said anything yet, or it is locked.
            DeadlineError: It does not answer.
        """
        self._check_open()
        library.pair(self._address, self._phone, timeout_s=timeout_s)
        self._told = None

    def agent_command(self, agent: str) -> list[str]:
        """See the base class: none is started."""
        self._refuse(f"start {agent!r}")

    def run(self, arguments: Sequence[str], *, timeout_s: float, stdin: bytes = b"") -> Completed:  # noqa: ARG002
        """See the base class: none is run."""
        self._refuse(f"run {arguments[0]!r}")

    def start(self, arguments: Sequence[str]) -> Process:
        """See the base class: none is started."""
        self._refuse(f"start {arguments[0]!r}")

    def push(self, source: Path, *, timeout_s: float) -> Pushed:  # noqa: ARG002
        """See the base class: an app gets its models by the agents' protocol."""
        self._refuse(f"place {source.name!r}")

    def place(self, content: bytes, *, timeout_s: float) -> str:  # noqa: ARG002
        """See the base class: as ``push``."""
        self._refuse(f"place {len(content)} bytes")

    def close(self) -> None:
        """See the base class."""
        self._closed = True
        ports, self._ports = self._ports, []
        for port in ports:
            port.kill()

    def _found(self, udid: str, *, timeout_s: float) -> Attached:
        phones = library.list_devices(self._address, timeout_s=timeout_s)
        return chosen(phones, udid, where=shown(self._address))

    def _again(self, deadline: float) -> Attached:
        try:
            return self._found(self.udid, timeout_s=deadline - time.monotonic())
        except DeviceNotFoundError:
            raise states.unplugged(self.udid) from None

    def _ask(self, *, timeout_s: float, battery: bool = False, developer_mode: bool = False) -> Told:
        self._check_open()
        deadline = time.monotonic() + timeout_s

        def asked(left_s: float) -> Told:
            return library.ask(
                self._address, self._phone, battery=battery, developer_mode=developer_mode, timeout_s=left_s
            )

        try:
            return asked(timeout_s)
        except TransportError as error:
            self._phone = self._again(deadline)  # what hung up may have been unplugged
            if not isinstance(error, DeviceLostError):
                raise
            return asked(deadline - time.monotonic())

    def _why_ended(self, device_id: int, timeout_s: float) -> TransportError | None:
        try:
            now = self._again(time.monotonic() + timeout_s)
        except DeviceLostError as error:
            return error
        except EdgeDeviceError as error:
            return states.usbmuxd_ended(self.udid, error)
        # a phone whose cable was out for a moment is there again, by another number
        return None if now.device_id == device_id else states.unplugged(self.udid)

    def _check_open(self) -> None:
        if os.getpid() != self._process:
            raise DeviceLostError(f"the link to iPhone {self.udid} belongs to another process, which forked this one")
        if self._closed:
            raise TransportError("the link is closed")

    def _refuse(self, what: str) -> NoReturn:
        raise TransportError(
            f"cannot {what} on iPhone {self.udid}: iOS lets nobody from outside start programs or place files",
            hint='models are run there by an app of your own: leave "runner" out, or write runner = "app"',
        )
