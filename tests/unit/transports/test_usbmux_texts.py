"""usbmuxd's address, iPhones' numbers, and what phones tell, read by pure functions."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_edgedevice.errors import DeviceNotFoundError
from pytest_edgedevice.transports.usbmux import facts as phone_facts
from pytest_edgedevice.transports.usbmux import states
from pytest_edgedevice.transports.usbmux.address import shown, start_hint, usbmuxd_address
from pytest_edgedevice.transports.usbmux.attached import Attached, chosen, merged
from pytest_edgedevice.transports.usbmux.udid import identity, plain

NEWER = "00008130-001A2B3C4D5E001E"
OLDER = "a" * 39 + "F"
TOLD = {
    "ProductType": "iPhone16,2",
    "ProductVersion": "18.5",
    "BuildVersion": "22F76",
    "DeviceName": "Ada\u2019s iPhone",
    "DeviceClass": "iPhone",
    "UniqueDeviceID": NEWER,
}


@pytest.mark.parametrize(
    ("said", "address"),
    [
        ("lab:27015", ("lab", 27015)),
        ("[::1]:27015", ("::1", 27015)),
        ("/run/usbmuxd", "/run/usbmuxd"),
    ],
)
def test_the_environment_says_where_usbmuxd_is(said: str, address: object) -> None:
    found, by_environment = usbmuxd_address({"USBMUXD_SOCKET_ADDRESS": said})
    assert (found, by_environment, shown(found)) == (address, True, said)


@pytest.mark.parametrize("system", ["linux", "darwin"])
def test_usbmuxd_is_at_the_usual_socket(system: str) -> None:
    assert usbmuxd_address({}, system=system) == ("/var/run/usbmuxd", False)


def test_on_windows_apples_service_listens() -> None:
    assert usbmuxd_address({}, system="win32") == (("127.0.0.1", 27015), False)


@pytest.mark.parametrize("said", ["UNIX:/run/usbmuxd", "lab", ":1", "lab:0", "lab:65536", "lab:\u0661", "usbmuxd"])
def test_an_address_that_is_none_is_refused(said: str) -> None:
    with pytest.raises(ValueError, match="neither HOST:PORT nor an absolute path"):
        usbmuxd_address({"USBMUXD_SOCKET_ADDRESS": said})


@pytest.mark.parametrize(("system", "word"), [("linux", "apt"), ("darwin", "Mac"), ("win32", "Apple Devices")])
def test_each_system_starts_usbmuxd_in_its_own_way(system: str, word: str) -> None:
    assert word in start_hint(system)


@pytest.mark.parametrize("written", [NEWER, NEWER.lower(), NEWER.replace("-", ""), NEWER.lower().replace("-", "")])
def test_a_number_is_the_same_in_every_spelling(written: str) -> None:
    assert (plain(written), identity(written)) == (plain(NEWER), f"ios-{NEWER.lower()}")


def test_an_older_number_has_no_dash() -> None:
    assert identity(OLDER.upper()) == f"ios-{OLDER.lower()}"


def test_what_everybody_is_told_becomes_facts() -> None:
    assert phone_facts.facts(TOLD, udid=NEWER, link="USB") == {
        "ios": True,
        "os": "ios",
        "link": "USB",
        "manufacturer": "Apple",
        "udid": NEWER,
        "release": "18.5",
        "ios_version": 18.5,
        "build": "22F76",
        "model": "iPhone16,2",
        "device_class": "iPhone",
        "host": "Ada\u2019s iPhone",
        "iphone": True,
        "gpu": "Apple GPU",
        "npu": "Apple Neural Engine",
        "arch": "arm64",
    }


def test_a_pairing_is_told_more() -> None:
    told = {**TOLD, "CPUArchitecture": "arm64e", "HardwarePlatform": "t8130", "TotalDiskCapacity": 128 * 10**9}
    found = phone_facts.facts(told, udid=NEWER, link="network")
    assert [found[name] for name in ("abi", "arch", "soc", "storage_mb")] == ["arm64e", "arm64", "t8130", 128_000]


@pytest.mark.parametrize(
    ("product", "engine"),
    [("iPhone10,3", False), ("iPhone11,2", True), ("iPad7,11", False), ("iPad8,1", True), ("AppleTV14,1", False)],
)
def test_only_newer_phones_have_a_neural_engine_for_models(product: str, engine: bool) -> None:
    assert ("npu" in phone_facts.facts({"ProductType": product}, udid=NEWER, link="USB")) is engine


def test_what_is_neither_phone_nor_tablet_says_so() -> None:
    told = {**TOLD, "ProductType": "AppleTV14,1", "DeviceClass": "AppleTV"}
    assert "iphone" not in phone_facts.facts(told, udid=NEWER, link="USB")


@pytest.mark.parametrize(("release", "arch"), [("10.3.4", None), ("11.0", "arm64"), ("?", None)])
def test_the_architecture_follows_from_the_system(release: str, arch: str | None) -> None:
    assert phone_facts.facts({"ProductVersion": release}, udid=NEWER, link="USB").get("arch") == arch


@pytest.mark.parametrize(("release", "version"), [("18.5.1", 18.5), ("17", 17.0), ("beta", None), ("1e9", None)])
def test_the_version_can_be_compared(release: str, version: float | None) -> None:
    assert phone_facts.facts({"ProductVersion": release}, udid=NEWER, link="USB").get("ios_version") == version


def test_a_name_cannot_steer_the_terminal() -> None:
    found = phone_facts.facts({"DeviceName": "a\x1b[31m\n" + "b" * 9999}, udid=NEWER, link="USB")
    assert str(found["host"]).startswith("a [31m b")
    assert len(str(found["host"])) == phone_facts.MOST_TEXT


def test_the_battery_is_told_as_over_other_links() -> None:
    told = {
        "CurrentCapacity": 80,
        "MaxCapacity": 100,
        "Temperature": 2980,
        "Voltage": 4105,
        "AppleRawCurrentCapacity": 3360,
        "ExternalConnected": True,
        "IsCharging": False,
    }
    assert phone_facts.battery(told) == {
        "battery_percent": 80,
        "battery_c": 29.8,
        "battery_mv": 4105,
        "battery_charge_uah": 3_360_000,
        "charging": True,
    }


@pytest.mark.parametrize(
    "told",
    [
        {"CurrentCapacity": "80", "Temperature": math.nan, "Voltage": True, "IsCharging": 1},
        {"CurrentCapacity": 101, "MaxCapacity": 100, "Temperature": 10**9, "Voltage": 0},
        {"CurrentCapacity": [], "MaxCapacity": {}, "AppleRawCurrentCapacity": -1, "Temperature": 0},
    ],
)
def test_what_is_absurd_of_a_battery_is_not_told(told: dict[str, Any]) -> None:
    assert phone_facts.battery(told) == {}


@pytest.mark.parametrize(
    ("told", "free"),
    [({"AmountDataAvailable": 2e9}, {"space_free_mb": 2000}), ({"TotalDataAvailable": 10**9}, {"space_free_mb": 1000}),
     ({"AmountDataAvailable": "all"}, {})],
)  # fmt: skip
def test_free_storage_is_told(told: dict[str, Any], free: dict[str, Any]) -> None:
    assert phone_facts.storage(told) == free


PLIST = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(), inner, max_size=2),
    max_leaves=4,
)


@settings(max_examples=60)
@given(st.data())
def test_whatever_a_phone_tells_becomes_plain_facts(data: st.DataObject) -> None:
    names = [*phone_facts._TEXTS.values(), "TotalDiskCapacity", "CurrentCapacity", "MaxCapacity", "Temperature",
             "Voltage", "AppleRawCurrentCapacity", "IsCharging", "AmountDataAvailable"]  # fmt: skip
    told = data.draw(st.dictionaries(st.sampled_from(names), PLIST))
    found = phone_facts.facts(told, udid=NEWER, link="USB") | phone_facts.battery(told) | phone_facts.storage(told)
    assert all(type(value) in (str, int, float, bool) and str(value).isprintable() for value in found.values())


def test_one_that_is_reached_twice_is_one_over_usb() -> None:
    listed = [(NEWER, "Network", 1), (OLDER, "Network", 2), (NEWER.replace("-", ""), "USB", 3)]
    assert merged(listed) == [Attached(NEWER.replace("-", ""), "USB", 3), Attached(OLDER, "network", 2)]


@pytest.mark.parametrize(
    "entry", [(7, "USB", 1), ("", "USB", 1), ("x" * 101, "USB", 1), ("a\x1b", "USB", 1), ("a b", "USB", 1),
              ("caf\u00e9", "USB", 1), (NEWER, "USB", "1"), ("--help", "USB", 1), ("../x", "USB", 1), ("<b>", "USB", 1)]
)  # fmt: skip
def test_what_is_no_phone_is_left_out(entry: tuple[object, object, object]) -> None:
    assert merged([entry]) == []


ONE, TWO = Attached(NEWER, "USB", 1), Attached(OLDER, "network", 2)


def test_the_only_one_need_not_be_named() -> None:
    assert chosen([ONE], "", where="here") is ONE


def test_one_is_named_in_any_spelling() -> None:
    assert chosen([TWO, ONE], NEWER.lower().replace("-", ""), where="here") is ONE


@pytest.mark.parametrize(
    ("phones", "udid", "text"),
    [
        ([], "", "no iPhone is attached. usbmuxd at here sees: nothing"),
        ([ONE], OLDER, f"no iPhone '{OLDER}' is attached. usbmuxd at here sees: {NEWER} (USB)"),
        ([ONE, TWO], "", f"2 iPhones are attached and none was named. usbmuxd at here sees: {NEWER} (USB), {OLDER} ("),
    ],
)
def test_which_is_meant_must_be_clear(phones: list[Attached], udid: str, text: str) -> None:
    with pytest.raises(DeviceNotFoundError) as raised:
        chosen(phones, udid, where="here")
    assert raised.value.message.startswith(text)


def test_many_phones_fit_on_a_line() -> None:
    assert states.listed([str(number) for number in range(10)]) == "0, 1, 2, 3, 4, 5, 6, 7, and 2 more"
