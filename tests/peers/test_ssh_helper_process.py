"""The helper as a process of its own: signals, cuts, and the lock that it takes."""

from __future__ import annotations

import os
import signal
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest

from pytest_edgedevice.agent.board.facts import identity
from pytest_edgedevice.agent.wire import FrameReader, encode
from pytest_edgedevice.errors import DeviceBusyError
from pytest_edgedevice.leases import Holder, acquire, who
from pytest_edgedevice.leases.holder import to_record
from pytest_edgedevice.leases.onboard import hold
from pytest_edgedevice.transports.pipes import ChildProcess

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HELPER = """
import sys
from pytest_edgedevice.agent.board.facts import identity
from pytest_edgedevice.agent.board.main import main
from pytest_edgedevice.leases.onboard import hold
from pytest_edgedevice.transports.leftovers import clear
from pytest_edgedevice.transports.sessions import enter
sys.exit(main(sys.argv[1], enter=enter, clear=clear, hold=lambda *a, **k: hold(*a, key=identity(), **k)))
"""


class Helper:
    def __init__(self, base: str) -> None:
        self.process = ChildProcess([sys.executable, "-c", HELPER, base])
        self._reader = FrameReader()
        self.hello = self.hear("hello")

    def say(self, header: dict[str, Any], payload: bytes = b"") -> None:
        self.process.stream.send(encode(header, [payload]), timeout_s=20)

    def hear(self, operation: str) -> dict[str, Any]:
        while True:
            count = self.process.stream.receive_into(self._reader.buffer(), timeout_s=20)
            assert count, self.process.stderr_tail()
            frame = self._reader.advance(count)
            if frame and frame.header["op"] == operation:
                return frame.header


@pytest.fixture
def board(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    monkeypatch.setenv("EDGEDEVICE_LOCKS", str(tmp_path / "locks"))
    for name in ("tmp", "locks"):
        (tmp_path / name).mkdir()
    return tmp_path


@pytest.fixture
def helper(board: Path) -> Iterator[Helper]:
    started = Helper("")
    yield started
    started.process.kill()


def gone(folder: Path) -> bool:
    deadline = time.monotonic() + 30
    while any(folder.iterdir()):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_helper_that_is_asked_to_end_wipes_everything(board: Path, helper: Helper, number: signal.Signals) -> None:
    helper.say({"op": "start", "id": 1, "arguments": ["sleep", "987"]})
    program = helper.hear("started")["pid"]
    os.kill(helper.hello["pid"], number)
    assert helper.process.wait(timeout_s=20) == 1
    assert gone(board / "tmp")
    with pytest.raises(ProcessLookupError):
        os.kill(program, 0)


def test_a_farewell_is_answered_when_everything_is_wiped(board: Path, helper: Helper) -> None:
    helper.say({"op": "bye"})
    helper.hear("gone")
    assert list((board / "tmp").iterdir()) == []
    assert helper.process.wait(timeout_s=20) == 0


def test_frames_that_are_none_end_it_with_a_word(board: Path, helper: Helper) -> None:
    helper.process.stream.send([b"x" * 100], timeout_s=20)
    assert helper.process.wait(timeout_s=20) == 65
    assert "broke the protocol" in helper.process.stderr_tail()
    assert gone(board / "tmp")


def test_what_was_cut_is_kept_for_a_while_and_then_removed(board: Path, helper: Helper) -> None:
    helper.say({"op": "put", "id": 1, "size": 9 << 20})
    for _ in range(8):
        helper.say({"op": "in", "id": 1}, bytes(256 << 10))
        helper.hear("took")
    helper.process.stream.close()
    deadline = time.monotonic() + 20
    while kept_there(board / "tmp") != ["part"]:  # looked at before the helper has ended, which may take its time
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert helper.process.wait(timeout_s=20) == 0
    assert gone(board / "tmp")


def kept_there(folder: Path) -> list[str]:
    return [path.name.split("-")[1] for path in folder.glob("*/*")]


def test_the_lock_is_the_one_that_local_takes(board: Path, helper: Helper) -> None:
    record = to_record(Holder(user="ada", host="lab", pid=3), key=identity()).decode()
    helper.say({"op": "guard", "id": 1, "record": record, "wait_s": 0})
    helper.hear("guarded")
    holder = who(identity())
    assert holder is not None
    assert (holder.user, holder.folder) == ("ada", helper.hello["folder"])
    with pytest.raises(DeviceBusyError, match="ada"):
        acquire(identity(), holder=Holder.here(), wait_s=0)
    helper.say({"op": "bye"})
    assert helper.process.wait(timeout_s=20) == 0
    acquire(identity(), holder=Holder.here(), wait_s=0).release()


def test_a_host_that_holds_this_very_lock_does_not_wait_for_itself(board: Path) -> None:
    with acquire("key", holder=Holder.here(), wait_s=0) as lease:
        record = to_record(lease.holder, key="key")
        assert hold(record, key="key", folder="", wait_s=0, tell=print) is None
        with pytest.raises(DeviceBusyError):
            hold(b"{}", key="key", folder="", wait_s=0, tell=print)
    with hold(b"rubbish", key="key", folder="/f", wait_s=0, tell=print) or pytest.fail("no lease") as taken:
        assert taken.holder.folder == "/f"
