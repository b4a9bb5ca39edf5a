"""Files on their way to a phone: read once, hashed behind that, and told when somebody writes to them meanwhile."""

from __future__ import annotations

import hashlib
import os
import time
from typing import TYPE_CHECKING

import pytest

from pytest_edgedevice.errors import DeadlineError, TransportError
from pytest_edgedevice.transports.adb import reading as adb_reading
from pytest_edgedevice.transports.adb.reading import Reading, opened, pieces_of, read_small

if TYPE_CHECKING:
    from pathlib import Path

FOREVER = 1e12


def test_a_file_is_read_in_pieces_and_hashed_behind_that(tmp_path: Path) -> None:
    content = os.urandom(3_000_000)
    (tmp_path / "model").write_bytes(content)
    with opened(tmp_path / "model") as file:
        reading = Reading(file)
        assert b"".join(bytes(piece) for piece in reading.pieces()) == content
        again = reading.kept_open()
    with again:
        assert reading.sha256(again, FOREVER) == hashlib.sha256(content).hexdigest()


def test_a_file_that_is_written_to_while_it_is_read_is_told(tmp_path: Path) -> None:
    (tmp_path / "model").write_bytes(bytes(3_000_000))
    with opened(tmp_path / "model") as file:
        pieces = Reading(file).pieces()
        next(pieces)
        with (tmp_path / "model").open("ab") as other:
            other.write(b"more")
        with pytest.raises(TransportError, match="changed meanwhile, from 3000000 bytes to 3000004"):
            list(pieces)


def test_of_a_file_that_was_written_to_since_no_hash_is_told(tmp_path: Path) -> None:
    (tmp_path / "model").write_bytes(b"old")
    with opened(tmp_path / "model") as file:
        reading = Reading(file)
        (tmp_path / "model").write_bytes(b"newer")
        assert reading.sha256(file, FOREVER) == ""


def test_a_hash_that_takes_too_long_is_a_deadline(tmp_path: Path) -> None:
    (tmp_path / "model").write_bytes(b"x")
    with opened(tmp_path / "model") as file, pytest.raises(DeadlineError):
        Reading(file).sha256(file, time.monotonic() - 1)


def test_a_small_file_that_has_grown_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(adb_reading, "SMALL_BYTES", 10)
    (tmp_path / "model").write_bytes(bytes(11))
    with opened(tmp_path / "model") as file, pytest.raises(TransportError, match="grew meanwhile"):
        read_small(file, tmp_path / "model")


def test_a_pipe_is_no_file_and_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(TransportError, match="it is not a file"), opened(tmp_path / "pipe"):
        pass


def test_bytes_come_in_pieces_too() -> None:
    content = bytes(adb_reading.READ_BYTES + 1)
    assert [len(piece) for piece in pieces_of(content)] == [adb_reading.READ_BYTES, 1]
