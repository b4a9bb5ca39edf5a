"""What phones and the adb server say, read: lists of devices, dumps of services, properties, logs."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_edgedevice.errors import DeviceLostError, DeviceNotFoundError, TransportError
from pytest_edgedevice.transports.adb import aftermath as adb_aftermath
from pytest_edgedevice.transports.adb import conditions as adb_conditions
from pytest_edgedevice.transports.adb import dumpsys as adb_dumpsys
from pytest_edgedevice.transports.adb import facts as adb_facts
from pytest_edgedevice.transports.adb import guard as adb_guard
from pytest_edgedevice.transports.adb import states as adb_states
from pytest_edgedevice.transports.adb.states import AdbDevice

LISTED = """R58M1                  device usb:1-4 product:shiba model:Pixel_8 device:shiba transport_id:3
127.0.0.1:16555        offline transport_id:4
R5CT                   unauthorized usb:3-2 transport_id:5
0A                     no permissions (are your udev rules wrong?); see [http://d.android.com/x.html] usb:1-1
(no serial number)     recovery
adb-X1 (2)._adb-tls-connect._tcp device product:a model:b device:c transport_id:9
strange                quantum
\tgarbage
"""
LOG = """--------- beginning of main
     1700000000.100  42    42 I agent   : ours
     1700000000.200  43    43 I bank    : secret
     1699999000.000  42    42 I other   : the same number, long ago
--------- beginning of crash
     1700000000.300  99    99 F DEBUG   : *** *** ***
     1700000000.301  99    99 F DEBUG   : pid: 42, tid: 45, name: agent
     1700000000.400  98    98 F DEBUG   : pid: 43, tid: 43, name: bank
not a line
"""


def test_devices_are_listed_in_every_state() -> None:
    found = adb_states.parsed(LISTED)
    assert [(one.serial, one.state) for one in found] == [
        ("R58M1", "device"),
        ("127.0.0.1:16555", "offline"),
        ("R5CT", "unauthorized"),
        ("0A", "no permissions"),
        ("(no serial number)", "recovery"),
        ("adb-X1 (2)._adb-tls-connect._tcp", "device"),
        ("strange", "quantum"),
    ]
    assert dict(found[0].properties) == {
        "usb": "1-4",
        "product": "shiba",
        "model": "Pixel_8",
        "device": "shiba",
        "transport_id": "3",
    }
    assert str(found[0]) == "R58M1 device (Pixel 8)"
    assert found[3].said.startswith("no permissions (are your udev rules")


@given(st.text())
def test_no_list_of_devices_breaks_the_reader(text: str) -> None:
    for device in adb_states.parsed(text):
        assert device.serial
        assert str(device).isprintable()


@pytest.mark.parametrize(
    ("state", "remedy"),
    [
        ("unauthorized", "accept the USB debugging dialog"),
        ("offline", "plug it in again"),
        ("no permissions", "udev"),
        ("bootloader", "fastboot reboot"),
        ("recovery", "adb reboot"),
        ("quantum", "adb devices -l"),
    ],
)
def test_a_device_that_cannot_be_used_comes_with_its_remedy(state: str, remedy: str) -> None:
    with pytest.raises(TransportError, match="'R5' cannot be used") as caught:
        adb_states.chosen([AdbDevice("R5", state)], "", server="the server")
    assert remedy in caught.value.hint


def test_one_that_can_be_used_is_chosen_among_those_that_cannot() -> None:
    devices = [AdbDevice("A", "offline"), AdbDevice("B", "device")]
    assert adb_states.chosen(devices, "", server="s").serial == "B"


def test_of_several_none_is_chosen_and_many_are_listed_short() -> None:
    many = [AdbDevice(f"S{number}", "device") for number in range(12)]
    with pytest.raises(DeviceNotFoundError, match=r"12 devices on s, and none was named.*and 4 more"):
        adb_states.chosen(many, "", server="s")


def test_without_any_device_the_error_says_so() -> None:
    with pytest.raises(DeviceNotFoundError, match=r"no device on s\. adb sees: nothing"):
        adb_states.chosen([], "", server="s")


@pytest.mark.parametrize(
    ("reason", "kind", "text"),
    [
        ("device 'X' not found", DeviceNotFoundError, "no device 'X' on s"),
        ("no devices/emulators found", DeviceNotFoundError, "no device 'X'"),
        ("device unauthorized.\nThis adb server's $ADB_VENDOR_KEYS is not set", TransportError, "it is unauthorized"),
        ("device offline", TransportError, "it is offline"),
        ("insufficient permissions for device: udev", TransportError, "not ours to open"),
        ("closed", TransportError, "refused: closed"),
        ("", TransportError, "it gave no reason"),
    ],
)
def test_a_servers_refusal_is_worded(reason: str, kind: type[Exception], text: str) -> None:
    error = adb_states.refused("X", reason, server="s")
    assert type(error) is kind
    assert text in error.message


@pytest.mark.parametrize(
    ("state", "text"),
    [
        ("", "the adb server does not answer"),
        ("absent", "adb does not list it any more"),
        ("offline", "adb says that it is offline"),
        ("recovery", "in the mode 'recovery'"),
        ("device", "adb lists it again"),
    ],
)
def test_a_loss_says_what_became_of_the_device(state: str, text: str) -> None:
    error = adb_states.lost("X", state, what="its stream ended")
    assert isinstance(error, DeviceLostError)
    assert error.message.startswith("adb device 'X' is lost: its stream ended; ")
    assert text in error.message


BATTERY = """Current Battery Service state:
  AC powered: false
  USB powered: {usb}
  Charge counter: 1
  status: {status}
  present: true
  level: 41
  scale: {scale}
  temperature: {tenths}
"""


@pytest.mark.parametrize(
    ("usb", "status", "charging"), [("true", 2, True), ("true", 4, True), ("false", 3, False), ("false", 5, True)]
)
def test_a_battery_is_charging_when_it_is_plugged_or_says_so(usb: str, status: int, charging: bool) -> None:
    told = adb_dumpsys.battery(BATTERY.format(usb=usb, status=status, scale=82, tenths=305))
    known = {"battery_percent": 50, "battery_c": 30.5, "battery_charge_uah": 1}
    assert told == {**known, "charging": charging}


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        ("voltage: 4187\nCharge counter: 2801000", {"battery_mv": 4187, "battery_charge_uah": 2801000}),
        ("voltage: 4\nCharge counter: 0", {}),
        ("voltage: 4187000\nCharge counter: -2147483648", {}),
        ("voltage: \nCharge counter: x", {}),
    ],
)
def test_charge_and_voltage_are_told_in_their_units_or_not(lines: str, told: dict[str, int]) -> None:
    assert adb_dumpsys.battery(lines) == told


@pytest.mark.parametrize("tenths", ["0", "99999", "nan", "x", ""])
def test_a_temperature_that_cannot_be_is_not_told(tenths: str) -> None:
    assert "battery_c" not in adb_dumpsys.battery(BATTERY.format(usb="true", status=2, scale=100, tenths=tenths))


def test_a_device_without_a_battery_tells_none() -> None:
    assert adb_dumpsys.battery("  present: false\n  level: 0\n  scale: 100\n  AC powered: true\n") == {}


def test_a_level_beyond_its_scale_is_not_told() -> None:
    assert adb_dumpsys.battery("level: 101\nscale: 100\n") == {}


def test_current_temperatures_win_over_cached_ones_and_thresholds_are_none() -> None:
    text = (
        "Thermal Status: 3\nCached temperatures:\n"
        "\tTemperature{mValue=99.0, mType=0, mName=BIG, mStatus=0}\n"
        "Current temperatures from HAL:\n"
        "\tTemperature{mValue=40.0, mType=0, mName=BIG, mStatus=0}\n"
        "\tTemperature{mValue=55.5, mType=1, mName=G3D, mStatus=0}\n"
        "\tTemperature{mValue=NaN, mType=9, mName=TPU, mStatus=0}\n"
        "\tTemperature{mValue=33.3, mType=3, mName=skin, mStatus=0}\n"
        "Current cooling devices from HAL:\n\tTemperature{mValue=150.0, mType=0, mName=x, mStatus=0}\n"
    )
    assert adb_dumpsys.thermal(text) == {"thermal_status": "severe", "temperature_c": 55.5, "skin_c": 33.3}


def test_cached_temperatures_are_taken_where_there_are_no_others() -> None:
    text = "Thermal Status: 9\nCached temperatures:\n Temperature{mValue=41.26, mType=0, mName=CPU, mStatus=0}\n"
    assert adb_dumpsys.thermal(text) == {"temperature_c": 41.3}


@given(st.text() | st.lists(st.sampled_from((BATTERY + LOG + LISTED).split())).map(" ".join))
@settings(max_examples=200)
def test_no_dump_breaks_a_reader_and_all_that_is_told_is_finite(text: str) -> None:
    for told in (adb_dumpsys.battery(text), adb_dumpsys.thermal(text)):
        assert all(isinstance(value, str | bool) or -1000 < value < 1000 for value in told.values())


@given(st.text())
def test_no_answer_breaks_the_reading_of_conditions(text: str) -> None:
    answer = "".join(f"T {part}\n{text}\n" for part in ("load", "memory", "clocks", "zones", "space", "battery"))
    assert all(isinstance(value, str | int | float) for value in adb_conditions.read(answer, "T").values())


def test_conditions_are_read_by_the_names_of_the_agents_own() -> None:
    answer = (
        "T load\n0.52 0.58 0.59 1/2 3\nT memory\nMemAvailable:    2000000 kB\n"
        "T clocks\npowersave 300000 1800000 1800000\nschedutil 500000 2000000 2850000\n"
        "T zones\n41000\n-\n-274000\n99999999\n"
        "T space\nFilesystem 1K-blocks Used Available Use% Mounted on\n/dev/block/dm-5\n"
        "       111 22 1000000 20% /data/user/0\n\nT battery\nT thermal\nT end\n"
    )
    assert adb_conditions.read(answer, "T") == {
        "load_1min": 0.52,
        "memory_free_mb": 2048,
        "space_free_mb": 1024,
        "governor": "powersave",
        "clock_khz": 300000,
        "fastest_clock_khz": 500000,
        "clock_limited": True,
        "temperature_c": 41.0,
    }


def test_what_is_not_told_is_not_there() -> None:
    assert adb_conditions.read("T load\n-\nT clocks\n- - - -\nT space\n", "T") == {}


PROPERTIES = """[ro.build.version.sdk]: [34]
[ro.product.cpu.abi]: [arm64-v8a]
[ro.product.model]: [Pixel 8]
[ro.serialno]: [R58M1]
[multi]: [first
second]
edge.cpus= 1,000000ff
edge.memory=       7812500 kB
edge.now=1700000000
edge.kernel=6.1
edge.gles=GLES: ARM, Mali-G715, OpenGL ES 3.2 v1.r38p1
"""


def test_facts_of_a_phone_have_the_names_of_expressions() -> None:
    told = adb_facts.read(PROPERTIES)
    assert adb_facts.facts(told, "R58M1") == {
        "adb": True,
        "link": "R58M1",
        "os": "android",
        "android": True,
        "sdk": 34,
        "model": "Pixel 8",
        "abi": "arm64-v8a",
        "arch": "arm64",
        "serial": "R58M1",
        "gpu": "Mali-G715",
        "gpu_driver": "OpenGL ES 3.2 v1.r38p1",
        "kernel": "6.1",
        "cores": 9,
        "memory_mb": 8000,
    }
    assert adb_facts.clock_s(told) == 1700000000.0


def test_one_phone_by_two_links_is_one_device() -> None:
    told = adb_facts.read(PROPERTIES)
    assert adb_facts.identity(told, "R58M1") == adb_facts.identity(told, "10.0.0.2:5555") == "android-R58M1"


@pytest.mark.parametrize(
    "more", ["[ro.kernel.qemu]: [1]", "[ro.boot.qemu]: [1]", "[ro.hardware]: [ranchu]", "[ro.hardware]: [cutf_cvm]"]
)
def test_emulators_share_a_serial_and_are_told_apart_by_their_links(more: str) -> None:
    told = adb_facts.read(PROPERTIES + more)
    assert adb_facts.identity(told, "emulator-5556") == "android-R58M1-emulator-5556"
    assert adb_facts.facts(told, "x")["emulated"] is True


@pytest.mark.parametrize("serial", ["", "unknown", "0123456789ABCDEF"])
def test_a_serial_that_many_have_identifies_nothing(serial: str) -> None:
    told = adb_facts.read(f"[ro.build.version.sdk]: [28]\n[ro.serialno]: [{serial}]\n")
    assert adb_facts.identity(told, "usb-link") == "android-usb-link"


def test_the_boot_loaders_serial_is_taken_where_the_systems_is_hidden() -> None:
    told = adb_facts.read("[ro.build.version.sdk]: [28]\n[ro.serialno]: []\n[ro.boot.serialno]: [B7]\n")
    assert adb_facts.identity(told, "x") == "android-B7"


def test_a_linux_with_adbd_is_the_device_that_local_would_be_there() -> None:
    from pytest_edgedevice.transports.local import local_identity

    place = Path("/etc/machine-id")
    number = place.read_text(encoding="ascii").strip() if place.exists() else ""
    told = adb_facts.read(f"edge.id={number}\nedge.machine=aarch64\nedge.host=board\nedge.board=Raspberry Pi 5\n")
    if number:
        assert adb_facts.identity(told, "x") == local_identity()
    found = adb_facts.facts(told, "x")
    assert (found["os"], found["linux"], found["arch"], found["model"]) == ("linux", True, "arm64", "Raspberry Pi 5")


def test_a_linux_without_an_id_goes_by_its_name_or_its_link() -> None:
    assert adb_facts.identity({"edge.host": "board"}, "x") == "local-board"
    assert adb_facts.identity({}, "x") == "adb-x"


@given(st.text())
def test_no_answer_breaks_the_reading_of_facts(text: str) -> None:
    told = adb_facts.read(PROPERTIES + text)
    assert adb_facts.identity(told, "x").isprintable()
    assert all(isinstance(value, str | int | float) for value in adb_facts.facts(told, "x").values())


def test_only_our_own_lines_of_a_log_are_kept_with_the_crash_reports_about_us() -> None:
    kept = adb_aftermath.own_lines(LOG, {42}, since_s=1699999999.0)
    assert [line.split(": ", 1)[1] for line in kept.splitlines()] == [
        "ours",
        "*** *** ***",
        "pid: 42, tid: 45, name: agent",
    ]


def test_a_long_log_is_cut_at_its_beginning_and_a_long_tombstone_at_its_end() -> None:
    text = "first" + "x" * adb_aftermath.MOST_BYTES + "last"
    assert adb_aftermath.cut(text, last=True).endswith("last")
    assert adb_aftermath.cut(text).startswith("first")
    assert "[9 characters left out]" in adb_aftermath.cut(text)


def test_nothing_in_a_log_moves_the_cursor() -> None:
    assert adb_aftermath.cut("a\x1b[2J\n") == "a?[2J\n"


def test_a_holder_is_told_by_its_record() -> None:
    record = json.dumps({"user": "ada", "pid": 7, "host": "lab\x1b", "test": "test_x"})
    assert adb_guard.who(base64.b64encode(record.encode()).decode()) == "ada (pid 7 on lab?), test test_x"


@pytest.mark.parametrize("word", ["", "!!", "e30=", "W10=", "bnVsbA==", "eyJwaWQiOiAtMX0="])
def test_a_record_that_is_garbage_is_of_somebody_unknown(word: str) -> None:
    assert adb_guard.who(word).startswith("an unknown user")


def test_where_nobody_holds_it_nobody_is_told() -> None:
    assert adb_guard.who("-") == ""
