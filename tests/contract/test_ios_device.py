"""A simulated iPhone as ``open_device`` gives it: under the contract of devices, found by spec and facts."""

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
from pytest_edgedevice.errors import DeviceLostError, DeviceNotFoundError
from pytest_edgedevice.leases import Holder
from pytest_edgedevice.opening import Catalog
from pytest_edgedevice.spec import parse_expression
from pytest_edgedevice.testing.device import LeasingContract
from pytest_edgedevice.testing.failing import FailingContract
from pytest_edgedevice.testing.running import RunningContract
from pytest_edgedevice.testing.surroundings import DeviceSurroundings
from pytest_edgedevice.testing.watching import WatchingContract
from tests.contract.ios_devices import IDENTITY, PORT, UDID, AppAgents, catalog, table, until_left

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_edgedevice.interfaces import DeviceLike
    from pytest_edgedevice.testing import OpenDevice
    from tests.peers.iphone import App, Phone, SimulatedPhones

pytestmark = pytest.mark.usefixtures("ios_surroundings")
TINY = Path(__file__).parents[2] / "fixtures" / "tiny"
ADD = TINY / "add_float32.tflite"
ONES = {name: np.ones((2, 4), np.float32) for name in "ab"}
OTHER = "00008110-000A0B0C0D0E0F01"


class _Iphone(DeviceSurroundings):
    @pytest.fixture
    def models(self) -> Path:
        return TINY

    @pytest.fixture
    def agents(self, app: App, iphone: Phone) -> AppAgents:
        return AppAgents(app, iphone)

    @pytest.fixture
    def death(self) -> str:
        """Nobody here learns by which signal the system has ended an app."""
        return "the system ended it"


class TestIphone(_Iphone, LeasingContract):
    @pytest.fixture
    def open_device(self) -> OpenDevice:
        def opened(*, wait_s: float = 0.0) -> DeviceLike:
            return pytest_edgedevice.open_device(f"ios:{UDID}", wait_s=wait_s)

        return opened


@pytest.fixture(scope="class")
def shared(ios_surroundings_of_class: None) -> Iterator[DeviceLike]:
    """A device for tests that neither close nor lose one."""
    with open_device(f"ios:{UDID}") as opened:
        yield opened


class TestIphoneModels(_Iphone, RunningContract, WatchingContract, FailingContract):
    @pytest.fixture
    def device(self, shared: DeviceLike) -> DeviceLike:
        return shared


def test_a_model_runs_and_nothing_is_left_in_the_app(app: App) -> None:
    with open_device("p15", catalog=catalog(table("p15", 'tags = ["camera"]'))) as device:
        assert (np.asarray(device.load(ADD).run(ONES).outputs["sum"]) == 2).all()
        assert (device.identity, device.name) == (IDENTITY, "p15")
        known = {"ios", "iphone", "camera", "model", "release", "build", "gpu", "npu", "arch", "paired", "udid"}
        assert known <= set(device.facts)
    until_left(app)


@pytest.mark.parametrize(
    "spec",
    [
        "ios",
        f"ios:{UDID}",
        f"ios:{UDID.lower().replace('-', '')}",
        "iphone and npu",
        'model=="iPhone16,2"',
        "name==p15",
    ],
)
def test_a_phone_is_found_by_number_kind_name_and_facts(spec: str) -> None:
    with open_device(spec, catalog=catalog(table("p15"))) as device:
        assert device.identity == IDENTITY
        assert device.name == (f"ios:{UDID}" if ":" in spec else "p15")


def test_an_app_may_listen_on_another_port(iphone: Phone, app: App) -> None:
    iphone.ports[18000] = iphone.ports.pop(PORT)
    try:
        with open_device("p15", catalog=catalog(table("p15", "port = 18000"))) as device:
            assert (np.asarray(device.load(ADD).run(ONES).outputs["sum"]) == 2).all()
    finally:
        iphone.ports[PORT] = iphone.ports.pop(18000)


