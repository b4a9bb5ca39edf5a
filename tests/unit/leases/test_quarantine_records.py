from __future__ import annotations

import json
import stat
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from pytest_edgedevice.errors import LeaseError
from pytest_edgedevice.leases import Quarantine, lift, note_fault, note_health, quarantine, quarantine_of
from pytest_edgedevice.leases.lockfile import LockFile

if TYPE_CHECKING:
    from pathlib import Path


def fault(reason: str = "the link broke") -> Quarantine:
    return note_fault("phone", name="pixel8", reason=reason)


def found() -> Quarantine:
    seen = quarantine_of("phone")
    assert seen is not None
    return seen


def later(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + seconds)


def test_nothing_is_counted_against_an_unheard_of_device(folder: Path) -> None:
    assert quarantine_of("phone") is None
    assert not lift("phone")
    note_health("phone")
    assert not folder.exists()


def test_one_error_is_counted_and_sets_nothing_aside(folder: Path) -> None:
    assert fault() == found()
    assert (found().name, found().reason, found().count) == ("pixel8", "the link broke", 1)
    assert (found().active, found().probation) == (False, False)
    assert found().until == found().since
    assert str(found()) == "under watch after 1 error: the link broke"


def test_the_second_in_a_row_sets_a_device_aside_for_a_minute(folder: Path) -> None:
    fault()
    assert fault("it hangs").active
    assert (found().active, found().probation) == (True, False)
    assert found().until - found().since == 60
    assert str(found()) == "quarantined after 2 errors in a row, for 60 s more: it hangs"


def test_another_device_is_not_touched(folder: Path) -> None:
    fault()
    fault()
    assert quarantine_of("tablet") is None


def test_after_the_back_off_it_is_on_probation_and_the_next_error_lasts_longer(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fault()
    fault()
    later(monkeypatch, 61)
    assert (found().active, found().probation) == (False, True)
    assert str(found()) == "on probation after 2 errors in a row: the link broke"
    again = fault()
    assert again.active
    assert again.until - again.since == 120


def test_the_back_off_doubles_up_to_an_hour() -> None:
    lasts = [Quarantine("", "", 0.0, count).until for count in (2, 3, 4, 7, 8, 99)]
    assert lasts == [60, 120, 240, 1920, 3600, 3600]


@pytest.mark.parametrize("ended_by", [note_health, lift])
def test_a_success_or_somebody_ends_the_count(folder: Path, ended_by: Any) -> None:
    fault()
    fault()
    ended_by("phone")
    assert quarantine_of("phone") is None
    assert not fault().active


def test_lift_tells_whether_there_was_any(folder: Path) -> None:
    fault()
    assert lift("phone")
    assert not lift("phone")


@pytest.mark.parametrize("reason", ["", "  \n\n", "\r\n\t"])
def test_an_error_without_words_is_counted(folder: Path, reason: str) -> None:
    fault(reason)
    fault(reason)
    assert str(found()) == "quarantined after 2 errors in a row, for 60 s more: no reason was given"


def test_the_first_line_of_a_reason_is_kept_and_cut(folder: Path) -> None:
    fault("\n  the link broke\n  hint: look at the cable")
    assert found().reason == "the link broke"
    fault("x" * 5000)
    assert found().reason == "x" * 397 + "..."


def test_names_and_reasons_cannot_steer_a_terminal(folder: Path) -> None:
    note_fault("phone", name="\x1b[2Jeve", reason="bad\x1b[2J \u202e\ud800 thing")
    assert (found().name, found().reason) == ("?[2Jeve", "bad?[2J ?? thing")


def path_of(folder: Path) -> Path:
    fault()
    (path,) = folder.glob("phone-*.sick")
    return path


def write(path: Path, text: bytes) -> None:
    with LockFile(path) as file:
        file.write(text)


def record(**changes: Any) -> bytes:
    return json.dumps({"name": "pixel8", "reason": "r", "since": time.time(), "count": 2, **changes}).encode()


GARBAGE = [
    b"",
    b"{",
    b"\xff\xfe",
    b"[1]",
    b"null",
    b"{}",
    b"[" * 100_000,
    b'{"name": "a", "reason": "b", "since": 1e400, "count": 2}',
    b'{"name": "a", "reason": "b", "since": NaN, "count": 2}',
    b'{"name": "a", "reason": "b", "since": -Infinity, "count": 2}',
    b'{"name": "a", "reason": "b", "since": 1, "count": ' + b"9" * 5000 + b"}",
    b'{"name": "a", "reason": "b", "since": ' + b"9" * 4000 + b', "count": 2}',
    record()[:-5],
    record(since=-1.0),
    record(since=time.time() + 86_400),
    record(since="now"),
    record(since=True),
    record(since=None),
    record(count=0),
    record(count=-3),
    record(count=True),
    record(count=2.0),
    record(count="2"),
    record(name=None),
    record(reason=["r"]),
    b'{"name": "' + b"x" * 100_000 + b'"}',
]


@pytest.mark.parametrize("garbage", GARBAGE, ids=range(len(GARBAGE)))
def test_garbage_sets_nothing_aside_and_is_replaced(folder: Path, garbage: bytes) -> None:
    write(path_of(folder), garbage)
    assert quarantine_of("phone") is None
    assert not lift("phone")
    assert fault().count == 1
    assert found().count == 1


@pytest.mark.parametrize("count", [99, 10**9, 10**400])
def test_a_huge_count_sets_aside_for_an_hour_at_most(folder: Path, monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    write(path_of(folder), record(count=count))
    assert (found().count, found().active) == (99, True)
    assert fault().count == 99
    later(monkeypatch, 3601)
    assert not found().active


def test_a_clock_that_steps_back_a_little_keeps_a_quarantine_and_a_lot_ends_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fault()
    fault()
    kept = found()
    later(monkeypatch, -30)
    assert found().active
    later(monkeypatch, -1000)
    assert quarantine_of("phone") is None
    assert not kept.active


def test_hostile_texts_are_stripped_when_they_are_read(folder: Path) -> None:
    write(path_of(folder), record(name="\x1b[2J" + "n" * 999, reason="\x1b[2J\n" + "r" * 999))
    assert found().name.startswith("?[2Jnnn")
    assert len(found().name) == 200
    assert found().reason == "?[2J"


def test_an_older_longer_record_behind_the_new_one_is_not_read(folder: Path) -> None:
    write(path_of(folder), record(reason="new") + b"\n" + record(reason="old"))
    assert found().reason == "new"


def test_a_file_that_cannot_be_used_sets_nothing_aside_and_is_named(folder: Path) -> None:
    path = path_of(folder)
    path.unlink()
    path.mkdir()
    assert quarantine_of("phone") is None
    note_health("phone")
    with pytest.raises(LeaseError, match="Is a directory"):
        fault()


def test_every_user_may_lift_it(folder: Path) -> None:
    assert stat.S_IMODE(path_of(folder).stat().st_mode) == 0o666


def test_errors_that_are_counted_at_the_same_time_all_count(folder: Path) -> None:
    together = threading.Barrier(8)

    def count() -> None:
        together.wait(30)
        fault()

    threads = [threading.Thread(target=count) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert found().count == 8


def test_who_is_stopped_while_counting_holds_up_nobody_for_long(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quarantine, "_BOOKKEEPING_WAIT_S", 0.02)
    with LockFile(path_of(folder)) as stuck:
        assert stuck.try_lock()
        assert fault().count == 2
        assert lift("phone")
