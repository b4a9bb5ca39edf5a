"""What we take of pymobiledevice3: usbmuxd's and lockdownd's protocols; the only file that knows it.

It is asyncio throughout, so that it works in a loop of its own (``loop``). It is never asked to pair by the way: its
default shows a dialog on the phone and waits for ever. The sockets are ours, so that each is closed whatever becomes
of the library's coroutine, and none of them may say more than a bound. Its errors stop here.
"""

from __future__ import annotations

import contextlib
import functools
import plistlib
import time
from typing import TYPE_CHECKING, Any

from pytest_edgedevice.errors import MissingExtraError
from pytest_edgedevice.transports.usbmux import states
from pytest_edgedevice.transports.usbmux.attached import Attached, merged
from pytest_edgedevice.transports.usbmux.faults import LOCKDOWN, asked_of
from pytest_edgedevice.transports.usbmux.sockets import Bounded, dialled
from pytest_edgedevice.transports.usbmux.told import Told

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from pytest_edgedevice.transports.usbmux.address import Address

MOST_FRAME_BYTES = 4 << 20
GIVE_UP_S = 2.0
"""What is left of a deadline to say that nobody has answered the phone's question."""
DISK = "com.apple.disk_usage"
DEVELOPER_MODE = "com.apple.security.mac.amfi", "DeveloperModeStatus"


def require(*, lockdown: bool = False) -> None:
    """Import it, in the thread of whoever asks: the loop is for what others wait for.

    Args:
        lockdown: The large part too, which takes half a second.

    Raises:
        MissingExtraError: It is not installed.
    """
    try:
        import pymobiledevice3.usbmux

        if lockdown:
            import pymobiledevice3.services.diagnostics  # noqa: F401
    except ImportError as error:
        raise MissingExtraError(
            f"iPhones need pymobiledevice3, which is not installed or cannot be imported: {states.clean(error)}",
            hint="pip install 'pytest-edgedevice[ios]'",
        ) from None


def list_devices(address: Address, *, timeout_s: float) -> list[Attached]:
    """Every phone that is attached, one for each piece of hardware.

    Raises:
        MissingExtraError: pymobiledevice3 is not installed.
        TransportError: There is no usbmuxd, or its answer makes no sense.
        DeadlineError: It does not answer.
    """
    require()

    async def listing() -> list[Attached]:
        from pymobiledevice3.usbmux import PlistMuxConnection

        mux = PlistMuxConnection(link)
        await mux.get_device_list()
        return merged((one.serial, one.connection_type, one.devid) for one in mux.devices)

    deadline = time.monotonic() + timeout_s
    with dialled(address, timeout_s=timeout_s) as link:
        return asked_of(listing, address, None, "its devices", deadline)


def connect(address: Address, phone: Attached, port: int, *, timeout_s: float) -> int:
    """Connect to a port of a phone.

    Returns:
        The connection's descriptor, which is the caller's from here on; none of its bytes were read.

    Raises:
        PortRefusedError: Nothing listens there.
        DeviceLostError: The phone is not attached any more.
        TransportError, DeadlineError: There is no usbmuxd, or its answer makes no sense, or does not come.
    """
    require()
    deadline = time.monotonic() + timeout_s
    with dialled(address, timeout_s=timeout_s) as link:
        asked_of(lambda: _to_port(link, phone, port), address, phone, f"port {port}", deadline, port=port)
        return link.detach()


def ask(
    address: Address, phone: Attached, *, battery: bool = False, developer_mode: bool = False, timeout_s: float
) -> Told:
    """Ask lockdownd.

    Args:
        address: usbmuxd's.
        phone: Whom.
        battery: Whether its battery is asked for too, where it is paired.
        developer_mode: Whether its developer mode is asked for too, where it is paired.
        timeout_s: Deadline, seconds.

    Raises:
        DeviceLostError: The phone is not attached any more.
        TransportError: It refuses, and why.
        DeadlineError: Somebody does not answer.
    """
    require(lockdown=True)

    async def asked() -> Told:
        async with _lockdown(address, phone, deadline) as client:
            values = dict(await client.get_value() or {})
            if not await client.validate_pairing():
                return Told(values, paired=False)
            values |= dict(await client.get_value() or {})
            disk = await _value(client, DISK)
            mode = await _value(client, *DEVELOPER_MODE) if developer_mode else None
            return Told(
                values,
                paired=True,
                disk=disk if isinstance(disk, dict) else {},
                battery=await _battery(client) if battery else {},
                developer_mode=mode if isinstance(mode, bool) else None,
            )

    deadline = time.monotonic() + timeout_s
    return asked_of(asked, address, phone, "its facts", deadline)


