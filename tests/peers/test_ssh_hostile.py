"""A board that lies, floods, stalls or is no board at all: each is an error of the link, in time and in bounds."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import pytest

from pytest_edgedevice.errors import DeadlineError, DeviceFullError, DeviceLostError, TransportError
from pytest_edgedevice.transports.ssh import connection, process
from pytest_edgedevice.transports.ssh import transport as ssh
from pytest_edgedevice.transports.ssh.transport import SshTransport

BOARD = str(Path(__file__).with_name("hostile_board.py"))


@pytest.fixture(autouse=True)
def _importable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))


@pytest.fixture(autouse=True)
def _hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """A board that floods keeps a core busy until its goodbye or its program's end, for which nobody waits here."""
    monkeypatch.setattr(ssh, "CLOSE_S", 0.2)
    monkeypatch.setattr(process, "KILL_S", 0.2)


def opened(how: str, *, timeout_s: float = 20.0) -> SshTransport:
    return SshTransport("kitchen", program=(sys.executable, BOARD, how), connect_timeout_s=timeout_s)


@pytest.mark.parametrize(
    ("how", "said", "hint"),
    [
        ("changed", "REMOTE HOST IDENTIFICATION HAS CHANGED", "ssh-keygen -R"),
        ("unknown", "Host key verification failed", "accept it once by hand"),
        ("denied", "Permission denied", "ssh-add"),
        ("resolve", "Could not resolve hostname", "is the name right"),
        ("odd", r"\[31mred", "try by hand"),
        ("forced", "runs no helper: its login shell ended with exit code 1\n  ssh: This account is for git", "forced"),
        ("missing", "has no 'python3'", "apt install python3"),
        ("old", "is Python 3.7.3; the agent needs 3.9", "newer"),
        ("python2", "is Python 2.7.18", "newer"),
        ("no-python", "is no Python interpreter; it said 'bash'", ""),
        ("endless", "no helper answered", ""),
        ("garbage", "did not start: .*broke the protocol", ""),
        ("huge", "did not start: .*broke the protocol", ""),
        ("dies", "did not start: .*MemoryError", ""),
        ("no-folder", "lacks a folder", ""),
        ("no-identity", "lacks a folder or an identity", ""),
        ("no-facts", "lacks facts", ""),
    ],
)
def test_what_is_no_helper_is_told_apart(how: str, said: str, hint: str) -> None:
    with pytest.raises(TransportError, match=said) as caught:
        opened(how)
    assert hint in caught.value.hint
    assert "\x1b" not in str(caught.value)


def test_a_board_that_never_answers_is_told_in_time() -> None:
    with pytest.raises(TransportError, match="did not answer in time"):
        opened("silent", timeout_s=0.5)


def test_a_board_without_space_is_full() -> None:
    with pytest.raises(DeviceFullError, match="No space left"):
        opened("full")


def test_facts_are_cut_to_what_they_may_be() -> None:
    with opened("odd-facts") as link:
        assert link.facts() == {"a": "x [31m", "d": 1}


@pytest.mark.parametrize("how", ["flood", "took", "status", "unknown-answer", "huge-frame", "huge-header", "deep"])
def test_a_program_that_breaks_the_protocol_ends_the_link(how: str) -> None:
    def use(link: SshTransport) -> None:
        link.start(["cat"]).wait(timeout_s=20)

    with opened(how) as link, pytest.raises(DeviceLostError, match="broke the protocol"):
        use(link)


def test_endless_frames_before_the_hello_are_told_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    await_hello = connection._await_hello

    def hastily(link: Any, target: Any, deadline: float) -> Any:
        assert deadline <= time.monotonic() + 20
        return await_hello(link, target, time.monotonic() + 0.3)  # from here on, however long the board took to start

    monkeypatch.setattr(connection, "_await_hello", hastily)
    with pytest.raises(TransportError, match="did not say hello in time"):
        opened("endless-frames")


@pytest.mark.parametrize("how", ["errors", "strangers"])
def test_endless_words_are_a_deadline_and_fill_no_memory(how: str) -> None:
    with opened(how) as link:
        process = link.start(["cat"])
        assert process.wait(timeout_s=0.5) is None
        assert len(process.stderr_tail()) <= 65536


def test_endless_errors_of_a_program_that_is_run_end_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ssh, "MOST_OUTPUT_BYTES", 1 << 20)
    with opened("errors") as link, pytest.raises(TransportError, match="more than 1 MiB"):
        link.run(["cat"], timeout_s=60)


