"""usbmuxd and phones that answer wrongly, much, late or not at all: an error of ours in time, and nothing left open."""

from __future__ import annotations

import gc
import warnings
from typing import TYPE_CHECKING

import pytest

from pytest_edgedevice.errors import DeadlineError, InfraError, TransportError
from pytest_edgedevice.transports.usbmux import transport
from pytest_edgedevice.transports.usbmux.transport import UsbmuxTransport, list_devices
from tests.peers.iphone import SimulatedPhones, disorder

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.peers.iphone import Phone

SHORT_S = 0.4
PATIENCE_S = 30.0
LATE = ["silent", "trickle"]
WRONG = ["closed", "garbage", "flood", "half", "bomb", "deep", "no_dictionary", "no_plist"]


@pytest.fixture(scope="module")
def lasting_bus() -> Iterator[SimulatedPhones]:
    with SimulatedPhones() as bus:
        bus.attach()
        yield bus


@pytest.fixture
def bus(lasting_bus: SimulatedPhones, monkeypatch: pytest.MonkeyPatch) -> Iterator[SimulatedPhones]:
    """A usbmuxd that is sound until a test makes it not so; whatever is left open at a test's end is an error."""
    monkeypatch.setenv("USBMUXD_SOCKET_ADDRESS", lasting_bus.address)
    yield lasting_bus
    lasting_bus.faults.clear()
    for _, phone, _ in lasting_bus.numbered():
        phone.faults.clear()
    with warnings.catch_warnings():
        warnings.simplefilter("error", ResourceWarning)
        gc.collect()


@pytest.fixture
def phone(bus: SimulatedPhones) -> Phone:
    ((_, one, _),) = bus.numbered()
    return one


@pytest.mark.parametrize("fault", [*LATE, "huge_length"])
def test_a_usbmuxd_that_never_answers_is_left_in_time(bus: SimulatedPhones, fault: str) -> None:
    bus.faults["ListDevices"] = getattr(disorder, fault)
    with pytest.raises(DeadlineError, match=r"usbmuxd at .* was asked for its devices and did not answer within"):
        list_devices(timeout_s=SHORT_S)


@pytest.mark.parametrize("fault", [*WRONG, "tiny_length"])
def test_a_usbmuxd_that_makes_no_sense_is_told(bus: SimulatedPhones, fault: str) -> None:
    bus.faults["ListDevices"] = getattr(disorder, fault)
    with pytest.raises(InfraError) as raised:
        list_devices(timeout_s=PATIENCE_S)
    assert "gives no answer that makes sense: " in raised.value.message
    assert raised.value.message.isprintable()


@pytest.mark.parametrize("answer", [{}, {"DeviceList": 7}, {"DeviceList": [7]}, {"DeviceList": [{}]}])
def test_a_list_that_is_none_is_told(bus: SimulatedPhones, answer: object) -> None:
    bus.faults["ListDevices"] = disorder.answers(answer)
    with pytest.raises(TransportError, match="gives no answer that makes sense"):
        list_devices(timeout_s=PATIENCE_S)


@pytest.mark.parametrize("fault", [*LATE, "huge_length"])
def test_a_connection_that_is_never_answered_is_given_up(bus: SimulatedPhones, phone: Phone, fault: str) -> None:
    with UsbmuxTransport(phone.udid) as link:
        bus.faults["Connect"] = getattr(disorder, fault)
        with pytest.raises(DeadlineError, match="was asked for port 9 and did not answer within"):
            link.open_port(9, timeout_s=SHORT_S)


@pytest.mark.parametrize("fault", [*WRONG, "tiny_length"])
def test_a_connection_that_makes_no_sense_is_told(bus: SimulatedPhones, phone: Phone, fault: str) -> None:
    with UsbmuxTransport(phone.udid) as link:
        bus.faults["Connect"] = getattr(disorder, fault)
        with pytest.raises(InfraError) as raised:
            link.open_port(9, timeout_s=PATIENCE_S)
    assert raised.value.message.isprintable()


@pytest.mark.parametrize("request_name", ["GetValue", "StartSession", "IORegistry"])
@pytest.mark.parametrize("fault", [*LATE, "tiny_length"])
def test_a_phone_that_never_answers_is_left_in_time(
    phone: Phone, request_name: str, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with UsbmuxTransport(phone.udid) as link:
        phone.faults[request_name] = getattr(disorder, fault)
        monkeypatch.setattr(transport, "CONDITIONS_S", SHORT_S)
        with pytest.raises(DeadlineError, match="was asked for its facts and did not answer within"):
            link.conditions()


@pytest.mark.parametrize("request_name", ["GetValue", "StartSession", "StartService", "IORegistry"])
@pytest.mark.parametrize("fault", [*WRONG, "huge_length"])
def test_a_phone_that_makes_no_sense_is_told(phone: Phone, request_name: str, fault: str) -> None:
    with UsbmuxTransport(phone.udid) as link:
        phone.faults[request_name] = getattr(disorder, fault)
        with pytest.raises(InfraError) as raised:
            link.conditions()
    assert raised.value.message.isprintable()
    assert len(raised.value.message) < 500
    assert "Please report" not in raised.value.message


@pytest.mark.parametrize(
    "value", [7, [], {"ProductVersion": "one\u202e"}, {"ProductVersion": 7}, {"UniqueDeviceID": {}, "DeviceClass": []}]
)
def test_values_that_are_none_do_no_harm(phone: Phone, value: object) -> None:
    phone.faults["GetValue"] = disorder.answers({"Request": "GetValue", "Value": value})
    with UsbmuxTransport(phone.udid) as link, pytest.raises(InfraError) as raised:
        link.conditions()
    assert raised.value.message.isprintable()
