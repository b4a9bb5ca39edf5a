"""What a crashed session left is ended and removed, and nothing else, whatever its record claims."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_edgedevice.errors import DeadlineError
from pytest_edgedevice.transports import leftovers, orphans, sessions
from pytest_edgedevice.transports.local import LocalTransport

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

WAITING = "import sys; sys.stdin.read()"


@pytest.fixture
def link(tmp_path: Path) -> Iterator[LocalTransport]:
    with LocalTransport(base=tmp_path / "mine") as transport:
        yield transport


@pytest.fixture
def dead(tmp_path: Path) -> Path:
    """The folder of a dead session, in a root that nobody sweeps."""
    return made_dead(tmp_path / "theirs")


@pytest.fixture
def stopped() -> Iterator[Callable[[Path], subprocess.Popen[bytes]]]:
    """Start an agent of a session that is stopped, as a debugger or a Ctrl-Z leaves it."""
    started: list[subprocess.Popen[bytes]] = []

    def start(folder: Path) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-c", WAITING, "--folder", str(folder), "--wipe"]
        started.append(subprocess.Popen(command, stdin=subprocess.PIPE))
        started[-1].send_signal(signal.SIGSTOP)
        deadline = time.monotonic() + 30
        while state(started[-1].pid) != "T" and time.monotonic() < deadline:
            time.sleep(0.001)
        return started[-1]

    yield start
    for one in started:
        with one:
            one.kill()


def made_dead(root: Path, name: str = "edgedevice-session-left") -> Path:
    folder = root / name
    folder.mkdir(parents=True)
    (folder / "owner.lock").touch()
    (folder / "model").write_bytes(b"secret")
    (folder / "bundle.mlpackage").mkdir()
    (folder / "bundle.mlpackage" / "weights").write_bytes(b"secret")
    return folder


def state(pid: int) -> str:
    """The letter of a process's state; X when it is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()[0]
    except OSError:
        return "X"


def cleaned(link: LocalTransport, left: Path | str) -> tuple[str, ...]:
    return tuple(link.clean(str(left), timeout_s=30))


def test_the_folder_of_a_dead_session_is_removed_and_told(link: LocalTransport, dead: Path) -> None:
    assert cleaned(link, dead) == (f"removed {dead}",)
    assert not dead.exists()


def test_its_stopped_agents_are_ended_first(link: LocalTransport, dead: Path, stopped: Any) -> None:
    agents = [stopped(dead), stopped(dead)]
    assert cleaned(link, dead) == ("ended 2 processes", f"removed {dead}")
    assert [agent.wait(30) for agent in agents] == [-signal.SIGKILL] * 2


def test_an_agent_whose_folder_another_wiped_is_ended_too(link: LocalTransport, tmp_path: Path, stopped: Any) -> None:
    agent = stopped(tmp_path / "edgedevice-session-wiped")
    assert cleaned(link, tmp_path / "edgedevice-session-wiped") == ("ended 1 process",)
    assert agent.wait(30) == -signal.SIGKILL


def test_an_agent_that_was_ended_while_it_wiped_leaves_its_folder_to_us(
    link: LocalTransport, dead: Path, stopped: Any
) -> None:
    (dead / "owner.lock").unlink()
    stopped(dead)
    assert cleaned(link, dead) == ("ended 1 process", f"removed {dead}")