def test_endless_waiting_is_a_deadline_and_steers_no_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ssh, "SLACK_S", 0.5)
    told: list[str] = []
    with opened("waits") as link, pytest.raises(DeadlineError, match="did not answer 'guard'"):
        link.guard(b"{}", wait_s=0.5, on_wait=told.append)
    assert told
    assert not any("\x1b" in one or len(one) > 300 for one in told)


@pytest.mark.parametrize("where", ["/etc/passwd", "../x", "/tmp/edgedevice-session-x/../y", "/tmp/a\nb"])
@pytest.mark.parametrize("size", [7, 1 << 20])
def test_a_file_that_was_stored_elsewhere_is_told(where: str, size: int) -> None:
    with opened(f"stored {where}") as link, pytest.raises(TransportError, match="stored a file elsewhere"):
        link.place(bytes(size), timeout_s=20)


def test_what_is_said_for_strangers_is_passed_over() -> None:
    with opened("stranger") as link:
        process = link.start(["cat"])
        assert process.stream.receive_into(memoryview(bytearray(1)), timeout_s=20) == 0


@pytest.mark.parametrize(("how", "size"), [("generous", 1 << 20), ("put-unknown", 1 << 20), ("put-unknown", 7)])
def test_a_file_that_breaks_the_protocol_ends_the_link(how: str, size: int) -> None:
    with opened(how) as link, pytest.raises(DeviceLostError, match="broke the protocol"):
        link.place(bytes(size), timeout_s=20)


@pytest.mark.parametrize("size", [7, 1 << 20])
def test_a_file_that_arrived_otherwise_is_told(size: int) -> None:
    with opened("hash") as link, pytest.raises(TransportError, match=r"could not be stored: another +hash"):
        link.place(bytes(size), timeout_s=20)


def test_a_refused_cleaning_is_told() -> None:
    with opened("no-clean") as link, pytest.raises(TransportError, match="it gave no reason"):
        link.clean("/tmp/x", timeout_s=20)


def test_a_cleaning_that_says_nothing_did_nothing() -> None:
    with opened("well") as link:
        assert link.clean("/tmp/x", timeout_s=20) == ()


@pytest.mark.parametrize(
    ("host", "user"),
    [
        ("-oProxyCommand=touch /tmp/x", ""),
        ("", ""),
        ("a b", ""),
        ("a\nb", ""),
        ("a;reboot", ""),
        ("a'b", ""),
        ('a"b', ""),
        ("a\tb", ""),
        ("a\0b", ""),
        ("../../tmp/x", ""),
        ("kitchen", "a\nb"),
        ("kitchen", "a'b"),
        ("$(reboot)", ""),
        ("kitchen", "-l"),
        ("kitchen", "a b"),
        ("kitchen", "`reboot`"),
    ],
)
def test_a_name_that_could_be_something_else_is_refused(host: str, user: str) -> None:
    with pytest.raises(TransportError, match="SSH address"):
        SshTransport(host, user=user, program=("false",))


def test_a_port_that_is_none_is_refused() -> None:
    with pytest.raises(TransportError, match="70000 is no port"):
        SshTransport("kitchen", port=70000, program=("false",))


@pytest.mark.parametrize("what", ["python", "base"])
def test_an_interpreter_or_a_folder_with_a_line_end_is_refused(what: str) -> None:
    with pytest.raises(TransportError, match="line end"):
        SshTransport("kitchen", program=("false",), **{what: "a\nb"})  # type: ignore[arg-type]


def test_an_interpreter_that_is_an_option_is_refused() -> None:
    with pytest.raises(TransportError, match="is no interpreter, but an option"):
        SshTransport("kitchen", python="-c", program=("false",))


def test_a_missing_ssh_is_told_with_what_to_install() -> None:
    with pytest.raises(TransportError) as caught:
        SshTransport("kitchen", program=("edgedevice-no-such-ssh",))
    assert "openssh-client" in caught.value.hint


def test_the_command_line_holds_no_name_but_behind_the_dashes(tmp_path: Path) -> None:
    seen = tmp_path / "seen"
    ssh = tmp_path / "ssh"
    ssh.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" >{seen}\nexit 255\n')
    ssh.chmod(0o755)
    with pytest.raises(TransportError):
        SshTransport("fe80::1", user="pi", port=2222, program=(str(ssh),), python="/opt/my python", base="/data/a b")
    arguments = seen.read_text().splitlines()
    assert arguments[-6:-1] == ["pi", "-p", "2222", "--", "fe80::1"]
    assert "my python" not in seen.read_text()
    assert "BatchMode=yes" in arguments
    assert not [one for one in arguments if "StrictHostKeyChecking" in one]
