"""The helper on a board and the host's end of its stream, without ssh between them."""

from __future__ import annotations

import hashlib
import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_edgedevice.agent.board import TTL_S
from pytest_edgedevice.agent.board import files as board_files
from pytest_edgedevice.agent.board import helper as board_helper
from pytest_edgedevice.agent.wire import FrameReader, encode
from pytest_edgedevice.errors import (
    DeadlineError,
    DeviceBusyError,
    DeviceFullError,
    DeviceLostError,
    LeaseError,
    TransportError,
)
from pytest_edgedevice.leases import Holder
from pytest_edgedevice.testing import TransportContract
from pytest_edgedevice.transports import progress
from pytest_edgedevice.transports.ssh import sending as ssh_sending
from pytest_edgedevice.transports.ssh.outgoing import FilePiece
from tests.peers.helper_in_thread import Wire, helper, link_to_helper

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_edgedevice.transports.base import Transport
    from pytest_edgedevice.transports.ssh.transport import SshTransport


@pytest.fixture
def link(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SshTransport]:
    with link_to_helper(tmp_path / "board", monkeypatch) as transport:
        yield transport


def inside(folder: str) -> list[str]:
    return sorted(path.name for path in Path(folder).iterdir())


class TestHelper(TransportContract):
    @pytest.fixture
    def transport(self, link: SshTransport) -> Transport:
        return link


class Talk:
    """Frames to a helper and back, as written."""

    def __init__(self, wire: Wire) -> None:
        self._stream = wire.stream
        self._reader = FrameReader()

    def say(self, header: dict[str, Any], payload: bytes = b"") -> None:
        self._stream.send(encode(header, [payload]), timeout_s=20)

    def hear(self, *operations: str) -> dict[str, Any]:
        while True:
            count = self._stream.receive_into(self._reader.buffer(), timeout_s=20)
            if not count:
                return {"op": "end of stream"}
            frame = self._reader.advance(count)
            if frame and frame.header["op"] in operations:
                return frame.header


@pytest.mark.parametrize(
    ("request_", "said"),
    [
        ({"op": "fly", "id": 1}, "unknown operation 'fly'"),
        ({"op": "start", "arguments": ["true"]}, "integer 'id'"),
        ({"op": "start", "id": 1, "arguments": []}, "no program"),
        ({"op": "put", "id": 1, "size": "large"}, "invalid literal"),
        ({"op": "guard", "id": 1, "record": "", "wait_s": "long"}, "could not convert"),
    ],
)
def test_a_request_that_makes_no_sense_is_refused(tmp_path: Path, request_: dict[str, Any], said: str) -> None:
    with helper(tmp_path / "board") as (wire, _):
        talk = Talk(wire)
        talk.say(request_)
        assert said in talk.hear("failed")["message"]


def test_what_concerns_nobody_is_passed_over(tmp_path: Path) -> None:
    with helper(tmp_path / "board") as (wire, _):
        talk = Talk(wire)
        for operation in ("take", "kill", "close", "in", "drop", "commit"):
            talk.say({"op": operation, "id": 99, "bytes": 1})
        talk.say({"op": "beat"})
        assert talk.hear("beat", "failed") == {"op": "beat"}


def test_bytes_that_are_no_frames_end_the_session(tmp_path: Path) -> None:
    with helper(tmp_path / "board") as (wire, serving):
        wire.stream.send([b"GET / HTTP/1.1\r\n" * 10], timeout_s=20)
        serving.join(20)
        assert list((tmp_path / "board").iterdir()) == []


def test_a_host_that_is_silent_for_too_long_is_told_and_wiped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(board_helper, "SILENT_S", 0.2)
    monkeypatch.setattr(board_helper, "LATEST_S", 0.05)
    with helper(tmp_path / "board") as (wire, _):
        talk = Talk(wire)
        assert talk.hear("gone") == {"op": "gone"}
        assert list((tmp_path / "board").iterdir()) == []