def pair(address: Address, phone: Attached, *, timeout_s: float) -> None:
    """Ask the phone to trust this host, which shows a dialog there, and wait for the answer.

    Raises:
        TransportError: Somebody said no, or nobody said anything yet, or it is locked.
        DeviceLostError, DeadlineError: As ``ask``.
    """
    require(lockdown=True)

    async def paired() -> None:
        async with _lockdown(address, phone, deadline) as client:
            await client.get_value()
            await client.pair(timeout=max(deadline - time.monotonic() - GIVE_UP_S, 0))

    deadline = time.monotonic() + timeout_s
    asked_of(paired, address, phone, "its trust", deadline)


async def _to_port(link: Bounded, phone: Attached, port: int) -> None:
    from pymobiledevice3.usbmux import MuxDevice, PlistMuxConnection

    await PlistMuxConnection(link).connect(MuxDevice(phone.device_id, phone.udid, phone.link), port)


@contextlib.asynccontextmanager
async def _lockdown(address: Address, phone: Attached, deadline: float) -> AsyncIterator[Any]:
    """A conversation with lockdownd, with every connection that it needs besides."""
    from pymobiledevice3.pair_records import generate_host_id
    from pymobiledevice3.service_connection import ServiceConnection
    from pymobiledevice3.usbmux import PlistMuxConnection

    opened: list[Any] = []

    def dial() -> Bounded:
        return dialled(address, timeout_s=deadline - time.monotonic())

    async def to_port(port: int, context: Any = None) -> Any:
        with dial() as link:
            await _to_port(link, phone, port)
            service = await ServiceConnection.from_socket(_handed_on(link), ssl_context=context)
        service.max_frame_size = MOST_FRAME_BYTES
        opened.append(service)
        return service

    async def mux(method: str, *arguments: Any) -> Any:
        with dial() as link:
            return await getattr(PlistMuxConnection(link), method)(*arguments)

    try:
        yield _client_class()(
            await to_port(LOCKDOWN),
            host_id=generate_host_id(),
            system_buid=await mux("get_buid"),
            identifier=phone.udid,
            label="edgedevice",
            to_port=to_port,
            mux=mux,
            device_id=phone.device_id,
        )
    finally:
        for service in opened:
            await service.close()


def _handed_on(link: Bounded) -> Bounded:
    """The same connection for an owner who closes it."""
    return Bounded(fileno=link.detach())


@functools.cache
def _client_class() -> Any:
    """Made when it is needed, as the library is imported late."""
    from pymobiledevice3.exceptions import NotPairedError
    from pymobiledevice3.lockdown import LockdownClient

    class Client(LockdownClient):
        """lockdownd, over connections of ours; its record of a pairing is with usbmuxd alone."""

        def __init__(self, service: Any, *, to_port: Any, mux: Any, device_id: int, **known: Any) -> None:
            super().__init__(service, **known)
            self._to_port, self._mux, self._device_id = to_port, mux, device_id

        async def create_service_connection(
            self,
            port: int,
            ssl_context: Any = None,
            strip_ssl: bool = False,  # noqa: ARG002 - the library's own signature; for iOS before 14
        ) -> Any:
            return await self._to_port(port, ssl_context)

        async def fetch_pair_record(self) -> None:
            with contextlib.suppress(NotPairedError):
                self.pair_record = await self._mux("get_pair_record", self.identifier)

        async def save_pair_record(self) -> None:
            record = plistlib.dumps(self.pair_record or {})
            await self._mux("save_pair_record", self.identifier, self._device_id, record)

    return Client


async def _value(client: Any, domain: str, key: str | None = None) -> Any:
    """What it tells of a domain; None where it may not, or has none."""
    from pymobiledevice3.exceptions import LockdownError, PairingError

    try:
        return await client.get_value(domain=domain, key=key)
    except (LockdownError, PairingError):
        return None


async def _battery(client: Any) -> dict[str, Any]:
    """The kernel's entry of the battery; nothing while the phone is locked, or has no such service."""
    from pymobiledevice3.exceptions import LockdownError, PairingError, StartServiceError
    from pymobiledevice3.services.diagnostics import DiagnosticsService

    try:
        async with DiagnosticsService(client) as service:
            found = await service.get_battery()
    except (LockdownError, PairingError, StartServiceError):
        return {}
    return found if isinstance(found, dict) else {}
