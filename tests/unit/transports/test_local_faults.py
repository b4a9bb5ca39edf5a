"""Faults of files and pipes that a healthy machine does not show."""

from __future__ import annotations

import errno
import os
import select
import shutil
import signal
import socket
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_edgedevice.errors import DeadlineError, DeviceFullError, TransportError
from pytest_edgedevice.transports import local, pipes
from pytest_edgedevice.transports.local import LocalTransport
from pytest_edgedevice.transports.pipes import ChildProcess, PipeStream

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture
def link(tmp_path: Path) -> Iterator[LocalTransport]:
    with LocalTransport(base=tmp_path / "device") as transport:
        yield transport


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "model.bin"
    path.write_bytes(bytes(3 << 20))
    return path


def listed(link: LocalTransport) -> list[Path]:
    return sorted(Path(link.folder).iterdir())


def failing(number: int) -> Callable[..., Any]:
    def fail(*_: object, **__: object) -> Any:
        raise OSError(number, os.strerror(number))

    return fail


@pytest.mark.parametrize(
    ("number", "kind"),
    [(errno.ENOSPC, DeviceFullError), (errno.EDQUOT, DeviceFullError), (errno.EIO, TransportError)],
)
def test_a_disk_that_fails_while_bytes_are_placed_leaves_nothing(
    link: LocalTransport, monkeypatch: pytest.MonkeyPatch, number: int, kind: type[TransportError]
) -> None:
    before = listed(link)
    monkeypatch.setattr(Path, "rename", failing(number))
    with pytest.raises(kind) as raised:
        link.place(b"content", timeout_s=30)
    assert type(raised.value) is kind
    assert listed(link) == before


@pytest.mark.parametrize(("number", "kind"), [(errno.ENOSPC, DeviceFullError), (errno.EIO, TransportError)])
def test_a_disk_that_fails_while_a_file_is_pushed_leaves_nothing(
    link: LocalTransport,
    source: Path,
    monkeypatch: pytest.MonkeyPatch,
    number: int,
    kind: type[TransportError],
) -> None:
    before = listed(link)
    monkeypatch.setattr(Path, "rename", failing(number))
    pushed = link.push(source, timeout_s=30)
    with pytest.raises(kind, match="cannot hash what was pushed") as raised:
        _ = pushed.sha256
    assert type(raised.value) is kind
    assert listed(link) == before


def test_a_push_that_takes_too_long_is_late_and_leaves_nothing(link: LocalTransport, source: Path) -> None:
    before = listed(link)
    with pytest.raises(DeadlineError):
        link.push(source, timeout_s=-1)
    assert listed(link) == before


def test_a_named_pipe_is_not_waited_for(link: LocalTransport, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(TransportError, match="it is not a file"):
        link.push(tmp_path / "pipe", timeout_s=30)


def test_a_base_that_is_a_file_is_refused(source: Path) -> None:
    with pytest.raises(TransportError, match="cannot make a folder in"):
        LocalTransport(base=source)


def test_a_base_may_be_a_link_to_a_folder(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    with LocalTransport(base=tmp_path / "link") as link:
        assert list((tmp_path / "real").iterdir()) == [tmp_path / "real" / Path(link.folder).name]


def test_the_default_base_may_not_be_a_link_of_somebody_elses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "gettempdir", lambda: str(tmp_path))
    (tmp_path / "real").mkdir()
    (tmp_path / f"edgedevice-{os.getuid()}").symlink_to(tmp_path / "real")
    with pytest.raises(TransportError, match="is not a folder of ours\n  hint: remove it"):
        LocalTransport()


def test_a_folder_that_was_never_finished_is_wiped_after_a_while(tmp_path: Path) -> None:
    old, young, halfway = (
        tmp_path / name for name in ("edgedevice-unborn-a", "edgedevice-unborn-b", "edgedevice-session-c")
    )
    for folder in (old, young, halfway):
        folder.mkdir()
    for folder in (old, halfway):
        os.utime(folder, (time.time() - 1000,) * 2)
    with LocalTransport(base=tmp_path):
        assert [folder.exists() for folder in (old, young, halfway)] == [False, True, False]


def test_a_machine_without_an_id_is_told_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "read_text", failing(errno.ENOENT))
    assert local.local_identity() == "local-" + socket.gethostname()


def test_a_closed_stream_touches_no_descriptor() -> None:
    source, sink = os.pipe()
    stream = PipeStream(source, sink)
    stream.close()
    stream.close()
    for use in (
        lambda: stream.send([b"x"], timeout_s=1),
        lambda: stream.receive_into(memoryview(bytearray(1)), timeout_s=1),
    ):
        with pytest.raises(TransportError, match="the stream is closed"):
            use()


