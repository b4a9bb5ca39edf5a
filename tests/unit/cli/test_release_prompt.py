"""``edgedevice release``: what it asks on a terminal, and what it takes for a yes."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest

from pytest_edgedevice.cli import main, release, terminal

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Iterator

    from tests.unit.cli.conftest import Terminal


@pytest.fixture
def answered(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """What is written here is read from the terminal by a command that runs in this process."""
    read, write = os.pipe()
    with os.fdopen(read) as stdin, os.fdopen(write, "w"):
        monkeypatch.setattr("sys.stdin", stdin)
        monkeypatch.setattr(release, "is_terminal", lambda: True)
        yield write


def test_a_yes_asks_the_holder(held: Callable[..., subprocess.Popen[str]], terminal: Callable[..., Terminal]) -> None:
    child = held("test_y")
    shown = terminal("release", "local")
    shown.until("Ask that process to end? [y/N] ")
    assert "test test_y, for " in shown.shown
    shown.type(b"y\n")
    assert shown.end() == 0
    assert "local is free" in shown.shown
    assert child.wait(60) == 0


def test_a_loud_yes_is_one(
    answered: int, held: Callable[..., subprocess.Popen[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    child = held()
    os.write(answered, b"YES\n")
    assert main(["release", "local"]) == 0
    assert "local is free" in capsys.readouterr().out
    assert child.wait(60) == 0


@pytest.mark.parametrize("key", [b"n\n", b"\x04", b"\x03"])
def test_anything_else_is_a_no(
    key: bytes, held: Callable[..., subprocess.Popen[str]], terminal: Callable[..., Terminal]
) -> None:
    child = held()
    shown = terminal("release", "local")
    shown.until("[y/N] ")
    shown.type(key)
    assert shown.end() == 1
    assert "\r\nnothing was done: local is held still\r\n" in shown.shown
    assert child.poll() is None


def test_no_other_word_is_a_yes(
    answered: int, held: Callable[..., subprocess.Popen[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    child = held()
    for word in (b"\n", b"no\n", b"yeah\n"):
        os.write(answered, word)
        assert main(["release", "local"]) == 1
        assert "nothing was done: local is held still\n" in capsys.readouterr().out
    assert child.poll() is None


def test_silence_is_a_no(
    answered: int,
    held: Callable[..., subprocess.Popen[str]],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    child = held()
    monkeypatch.setattr(terminal, "ANSWER_S", 0.05)
    assert main(["release", "local"]) == 1
    assert "nothing was done" in capsys.readouterr().out
    assert child.poll() is None


def test_consent_is_for_the_holder_that_was_shown(
    held: Callable[..., subprocess.Popen[str]], terminal: Callable[..., Terminal]
) -> None:
    first, second = held(), held("test_z", wait=False)
    shown = terminal("release", "local")
    shown.until("[y/N] ")
    first.send_signal(signal.SIGINT)
    assert second.stdout is not None
    assert second.stdout.readline() == "got\n"
    shown.type(b"y\n")
    assert shown.end() == 1
    assert "nothing was done: local changed hands meanwhile" in shown.shown
    assert "test test_z" in shown.shown
    assert second.poll() is None


def test_a_holder_that_ended_by_itself_meanwhile_is_no_failure(
    held: Callable[..., subprocess.Popen[str]], terminal: Callable[..., Terminal]
) -> None:
    child = held()
    shown = terminal("release", "local")
    shown.until("[y/N] ")
    child.send_signal(signal.SIGINT)
    child.wait(60)
    shown.type(b"y\n")
    assert shown.end() == 0
    assert "local is free" in shown.shown
