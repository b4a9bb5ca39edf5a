"""``edgedevice release``: what it asks on a terminal, and what it takes for a yes."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest

from pytest_edgedevice.cli import main, release, terminal

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable

    from tests.unit.cli.conftest import Terminal


@pytest.mark.parametrize("answer", [b"y\n", b"YES\n"])
def test_a_yes_asks_the_holder(
    answer: bytes, held: Callable[..., subprocess.Popen[str]], terminal: Callable[..., Terminal]
) -> None:
    child = held("test_y")
    shown = terminal("release", "local")
    shown.until("Ask that process to end? [y/N] ")
    assert "test test_y, for " in shown.shown
    shown.type(answer)
    assert shown.end() == 0
    assert "local is free" in shown.shown
    assert child.wait(60) == 0


@pytest.mark.parametrize("answer", [b"\n", b"n\n", b"no\n", b"yeah\n", b"\x04", b"\x03"])
def test_anything_else_is_a_no(
    answer: bytes, held: Callable[..., subprocess.Popen[str]], terminal: Callable[..., Terminal]
) -> None:
    child = held()
    shown = terminal("release", "local")
    shown.until("[y/N] ")
    shown.type(answer)
    assert shown.end() == 1
    assert "\r\nnothing was done: local is held still\r\n" in shown.shown
    assert child.poll() is None


def test_silence_is_a_no(
    held: Callable[..., subprocess.Popen[str]], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    child = held()
    read, write = os.pipe()
    with os.fdopen(read) as silent, os.fdopen(write, "w"):
        monkeypatch.setattr("sys.stdin", silent)
        monkeypatch.setattr(release, "is_terminal", lambda: True)
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