def test_many_buffers_arrive_in_order() -> None:
    child = ChildProcess(["cat"])
    child.stream.send([bytes([at % 256]) for at in range(2000)], timeout_s=30)
    got = bytearray()
    while len(got) < 2000:
        piece = bytearray(4096)
        got += piece[: child.stream.receive_into(memoryview(piece), timeout_s=30)]
    child.kill()
    assert got == bytes(at % 256 for at in range(2000))


def test_a_peer_that_is_gone_cannot_be_written_to() -> None:
    child = ChildProcess(["true"])
    child.wait(timeout_s=30)
    with pytest.raises(TransportError, match="the other end is gone"):
        child.stream.send([bytes(1 << 20)], timeout_s=30)
    child.kill()


def test_only_the_last_of_standard_error_is_kept_and_marks_survive_it() -> None:
    child = ChildProcess(["sh", "-c", "head -c 200000 /dev/zero | tr '\\0' a >&2; read x; echo more >&2; read x"])
    mark = 0
    while mark < 200_000:
        text, mark = child.stderr_since(0)
    child.stream.send([b"\n"], timeout_s=30)
    fresh = ""
    while not fresh:
        fresh, _ = child.stderr_since(mark)
    child.kill()
    assert (len(text), mark, fresh) == (64 << 10, 200_000, "more\n")


@pytest.mark.parametrize("timeout_s", [1e7, 1e300, float("inf")])
def test_a_deadline_may_be_further_away_than_poll_can_count(link: LocalTransport, timeout_s: float) -> None:
    assert link.run(["cat"], stdin=bytes(1 << 20), timeout_s=timeout_s).stdout == bytes(1 << 20)
    child = link.start(["sh", "-c", "head -c 4194304 >/dev/null; echo x; read y"])
    child.stream.send([bytes(4 << 20)], timeout_s=timeout_s)
    assert child.stream.receive_into(memoryview(bytearray(1)), timeout_s=timeout_s) == 1
    child.kill()
    assert child.wait(timeout_s=timeout_s) == -signal.SIGKILL


def test_a_wait_goes_on_after_a_step_that_poll_can_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipes, "LONGEST_POLL_S", 0.001)
    child = ChildProcess(["sh", "-c", "sleep 0.1; echo x"])
    assert child.stream.receive_into(memoryview(bytearray(1)), timeout_s=30) == 1
    child.kill()


@pytest.mark.parametrize("stream", ["1", "2"])
def test_a_program_that_says_too_much_is_killed(
    link: LocalTransport, monkeypatch: pytest.MonkeyPatch, stream: str
) -> None:
    monkeypatch.setattr(local, "MOST_OUTPUT_BYTES", 1 << 20)
    with pytest.raises(TransportError, match="'sh' was killed: it said more than 1 MiB"):
        link.run(["sh", "-c", f"exec cat /dev/zero >&{stream}"], timeout_s=30)


def test_a_program_need_not_read_its_input(link: LocalTransport) -> None:
    assert link.run(["true"], stdin=bytes(1 << 20), timeout_s=30).returncode == 0


def test_a_program_that_closes_its_output_and_lives_on_is_late(link: LocalTransport) -> None:
    with pytest.raises(DeadlineError, match="did not end within"):
        link.run(["sh", "-c", "exec sleep 987 >&- 2>&-"], timeout_s=0.2)


def test_what_a_program_left_running_with_its_pipes_is_not_waited_for(link: LocalTransport) -> None:
    assert link.run(["sh", "-c", "echo said; setsid sleep 987 & echo err >&2"], timeout_s=300).stdout == b"said\n"


def test_what_left_its_process_group_ends_with_the_session(tmp_path: Path) -> None:
    with LocalTransport(base=tmp_path) as link:
        said = link.run(["sh", "-c", "setsid sleep 987 >/dev/null 2>&1 & echo $!"], timeout_s=300).stdout
        process = os.pidfd_open(int(said))
    poll = select.poll()
    poll.register(process, select.POLLIN)
    assert poll.poll(30_000)
    os.close(process)


def test_what_a_program_drops_where_it_stands_goes_with_the_session(link: LocalTransport) -> None:
    assert link.run(["pwd"], timeout_s=30).stdout.decode().strip() == link.folder


def test_a_folder_that_was_removed_is_told(link: LocalTransport, source: Path) -> None:
    shutil.rmtree(link.folder)
    with pytest.raises(TransportError, match=r"the session's folder .* is gone"):
        link.push(source, timeout_s=30)
