from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

import pytest


def by_path(name: str) -> Any:
    spec = importlib.util.spec_from_file_location(f"lease_{name}", Path(__file__).with_name(f"{name}.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[f"lease_{name}"] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


storm, witness = by_path("storm"), by_path("witness")


@pytest.mark.slow
def test_a_storm_of_kills_and_stops_breaks_no_promise(tmp_path: Path) -> None:
    seen = storm.run_storm(tmp_path, processes=8, devices=3, acquisitions=600, seed=1, limit_s=300)
    assert seen.acquisitions >= 600
    assert seen.shared > 0
    assert seen.kills_while_holding > 0
    assert seen.overlaps == []
    assert seen.overtaken == []
    assert seen.unnoticed_crashes == []
    assert seen.told_twice == []


def attempt(pid: int, called: int, got: int, end: int, **more: Any) -> Any:
    return witness.Attempt(pid, frozenset({"a"}), called, got=got, key="a", end=end, **more)


def test_the_witness_sees_an_overlap() -> None:
    assert witness.judged([attempt(1, 0, 10, 20), attempt(2, 0, 19, 30)]).overlaps


def test_the_witness_sees_an_overlap_with_a_holder_that_is_not_the_last() -> None:
    long, short = attempt(1, 0, 10, 50), attempt(2, 0, 11, 12, shared=True)
    assert len(witness.judged([long, short, attempt(3, 0, 40, 60)]).overlaps) == 2


def test_the_witness_lets_two_share() -> None:
    two = [attempt(1, 0, 10, 20, shared=True), attempt(2, 0, 19, 30, shared=True)]
    assert witness.judged(two).overlaps == []


@pytest.mark.parametrize(("first", "second"), [(True, False), (False, True)])
def test_the_witness_sees_who_shares_with_somebody_alone(first: bool, second: bool) -> None:
    two = [attempt(1, 0, 10, 20, shared=first), attempt(2, 0, 19, 30, shared=second)]
    assert witness.judged(two).overlaps


@pytest.mark.parametrize("sharing", [(False, False), (True, False), (False, True)])
def test_the_witness_sees_a_waiter_that_was_overtaken(sharing: tuple[bool, bool]) -> None:
    waiter = attempt(1, 0, 40, 50, visible=5, since=4.0, shared=sharing[0])
    assert witness.judged([waiter, attempt(2, 6, 10, 20, since=1.0, shared=sharing[1])]).overtaken


def test_the_witness_lets_a_sharer_pass_a_sharer() -> None:
    waiter = attempt(1, 0, 40, 50, visible=5, since=4.0, shared=True)
    assert witness.judged([waiter, attempt(2, 6, 10, 20, since=1.0, shared=True)]).overtaken == []


def test_the_witness_sees_a_waiter_that_was_overtaken_and_killed() -> None:
    waiter = witness.Attempt(1, frozenset({"a"}), 0, visible=5, end=30, killed=True)
    assert witness.judged([waiter, attempt(2, 6, 10, 20, since=1.0)]).overtaken


def test_the_witness_sees_a_crash_that_nobody_noticed() -> None:
    assert witness.judged([attempt(1, 0, 10, 20, killed=True), attempt(2, 0, 30, 40)]).unnoticed_crashes


def test_the_witness_sees_a_crash_that_was_noticed_too_late() -> None:
    crash, late = attempt(1, 0, 10, 20, killed=True), attempt(3, 0, 50, 60, told_of=(1,))
    assert witness.judged([crash, attempt(2, 0, 30, 40), late]).unnoticed_crashes
    assert witness.judged([crash, attempt(2, 0, 30, 40, shared=True), late]).unnoticed_crashes == []


def test_the_witness_sees_a_crash_that_was_told_twice() -> None:
    crash, twice = attempt(1, 0, 10, 20, killed=True), attempt(3, 0, 50, 60, told_of=(1,))
    assert witness.judged([crash, attempt(2, 0, 30, 40, told_of=(1,)), twice]).told_twice
    assert witness.judged([crash, attempt(2, 0, 30, 40, told_of=(1,), killed=True), twice]).told_twice == []
