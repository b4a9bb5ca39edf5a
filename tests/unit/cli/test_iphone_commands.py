"""iPhones in ``list``, ``who``, ``release``, ``doctor``, ``setup`` and ``conformance``, against simulated ones."""

from __future__ import annotations

import contextlib
import json
import socket
from typing import TYPE_CHECKING, Any

import pytest

from pytest_edgedevice.cli import main
from pytest_edgedevice.cli.checks.devices import check_named_devices, check_quarantines
from pytest_edgedevice.cli.checks.usbmux import check_iphones
from pytest_edgedevice.errors import TransportError
from pytest_edgedevice.inventory import load_inventory
from pytest_edgedevice.leases import Holder, acquire, note_fault, quarantine_of
from pytest_edgedevice.transports.usbmux import transport
from pytest_edgedevice.transports.usbmux.udid import identity
from tests.peers.iphone import SimulatedPhones

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.peers.iphone import Phone

    Findings = Callable[..., dict[str, tuple[str, str, str]]]

UDID = "00008130-001A2B3C4D5E0001"
ADA = Holder(user="ada", pid=7, test="t.py::test_x")


@pytest.fixture(scope="module")
def lasting_bus() -> Iterator[SimulatedPhones]:
    with SimulatedPhones() as bus:
        yield bus


@pytest.fixture
def bus(lasting_bus: SimulatedPhones, monkeypatch: pytest.MonkeyPatch) -> Iterator[SimulatedPhones]:
    monkeypatch.setenv("USBMUXD_SOCKET_ADDRESS", lasting_bus.address)
    yield lasting_bus
    for _, phone, _ in lasting_bus.numbered():
        phone.detach()


@pytest.fixture
def phone(bus: SimulatedPhones) -> Phone:
    return bus.attach(udid=UDID)


@pytest.fixture
def examined(capsys: pytest.CaptureFixture[str]) -> Findings:
    """What ``doctor`` finds on a phone: subject to status, text and remedy."""

    def examine(name: str = f"ios:{UDID}") -> dict[str, tuple[str, str, str]]:
        main(["doctor", name, "--json"])
        found = json.loads(capsys.readouterr().out)["findings"]
        return {one["about"]: (one["status"], one["text"], one["hint"]) for one in found}

    return examine


def named(device_file: Path, lines: str = "", *, udid: str = UDID) -> None:
    device_file.write_text(f'[devices.red]\nspec = "ios:{udid}"\n{lines}\n')


def test_attached_iphones_are_listed(bus: SimulatedPhones, capsys: pytest.CaptureFixture[str]) -> None:
    bus.attach(udid=UDID, connections=("Network", "USB"))
    assert main(["list"]) == 0
    shown = capsys.readouterr().out
    assert shown.count(f"ios:{UDID}  ios:{UDID}  free\n") == 1
    assert "ios, link=USB" in shown


