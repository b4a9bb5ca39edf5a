"""A hash taken behind whoever writes a file: of what is there, in any steps, and told when it cannot be read."""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING

import pytest

from pytest_edgedevice.agent.board import hashing
from pytest_edgedevice.agent.board.hashing import PIECE_BYTES, Hashing

if TYPE_CHECKING:
    from pathlib import Path

CONTENT = os.urandom(3 * PIECE_BYTES + 7)


@pytest.fixture
def file(tmp_path: Path) -> int:
    path = tmp_path / "file"
    path.write_bytes(CONTENT)
    return os.open(path, os.O_RDWR)


@pytest.mark.parametrize("step", [1 << 16, PIECE_BYTES, len(CONTENT)])
def test_a_file_that_grows_is_hashed_as_a_whole(file: int, step: int) -> None:
    taken = Hashing(file)
    for end in range(step, len(CONTENT) + step, step):
        taken.reach(min(end, len(CONTENT)))
    assert taken.hexdigest() == hashlib.sha256(CONTENT).hexdigest()


def test_it_goes_on_behind_what_was_hashed_before(file: int) -> None:
    taken = Hashing(file, hashlib.sha256(CONTENT[:1000]), start=1000)
    taken.reach(len(CONTENT))
    assert taken.hexdigest() == hashlib.sha256(CONTENT).hexdigest()


def test_what_is_there_at_once_needs_no_thread(file: int) -> None:
    taken = Hashing(file)
    taken.reach(9, last=True)
    assert taken.hexdigest() == hashlib.sha256(CONTENT[:9]).hexdigest()


def test_nothing_has_a_hash_too(file: int) -> None:
    assert Hashing(file).hexdigest() == hashlib.sha256().hexdigest()


def test_whoever_is_far_ahead_waits(file: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hashing, "MOST_BEHIND_BYTES", 0)
    taken = Hashing(file)
    taken.reach(len(CONTENT) - 1)
    assert taken._at == len(CONTENT) - 1
    taken.end()


def test_a_file_that_became_shorter_is_told(file: int) -> None:
    os.truncate(file, 5)
    taken = Hashing(file)
    taken.reach(len(CONTENT))
    with pytest.raises(OSError, match="became shorter"):
        taken.hexdigest()


def test_a_file_that_cannot_be_read_is_told_and_nobody_waits_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hashing, "MOST_BEHIND_BYTES", 0)
    taken = Hashing(-1)
    taken.reach(len(CONTENT))
    with pytest.raises(OSError, match="Bad file descriptor"):
        taken.hexdigest()
