"""Phones and what they hang on, for the tests that drive one as a device: Android's, and a simulated iPhone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.contract.ios_devices import FOREIGN_TO_IOS, PORT, UDID
from tests.peers.iphone import App, SimulatedPhones
from tests.peers.iphone import Phone as Iphone
from tests.phones import AdbServer, Phone, start_adb_server, start_phone

if TYPE_CHECKING:
    from collections.abc import Iterator
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
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EDGEDEVICE_LOCKS", str(tmp_path / "locks"))
    for name in FOREIGN:
        monkeypatch.delenv(name, raising=False)
    for name, value in server.variables.items():
        monkeypatch.setenv(name, value)


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
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EDGEDEVICE_LOCKS", str(tmp_path / "locks"))
    for name in FOREIGN_TO_IOS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("USBMUXD_SOCKET_ADDRESS", iphone.bus.address)
