"""The simulated iPhone as pymobiledevice3 sees it; nothing of the product is involved."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from tests.peers.iphone import SimulatedPhones

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator
    from pathlib import Path

    from pymobiledevice3.lockdown import UsbmuxLockdownClient

PATIENCE_S = 30.0


@pytest.fixture(scope="module")
def lasting_bus() -> Iterator[SimulatedPhones]:
    with SimulatedPhones() as bus:
        yield bus


@pytest.fixture
def bus(lasting_bus: SimulatedPhones, monkeypatch: pytest.MonkeyPatch) -> Iterator[SimulatedPhones]:
    """The module's usbmuxd, without phones and faults of other tests; pymobiledevice3 finds it."""
    monkeypatch.setenv("USBMUXD_SOCKET_ADDRESS", lasting_bus.address)
    yield lasting_bus
    for _, phone, _ in lasting_bus.numbered():
        phone.detach()
    lasting_bus.faults.clear()


@pytest.fixture
def asked(tmp_path: Path) -> Callable[[Callable[[UsbmuxLockdownClient], Awaitable[Any]]], Any]:
    """Opens pymobiledevice3's client of lockdownd, and gives it to a function."""
    from pymobiledevice3 import lockdown

    def ask(what: Callable[[UsbmuxLockdownClient], Awaitable[Any]]) -> Any:
        async def run() -> Any:
            opened = lockdown.create_using_usbmux(autopair=False, pairing_records_cache_folder=tmp_path)
            async with asyncio.timeout(PATIENCE_S), await opened as client:
                return await what(client)

        return asyncio.run(run())

    return ask


@pytest.mark.parametrize("count", [0, 1, 2])
def test_pymobiledevice3_lists_the_phones(bus: SimulatedPhones, count: int) -> None:
    from pymobiledevice3 import usbmux

    phones = [bus.attach() for _ in range(count)]
    assert [one.serial for one in asyncio.run(usbmux.list_devices())] == [phone.udid for phone in phones]


def test_pymobiledevice3_sees_each_connection_of_a_phone(bus: SimulatedPhones) -> None:
    from pymobiledevice3 import usbmux

    bus.attach(connections=("USB", "Network"))
    assert [one.connection_type for one in asyncio.run(usbmux.list_devices())] == ["USB", "Network"]


def test_pymobiledevice3_has_a_session_with_a_phone_that_is_paired(bus: SimulatedPhones, asked: Any) -> None:
    async def ask(client: UsbmuxLockdownClient) -> tuple[object, ...]:
        return client.paired, client.product_version, await client.get_value(key="SerialNumber")

    phone = bus.attach(version="17.4")
    assert asked(ask) == (True, "17.4", phone.private["SerialNumber"])


def test_pymobiledevice3_reads_the_battery(bus: SimulatedPhones, asked: Any) -> None:
    from pymobiledevice3.services.diagnostics import DiagnosticsService

    async def ask(client: UsbmuxLockdownClient) -> Any:
        async with DiagnosticsService(client) as service:
            return await service.get_battery()

    bus.attach(battery=37)
    assert asked(ask)["CurrentCapacity"] == 37


@pytest.mark.parametrize("on", [True, False])
def test_pymobiledevice3_reads_whether_developer_mode_is_on(bus: SimulatedPhones, asked: Any, on: bool) -> None:
    bus.attach(developer_mode=on)
    assert asked(lambda client: client.get_developer_mode_status()) is on


def test_a_phone_before_developer_mode_knows_nothing_of_it(bus: SimulatedPhones, asked: Any) -> None:
    from pymobiledevice3.exceptions import MissingValueError

    bus.attach(version="15.8.3")
    with pytest.raises(MissingValueError):
        asked(lambda client: client.get_value("com.apple.security.mac.amfi", "DeveloperModeStatus"))


def test_pymobiledevice3_finds_the_pairing_of_a_phone_whose_number_has_no_dash(
    bus: SimulatedPhones, asked: Any
) -> None:
    async def ask(client: UsbmuxLockdownClient) -> tuple[object, ...]:
        return client.paired, client.identifier, client.udid

    bus.attach(udid="00008130-001A2B3C4D5E6F70", serial="00008130001A2B3C4D5E6F70")
    assert asked(ask) == (True, "00008130001A2B3C4D5E6F70", "00008130-001A2B3C4D5E6F70")


def test_a_phone_that_is_not_paired_tells_pymobiledevice3_only_what_is_public(bus: SimulatedPhones, asked: Any) -> None:
    from pymobiledevice3.exceptions import GetProhibitedError

    async def ask(client: UsbmuxLockdownClient) -> tuple[object, ...]:
        with pytest.raises(GetProhibitedError):
            await client.get_value("com.apple.mobile.battery")
        return client.paired, client.product_type, client.all_values.get("SerialNumber")

    bus.attach(paired=False)
    assert asked(ask) == (False, "iPhone16,2", None)


def test_pymobiledevice3_pairs_and_usbmuxd_keeps_the_record(bus: SimulatedPhones, asked: Any) -> None:
    async def pair(client: UsbmuxLockdownClient) -> bool:
        await client.pair(timeout=0)
        return await client.validate_pairing()

    phone = bus.attach(paired=False)
    assert asked(pair)
    assert phone.udid in bus.pair_records


@pytest.mark.parametrize(
    ("state", "error"),
    [
        ({"pairing": "pending"}, "PairingDialogResponsePendingError"),
        ({"pairing": "deny"}, "UserDeniedPairingError"),
        ({"locked": True}, "PasswordRequiredError"),
    ],
)
def test_pymobiledevice3_is_told_why_it_cannot_pair(
    bus: SimulatedPhones, asked: Any, state: dict[str, Any], error: str
) -> None:
    from pymobiledevice3 import exceptions

    bus.attach(paired=False, **state)
    with pytest.raises(getattr(exceptions, error)):
        asked(lambda client: client.pair(timeout=0))


def test_a_phone_that_forgot_its_pairings_has_no_session_with_pymobiledevice3(bus: SimulatedPhones, asked: Any) -> None:
    async def ask(client: UsbmuxLockdownClient) -> bool:
        return client.paired

    bus.attach().unpair()
    assert asked(ask) is False


def test_a_locked_phone_starts_no_service_for_pymobiledevice3(bus: SimulatedPhones, asked: Any) -> None:
    from pymobiledevice3.exceptions import PasswordRequiredError

    bus.attach().lock()
    with pytest.raises(PasswordRequiredError):
        asked(lambda client: client.start_lockdown_service("com.apple.mobile.diagnostics_relay"))


def test_another_computers_keys_open_no_session(bus: SimulatedPhones, asked: Any) -> None:
    """Whoever knows the number of a computer does not have its key."""
    from pymobiledevice3.exceptions import ConnectionTerminatedError

    phone = bus.attach()
    assert phone.record is not None
    another = phone.record["DeviceCertificate"]
    others = {**phone.record, "HostCertificate": another, "RootCertificate": another}
    phone.trusted = {phone.record["HostID"]: others}
    with pytest.raises(ConnectionTerminatedError):
        asked(lambda client: client.get_value())


def test_pymobiledevice3_is_refused_where_nothing_listens(bus: SimulatedPhones) -> None:
    from pymobiledevice3 import usbmux
    from pymobiledevice3.exceptions import ConnectionFailedError

    async def connect() -> None:
        await (await usbmux.list_devices())[0].connect(17341)

    bus.attach()
    with pytest.raises(ConnectionFailedError):
        asyncio.run(connect())
