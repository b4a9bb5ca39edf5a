"""How far a transfer is, in words and in time, told to whoever wants to know and to nobody else."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from pytest_edgedevice.transports import progress
from pytest_edgedevice.transports.progress import Progress, shown, size_of

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("told", "said"),
    [
        (Progress("m.tflite", 12_000_000, 50_000_000, 4.0), "m.tflite: 12 of 50 MB after 4 s, 3.0 MB/s"),
        (Progress("9 files", 60_000, 120_000, 2.0), "9 files: 0.1 of 0.1 MB after 2 s, 0.0 MB/s"),
        (Progress("m\x1b[31m\n", 0, 0, 0.0), "m [31m : 0.0 of 0.0 MB after 0 s, 0.0 MB/s"),
        (Progress("m", 0, 0, 0.0), "m: 0.0 of 0.0 MB after 0 s, 0.0 MB/s"),
    ],
)
def test_it_is_said_in_one_line(told: Progress, said: str) -> None:
    assert str(told) == said


def test_whoever_cannot_be_told_does_not_stop_a_transfer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "SHOW_EVERY_S", 0.001)
    called = threading.Event()

    def fail(_: Progress) -> None:
        called.set()
        raise OSError("the terminal is gone")

    with shown(fail, "m", 1):
        assert called.wait(30)


def test_an_error_of_the_transfer_is_its_own_and_ends_the_telling(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "SHOW_EVERY_S", 0.001)
    told: list[Progress] = []
    some = threading.Event()

    def tell(one: Progress) -> None:
        told.append(one)
        some.set()

    def transfer() -> None:
        with shown(tell, "m", 1):
            assert some.wait(30)
            raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        transfer()
    assert told[-1].over


def test_files_that_are_not_there_count_nothing(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"12345")
    assert size_of([tmp_path / "a", tmp_path / "b"]) == 5
