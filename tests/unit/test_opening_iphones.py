"""iPhones as candidates: which are attached, what their tables say, and why one cannot be used."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_edgedevice.errors import (
    DeviceNotFoundError,
    InfraError,
    MissingExtraError,
    TransportError,
)
from pytest_edgedevice.inventory import load_inventory
from pytest_edgedevice.opening import Catalog, iphones
from pytest_edgedevice.opening.candidates import Candidate
from pytest_edgedevice.opening.running import runner_of
from pytest_edgedevice.runners.app.runner import AppRunner
from pytest_edgedevice.transports.local import LocalTransport
from pytest_edgedevice.transports.usbmux import transport
from pytest_edgedevice.transports.usbmux.attached import Attached

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_edgedevice.errors import EdgeDeviceError
    from pytest_edgedevice.inventory import DeviceEntry
    from pytest_edgedevice.spec import DeviceSpec

ONE, TWO = "00008130-001A2B3C4D5E0001", "00008130-001A2B3C4D5E0002"


class Bench:
    """iPhones by number: what usbmuxd lists, and who of them answers."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        self.attached: list[str] = []
        self.silent: set[str] = set()
        self.served = True
        self.trouble: EdgeDeviceError | None = None
        self.asked: list[str] = []
        self._folder = tmp_path
        monkeypatch.setattr(transport, "list_devices", self._list)
        monkeypatch.setattr(iphones, "is_served", lambda: self.served)
        monkeypatch.setattr("pytest_edgedevice.opening.catalog.REACHED", {"ios": self._reached})
        monkeypatch.setattr("pytest_edgedevice.opening.catalog.ATTACHED", {"ios": (iphones.WORDS, iphones.pool)})

    def catalog(self, toml: str = "") -> Catalog:
        (self._folder / "edgedevice.toml").write_text(toml, encoding="utf-8")
        return Catalog(load_inventory(self._folder))

    def found(self, spec: str, toml: str = "") -> list[str]:
        catalog = self.catalog(toml)
        return [one.name for one in catalog.candidates(catalog.parse(spec))]

    def _list(self) -> list[Attached]:
        if self.trouble is not None:
            raise self.trouble
        return [Attached(udid, "USB", number) for number, udid in enumerate(self.attached)]

    def _reached(self, spec: DeviceSpec, entry: DeviceEntry | None = None) -> Candidate:
        self.asked.append(spec.address)
        if spec.address in self.silent:
            raise TransportError(f"{spec.address} hung up")
        facts = {"ios": True, "iphone": True, "npu": "ANE", **(entry.known_facts() if entry else {})}
        return Candidate(entry.name if entry else str(spec), f"ios-{spec.address}", facts, LocalTransport)


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Bench:
    monkeypatch.delenv("USBMUXD_SOCKET_ADDRESS", raising=False)
    return Bench(monkeypatch, tmp_path)


@pytest.mark.parametrize("spec", ["ios", "ios and npu", "iphone"])
def test_every_iphone_that_is_attached_is_in_the_pool(bench: Bench, spec: str) -> None:
    bench.attached = [ONE, TWO]
    assert bench.found(spec) == [f"ios:{ONE}", f"ios:{TWO}"]


def test_one_that_does_not_answer_is_passed_over(bench: Bench) -> None:
    bench.attached, bench.silent = [ONE, TWO], {ONE}
    assert bench.found("ios") == [f"ios:{TWO}"]


def test_one_that_the_device_file_names_has_its_name(bench: Bench) -> None:
    bench.attached = [ONE, TWO]
    toml = f'[devices.red]\nspec = "ios:{TWO.lower().replace("-", "")}"\ntags = ["camera"]\n'
    assert bench.found("ios", toml) == [f"ios:{ONE}", "red"]
    assert bench.found("camera", toml) == ["red"]


def test_a_number_is_written_as_one_likes(bench: Bench) -> None:
    assert bench.found(f"ios:{ONE.lower().replace('-', '')}") == [f"ios:{ONE}"]


def test_nobody_is_attached(bench: Bench) -> None:
    with pytest.raises(DeviceNotFoundError, match="no iPhone is attached"):
        bench.found("ios")


def test_the_only_one_says_why_it_cannot_be_used(bench: Bench) -> None:
    bench.attached, bench.silent = [ONE], {ONE}
    with pytest.raises(TransportError, match=f"{ONE} hung up"):
        bench.found("ios")


@pytest.mark.parametrize("error", [TransportError("no usbmuxd"), MissingExtraError("no pymobiledevice3")])
def test_whoever_names_the_kind_is_told_why_there_are_none(bench: Bench, error: InfraError) -> None:
    bench.trouble = error
    with pytest.raises(type(error), match=error.message):
        bench.found("ios")


@pytest.mark.parametrize("error", [TransportError("no usbmuxd"), MissingExtraError("no pymobiledevice3")])
def test_an_expression_over_iphones_says_why_there_are_none(bench: Bench, error: InfraError) -> None:
    bench.trouble = error
    with pytest.raises(DeviceNotFoundError, match=rf"ios \(cannot be opened: {error.message}\)"):
        bench.found("iphone")


def test_any_other_expression_does_without_them(bench: Bench) -> None:
    bench.trouble = TransportError("no usbmuxd")
    assert bench.found("local and cores>=1") == ["local"]


def test_any_other_expression_asks_nobody_where_no_usbmuxd_runs(bench: Bench) -> None:
    bench.attached, bench.served = [ONE], False
    with pytest.raises(DeviceNotFoundError):
        bench.found('npu=="ANE"')


def test_any_other_expression_finds_those_that_fit(bench: Bench) -> None:
    bench.attached = [ONE]
    assert bench.found('npu=="ANE"') == [f"ios:{ONE}"]


def test_models_run_in_the_app(bench: Bench) -> None:
    assert isinstance(runner_of(None, "ios")(), AppRunner)


def test_what_the_table_says_of_the_app_reaches_its_runner(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    told: dict[str, object] = {}
    monkeypatch.setattr("pytest_edgedevice.opening.running.AppRunner", lambda **what: told.update(what))
    toml = f'[devices.red]\nspec = "ios:{ONE}"\nport = 9\nstart = ["x"]\nbundle = "a.b"\nengine = "coreml"\n'
    runner_of(bench.catalog(toml + "start_timeout_s = 7\n").inventory.devices["red"], "ios")()
    assert told == {"port": 9, "start": ("x",), "bundle": "a.b", "engine": "coreml", "start_timeout_s": 7.0}
