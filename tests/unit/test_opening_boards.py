"""Boards of the device file are asked all at once: in its order, with their errors, and none waits for another."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from pytest_edgedevice.errors import DeviceNotFoundError, TransportError
from pytest_edgedevice.inventory import load_inventory
from pytest_edgedevice.inventory.known import recall, remember
from pytest_edgedevice.opening import Candidate, Catalog, boards, catalog
from pytest_edgedevice.opening.failures import TRIES
from pytest_edgedevice.transports.local import LocalTransport

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pytest_edgedevice.inventory import DeviceEntry
    from pytest_edgedevice.spec import DeviceSpec

    Reach = Callable[[DeviceSpec, DeviceEntry | None], Candidate]
NAMES = ["ada", "bob", "eve"]


@pytest.fixture
def rack(tmp_path: Path) -> Catalog:
    """Three boards."""
    tables = [f'[devices.{name}]\nspec = "ssh:{name}"\n' for name in NAMES]
    (tmp_path / "edgedevice.toml").write_text("\n".join(tables), encoding="utf-8")
    return Catalog(load_inventory(tmp_path))


def reaching(monkeypatch: pytest.MonkeyPatch, act: Callable[[str], None]) -> list[str]:
    """Boards that are reached when ``act`` of their name returns; the names, as they come."""
    asked: list[str] = []

    def reached(spec: DeviceSpec, entry: DeviceEntry | None = None) -> Candidate:
        asked.append(spec.host)
        act(spec.host)
        return Candidate(spec.host, f"id-{spec.host}", {"ssh": True, "cores": 4}, LocalTransport)

    monkeypatch.setitem(catalog.REACHED, "ssh", reached)
    return asked


def test_they_are_asked_at_the_same_time_and_come_in_the_order_of_the_file(
    rack: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    all_there, last = threading.Barrier(3), threading.Event()

    def act(name: str) -> None:
        all_there.wait(30)
        if name == "eve":
            last.set()
        assert last.wait(30)

    reaching(monkeypatch, act)
    assert [one.name for one in rack.candidates(rack.parse("ssh and cores>=4"))] == NAMES
    assert [one.name for one in rack.candidates(rack.parse("ssh"))] == NAMES


def test_one_that_is_away_is_passed_over_and_told_where_none_fits(
    rack: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    def act(name: str) -> None:
        if name == "bob":
            raise TransportError("cannot connect to bob")

    asked = reaching(monkeypatch, act)
    assert [one.name for one in rack.candidates(rack.parse("ssh"))] == ["ada", "eve"]
    with pytest.raises(
        DeviceNotFoundError, match=r"ada \(cores=4, ssh=True\).*bob \(cannot be opened: cannot connect to bob"
    ):
        rack.candidates(rack.parse("ssh and cores>=8"))
    for _ in range(3):
        rack.candidates(rack.parse("ssh"))
    assert sorted(asked) == ["ada", *["bob"] * TRIES, "eve"]


def test_where_none_can_be_reached_the_first_ones_error_is_told(rack: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    def act(name: str) -> None:
        raise TransportError(f"cannot connect to {name}")

    reaching(monkeypatch, act)
    with pytest.raises(TransportError, match="cannot connect to ada"):
        rack.candidates(rack.parse("ssh"))


def test_one_that_never_answers_is_left_behind(rack: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(boards, "CONNECT_S", 3.0)
    monkeypatch.setattr(boards, "SLACK_S", 0.0)
    never = threading.Event()

    def act(name: str) -> None:
        if name == "ada":
            never.wait(60)

    reaching(monkeypatch, act)
    assert [one.name for one in rack.candidates(rack.parse("ssh"))] == ["bob", "eve"]
    never.set()


def test_a_fault_of_ours_is_not_taken_for_a_board_that_is_away(rack: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    def act(name: str) -> None:
        raise ZeroDivisionError

    reaching(monkeypatch, act)
    with pytest.raises(ZeroDivisionError):
        rack.candidates(rack.parse("ssh"))


def test_what_answered_is_noted_by_all_threads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    threads = [threading.Thread(target=remember, args=(f"ssh:{number}", f"id-{number}")) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(recall(f"ssh:{number}") is not None for number in range(20))
