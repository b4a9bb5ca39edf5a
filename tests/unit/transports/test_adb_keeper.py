"""The keeper's script in real shells: it ends what is left of a session whose host is gone, silent or done."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, Self

import pytest

from pytest_edgedevice.transports.adb import keeper as adb_keeper
from pytest_edgedevice.transports.orphans import VARIABLE
from tests.phones.shells import Shell, shells

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

FOUND = shells()
NUMBER = "17"
"""Of every request; each answer has its request's."""
# no program ends for silence but where that is tested, however busy this machine is
TTL_S = {
    "test_when_its_host_is_silent_everything_of_the_session_ends": 2,
    "test_a_host_that_beats_keeps_it": 4,
}


def until(true: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 30
    while not true():
        assert time.monotonic() < deadline, f"{what} did not happen"
        time.sleep(0.02)


class Running:
    """A keeper on this machine."""

    def __init__(self, shell: Shell, base: Path) -> None:
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(
            [*shell.command, "-c", adb_keeper.script("TOKEN", str(base))],
            stdin=pipe,
            stdout=pipe,
            env={**os.environ, **shell.environment(base.with_name(f"tools of {shell}"))},
            start_new_session=True,
        )
        said = self.line()
        assert said[0] == "hello"
        self.programs: list[subprocess.Popen[bytes]] = []
        self.folder = Path(" ".join(said[3:])) / said[1]

    def say(self, text: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{NUMBER} {text}\n".encode())
        self.process.stdin.flush()

    def answer(self) -> list[str]:
        number, *words = self.line()
        assert number == NUMBER
        return words

    def line(self) -> list[str]:
        assert self.process.stdout is not None
        while line := self.process.stdout.readline().decode():
            if line.startswith("TOKEN "):
                return line.split()[1:]
        raise AssertionError("it ended")

    def started(self) -> subprocess.Popen[bytes]:
        """A program of the session that has left its group and does not hear a hang-up."""
        program = subprocess.Popen(
            ["sh", "-c", "trap '' HUP; exec sleep 987"],
            env={**os.environ, VARIABLE: str(self.folder), "ODD": "a\nb"},
            start_new_session=True,
        )
        self.programs.append(program)
        return program

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for one in (*self.programs, self.process):
            one.kill()
            with one:
                pass


@pytest.fixture(params=FOUND, ids=str)
def keeper(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Running]:
    monkeypatch.setattr(adb_keeper, "TTL_S", TTL_S.get(request.function.__name__, 60))
    with Running(request.param, tmp_path / "base") as running:
        yield running


def test_a_folder_that_others_remove_while_it_begins_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A keeper that leaves removes the empty folder of all sessions: here between any two steps."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "mkdir").symlink_to(shutil.which("mkdir") or "")
    mkdir = tmp_path / "bin" / "mkdir"
    mkdir.write_text(
        f"#!/bin/sh\ncd '{tmp_path}'; echo >>calls; case $(wc -l <calls) in\n"
        '1 | 4) ./mkdir "$@" && rmdir base ;;\n'  # just made, and gone
        '3) rmdir base; ./mkdir "$@" ;;\n'  # seen, and gone
        '*) ./mkdir "$@" ;;\nesac\n'
    )
    mkdir.chmod(0o755)
    monkeypatch.setenv("PATH", f"{mkdir.parent}:{os.environ['PATH']}")
    with Running(FOUND[0], tmp_path / "base") as running:
        assert running.folder.is_dir()


def test_its_folder_is_for_nobody_else(keeper: Running) -> None:
    assert keeper.folder.stat().st_mode & 0o777 == 0o700
    assert keeper.folder.parent.stat().st_mode & 0o777 == 0o700


def test_it_answers_a_beat(keeper: Running) -> None:
    keeper.say("beat 7")
    assert keeper.answer() == ["alive", "7"]


def test_at_the_end_of_its_input_everything_of_the_session_ends(keeper: Running) -> None:
    (keeper.folder / "model").write_bytes(b"secret")
    program = keeper.started()
    assert keeper.process.stdin is not None
    keeper.process.stdin.close()
    assert program.wait(30) == -signal.SIGKILL
    until(lambda: not keeper.folder.exists(), "the wiping")
    assert keeper.process.wait(30) is not None


def test_when_its_host_is_silent_everything_of_the_session_ends(keeper: Running) -> None:
    program = keeper.started()
    assert program.wait(30) == -signal.SIGKILL
    until(lambda: not keeper.folder.exists(), "the wiping")


def test_a_host_that_beats_keeps_it(keeper: Running) -> None:
    program = keeper.started()
    end = time.monotonic() + 5
    number = 0
    while time.monotonic() < end:
        keeper.say(f"beat {number}")
        assert keeper.answer() == ["alive", str(number)]
        number += 1
        time.sleep(0.1)
    assert program.poll() is None
    assert keeper.folder.is_dir()


def test_a_goodbye_is_answered_when_all_is_gone(keeper: Running) -> None:
    program = keeper.started()
    keeper.say("bye")
    assert keeper.answer() == ["gone"]
    assert not keeper.folder.exists()
    assert program.wait(30) == -signal.SIGKILL


def test_a_program_that_is_just_being_started_ends_too(keeper: Running) -> None:
    """Its environment is still that of the shell that starts it, but it is in the session's folder already."""
    program = subprocess.Popen(["sleep", "987"], cwd=keeper.folder, start_new_session=True)
    keeper.programs.append(program)
    keeper.say("bye")
    assert keeper.answer() == ["gone"]
    assert program.wait(30) == -signal.SIGKILL


def test_a_group_is_killed_by_number(keeper: Running) -> None:
    program = keeper.started()
    keeper.say(f"kill {program.pid}")
    assert keeper.answer() == ["killed", str(program.pid)]
    assert program.wait(30) == -signal.SIGKILL


def test_a_program_of_another_session_is_left_alone(keeper: Running) -> None:
    with subprocess.Popen(
        ["sleep", "987"], env={**os.environ, VARIABLE: f"{keeper.folder.parent}/session-other"}
    ) as other:
        keeper.say("bye")
        assert keeper.answer() == ["gone"]
        assert other.poll() is None
        other.kill()


def test_dead_sessions_are_swept_and_live_ones_and_strangers_are_not(keeper: Running, tmp_path: Path) -> None:
    base = keeper.folder.parent
    dead = base / "session-0000000000000000-999999-5"
    stranger = base / "else"
    reused = base / f"session-0000000000000000-{os.getpid()}-1"
    for folder in (dead, stranger, reused):
        folder.mkdir()
    (base / "session-0000000000000001-999999-5").symlink_to(tmp_path)
    with Running(Shell("sh", ("sh",)), base) as other:
        keeper.say("sweep")
        swept = [["swept", name, "0"] for name in (dead.name, reused.name)]
        assert sorted((keeper.answer(), keeper.answer())) == sorted(swept)
        assert keeper.answer() == ["sweep", "done"]
        assert other.folder.is_dir()
        assert stranger.is_dir()
        assert tmp_path.is_dir()
        keeper.say(f"clean {other.folder.name}")
        assert keeper.answer() == ["clean", "2"]


def test_what_a_dead_session_left_running_is_ended_with_it(keeper: Running) -> None:
    left = keeper.folder.parent / "session-0000000000000000-999999-5"
    left.mkdir()
    with subprocess.Popen(["sleep", "987"], env={**os.environ, VARIABLE: str(left)}) as program:
        keeper.say(f"clean {left.name}")
        assert keeper.answer() == ["swept", left.name, "1"]
        assert program.wait(30) == -signal.SIGKILL


def test_words_that_nobody_knows_are_passed_over(keeper: Running) -> None:
    for words in ("", "*", "what is this", "$(touch /tmp/x)", "kill", "beat"):
        keeper.say(words)
    keeper.say("beat 9")
    while keeper.answer() != ["alive", "9"]:
        pass


@pytest.mark.parametrize("shell", FOUND, ids=str)
def test_a_folder_that_is_a_file_is_refused(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "base").write_text("")
    done = subprocess.run(
        [*shell.command, "-c", adb_keeper.script("TOKEN", str(tmp_path / "base"))],
        input=b"",
        env={**os.environ, **shell.environment(tmp_path / "tools")},
        capture_output=True,
        check=False,
        timeout=30,
    )
    assert done.returncode == 1
    assert done.stdout.startswith(b"TOKEN failed mkdir ")
