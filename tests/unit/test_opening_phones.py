"""Phones as candidates: which are attached, one for each piece of hardware, and why one cannot be used."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from pytest_edgedevice.errors import (
    DeviceNotFoundError,
    InfraError,
    MissingExtraError,
    TransportError,
)
from pytest_edgedevice.inventory import load_inventory
from pytest_edgedevice.opening import Catalog, phones
from pytest_edgedevice.opening.candidates import Candidate
from pytest_edgedevice.spec import DeviceSpec
from pytest_edgedevice.transports.adb.states import AdbDevice

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_edgedevice.inventory import DeviceEntry

STATES = [
    ("unauthorized", "accept the USB debugging dialog"),
    ("authorizing", "unlock the phone"),
    ("offline", "adb reconnect offline"),
    ("no permissions", "udev rule"),
    ("recovery", "adb reboot"),
    ("sideload", "adb reboot"),
    ("bootloader", "fastboot reboot"),
]


class Bench:
    """Phones by address: what the adb server lists, and what hardware is behind each link."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        self.states: dict[str, str] = {}
        self.hardware: dict[str, str] = {}
        self.asked: list[str] = []
        self.started: list[bool] = []
        self._folder = tmp_path
        monkeypatch.setattr(phones, "attached", self._attached)
        monkeypatch.setattr("pytest_edgedevice.opening.catalog.REACHED", {"adb": self._reached})

    def catalog(self, toml: str = "") -> Catalog:
        (self._folder / "edgedevice.toml").write_text(toml, encoding="utf-8")
        return Catalog(load_inventory(self._folder))

    def found(self, spec: str, toml: str = "") -> dict[str, str]:
        """Name of each candidate, and the address that it is opened at."""
        catalog = self.catalog(toml)
        return {one.name: str(one.connect()) for one in catalog.candidates(catalog.parse(spec))}

    def _attached(self, *, start: bool = True) -> list[AdbDevice]:
        self.started.append(start)
        return [AdbDevice(serial, state, said=state) for serial, state in self.states.items()]

    def _reached(self, spec: DeviceSpec, entry: DeviceEntry | None = None) -> Candidate:
        self.asked.append(spec.address)
        if spec.address not in self.hardware:
            raise TransportError(f"{spec.address} does not answer")
        name = entry.name if entry else str(spec)
        facts: dict[str, Any] = {"adb": True, "android": True, "sdk": 34, **(entry.known_facts() if entry else {})}
        connect: Any = lambda: spec.address  # noqa: E731
        return Candidate(name, self.hardware[spec.address], facts, connect)


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Bench:
    return Bench(monkeypatch, tmp_path)


def test_every_phone_that_can_be_used_is_in_the_pool(bench: Bench) -> None:
    bench.states = {"R5": "device", "P8": "device", "X": "offline"}
    bench.hardware = {"R5": "r5", "P8": "p8", "X": "x"}
    assert bench.found("adb") == {"adb:R5": "R5", "adb:P8": "P8"}
    assert "X" not in bench.asked


def test_one_phone_over_two_links_is_one_candidate_over_usb(bench: Bench) -> None:
    bench.states = {"10.0.0.7:5555": "device", "R5": "device", "[fe80::1]:5555": "device"}
    bench.hardware = dict.fromkeys(bench.states, "r5")
    assert bench.found("adb") == {"adb:R5": "R5"}


def test_the_table_of_a_phone_names_it_whichever_link_is_used(bench: Bench) -> None:
    bench.states = {"10.0.0.7:5555": "device", "R5": "device"}
    bench.hardware = dict.fromkeys(bench.states, "r5")
    table = '[devices.galaxy]\nspec = "adb:10.0.0.7:5555"\ntags = ["camera"]\n'
    assert bench.found("adb", table) == {"galaxy": "R5"}
    assert bench.found("camera and android", table) == {"galaxy": "R5"}


def test_a_folder_of_the_table_belongs_to_its_link(bench: Bench) -> None:
    bench.states = {"10.0.0.7:5555": "device", "R5": "device"}
    bench.hardware = dict.fromkeys(bench.states, "r5")
    table = '[devices.galaxy]\nspec = "adb:10.0.0.7:5555"\nfolder = "/data/local/tmp/x"\n'
    assert bench.found("adb", table) == {"galaxy": "10.0.0.7:5555"}


def test_a_named_phone_on_the_network_is_connected_to_though_nothing_lists_it(bench: Bench) -> None:
    bench.hardware = {"10.0.0.7:5555": "r5"}
    table = '[devices.far]\nspec = "adb:10.0.0.7:5555"\n[devices.away]\nspec = "adb:NOT-PLUGGED-IN"\n'
    assert bench.found("adb", table) == {"far": "10.0.0.7:5555"}
    assert bench.asked == ["10.0.0.7:5555"]


def test_a_phone_that_does_not_answer_is_passed_over(bench: Bench) -> None:
    bench.states, bench.hardware = {"R5": "device", "P8": "device"}, {"P8": "p8"}
    assert bench.found("adb") == {"adb:P8": "P8"}


