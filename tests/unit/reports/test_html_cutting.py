"""Long logs and messages in a page: whole where there is room, and else cut alike, with the place of the whole."""

from __future__ import annotations

import random

import pytest

from pytest_edgedevice.reports.html import cutting
from pytest_edgedevice.reports.html.cutting import cut_long_texts, message_in_list
from pytest_edgedevice.reports.html.gathering import gather
from tests.report_records import model, record


def log(size: int, seed: int = 0) -> str:
    """Signs that cannot be deflated by much, and the error at the end."""
    return "".join(random.Random(seed).choices("abcdefghijklmnopqrstuvwxyz0123456789", k=size - 7)) + " SIGSEGV"[1:]


def shown(*sizes: int) -> list[str]:
    """The logs of a cell for each of these sizes, in a page that has little room."""
    told = [record("device", "fail", model=model(f"{place}.tflite"), device_log={"logcat": log(size, place)})
            for place, size in enumerate(sizes)]  # fmt: skip
    cells = gather(told)
    cut_long_texts(cells)
    return [str(cell.records[0]["device_log"]["logcat"]) for cell in cells]


@pytest.fixture(autouse=True)
def little_room(monkeypatch: pytest.MonkeyPatch) -> None:
    """For some 8,000 of those signs."""
    monkeypatch.setattr(cutting, "PAGE_BYTES", 0)
    monkeypatch.setattr(cutting, "LEAST_ROOM_BYTES", 6000)


def test_logs_that_fit_are_whole() -> None:
    assert shown(3000, 3000) == [log(3000, 0), log(3000, 1)]


def test_of_many_long_logs_each_keeps_its_end() -> None:
    assert all(one.endswith(log(20_000, place)[-900:]) for place, one in enumerate(shown(*[20_000] * 4)))


def test_of_many_long_logs_none_keeps_much() -> None:
    assert max(map(len, shown(*[20_000] * 4))) < 3000


def test_short_logs_leave_their_room_to_long_ones() -> None:
    assert len(shown(1000, 1000, 20_000)[2]) > len(shown(20_000, 20_000, 20_000)[2])


def test_short_logs_stay_whole_beside_long_ones() -> None:
    assert shown(1000, 20_000, 20_000)[0] == log(1000, 0)


def test_a_log_that_was_cut_says_how_much_and_where_the_whole_is() -> None:
    first = shown(20_000, 20_000)[0].splitlines()[0]
    assert "of 20,000 characters" in first
    assert "--edge-report json=PATH" in first


def test_one_log_of_many_cells_takes_room_once() -> None:
    told = [record("device", "fail", model=model(f"{one}.tflite"), device_log={"a": log(5000)}) for one in range(9)]
    cells = gather(told)
    cut_long_texts(cells)
    assert cells[8].records[0]["device_log"]["a"] == log(5000)


def test_long_messages_keep_their_beginning() -> None:
    cells = gather([record("test", "fail", model=model(f"{one}.tflite"), message=log(7900, one)) for one in range(9)])
    cut_long_texts(cells)
    said = cells[3].records[0]["message"]
    assert said.startswith(log(7900, 3)[:800])
    assert "of 7,900 characters" in said


def test_the_list_of_failures_has_the_beginnings_of_long_messages() -> None:
    assert message_in_list("x" * 3000, 100) == "x" * 1000 + "...\n[2,000 characters more are in the cell]"


def test_a_message_that_fits_into_the_list_is_as_it_was() -> None:
    assert message_in_list("x" * 1000, 100) == "x" * 1000
