"""Phones as ``open_device`` gives them: under the contract of devices, leased by hardware, found by spec and facts."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

import pytest_edgedevice
from pytest_edgedevice import open_device
from pytest_edgedevice.cli import main
from pytest_edgedevice.errors import DeviceNotFoundError, TransportError
from pytest_edgedevice.leases import Holder
from pytest_edgedevice.opening import Catalog
from pytest_edgedevice.spec import parse_expression
from pytest_edgedevice.testing.device import LeasingContract, until
from pytest_edgedevice.testing.failing import FailingContract
from pytest_edgedevice.testing.running import RunningContract
from pytest_edgedevice.testing.surroundings import DeviceSurroundings
from pytest_edgedevice.testing.watching import WatchingContract
from tests.contract.phone_devices import PhoneAgents, catalog, table, until_gone
from tests.peers.adb_daemon import FaultyPhone
from tests.phones import AdbServer, Phone, start_adb_server, start_phone

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_edgedevice.interfaces import DeviceLike
    from pytest_edgedevice.testing import OpenDevice

pytestmark = [pytest.mark.phone, pytest.mark.usefixtures("adb_surroundings")]
ADD = Path(__file__).parents[2] / "fixtures" / "tiny" / "add_float32.tflite"
ONES = {name: np.ones((2, 4), np.float32) for name in "ab"}


class _Phone(DeviceSurroundings):
    @pytest.fixture
    def models(self) -> Path:
        return ADD.parent

    @pytest.fixture
    def agents(self, server: AdbServer, pixel: Phone) -> PhoneAgents:
        return PhoneAgents(server, pixel)


class TestPhone(_Phone, LeasingContract):
    @pytest.fixture
    def open_device(self, pixel: Phone) -> OpenDevice:
        known = catalog(table("pixel", pixel))

        def opened(*, wait_s: float = 0.0) -> DeviceLike:
            return pytest_edgedevice.open_device("pixel", catalog=known, wait_s=wait_s)

        return opened


@pytest.fixture(scope="class")
def shared(adb_surroundings_of_class: None, pixel: Phone) -> Iterator[DeviceLike]:
    """A device for tests that neither close nor lose one."""
    with open_device("pixel", catalog=catalog(table("pixel", pixel))) as opened:
        yield opened


class TestPhoneModels(_Phone, RunningContract, WatchingContract, FailingContract):
    @pytest.fixture
    def device(self, shared: DeviceLike) -> DeviceLike:
        return shared


def test_a_model_runs_and_nothing_is_left_on_the_phone(pixel: Phone) -> None:
    with open_device("pixel", catalog=catalog(table("pixel", pixel, 'tags = ["camera"]'))) as device:
        assert (np.asarray(device.load(ADD).run(ONES).outputs["sum"]) == 2).all()
        assert device.identity == "android-PIXEL1"
        known = {"android", "camera", "sdk", "model", "soc", "abi", "build", "gpu", "arch", "cores", "memory_mb"}
        assert known <= set(device.facts)
    until_gone(pixel)


@pytest.mark.parametrize("spec", ["adb", "adb:ADDRESS", "android and sdk>=33", 'model=="Pixel 8" and gpu', "name==p8"])
def test_a_phone_is_found_by_link_kind_name_and_facts(pixel: Phone, spec: str) -> None:
    known = catalog(table("p8", pixel))
    with open_device(spec.replace("ADDRESS", pixel.address), catalog=known) as device:
        assert device.identity == "android-PIXEL1"
        assert device.name == (f"adb:{pixel.address}" if ":" in spec else "p8")


def test_an_address_that_the_server_does_not_know_is_connected_to(server: AdbServer, tmp_path: Path) -> None:
    with start_phone(tmp_path / "phone", serial="WIFI1") as phone:
        with open_device(f"adb:{phone.address}", catalog=Catalog()) as device:
            assert device.identity == "android-WIFI1"
        server.disconnect(phone)


@pytest.mark.parametrize("said_by", ["ADB_SERVER_SOCKET", "ANDROID_ADB_SERVER_ADDRESS"])
def test_the_adb_server_is_the_one_that_the_environment_names(
    server: AdbServer, pixel: Phone, monkeypatch: pytest.MonkeyPatch, said_by: str
) -> None:
    if said_by == "ADB_SERVER_SOCKET":
        monkeypatch.delenv("ANDROID_ADB_SERVER_PORT")
        monkeypatch.setenv(said_by, f"tcp:127.0.0.1:{server.port}")
    else:
        monkeypatch.setenv(said_by, "localhost")
    with open_device("pixel", catalog=catalog(table("pixel", pixel))) as device:
        assert device.identity == "android-PIXEL1"


def test_an_old_adb_server_serves_as_well(tmp_path: Path, pixel: Phone, monkeypatch: pytest.MonkeyPatch) -> None:
    with start_adb_server(tmp_path / "adb", program="debian") as old:
        old.connect(pixel)
        for name, value in old.variables.items():
            monkeypatch.setenv(name, value)
        with open_device("adb", catalog=catalog(table("pixel", pixel))) as device:
            assert (np.asarray(device.load(ADD).run(ONES).outputs["sum"]) == 2).all()
    until_gone(pixel)


def test_a_phone_cannot_be_shared(pixel: Phone) -> None:
    known = catalog(table("pixel", pixel))
    with open_device("pixel", catalog=known, shared=True) as device:
        assert device.shared is False


def test_a_pool_takes_the_phone_that_is_free(pixel: Phone, server: AdbServer, tmp_path: Path) -> None:
    with start_phone(tmp_path / "phone", serial="PIXEL2") as other:
        server.connect(other)
        known = catalog(table("one", pixel), table("two", other))
        with open_device("adb", catalog=known) as first, open_device("adb", catalog=known) as second:
            assert {first.name, second.name} == {"one", "two"}
        server.disconnect(other)


def test_a_pool_uses_the_good_phone_and_tells_the_others_where_none_fits(
    pixel: Phone, server: AdbServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with (
        ThreadPoolExecutor(1) as connecting,
        start_phone(tmp_path / "secure", serial="SECURE", secure=True) as secure,
        FaultyPhone(tmp_path / "faulty", state="offline") as offline,
    ):
        server.connect(secure, state="unauthorized")
        connecting.submit(server.adb, "connect", offline.address)  # which waits ten seconds for a better state
        until(lambda: server.states().get(offline.address) == "offline")
        known = catalog(table("pixel", pixel))
        with open_device("adb", catalog=known) as device:
            assert device.name == "pixel"
        with pytest.raises(TransportError, match="unauthorized") as refused:
            open_device(f"adb:{secure.address}", catalog=known)
        assert "accept the USB debugging dialog" in refused.value.hint
        assert main(["doctor", "--json"]) == 1
        found = [one for one in json.loads(capsys.readouterr().out)["findings"] if one["about"] == "phone"]
        told = {one["text"].split()[0]: (one["status"], one["hint"]) for one in found}
        assert told[f"adb:{pixel.address}"] == ("ok", "edgedevice doctor pixel")
        assert told[f"adb:{secure.address}"][0] == told[f"adb:{offline.address}"][0] == "wrong"
        assert "adb reconnect offline" in told[f"adb:{offline.address}"][1]
        server.disconnect(pixel)
        try:
            with pytest.raises(DeviceNotFoundError, match=f"adb sees: .*{secure.address} unauthorized") as none:
                open_device("adb", catalog=Catalog())
            assert f"{secure.address}: accept the USB debugging dialog" in none.value.hint
        finally:
            server.connect(pixel)
            server.disconnect(secure)
            server.adb("disconnect", offline.address)


def test_what_is_required_is_looked_up_in_the_phones_facts(pixel: Phone) -> None:
    with pytest.raises(DeviceNotFoundError, match="sdk=34"):
        open_device("pixel", catalog=catalog(table("pixel", pixel)), requires=[parse_expression("sdk>=99")])


def test_a_phone_that_lost_power_is_connected_to_again(pixel: Phone, server: AdbServer) -> None:
    with open_device("pixel", catalog=catalog(table("pixel", pixel))) as device:
        device.load(ADD)
        pixel.kill()
        pixel.start()
        device.reconnect(wait_s=60)
        assert (np.asarray(device.load(ADD).run(ONES).outputs["sum"]) == 2).all()
        assert device.recovered[0] == "lost and back"
        assert not any(text.startswith("taken over") for text in device.recovered)  # from ourselves
    until_gone(pixel)


def test_the_commands_know_a_phone_that_is_held(pixel: Phone, capsys: pytest.CaptureFixture[str]) -> None:
    known = catalog(table("pixel", pixel))
    with open_device("pixel", catalog=known, holder=Holder(user="ada", pid=7)):
        for name in ("pixel", f"adb:{pixel.address}"):
            assert main(["who", name]) == 0
            assert f"{name} is held by ada (pid 7)" in capsys.readouterr().out
        assert main(["doctor", "pixel"]) == 0
        assert "not tried: pixel is held by ada" in " ".join(capsys.readouterr().out.split())
    assert main(["list"]) == 0
    assert f"pixel adb:{pixel.address} free" in " ".join(capsys.readouterr().out.split())


def test_a_phone_that_is_used_through_another_host_is_not_disturbed_by_a_look_at_it(
    pixel: Phone, server: AdbServer, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    known = catalog(table("pixel", pixel))
    with open_device("pixel", catalog=known, holder=Holder(user="ada", pid=7, host="elsewhere")) as device:
        device.load(ADD)
        monkeypatch.setenv("EDGEDEVICE_LOCKS", str(tmp_path / "locks of another host"))
        agents = PhoneAgents(server, pixel).living()
        assert main(["doctor", "pixel"]) == 0
        assert "not tried: pixel is held by ada (pid 7 on elsewhere)" in " ".join(capsys.readouterr().out.split())
        assert PhoneAgents(server, pixel).living() == agents
    until_gone(pixel)
    assert main(["doctor", "pixel"]) == 0
    assert "the native runner starts there" in " ".join(capsys.readouterr().out.split())
    until_gone(pixel)


def test_a_device_with_next_to_no_tools_is_driven_too(
    server: AdbServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with start_phone(tmp_path / "bare", serial="BARE", tools="busybox") as bare:
        server.connect(bare)
        with open_device("bare", catalog=catalog(table("bare", bare))) as device:
            assert (np.asarray(device.load(ADD).run(ONES).outputs["sum"]) == 2).all()
        until_gone(bare)
        assert main(["doctor", "bare"]) == 0
        server.disconnect(bare)
    shown = " ".join(capsys.readouterr().out.split())
    assert "missing device lock it has no tool for locks" in shown
    assert "the native runner starts there" in shown


def test_doctor_looks_at_a_phone_and_tries_what_runs_models_there(
    pixel: Phone, capsys: pytest.CaptureFixture[str]
) -> None:
    catalog(table("pixel", pixel))
    assert main(["doctor", "pixel"]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    for text in ("is android-PIXEL1", "model=Pixel 8", "keeps a lock of its own", "the native runner starts there"):
        assert text in shown
    until_gone(pixel)
    assert main(["doctor", f"adb:{pixel.address}"]) == 1
    assert "needs the native agent" in " ".join(capsys.readouterr().out.split())
