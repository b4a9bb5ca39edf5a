from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

_spec = importlib.util.spec_from_file_location("lease_storm", Path(__file__).with_name("storm.py"))
assert _spec is not None
assert _spec.loader is not None
storm = importlib.util.module_from_spec(_spec)
sys.modules["lease_storm"] = storm  # dataclasses look their module up
_spec.loader.exec_module(storm)


@pytest.mark.slow
def test_a_storm_of_kills_and_stops_breaks_no_promise(tmp_path: Path) -> None:
    seen = storm.run_storm(tmp_path, processes=6, devices=3, acquisitions=600, seed=1)
    assert seen.acquisitions >= 600
    assert seen.overlaps == []
    assert seen.overtaken == []
    assert seen.unnoticed_crashes == []


def attempt(pid: int, called: int, got: int, end: int, **more: object) -> object:
    return storm.Attempt(pid, frozenset({"a"}), called, got=got, key="a", end=end, **more)


def judged(*attempts: object) -> object:
    witness = storm.Witness()
    storm._judge(list(attempts), witness)
    return witness


def test_the_witness_sees_an_overlap() -> None:
    assert judged(attempt(1, 0, 10, 20), attempt(2, 0, 19, 30)).overlaps  # type: ignore[attr-defined]


def test_the_witness_sees_a_waiter_that_was_overtaken() -> None:
    assert judged(attempt(1, 0, 40, 50, visible=5, since=4.0), attempt(2, 6, 10, 20, since=1.0)).overtaken  # type: ignore[attr-defined]


def test_the_witness_sees_a_crash_that_nobody_noticed() -> None:
    seen = judged(attempt(1, 0, 10, 20, killed=True), attempt(2, 0, 30, 40))
    assert seen.unnoticed_crashes  # type: ignore[attr-defined]