def test_a_model_can_be_pushed_to_an_app() -> None:
    with open_device(f"ios:{UDID}", catalog=Catalog()) as device:
        pushed = device.push(ADD)
        assert (pushed.size_bytes, pushed.sent_bytes) == (ADD.stat().st_size, ADD.stat().st_size)


def test_a_phone_cannot_be_shared() -> None:
    with open_device(f"ios:{UDID}", catalog=Catalog(), shared=True) as device:
        assert device.shared is False


def test_a_measurement_tells_battery_heat_and_the_apps_state(app: App) -> None:
    app.tell(thermal_state="fair", low_power_mode=True)
    try:
        with open_device(f"ios:{UDID}", catalog=Catalog()) as device, device.load(ADD) as model:
            timing = model.measure(ONES, max_runs=20)
    finally:
        app.tell()
    assert timing.conditions["after"]["battery_percent"] == 80
    assert timing.conditions["after"]["app_state"] == "active"
    assert timing.conditions["after"]["low_power_mode"] is True


def test_a_pool_takes_the_phone_that_is_free(bus: SimulatedPhones, app: App) -> None:
    other = bus.attach(udid=OTHER, ports={PORT: app.address})
    try:
        with open_device("ios", catalog=Catalog()) as first, open_device("ios", catalog=Catalog()) as second:
            assert {first.name, second.name} == {f"ios:{UDID}", f"ios:{OTHER}"}
    finally:
        other.detach()


def test_a_phone_that_is_reached_in_two_ways_is_one(bus: SimulatedPhones, app: App) -> None:
    both = bus.attach(udid=OTHER, ports={PORT: app.address}, connections=("Network", "USB"))
    try:
        known = Catalog()
        assert [one.name for one in known.candidates(known.parse("ios"))] == [f"ios:{UDID}", f"ios:{OTHER}"]
        with open_device(f"ios:{OTHER}", catalog=known) as device:
            assert device.facts["link"] == "USB"
    finally:
        both.detach()


def test_what_is_required_is_looked_up_in_the_phones_facts() -> None:
    with pytest.raises(DeviceNotFoundError, match="model=iPhone16,2"):
        open_device("p15", catalog=catalog(table("p15")), requires=[parse_expression('model=="iPhone1,1"')])


def test_a_phone_that_is_plugged_in_again_is_connected_to_again(iphone: Phone, app: App) -> None:
    with open_device(f"ios:{UDID}", catalog=Catalog()) as device:
        model = device.load(ADD)
        iphone.detach()
        with pytest.raises(DeviceLostError, match="unplugged"):
            model.run(ONES)
        with ThreadPoolExecutor(1) as waiting:
            connected = waiting.submit(device.reconnect, wait_s=60)
            iphone.attach_again()
            connected.result(60)
        assert (np.asarray(device.load(ADD).run(ONES).outputs["sum"]) == 2).all()
        assert device.recovered[0] == "lost and back"
    until_left(app)


def test_a_phone_that_is_away_is_waited_for_and_then_lost(iphone: Phone) -> None:
    with open_device(f"ios:{UDID}", catalog=Catalog()) as device:
        iphone.detach()
        try:
            with pytest.raises(DeviceLostError, match=r"did not come back within 0\.2 s: no iPhone .* is attached"):
                device.reconnect(wait_s=0.2)
        finally:
            iphone.attach_again()


def test_the_commands_know_a_phone_that_is_held(capsys: pytest.CaptureFixture[str]) -> None:
    known = catalog(table("p15"))
    with open_device("p15", catalog=known, holder=Holder(user="ada", pid=7)):
        for name in ("p15", f"ios:{UDID}"):
            assert main(["who", name]) == 0
            assert f"{name} is held by ada (pid 7)" in capsys.readouterr().out
        assert main(["doctor", "p15"]) == 0
        assert "not tried: p15 is held by ada" in " ".join(capsys.readouterr().out.split())
    assert main(["list", "--json"]) == 0
    assert "p15" in json.dumps(json.loads(capsys.readouterr().out))