def test_one_that_the_device_file_names_is_listed_once(
    phone: Phone, device_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    named(device_file, udid=phone.udid.lower())
    main(["list", "--json"])
    devices = json.loads(capsys.readouterr().out)["devices"]
    assert [(one["name"], one["spec"], one["openable"]) for one in devices[1:]] == [("red", f"ios:{UDID}", True)]


def test_one_that_is_not_attached_is_listed_with_the_remedy(
    bus: SimulatedPhones, device_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    named(device_file)
    main(["list"])
    assert f"red    ios:{UDID}  not attached: plug it in, unlock it and tap Trust\n" in capsys.readouterr().out


@pytest.mark.parametrize("spec", [f"ios:{UDID}", "ios"])
def test_without_usbmuxd_nobody_knows_what_is_attached(
    device_file: Path, capsys: pytest.CaptureFixture[str], spec: str
) -> None:
    device_file.write_text(f'[devices.red]\nspec = "{spec}"\n')
    main(["list", "--json"])
    red = json.loads(capsys.readouterr().out)["devices"][-1]
    assert (red["spec"], red["state"]) == (spec, "free" if ":" in spec else "not asked")


def test_a_usbmuxd_that_cannot_be_asked_lists_nobody(
    phone: Phone, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail() -> Any:
        raise TransportError("no")

    monkeypatch.setattr(transport, "list_devices", fail)
    main(["list"])
    assert "ios:" not in capsys.readouterr().out


@pytest.mark.parametrize("name", [f"ios:{UDID}", f"ios:{UDID.lower().replace('-', '')}"])
@pytest.mark.parametrize("attached", [True, False])
def test_who_holds_an_iphone_is_told_in_every_spelling(
    bus: SimulatedPhones, capsys: pytest.CaptureFixture[str], name: str, attached: bool
) -> None:
    if attached:
        bus.attach(udid=UDID)
    with acquire(identity(UDID), holder=ADA, wait_s=0):
        assert main(["who", name]) == 0
    assert f"{name} is held by ada" in capsys.readouterr().out


def test_an_iphone_that_was_set_aside_can_be_released(phone: Phone, capsys: pytest.CaptureFixture[str]) -> None:
    for _ in range(2):
        note_fault(identity(UDID), name=f"ios:{UDID}", reason="the link broke")
    assert main(["release", f"ios:{UDID}"]) == 0
    assert capsys.readouterr().out.startswith(f"lifted the quarantine of ios:{UDID}\n")
    assert quarantine_of(identity(UDID)) is None


def test_doctor_tells_what_is_attached(phone: Phone, device_file: Path) -> None:
    bare = next(check_iphones(load_inventory(device_file.parent)))
    named(device_file)
    (found,) = check_iphones(load_inventory(device_file.parent))
    assert (found.status, found.text) == ("ok", f"ios:{UDID} is attached, over USB")
    assert (bare.hint, found.hint) == (f"edgedevice doctor ios:{UDID}", "edgedevice doctor red")


def test_doctor_tells_which_named_iphone_is_not_attached(bus: SimulatedPhones, device_file: Path) -> None:
    named(device_file)
    (found,) = check_named_devices(load_inventory(device_file.parent))
    assert (found.status, found.text, found.hint) == (
        "wrong",
        f"ios:{UDID} is not attached",
        "plug it in, unlock it and tap Trust",
    )


def test_doctor_tells_which_named_iphone_was_set_aside(device_file: Path) -> None:
    named(device_file)
    for _ in range(2):
        note_fault(identity(UDID), name="red", reason="the link broke")
    (found,) = check_quarantines(load_inventory(device_file.parent))
    assert (found.status, found.hint) == ("wrong", "mend it, then: edgedevice release red")


def test_a_sound_iphone_lacks_its_app_alone(phone: Phone, examined: Findings) -> None:
    found = examined()
    assert {about: status for about, (status, _, _) in found.items() if status != "ok"} == {"app": "wrong"}
    assert found["connection"][1] == f"ios:{UDID} is attached over USB and is {identity(UDID)}"
    assert "nothing listens on port 17341" in found["app"][1]


def test_an_iphone_that_knows_us_not_says_how_to_pair_it(bus: SimulatedPhones, examined: Findings) -> None:
    bus.attach(udid=UDID, paired=False)
    assert examined()["pairing"] == (
        "wrong",
        f"iPhone {UDID} is not paired with this host",
        f"unlock it, run: edgedevice setup ios:{UDID}, and tap Trust on the phone",
    )


def test_a_locked_iphone_is_to_be_unlocked(phone: Phone, examined: Findings) -> None:
    phone.lock()
    assert examined()["lock"][:2] == ("wrong", f"iPhone {UDID} is locked")


@pytest.mark.parametrize(("line", "status"), [("", "missing"), ('start = ["x"]', "wrong")])
def test_developer_mode_is_wanted_only_where_something_starts_the_app(
    phone: Phone, device_file: Path, examined: Findings, line: str, status: str
) -> None:
    phone.developer_mode = False
    named(device_file, line)
    assert examined("red")["developer mode"][0] == status


def test_an_iphone_that_is_held_is_not_disturbed(phone: Phone, examined: Findings) -> None:
    with acquire(identity(UDID), holder=ADA, wait_s=0):
        assert examined()["app"][1].startswith(f"not tried: ios:{UDID} is held by ada")


def test_an_iphone_that_is_not_there_is_a_finding(bus: SimulatedPhones, examined: Findings) -> None:
    status, text, _ = examined()["connection"]
    assert (status, text.startswith(f"no iPhone '{UDID}' is attached")) == ("wrong", True)


def test_setup_pairs_an_iphone_once(bus: SimulatedPhones, capsys: pytest.CaptureFixture[str]) -> None:
    phone = bus.attach(udid=UDID, paired=False)
    assert main(["setup", f"ios:{UDID}"]) == 0
    assert capsys.readouterr().out == (
        f"ios:{UDID} asks now whether it may trust this host: tap Trust on it, and type its passcode\n"
        f"ios:{UDID} is paired with this host now; see what else it needs: edgedevice doctor ios:{UDID}\n"
    )
    assert len(phone.trusted) == 1
    assert main(["setup", f"ios:{UDID}"]) == 0
    assert capsys.readouterr().out == f"ios:{UDID} is paired with this host already; nothing to do\n"


def test_an_owner_who_says_no_is_heard(bus: SimulatedPhones, capsys: pytest.CaptureFixture[str]) -> None:
    bus.attach(udid=UDID, paired=False, pairing="deny")
    assert main(["setup", f"ios:{UDID}"]) == 1
    assert f"iPhone {UDID} was told not to trust this host" in capsys.readouterr().err


@pytest.mark.parametrize("option", [["--engine", "litert"], ["--wheels", "."], ["--remove"]])
def test_nothing_is_brought_to_an_iphone(
    device_file: Path, capsys: pytest.CaptureFixture[str], option: list[str]
) -> None:
    named(device_file)
    assert main(["setup", "red", *option]) == 1
    assert "nothing is brought to red, or taken away from it" in capsys.readouterr().err


def silent(connection: socket.socket) -> None:
    """An app that says nothing, and leaves."""
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_WR)


def test_an_app_is_checked_where_it_is(bus: SimulatedPhones, capsys: pytest.CaptureFixture[str]) -> None:
    bus.attach(udid=UDID, ports={9000: silent})
    assert main(["conformance", f"ios:{UDID}:9000"]) == 1
    assert capsys.readouterr().out.startswith(f"agent: ios:{UDID}:9000\n\ngreeting\n")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (f"ios:{UDID}:9", "nothing listens on port 9 of iPhone"),
        ("ios:X:9", "no iPhone 'X' is attached"),
    ],
)
def test_an_app_that_is_not_there_is_told(
    phone: Phone, capsys: pytest.CaptureFixture[str], name: str, text: str
) -> None:
    assert main(["conformance", name]) == 2
    assert text in capsys.readouterr().err
