"""Phones and what they hang on, for the tests that drive one as a device: Android's, and a simulated iPhone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.contract.ios_devices import FOREIGN_TO_IOS, PORT, UDID
from tests.peers.iphone import App, SimulatedPhones
from tests.peers.iphone import Phone as Iphone
from tests.phones import AdbServer, Phone, start_adb_server, start_phone

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

FOREIGN = (
    *("ADB_SERVER_SOCKET", "ANDROID_ADB_SERVER_ADDRESS", "ANDROID_ADB_SERVER_HOST", "ANDROID_SERIAL"),
    *("EDGEDEVICE_CONFIG", "EDGEDEVICE_RUNTIME"),
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AdbServer]:
    """An adb server of the module's own."""
    with start_adb_server(tmp_path_factory.mktemp("adb")) as started:
        yield started


@pytest.fixture(scope="module")
def pixel(server: AdbServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Phone]:
    """A phone that it is connected to."""
    with start_phone(tmp_path_factory.mktemp("pixel"), serial="PIXEL1") as phone:
        server.connect(phone)
        yield phone


@pytest.fixture
def adb_surroundings(server: AdbServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder and locks of a test's own, and an environment that leads to the adb server."""
    lead_to(server.variables, tmp_path, monkeypatch, instead_of=FOREIGN)


@pytest.fixture(scope="class")
def adb_surroundings_of_class(server: AdbServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The same for a device that several tests share."""
    with pytest.MonkeyPatch.context() as patch:
        lead_to(server.variables, tmp_path_factory.mktemp("class"), patch, instead_of=FOREIGN)
        yield


def lead_to(
    variables: Mapping[str, str], folder: Path, patch: pytest.MonkeyPatch, *, instead_of: Iterable[str]
) -> None:
    """Stand in a folder that has the locks too, with these variables of the environment instead of those."""
    patch.chdir(folder)
    patch.setenv("EDGEDEVICE_LOCKS", str(folder / "locks"))
    for name in instead_of:
        patch.delenv(name, raising=False)
    for name, value in variables.items():
        patch.setenv(name, value)


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    """An app of the module's own that is open on the iPhone."""
    with App(tmp_path_factory.mktemp("app")) as opened:
        yield opened


@pytest.fixture(scope="module")
def bus() -> Iterator[SimulatedPhones]:
    """A usbmuxd of the module's own."""
    with SimulatedPhones() as started:
        yield started


@pytest.fixture(scope="module")
def iphone(bus: SimulatedPhones, app: App) -> Iphone:
    """The only phone that it sees."""
    return bus.attach(udid=UDID, ports={PORT: app.address})


@pytest.fixture
def ios_surroundings(iphone: Iphone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder and locks of a test's own, and an environment that leads to the iPhone."""
    lead_to(bus_of(iphone), tmp_path, monkeypatch, instead_of=FOREIGN_TO_IOS)


@pytest.fixture(scope="class")
def ios_surroundings_of_class(iphone: Iphone, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The same for a device that several tests share."""
    with pytest.MonkeyPatch.context() as patch:
        lead_to(bus_of(iphone), tmp_path_factory.mktemp("class"), patch, instead_of=FOREIGN_TO_IOS)
        yield


def bus_of(iphone: Iphone) -> Mapping[str, str]:
    """What leads to it."""
    return {"USBMUXD_SOCKET_ADDRESS": iphone.bus.address}