def test_a_board_that_gave_us_up_is_lost_and_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(board_helper, "SILENT_S", 0.2)
    monkeypatch.setattr(board_helper, "LATEST_S", 0.05)
    with link_to_helper(tmp_path / "board", monkeypatch) as link:
        process = link.start(["sleep", "987"])
        with pytest.raises(DeviceLostError, match=f"heard nothing of us for {TTL_S:g} s"):
            process.stream.receive_into(memoryview(bytearray(1)), timeout_s=20)
        assert not link.is_alive


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "board").write_bytes(b"a file")
    with (
        pytest.raises(TransportError, match="no folder for our files"),
        link_to_helper(tmp_path / "board", monkeypatch),
    ):
        pass


def test_too_many_programs_are_refused(link: SshTransport, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(board_helper, "MOST_CHILDREN", 1)
    link.start(["sleep", "987"])
    with pytest.raises(TransportError, match="1 programs run already"):
        link.start(["sleep", "987"])


def test_programs_are_told_their_session(link: SshTransport) -> None:
    assert link.run(["sh", "-c", 'echo "$EDGEDEVICE_SESSION"'], timeout_s=20).stdout.decode().strip() == link.folder


def test_a_program_that_closed_its_input_is_gone_for_who_sends(link: SshTransport) -> None:
    process = link.start(["sh", "-c", "exec <&-; echo closed; sleep 987"])
    process.stream.receive_into(memoryview(bytearray(9)), timeout_s=20)
    with pytest.raises(TransportError, match="gone"):
        process.stream.send([bytes(64 << 20)], timeout_s=20)


def test_a_program_that_is_killed_tells_its_status_still(link: SshTransport) -> None:
    process = link.start(["sleep", "987"])
    assert process.wait(timeout_s=0.01) is None
    process.kill()
    with pytest.raises(TransportError, match="closed"):
        process.stream.receive_into(memoryview(bytearray(1)), timeout_s=1)
    with pytest.raises(TransportError, match="closed"):
        process.stream.send([b"x"], timeout_s=1)


def test_only_the_last_of_many_errors_is_kept(link: SshTransport) -> None:
    process = link.start(["sh", "-c", "head -c 300000 /dev/zero | tr '\\0' x >&2; echo end >&2; exit 3"])
    assert process.wait(timeout_s=20) == 3
    tail, total = process.stderr_since(0)
    assert (tail[-4:], len(tail), total) == ("end\n", 65536, 300004)
    assert process.stderr_since(total) == ("", total)


def test_a_program_that_closes_its_output_and_goes_on_is_a_deadline(link: SshTransport) -> None:
    with pytest.raises(DeadlineError, match=r"did not end within 0\.3 s"):
        link.run(["sh", "-c", "exec >&-; sleep 987"], timeout_s=0.3)


@pytest.mark.parametrize("how", ["push", "push_all", "place"])
def test_a_transfer_that_takes_long_is_shown(
    link: SshTransport, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    """A board that takes nothing until it was shown: also what stands still is shown."""
    monkeypatch.setattr(progress, "SHOW_EVERY_S", 0.01)
    told: list[progress.Progress] = []
    seen = threading.Event()

    def tell(one: progress.Progress) -> None:
        told.append(one)
        seen.set()

    original = board_files.Upload.write

    def write(upload: board_files.Upload, payload: memoryview) -> None:
        assert seen.wait(30)
        original(upload, payload)

    monkeypatch.setattr(board_files.Upload, "write", write)
    link.on_progress = tell
    source = tmp_path / "model"
    source.write_bytes(os.urandom(6 << 20))
    if how == "place":
        link.place(source.read_bytes(), timeout_s=60)
    elif how == "push":
        link.push(source, timeout_s=60)
    else:
        link.push_all([source, source], timeout_s=60)
    name, size = {"push": ("model", 6 << 20), "push_all": ("2 files", 12 << 20), "place": ("our agent", 6 << 20)}[how]
    assert {(one.name, one.size_bytes) for one in told} == {(name, size)}
    assert [one.over for one in told] == [False] * (len(told) - 1) + [True]
    assert told[-1].sent_bytes == 6 << 20


def test_a_transfer_that_is_quick_is_not_shown(link: SshTransport, tmp_path: Path) -> None:
    told: list[progress.Progress] = []
    link.on_progress = told.append
    source = tmp_path / "model"
    source.write_bytes(b"x")
    link.push(source, timeout_s=60)
    assert told == []


def test_a_transfer_that_takes_too_long_is_a_deadline_and_leaves_nothing(link: SshTransport, tmp_path: Path) -> None:
    source = tmp_path / "model"
    source.write_bytes(bytes(8 << 20))
    before = inside(link.folder)
    with pytest.raises(DeadlineError, match="did not end in time"):
        link.push(source, timeout_s=0.0)
    link.run(["true"], timeout_s=20)
    assert inside(link.folder) == before


class Full:
    f_bavail = f_frsize = 1


def test_a_file_that_does_not_fit_is_refused_before_it_travels(
    link: SshTransport, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "fstatvfs", lambda _: Full)
    source = tmp_path / "model"
    source.write_bytes(bytes(1 << 20))
    with pytest.raises(DeviceFullError, match="need more than the 1 that are free"):
        link.push(source, timeout_s=20)
    assert not [name for name in inside(link.folder) if "put" in name]


def test_a_disk_that_fails_while_a_file_arrives_is_told(
    link: SshTransport, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(board_files.Upload, "write", _failing_write)
    source = tmp_path / "model"
    source.write_bytes(bytes(9 << 20))
    with pytest.raises(TransportError, match="Input/output error"):
        link.push(source, timeout_s=20)


def _failing_write(upload: board_files.Upload, payload: memoryview) -> None:
    with board_files._worded("cannot write", upload.drop):
        raise OSError(5, "Input/output error")


def test_a_file_with_another_hash_gets_no_name(tmp_path: Path) -> None:
    with helper(tmp_path / "board") as (wire, _):
        talk = Talk(wire)
        folder = talk.hear("hello")["folder"]
        for sha256 in ("0" * 64, "../../etc/passwd", 7):
            talk.say({"op": "put", "id": 1, "size": 3})
            talk.say({"op": "in", "id": 1}, b"abc")
            talk.say({"op": "commit", "id": 1, "sha256": sha256})
            assert talk.hear("failed", "stored")["kind"] == "hash"
        assert inside(folder) == ["owner.lock"]


def held(error: Exception | None = None, crashed: tuple[Holder, ...] = ()) -> Any:
    def hold(record: bytes, *, folder: str, wait_s: float, tell: Any) -> Any:
        if wait_s:
            tell("place 1, held by ada")
        if error:
            raise error

        class Taken:
            def release(self) -> None:
                pass

        Taken.crashed = crashed  # type: ignore[attr-defined]
        return Taken()

    return hold


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (DeviceBusyError("held by ada", hint="wait"), DeviceBusyError),
        (LeaseError("no folder", hint="make it"), LeaseError),
        (ValueError("odd"), LeaseError),
    ],
)
def test_a_lock_that_cannot_be_had_is_told_and_may_be_asked_for_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, kind: type[Exception]
) -> None:
    with link_to_helper(tmp_path / "board", monkeypatch, hold=held(error)) as link:
        for _ in range(2):
            with pytest.raises(kind, match=str(getattr(error, "message", error))):
                link.guard(b"{}", wait_s=0)


