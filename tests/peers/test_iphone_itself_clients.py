"""The simulated iPhone as programs see it that others wrote for real ones: libimobiledevice's tools and go-ios."""

from __future__ import annotations

import json
import os
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from tests.peers.iphone import SimulatedPhones
from tests.peers.iphone.clients import PROGRAM

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [
    pytest.mark.iphone,
    # both give the certificates of a pairing the number 0
    pytest.mark.filterwarnings("ignore:Parsed a serial number which wasn't positive"),
]
PATIENCE_S = 60


@pytest.fixture(scope="module")
def bus() -> Iterator[SimulatedPhones]:
    with SimulatedPhones() as one:
        yield one


@pytest.fixture(autouse=True)
def _no_phones_of_other_tests(bus: SimulatedPhones) -> Iterator[None]:
    yield
    for _, phone, _ in bus.numbered():
        phone.detach()


def run(address: str, *command: str) -> subprocess.CompletedProcess[str]:
    """What a program says that finds usbmuxd there."""
    # go-ios looks for an agent of its own, and says on standard error that there is none
    environment = {**os.environ, "USBMUXD_SOCKET_ADDRESS": address, "LC_ALL": "C.UTF-8"}
    return subprocess.run(command, env=environment, capture_output=True, check=False, text=True, timeout=PATIENCE_S)


def libimobiledevice(bus: SimulatedPhones, *command: str) -> str:
    done = run(f"UNIX:{bus.path}", *command)
    return done.stdout or done.stderr


def go_ios(bus: SimulatedPhones, *arguments: str) -> Any:
    done = run(bus.address, str(PROGRAM), *arguments)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def values(text: str) -> dict[str, str]:
    """The lines of ideviceinfo."""
    return dict(line.split(": ", 1) for line in text.splitlines() if not line.startswith(" "))


def test_idevice_id_lists_the_phones_on_cables(bus: SimulatedPhones) -> None:
    phones = [bus.attach(paired=False) for _ in range(2)]
    bus.attach(paired=False, connections=("Network",))
    assert libimobiledevice(bus, "idevice_id", "-l").split() == [phone.udid for phone in phones]


def test_idevice_id_lists_the_phones_on_the_network(bus: SimulatedPhones) -> None:
    bus.attach(paired=False)
    phone = bus.attach(paired=False, connections=("Network",))
    assert libimobiledevice(bus, "idevice_id", "-n").split() == [phone.udid]


def test_ideviceinfo_reads_what_is_public(bus: SimulatedPhones) -> None:
    phone = bus.attach(paired=False)
    told = values(libimobiledevice(bus, "ideviceinfo", "-s"))
    assert told["UniqueDeviceID"] == phone.udid
    assert "SerialNumber" not in told


def test_ideviceinfo_has_a_session(bus: SimulatedPhones) -> None:
    phone = bus.attach()
    assert values(libimobiledevice(bus, "ideviceinfo"))["SerialNumber"] == phone.private["SerialNumber"]


def test_ideviceinfo_reads_the_battery(bus: SimulatedPhones) -> None:
    bus.attach(battery=37)
    told = values(libimobiledevice(bus, "ideviceinfo", "-q", "com.apple.mobile.battery"))
    assert told["BatteryCurrentCapacity"] == "37"


def test_idevicepair_pairs_validates_and_unpairs(bus: SimulatedPhones) -> None:
    phone = bus.attach(paired=False)
    said = [libimobiledevice(bus, "idevicepair", what).split(":")[0] for what in ("pair", "validate", "unpair")]
    assert said == ["SUCCESS"] * 3
    assert not phone.trusted


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ({"pairing": "pending"}, "accept the trust dialog"),
        ({"pairing": "deny"}, "user denied the trust dialog"),
        ({"locked": True}, "a passcode is set"),
    ],
)
def test_idevicepair_is_told_why_it_cannot_pair(bus: SimulatedPhones, state: dict[str, Any], words: str) -> None:
    phone = bus.attach(paired=False, **state)
    assert words in libimobiledevice(bus, "idevicepair", "-u", phone.udid, "pair")


def test_go_ios_lists_the_phones(bus: SimulatedPhones) -> None:
    phones = [bus.attach(paired=False) for _ in range(2)]
    assert go_ios(bus, "list") == {"deviceList": [phone.udid for phone in phones]}


def test_go_ios_has_a_session(bus: SimulatedPhones) -> None:
    phone = bus.attach()
    assert go_ios(bus, "info", f"--udid={phone.udid}")["SerialNumber"] == phone.private["SerialNumber"]


def test_go_ios_reads_the_battery_from_the_kernels_registry(bus: SimulatedPhones) -> None:
    phone = bus.attach(battery=37)
    assert go_ios(bus, "batteryregistry", f"--udid={phone.udid}")["CurrentCapacity"] == 37


def test_go_ios_asks_the_image_mounter_for_developer_mode(bus: SimulatedPhones) -> None:
    phone = bus.attach()
    assert go_ios(bus, "devmode", "get", f"--udid={phone.udid}") == {"DeveloperModeEnabled": True}


def test_go_ios_pairs(bus: SimulatedPhones) -> None:
    phone = bus.attach(paired=False)
    done = run(bus.address, str(PROGRAM), "pair", f"--udid={phone.udid}")
    assert done.returncode == 0, done.stderr
    assert phone.trusted
