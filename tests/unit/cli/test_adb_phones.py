"""Phones in ``list``, ``who``, ``release`` and ``doctor``: what the adb server lists, and what this host knows."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from pytest_edgedevice.cli import main, phones
from pytest_edgedevice.cli.checks import devices
from pytest_edgedevice.cli.checks import phones as checks
from pytest_edgedevice.errors import MissingExtraError
from pytest_edgedevice.inventory import Inventory, load_inventory
from pytest_edgedevice.inventory.known import remember
from pytest_edgedevice.leases import Holder, acquire, note_fault, quarantine_of
from pytest_edgedevice.transports.adb.states import parsed

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Listing = Callable[[str], None]

GOOD = "R5CT device usb:1-2 product:shiba model:Pixel_8 device:shiba transport_id:1\n"
ADA = Holder(user="ada", pid=7, test="t.py::test_x")


@pytest.fixture
def adb(monkeypatch: pytest.MonkeyPatch) -> Listing:
    """Sets what ``adb devices -l`` says."""

    def says(listing: str) -> None:
        for module in (phones, checks):
            monkeypatch.setattr(module, "attached", lambda *, start: [] if start else parsed(listing))

    return says


def test_attached_phones_are_listed_with_what_adb_tells(adb: Listing, capsys: pytest.CaptureFixture[str]) -> None:
    adb(GOOD)
    assert main(["list"]) == 0
    shown = capsys.readouterr().out
    assert "adb:R5CT  adb:R5CT  free\n" in shown
    assert "adb, model=Pixel 8" in shown


@pytest.mark.parametrize(
    ("state", "remedy"),
    [
        ("unauthorized", "accept the USB debugging dialog"),
        ("offline", "adb reconnect offline"),
        ("no permissions (user in plugdev group; are your udev rules wrong?)", "udev rule"),
        ("recovery", "adb reboot"),
        ("bootloader", "fastboot reboot"),
    ],
)
def test_a_phone_that_cannot_be_used_is_listed_with_the_remedy(
    adb: Listing, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, state: str, remedy: str
) -> None:
    monkeypatch.setenv("COLUMNS", "400")
    adb(f"R5CT {state} usb:1-2\n")
    main(["list"])
    assert f"adb:R5CT  {state}: " in capsys.readouterr().out
    main(["list", "--json"])
    phone = json.loads(capsys.readouterr().out)["devices"][-1]
    assert phone["state"].startswith(state)
    assert remedy in phone["state"]


def test_one_phone_over_two_links_is_listed_once(adb: Listing, capsys: pytest.CaptureFixture[str]) -> None:
    remember("adb:10.0.0.7:5555", "android-R5CT")
    adb("10.0.0.7:5555 device\n" + GOOD)
    main(["list"])
    shown = capsys.readouterr().out
    assert shown.count("free") == 2  # this machine and the phone
    assert "10.0.0.7" not in shown


def test_a_phone_of_the_device_file_is_listed_by_its_name_alone(
    adb: Listing, device_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    adb(GOOD + "10.0.0.7:5555 device\n")
    main(["list"])
    shown = capsys.readouterr().out
    assert "phone              adb:R5CT           free\n" in shown
    assert "adb:10.0.0.7:5555  adb:10.0.0.7:5555  not asked\n" in shown
    assert "adb:R5CT  adb" not in shown


def test_who_holds_a_phone_is_told_by_any_of_its_links(adb: Listing, capsys: pytest.CaptureFixture[str]) -> None:
    remember("adb:10.0.0.7:5555", "android-R5CT")
    adb(GOOD)
    with acquire("android-R5CT", holder=ADA, wait_s=0):
        for name in ("adb:R5CT", "adb:10.0.0.7:5555"):
            assert main(["who", name]) == 0
            assert f"{name} is held by ada (pid 7), test t.py::test_x" in capsys.readouterr().out


def test_who_holds_a_phone_is_told_while_it_is_offline(adb: Listing, capsys: pytest.CaptureFixture[str]) -> None:
    adb("R5CT offline\n")
    with acquire("android-R5CT", holder=ADA, wait_s=0):
        assert main(["who", "adb:R5CT"]) == 0
    shown = capsys.readouterr().out
    assert "adb:R5CT is offline: " in shown
    assert "adb:R5CT is held by ada" in shown


def test_a_phone_that_is_not_known_is_to_be_asked(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["who", "adb:GONE"]) == 1
    assert "'adb:GONE' was never reached from here" in capsys.readouterr().err


def test_a_phone_that_was_set_aside_is_released(adb: Listing, capsys: pytest.CaptureFixture[str]) -> None:
    adb(GOOD)
    for _ in range(2):
        note_fault("android-R5CT", name="adb:R5CT", reason="the link broke")
    main(["list"])
    assert "adb:R5CT  adb:R5CT  quarantined for" in capsys.readouterr().out
    assert main(["release", "adb:R5CT"]) == 0
    assert quarantine_of("android-R5CT") is None


def test_where_the_server_cannot_be_asked_no_phone_is_listed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fails(*, start: bool) -> list[object]:
        raise MissingExtraError("no adbutils", hint=str(start))

    monkeypatch.setattr(phones, "attached", fails)
    assert main(["list"]) == 0
    assert "adb" not in capsys.readouterr().out


def test_doctor_looks_at_every_attached_phone(adb: Listing) -> None:
    adb(GOOD + "X9 unauthorized\n10.0.0.7:5555 device\nemulator-5554 offline\n")
    found = [(one.status, one.text, one.hint) for one in checks.check_phones(Inventory())]
    assert found[0] == ("ok", "adb:R5CT (Pixel 8) can be used, over USB", "edgedevice doctor adb:R5CT")
    assert found[1][:2] == ("wrong", "adb:X9 is unauthorized")
    assert "accept the USB debugging dialog" in found[1][2]
    assert found[2][1] == "adb:10.0.0.7:5555 can be used, over the network"
    assert found[3][:2] == ("wrong", "adb:emulator-5554 is offline")


def test_doctor_tells_of_phones_that_the_device_file_names(adb: Listing, device_file: Path) -> None:
    adb("R5CT unauthorized\n")
    inventory = load_inventory(device_file.parent)
    found = {one.about: one for one in devices.check_named_devices(inventory)}
    assert (found["phone"].status, found["phone"].text) == ("wrong", "adb:R5CT is unauthorized")
    assert "accept the USB debugging dialog" in found["phone"].hint
    adb(GOOD)
    found = {one.about: one for one in devices.check_named_devices(inventory)}
    assert (found["phone"].status, found["phone"].hint) == ("ok", "edgedevice doctor phone")
    for _ in range(2):
        note_fault("android-R5CT", name="phone", reason="the link broke")
    (sick,) = devices.check_quarantines(inventory)
    assert (sick.status, sick.hint) == ("wrong", "mend it, then: edgedevice release phone")


@pytest.mark.parametrize(
    ("script", "status", "text"),
    [
        ("echo 'Android Debug Bridge version 1.0.41'; echo 'Version 36.0.0-13206524'", "ok", "adb 36.0.0-13206524 at"),
        ("echo 'Version 29.0.6-debian'", "ok", "may end with 0 when its device is lost"),
        ("echo nothing", "wrong", "tells no version: nothing"),
        ("echo broken >&2; exit 3", "wrong", "ended with 3: broken"),
    ],
)
def test_doctor_names_the_adb_program_and_versions_that_lie(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, script: str, status: str, text: str
) -> None:
    program = tmp_path / "my adb"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("ADBUTILS_ADB_PATH", str(program))
    (found,) = checks.check_adb_program(Inventory())
    assert found.status == status
    assert text in found.text
    assert str(program) in found.text


def test_without_path_the_program_is_the_one_that_adbutils_brings(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    import adbutils  # type: ignore[import-untyped]

    monkeypatch.delenv("ADBUTILS_ADB_PATH", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    (found,) = checks.check_adb_program(Inventory())
    assert adbutils.adb_path() in found.text
    monkeypatch.setattr(checks, "found_module", lambda _: None)
    (found,) = checks.check_adb_program(Inventory())
    assert (found.status, found.hint) == ("missing", "sudo apt install adb")


def test_doctor_of_a_phone_that_is_away_says_what_adb_sees(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ADB_SERVER_SOCKET", f"localfilesystem:{tmp_path}/adb")
    assert main(["doctor", "adb:R5CT"]) == 1
    shown = capsys.readouterr().out
    assert "wrong    connection" in shown
    assert f"the adb server at {tmp_path}/adb cannot be used" in " ".join(shown.split())