def test_an_agent_that_has_wiped_its_folder_meanwhile_is_no_news(
    link: LocalTransport, dead: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (dead / "owner.lock").unlink()

    def wipe(folder: Path) -> list[orphans.Orphan]:
        shutil.rmtree(folder)
        return []

    monkeypatch.setattr(leftovers, "orphans_of", wipe)
    assert cleaned(link, dead) == ()


def test_any_program_that_a_session_started_is_ended_with_its_descendants(link: LocalTransport, tmp_path: Path) -> None:
    code = f"""
import os, signal
from pathlib import Path
from pytest_edgedevice.transports.local import LocalTransport
link = LocalTransport(base=Path({str(tmp_path / "theirs")!r}))
process = link.start(["sh", "-c", "setsid sleep 987 & echo $!; sleep 986"])
view = memoryview(bytearray(99))
print(link.folder, bytes(view[:process.stream.receive_into(view, timeout_s=30)]).decode().strip(), flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    folder, grandchild = done.stdout.split()
    assert cleaned(link, folder) == ("ended 3 processes", f"removed {folder}")
    assert state(int(grandchild)) in "ZX"


def test_what_was_swept_when_the_session_was_made_is_told(tmp_path: Path, stopped: Any) -> None:
    left = made_dead(tmp_path)
    stopped(left)
    with LocalTransport(base=tmp_path) as link:
        assert cleaned(link, left) == ("ended 1 process", f"removed {left}")


@pytest.mark.parametrize(
    "left",
    [
        "..", "/", ".", "relative/edgedevice-session-a", "/tmp/edgedevice-session-a/..", "/tmp/edgedevice-session-",
        "/tmp/../tmp/edgedevice-session-a", "/tmp/edgedevice-session-a\nb", "/tmp/edgedevice-session-a/", "/etc",
        "/tmp/edgedevice-session-" + "a" * 10_000, "\udcff\ud800", "edgedevice-session-a", "/tmp/edgedevice-session-*",
    ],
)  # fmt: skip
def test_what_is_no_name_of_a_session_is_left_alone(link: LocalTransport, left: str) -> None:
    (told,) = cleaned(link, left)
    assert told.startswith("left ")
    assert told.endswith("alone: that is no session's folder")
    assert len(told) < 300
    assert told.isprintable()


@pytest.mark.parametrize("left", ["/a\0/edgedevice-session-a", "/\ud800/edgedevice-session-a"])
def test_a_name_that_no_file_can_have_is_left_alone(link: LocalTransport, left: str) -> None:
    (told,) = cleaned(link, left)
    assert "alone: " in told
    assert told.isprintable()


def test_a_path_that_is_too_long_is_left_alone(link: LocalTransport) -> None:
    (told,) = cleaned(link, "/a" * 5000 + "/edgedevice-session-a")
    assert told.endswith("alone: File name too long")
    assert len(told) < 300


def test_an_empty_claim_and_a_folder_that_is_not_there_are_no_news(link: LocalTransport, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for left in ("", tmp_path / "edgedevice-session-a", tmp_path / "file" / "edgedevice-session-a"):
        assert cleaned(link, left) == ()


def test_a_link_to_a_dead_session_is_left_alone(link: LocalTransport, tmp_path: Path, dead: Path) -> None:
    (tmp_path / "edgedevice-session-link").symlink_to(dead)
    (told,) = cleaned(link, tmp_path / "edgedevice-session-link")
    assert told.endswith("alone: it is no folder")
    assert (dead / "model").exists()


def test_a_link_that_takes_a_folders_place_while_it_is_looked_at_is_not_followed(
    link: LocalTransport, dead: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    precious = made_dead(tmp_path / "precious")
    real = os.open

    def swapping(path: Any, *arguments: Any, **keywords: Any) -> Any:
        if path == dead.name and not dead.is_symlink():
            dead.rename(dead.with_name("moved"))
            dead.symlink_to(precious)
        return real(path, *arguments, **keywords)

    monkeypatch.setattr(os, "open", swapping)
    (told,) = cleaned(link, dead)
    assert told.startswith(f"left {dead} alone: ")
    assert (precious / "model").exists()


def test_links_in_a_dead_session_are_removed_and_not_followed(link: LocalTransport, tmp_path: Path, dead: Path) -> None:
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "file").touch()
    (dead / "link").symlink_to(tmp_path / "precious")
    (dead / "bundle.mlpackage" / "link").symlink_to(tmp_path / "precious")
    assert cleaned(link, dead) == (f"removed {dead}",)
    assert (tmp_path / "precious" / "file").exists()


@pytest.mark.parametrize("how", ["missing", "pipe", "link", "folder"])
def test_a_folder_without_an_owners_lock_is_left_alone(
    link: LocalTransport, tmp_path: Path, dead: Path, how: str
) -> None:
    lock = dead / "owner.lock"
    lock.unlink()
    if how == "pipe":
        os.mkfifo(lock)
    elif how == "link":
        (tmp_path / "elsewhere").touch()
        lock.symlink_to(tmp_path / "elsewhere")
    elif how == "folder":
        lock.mkdir()
    (told,) = cleaned(link, dead)
    assert told.startswith(f"left {dead} alone: it")
    assert (dead / "model").exists()


def test_a_session_that_is_alive_is_left_alone_and_so_are_its_processes(
    link: LocalTransport, tmp_path: Path, stopped: Any
) -> None:
    with LocalTransport(base=tmp_path / "theirs") as other:
        agent = stopped(Path(other.folder))
        assert cleaned(link, other.folder) == (f"left {other.folder} alone: its session is alive",)
        assert agent.poll() is None
        assert Path(other.folder).exists()


def test_a_session_cannot_be_made_to_remove_itself(link: LocalTransport) -> None:
    assert cleaned(link, link.folder) == (f"left {link.folder} alone: its session is alive",)


def test_another_users_folder_is_left_with_the_command_that_removes_it(
    link: LocalTransport, dead: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 4_000_001)
    (told,) = cleaned(link, dead)
    name = leftovers._user(os.getuid())
    assert told == f"left {dead} alone: it belongs to {name}: sudo rm -r {dead}"
    assert (dead / "model").exists()


@pytest.mark.parametrize("which", ["folder", "parent"])
def test_a_folder_that_is_closed_to_us_is_left_with_its_owner_named(
    link: LocalTransport, dead: Path, monkeypatch: pytest.MonkeyPatch, which: str
) -> None:
    real_open, real_stat = os.open, os.stat

    def refusing(real: Any, names: set[str]) -> Any:
        def call(path: Any, *arguments: Any, **keywords: Any) -> Any:
            if path in names:
                raise PermissionError(13, "Permission denied")
            return real(path, *arguments, **keywords)

        return call

    monkeypatch.setattr(os, "open", refusing(real_open, {dead.name}))
    if which == "parent":
        monkeypatch.setattr(os, "stat", refusing(real_stat, {dead.name}))
    (told,) = cleaned(link, dead)
    assert told == f"left {dead} alone: it belongs to {leftovers._user(os.getuid())}: sudo rm -r {dead}"


def test_a_command_is_quoted_and_none_is_given_for_a_name_that_cannot_be_shown(tmp_path: Path) -> None:
    assert leftovers._foreign(tmp_path / "a b;c", 4_000_001) == (
        f"it belongs to uid 4000001: sudo rm -r '{tmp_path}/a b;c'"
    )
    assert leftovers._foreign(tmp_path / "a\nb", 4_000_001).endswith("uid 4000001: have them remove it")


@pytest.mark.skipif(os.getuid() != 0, reason="giving a folder away needs root; the same is tested above with our own")
def test_root_ends_a_dead_session_of_another_user_and_only_that_users_processes(
    link: LocalTransport, dead: Path, stopped: Any
) -> None:
    os.chown(dead, 12345, 12345)
    agent = stopped(dead)  # root's
    told = cleaned(link, dead)
    assert told == (f"removed {dead}", f"left process {agent.pid} of user root alone: sudo kill -9 {agent.pid}")
    assert agent.poll() is None


def test_cleaners_at_the_same_time_all_come_back_to_nothing_left(tmp_path: Path, dead: Path, stopped: Any) -> None:
    agent = stopped(dead)
    with contextlib.ExitStack() as links, ThreadPoolExecutor(8) as threads:
        cleaners = [links.enter_context(LocalTransport(base=tmp_path / str(at))) for at in range(8)]
        told = [*threads.map(lambda link: cleaned(link, dead), cleaners)]
    assert agent.wait(30) == -signal.SIGKILL
    assert not dead.exists()
    assert all(clause in ("ended 1 process", f"removed {dead}") for clauses in told for clause in clauses)


def test_a_sweeper_is_not_taken_for_an_owner_by_another(
    tmp_path: Path, stopped: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = made_dead(tmp_path)
    agent = stopped(left)
    inside, go, real = threading.Event(), threading.Event(), orphans.orphans_of

    def slow(folder: Path) -> list[orphans.Orphan]:
        if threading.current_thread() is not threading.main_thread():
            inside.set()
            assert go.wait(30)
        return real(folder)

    monkeypatch.setattr(leftovers, "orphans_of", slow)
    with ThreadPoolExecutor(1) as threads:
        first = threads.submit(lambda: LocalTransport(base=tmp_path).close())
        assert inside.wait(30)
        with LocalTransport(base=tmp_path):
            assert (agent.wait(30), left.exists()) == (-signal.SIGKILL, False)
        go.set()
        first.result()


def test_a_process_that_does_not_end_in_time_is_an_error_that_names_it(
    link: LocalTransport, dead: Path, stopped: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent = stopped(dead)
    monkeypatch.setattr(signal, "pidfd_send_signal", lambda *_: None)
    with pytest.raises(DeadlineError, match=f"process {agent.pid} of a session that crashed does not end"):
        link.clean(str(dead), timeout_s=0.05)
    assert (dead / "model").exists()


def test_a_process_that_does_not_end_holds_up_no_session(
    tmp_path: Path, stopped: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = made_dead(tmp_path)
    stopped(left)
    monkeypatch.setattr(signal, "pidfd_send_signal", lambda *_: None)
    monkeypatch.setattr(sessions, "SWEEP_S", 0.05)
    with LocalTransport(base=tmp_path) as link:
        assert (link._session.swept, left.exists()) == ((), True)


def test_a_folder_that_is_not_removed_in_time_stays_what_it_is(link: LocalTransport, dead: Path) -> None:
    with pytest.raises(DeadlineError, match="removing what a session that crashed left"):
        link.clean(str(dead), timeout_s=-1)
    assert (dead / "owner.lock").exists()


def test_a_kernel_without_descriptors_of_processes_ends_them_all_the_same(
    link: LocalTransport, dead: Path, stopped: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: int) -> int:
        raise PermissionError

    monkeypatch.setattr(os, "pidfd_open", refuse)
    agent = stopped(dead)
    assert cleaned(link, dead) == ("ended 1 process", f"removed {dead}")
    assert agent.wait(30) == -signal.SIGKILL


@pytest.mark.parametrize("pinned", [True, False])
def test_a_number_that_another_process_got_meanwhile_is_not_hit(
    link: LocalTransport, dead: Path, monkeypatch: pytest.MonkeyPatch, *, pinned: bool
) -> None:
    if not pinned:
        monkeypatch.delattr(os, "pidfd_open")
    with subprocess.Popen(["sleep", "987"]) as other:
        found = orphans.Orphan(other.pid, os.getuid(), str(dead))
        monkeypatch.setattr(leftovers, "orphans_of", lambda _: [found])
        cleaned(link, dead)
        assert other.poll() is None
        other.kill()


def test_a_process_that_has_ended_meanwhile_is_gone(link: LocalTransport, dead: Path, monkeypatch: Any) -> None:
    with subprocess.Popen(["true"]) as ended:
        pass
    monkeypatch.setattr(leftovers, "orphans_of", lambda _: [orphans.Orphan(ended.pid, os.getuid(), str(dead))])
    assert cleaned(link, dead)[-1] == f"removed {dead}"


def test_a_program_that_only_mentions_the_folder_is_none_of_the_sessions(link: LocalTransport, dead: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", WAITING, str(dead)], stdin=subprocess.PIPE) as reader:
        cleaned(link, dead)
        assert reader.poll() is None
        reader.kill()


def test_a_session_that_names_its_folder_by_another_path_is_found(tmp_path: Path, stopped: Any) -> None:
    left = made_dead(tmp_path / "real")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    agent = stopped(tmp_path / "link" / left.name)
    with LocalTransport(base=tmp_path / "real"):
        assert agent.wait(30) == -signal.SIGKILL


def test_an_agent_of_a_session_of_the_same_name_elsewhere_is_spared(
    link: LocalTransport, dead: Path, tmp_path: Path, stopped: Any
) -> None:
    agent = stopped(tmp_path / "elsewhere" / dead.name)
    assert cleaned(link, dead) == (f"removed {dead}",)
    assert agent.poll() is None


def test_a_process_that_sees_a_live_session_of_that_name_is_spared(
    link: LocalTransport, dead: Path, stopped: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent = stopped(dead)
    monkeypatch.setattr(leftovers, "_open_folder", lambda *_: None)  # as where its folder is in a container
    with (dead / "owner.lock").open("rb") as owner:
        fcntl.flock(owner, fcntl.LOCK_EX)
        assert cleaned(link, dead) == ()
    assert agent.poll() is None


def test_a_machine_without_proc_has_no_orphans(dead: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: str) -> None:
        raise FileNotFoundError

    monkeypatch.setattr(os, "scandir", refuse)
    assert orphans.orphans_of(dead) == []


def test_a_forked_child_does_not_keep_a_session_alive_nor_end_it(tmp_path: Path) -> None:
    code = f"""
import os, signal
from pathlib import Path
from pytest_edgedevice.transports.local import LocalTransport
session = LocalTransport(base=Path({str(tmp_path)!r}))
reader, writer = os.pipe()
if os.fork() == 0:
    session.close()
    print(session.folder, os.getpid(), Path(session.folder).exists(), flush=True)
    os.write(writer, b"x")
    signal.pause()
os.read(reader, 1)
os.kill(os.getpid(), signal.SIGKILL)
"""
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout is not None
        folder, child, exists = owner.stdout.readline().split()
        assert owner.wait(30) == -signal.SIGKILL
        try:
            with LocalTransport(base=tmp_path) as link:
                assert (exists, link.clean(folder, timeout_s=30)) == ("True", (f"removed {folder}",))
        finally:
            os.kill(int(child), signal.SIGKILL)


def test_an_old_folder_whose_lock_is_gone_is_swept(tmp_path: Path) -> None:
    left = made_dead(tmp_path)
    (left / "owner.lock").unlink()
    os.utime(left, (time.time() - 1000,) * 2)
    with LocalTransport(base=tmp_path):
        assert not left.exists()
