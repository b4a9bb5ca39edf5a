from __future__ import annotations

import os
import select
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_edgedevice.leases import Holder, acquire
from pytest_edgedevice.leases import folder as folder_module

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pytest_edgedevice.leases import Lease

ROOT = Path(__file__).parents[3]
ACTOR = Path(__file__).with_name("actor.py")
DEADLINE_S = 60.0


class Actor:
    """A real process that acquires a device; see ``actor.py``."""

    def __init__(self, *arguments: str, folder: Path) -> None:
        environment = {**os.environ, "EDGEDEVICE_LOCKS": str(folder), "PYTHONPATH": str(ROOT)}
        self.process = subprocess.Popen(
            [sys.executable, str(ACTOR), *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
            bufsize=0,
        )

    def line(self) -> list[str]:
        """The words of the next line; empty at the end of the stream."""
        assert self.process.stdout is not None
        line = b""
        deadline = time.monotonic() + DEADLINE_S
        while not line.endswith(b"\n"):
            ready, _, _ = select.select([self.process.stdout], [], [], deadline - time.monotonic())
            assert ready, f"nothing more after {line!r}"
            more = self.process.stdout.read(1)
            if not more:
                break
            line += more
        return line.decode().split()

    def until(self, word: str) -> list[str]:
        """The next line that starts with ``word``."""
        while (words := self.line())[:1] != [word]:
            assert words, f"the actor ended before it said {word!r}"
        return words

    def release(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(b"\n")
        self.until("released")

    def end(self) -> None:
        self.process.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout):
            assert stream is not None
            stream.close()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A lock folder of the test's own."""
    locks = tmp_path / "locks"
    monkeypatch.setenv("EDGEDEVICE_LOCKS", str(locks))
    return locks


@pytest.fixture
def actor() -> Iterator[Callable[..., Actor]]:
    """Starts processes that acquire devices; all are killed at the end."""
    actors: list[Actor] = []

    def start(*arguments: str) -> Actor:
        actors.append(Actor(*arguments, folder=Path(os.environ["EDGEDEVICE_LOCKS"])))
        return actors[-1]

    yield start
    for one in actors:
        one.end()


@pytest.fixture
def default_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A stand-in for the one literal folder, so that tests leave the host's alone."""
    monkeypatch.delenv("EDGEDEVICE_LOCKS", raising=False)
    monkeypatch.setattr(folder_module, "DEFAULT", tmp_path / "locks")
    return tmp_path / "locks"


@pytest.fixture
def public_folder(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A lock folder that every user can reach (pytest's own temporary folders are private)."""
    place = Path(tempfile.mkdtemp(dir="/var/tmp"))
    place.chmod(0o755)
    monkeypatch.setenv("EDGEDEVICE_LOCKS", str(place / "locks"))
    yield place / "locks"
    shutil.rmtree(place)


@pytest.fixture
def held(folder: Path) -> Iterator[Lease]:
    with acquire(
        "phone", holder=Holder(user="ada", pid=12, host="lab1", test="tests/test_x.py::test_y"), wait_s=0
    ) as lease:
        yield lease