def test_a_phone_is_asked_once(bench: Bench) -> None:
    bench.states, bench.hardware = {"R5": "device"}, {"R5": "r5"}
    catalog = bench.catalog()
    for spec in ("adb", "adb", "adb:R5", "android and sdk>=33"):
        assert [one.identity for one in catalog.candidates(catalog.parse(spec))] == ["r5"]
    assert bench.asked == ["R5"]


@pytest.mark.parametrize(("state", "remedy"), STATES)
def test_where_no_phone_can_be_used_states_and_remedies_are_told(bench: Bench, state: str, remedy: str) -> None:
    bench.states = {"R5": state}
    with pytest.raises(DeviceNotFoundError) as raised:
        bench.found("adb")
    assert raised.value.message == f"no phone is attached that can be used. adb sees: R5 {state}"
    assert raised.value.hint.startswith("R5: ")
    assert remedy in raised.value.hint


def test_where_nothing_is_attached_the_next_step_is_told(bench: Bench) -> None:
    with pytest.raises(DeviceNotFoundError, match="adb sees: nothing") as raised:
        bench.found("adb")
    assert "USB debugging" in raised.value.hint


def test_phones_that_do_not_answer_are_told_too(bench: Bench) -> None:
    bench.states = {"R5": "device"}
    with pytest.raises(DeviceNotFoundError, match="adb sees: R5 device; R5 does not answer"):
        bench.found("adb")


def test_remedies_of_a_crowd_are_cut(bench: Bench) -> None:
    bench.states = {f"R{number}": "offline" for number in range(50)}
    with pytest.raises(DeviceNotFoundError, match="and 42 more") as raised:
        bench.found("adb")
    assert raised.value.hint.count("adb reconnect") == 3


def test_facts_of_phones_are_matched(bench: Bench) -> None:
    bench.states, bench.hardware = {"R5": "device"}, {"R5": "r5"}
    assert bench.found("android and sdk>=33") == {"adb:R5": "R5"}
    with pytest.raises(DeviceNotFoundError, match=r"adb:R5 \(android=True, sdk=34\)"):
        bench.found("android and sdk>=99")


@pytest.mark.parametrize(
    ("text", "starts"), [("android", True), ("adb and sdk>=30", True), ("model or android", True), ("local", False)]
)
def test_a_server_is_started_for_expressions_that_speak_of_phones(bench: Bench, text: str, starts: bool) -> None:
    bench.states, bench.hardware = {"R5": "device"}, {"R5": "r5"}
    catalog = bench.catalog()
    catalog.candidates(DeviceSpec("expression", expression=catalog.expression(text)))
    assert bench.started == [starts]


@pytest.mark.parametrize("error", [MissingExtraError("no adbutils"), TransportError("no adb server")])
def test_what_keeps_phones_away_is_told_only_where_an_expression_speaks_of_them(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, error: InfraError
) -> None:
    def fails(*, start: bool = True) -> list[AdbDevice]:
        raise error

    monkeypatch.setattr(phones, "attached", fails)
    with pytest.raises(DeviceNotFoundError, match=rf"adb \(cannot be opened: {error.message}\)"):
        bench.found("android")
    with pytest.raises(DeviceNotFoundError) as raised:
        bench.found("cores>=9999")
    assert error.message not in raised.value.message
    with pytest.raises(type(error), match=error.message):
        bench.found("adb")


def test_the_variable_that_adb_knows_names_the_only_phone(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.states, bench.hardware = {"R5": "device", "P8": "device"}, {"R5": "r5", "P8": "p8"}
    monkeypatch.setenv("ANDROID_SERIAL", "P8")
    assert bench.found("adb") == {"adb:P8": "P8"}
    assert bench.found("adb", '[devices.pixel]\nspec = "adb:P8"\n') == {"pixel": "P8"}
    assert set(bench.found("android")) == {"adb:R5", "adb:P8"}


def test_what_a_pool_could_not_take_is_told_with_the_remedy(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.states, bench.hardware = {"R5": "device", "P8": "unauthorized"}, {"R5": "r5"}
    catalog = bench.catalog()
    for spec in ("adb", "android and sdk>=30"):
        (told,) = catalog.passed_over(catalog.parse(spec))
        assert told.startswith("adb:P8 is unauthorized and was passed over: accept the USB debugging dialog")
    for spec in ("adb:R5", "cores>=1", "local"):
        assert catalog.passed_over(catalog.parse(spec)) == []

    def fails(*, start: bool = True) -> list[AdbDevice]:
        raise TransportError(f"no server, {start}")

    monkeypatch.setattr(phones, "attached", fails)
    assert catalog.passed_over(catalog.parse("adb")) == []


def test_seen_phones_are_those_that_were_asked(bench: Bench) -> None:
    bench.states, bench.hardware = {"R5": "device"}, {"R5": "r5"}
    catalog = bench.catalog()
    assert catalog.seen(catalog.parse("adb")) == []
    catalog.candidates(catalog.parse("adb"))
    assert [one.name for one in catalog.seen(catalog.parse("adb"))] == ["adb:R5"]
    assert [one.name for one in catalog.seen(catalog.parse("adb:R5"))] == ["adb:R5"]
    assert catalog.seen(catalog.parse("adb:P8")) == []
