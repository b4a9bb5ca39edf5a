"""``edgedevice release``: quarantines end, holders are asked, locks are never taken."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest

from pytest_edgedevice.cli import main, release
from pytest_edgedevice.leases import Holder, holders, note_fault, quarantine_of
from pytest_edgedevice.transports.local import local_identity

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable
    from pathlib import Path


def note_faults(count: int) -> None:
    for _ in range(count):
        note_fault(local_identity(), name="local", reason="the link broke")


def is_held() -> bool:
    return bool(holders(local_identity()))


def test_a_free_and_healthy_device_needs_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["release", "local"]) == 0
    assert capsys.readouterr().out == "local is free and healthy: there is nothing to release\n"


def test_a_quarantine_is_lifted_and_told(device_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    note_faults(3)
    assert main(["release", "bench"]) == 0
    first, second, third = capsys.readouterr().out.splitlines()
    assert first == "lifted the quarantine of bench"
    assert second.startswith("  it was quarantined for ")
    assert second.endswith("after 3 errors in a row, the last 0 s ago: the link broke")
    assert third == "bench is free"
    assert quarantine_of(local_identity()) is None


def test_a_probation_is_ended(capsys: pytest.CaptureFixture[str]) -> None:
    note_faults(1)
    assert main(["release", "local"]) == 0
    assert capsys.readouterr().out.startswith("ended the probation of local\n  it was after 1 error 0 s ago")
    assert quarantine_of(local_identity()) is None


def test_a_quarantined_device_that_is_held_is_only_healed(ada: Holder, capsys: pytest.CaptureFixture[str]) -> None:
    note_faults(2)
    assert main(["release", "local", "--yes"]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith("lifted the quarantine of local\n")
    assert "\nlocal is held by ada (pid 12 on lab1)" in shown
    assert is_held()


def test_without_a_terminal_nobody_is_asked_and_nothing_done(
    held: Callable[..., subprocess.Popen[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    pid = held("test_y").pid
    assert main(["release", "local"]) == 1
    shown = capsys.readouterr().err
    assert f"(pid {pid}" in shown
    assert "test test_y" in shown
    assert "hint: to ask it to end, run: edgedevice release local --yes" in shown
    assert is_held()


def test_with_yes_the_holder_is_asked_to_end(
    held: Callable[..., subprocess.Popen[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    child = held()
    assert main(["release", "local", "--yes"]) == 0
    assert capsys.readouterr().out == f"asked process {child.pid} to end: local was let go\nlocal is free\n"
    assert child.wait(60) == 0


def test_all_who_share_are_asked(
    held: Callable[..., subprocess.Popen[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    children = [held("test_x", "--shared"), held("test_y", "--shared")]
    assert main(["release", "local", "--yes"]) == 0
    assert capsys.readouterr().out.startswith("asked all of them to end: local was let go\n")
    assert [child.wait(60) for child in children] == [0, 0]


def test_a_holder_that_does_not_end_is_told_and_keeps_its_lock(
    held: Callable[..., subprocess.Popen[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    child = held("test_x", "--stubborn")
    assert main(["release", "local", "--yes", "--wait", "0.1"]) == 1
    shown = capsys.readouterr().err
    assert "it did not let go within 0.1 s after it was asked to end" in shown
    assert f"kill {child.pid}" in shown
    assert is_held()


def test_a_record_that_lies_about_its_process_is_told_apart(
    held: Callable[..., subprocess.Popen[str]], locks: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    child = held()
    (lock,) = (path for path in locks.glob("local-*.lock"))
    lock.write_text('{"user": "mallory\\u001b[2J", "pid": 1}\n')
    assert main(["release", "local"]) == 1
    shown = capsys.readouterr().err
    assert f"local is held by process {child.pid}; its record says: held by mallory?[2J (pid 1)" in shown


def test_a_device_of_another_user_is_theirs(
    held: Callable[..., subprocess.Popen[str]], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    child = held()
    monkeypatch.setattr(os, "geteuid", lambda: 54321)
    assert main(["release", "local", "--yes"]) == 1
    assert "a process of another user\n  hint: ask them to end it" in capsys.readouterr().err
    assert child.poll() is None


def test_a_holder_that_is_gone_before_it_is_looked_at_is_nobody(
    ada: Holder, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(release, "holder_pid", lambda key: None)
    assert main(["release", "local"]) == 0
    assert "nothing to release" in capsys.readouterr().out


@pytest.mark.parametrize("wait", ["-1", "nan", "inf", "soon", "1e999"])
def test_a_wait_must_be_a_number_of_seconds(wait: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["release", "local", "--wait", wait])
    assert stopped.value.code == 2
    assert "is no number of seconds" in capsys.readouterr().err


def test_a_quarantine_of_a_device_that_no_file_names_is_lifted(capsys: pytest.CaptureFixture[str]) -> None:
    for _ in range(2):
        note_fault("serial-7", name="cable", reason="the link broke")
    assert main(["release", "cable"]) == 0
    assert capsys.readouterr().out.startswith("lifted the quarantine of cable\n")
    assert quarantine_of("serial-7") is None


def test_of_a_holder_that_is_stopped_it_is_said_how_it_runs_on(
    held: Callable[..., subprocess.Popen[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    child = held()
    os.kill(child.pid, signal.SIGSTOP)
    os.waitpid(child.pid, os.WUNTRACED)
    assert main(["release", "local", "--yes", "--wait", "0.1"]) == 1
    assert f"hint: it is stopped, as by Ctrl-Z; let it run on: kill -CONT {child.pid}\n" in capsys.readouterr().err