def test_a_lock_is_asked_for_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    with link_to_helper(tmp_path / "board", monkeypatch, hold=held()) as link:
        assert link.guard(b"{}", wait_s=1, on_wait=told.append) == []
        with pytest.raises(TransportError, match="already"):
            link.guard(b"{}", wait_s=0)
    assert told == ["place 1, held by ada"]


def test_what_a_crashed_holder_left_on_the_board_is_cleaned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    crashed = Holder(user="ada", pid=1, folder="/etc")
    with link_to_helper(tmp_path / "board", monkeypatch, hold=held(crashed=(crashed,))) as link:
        done = link.guard(b"{}", wait_s=0)
    assert done[0].startswith("taken over from ada")
    assert "alone" in done[1]


def test_cleaning_touches_dead_sessions_only(link: SshTransport, tmp_path: Path) -> None:
    dead = tmp_path / "edgedevice-session-dead"
    dead.mkdir()
    (dead / "owner.lock").touch()
    (dead / "model").write_bytes(b"secret")
    done = link.clean(str(dead), timeout_s=20)
    assert not dead.exists()
    assert any(str(dead) in one for one in done)
    assert link.clean("", timeout_s=20) == ()
    assert "alone" in link.clean(link.folder, timeout_s=20)[0]
    assert Path(link.folder).exists()


def test_a_helper_that_does_not_answer_is_a_deadline(link: SshTransport, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(board_helper.Helper, "_clean", lambda *_: None)
    link.start(["true"])
    with pytest.raises((DeadlineError, TransportError)):
        link.clean("/tmp/edgedevice-session-x", timeout_s=0.0)


def test_old_parts_and_those_of_others_are_not_gone_on_with(tmp_path: Path) -> None:
    def part(have: int, sha256: str = "a" * 64) -> Path:
        return tmp_path / f"edgedevice-part-9-{have}-{sha256}"

    part(3).write_bytes(b"abc")
    part(4).write_bytes(b"cut short")
    part(5).mkdir()
    (tmp_path / "edgedevice-part-x").write_bytes(b"")
    old = part(6)
    old.write_bytes(b"abcdef")
    os.utime(old, (1, 1))
    assert [one["have"] for one in board_files.kept_parts(str(tmp_path))] == [3]
    assert not old.exists()


def test_a_kept_part_is_removed_when_its_time_is_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(board_files, "KEPT_S", 0.3)
    kept, taken = tmp_path / "kept", tmp_path / "taken"
    kept.touch()
    board_files.remove_later([str(kept), str(taken), ""])
    assert not kept.exists()


def test_a_link_is_named_by_its_board(link: SshTransport) -> None:
    assert repr(link) == "<SshTransport to thread>"


def kept(base: Path, content: bytes, *, size: int) -> Path:
    """What a cut would have left of a file of that size."""
    path = base / f"edgedevice-part-{size}-{len(content)}-{hashlib.sha256(content).hexdigest()}"
    base.mkdir()
    path.write_bytes(content)
    return path


def test_a_file_goes_on_behind_what_a_cut_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = os.urandom(3 << 20)
    source = tmp_path / "model"
    source.write_bytes(content)
    part = kept(tmp_path / "board", content[: 2 << 20], size=len(content))
    with link_to_helper(tmp_path / "board", monkeypatch) as link:
        pushed = link.push(source, timeout_s=20)
        assert (pushed.sent_bytes, pushed.size_bytes) == (1 << 20, 3 << 20)
        assert (Path(link.folder) / pushed.sha256).read_bytes() == content
    assert not part.exists()


@pytest.mark.parametrize("how", ["changed", "gone"])
def test_a_part_that_is_not_what_it_was_is_sent_from_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    content = os.urandom(3 << 20)
    source = tmp_path / "model"
    source.write_bytes(content)
    part = kept(tmp_path / "board", content[: 2 << 20], size=len(content))
    with link_to_helper(tmp_path / "board", monkeypatch) as link:
        part.write_bytes(b"x") if how == "changed" else part.unlink()
        pushed = link.push(source, timeout_s=20)
        assert pushed.sent_bytes == 3 << 20
        assert (Path(link.folder) / pushed.sha256).read_bytes() == content


@pytest.mark.parametrize("size", [100, 3 << 20])
def test_content_that_is_there_is_not_sent_again_whatever_brought_it(
    link: SshTransport, tmp_path: Path, size: int
) -> None:
    content = os.urandom(size)
    source = tmp_path / "model"
    source.write_bytes(content)
    link.place(content, timeout_s=20)
    assert link.push(source, timeout_s=20).sent_bytes == 0


def test_a_file_that_differs_where_nobody_looked_first_is_sent(link: SshTransport, tmp_path: Path) -> None:
    source = tmp_path / "model"
    content = bytearray(3 << 20)
    source.write_bytes(content)
    link.push(source, timeout_s=20)
    content[5000] = 1
    source.write_bytes(content)
    pushed = link.push(source, timeout_s=20)
    assert pushed.sent_bytes == 3 << 20
    assert (Path(link.folder) / pushed.sha256).read_bytes() == content


def test_a_file_that_changes_while_it_is_sent_is_told_and_leaves_nothing(
    link: SshTransport, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "model"
    source.write_bytes(bytes(3 << 20))
    before = inside(link.folder)

    def longer(*arguments: int) -> FilePiece:
        with source.open("ab") as file:
            file.write(b"more")
        return FilePiece(*arguments)

    monkeypatch.setattr(ssh_sending, "FilePiece", longer)
    with pytest.raises(TransportError, match="changed while it was sent"):
        link.push(source, timeout_s=20)
    link.run(["true"], timeout_s=20)
    assert inside(link.folder) == before
