"""What can happen to a board over SSH, made to happen: cuts, freezes, kills, full disks, strange shells."""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from pytest_edgedevice.agent.board import CHUNK_BYTES
from pytest_edgedevice.device import Device
from pytest_edgedevice.errors import (
    AgentDiedError,
    DeadlineError,
    DeviceBusyError,
    DeviceFullError,
    DeviceLostError,
    TransportError,
)
from pytest_edgedevice.leases import Holder
from pytest_edgedevice.leases.holder import to_record
from pytest_edgedevice.runners.bundle import agent_bundle
from pytest_edgedevice.runners.client import AgentClient
from pytest_edgedevice.transports.ssh import link as ssh_link
from pytest_edgedevice.transports.ssh import transport as ssh
from pytest_edgedevice.transports.ssh.transport import SshTransport
from tests.contract.processes import command_line, descendants
from tests.peers.holding_client import client
from tests.peers.plain_sshd import NAME, PlainSshd, plain_sshd
from tests.peers.relay import Relay

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pytest_edgedevice.transports.ssh.outgoing import FilePiece

SLOW = Path(__file__).parents[2] / "fixtures" / "tiny" / "slow.tflite"


@pytest.fixture(scope="module")
def sshd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PlainSshd]:
    with plain_sshd(tmp_path_factory.mktemp("sshd") / "board") as server:
        yield server


def opened(sshd: PlainSshd, **more: object) -> SshTransport:
    return SshTransport(NAME, program=sshd.program, python=sys.executable, **more)  # type: ignore[arg-type]


@pytest.fixture
def link(sshd: PlainSshd) -> Iterator[SshTransport]:
    with opened(sshd) as transport:
        yield transport


@pytest.fixture(scope="module")
def quiet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SshTransport]:
    """A link to a server of its own, which nobody cuts."""
    with plain_sshd(tmp_path_factory.mktemp("quiet") / "board") as server, opened(server) as transport:
        yield transport


def until(true: Callable[[], bool], what: str = "it") -> None:
    deadline = time.monotonic() + 30
    while not true():
        assert time.monotonic() < deadline, f"{what} did not happen"
        time.sleep(0.01)


def board_files(sshd: PlainSshd) -> list[str]:
    # not rglob, which fails where a folder that it has seen is removed before it looks into it
    return [f"{folder}/{name}" for folder, *kinds in os.walk(sshd.folder / "tmp") for name in itertools.chain(*kinds)]


def send_all(pids: list[int], number: signal.Signals) -> None:
    """Send a signal to each process that is still there."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


def test_a_cut_during_a_program_is_a_lost_device_and_ends_the_program(sshd: PlainSshd, link: SshTransport) -> None:
    process = link.start(["sh", "-c", "echo up; sleep 987"])
    process.stream.receive_into(memoryview(bytearray(9)), timeout_s=30)
    helper_and_below = [pid for pid in sshd.sessions() if b"sleep" in command_line(pid)]
    sshd.cut()
    with pytest.raises(DeviceLostError, match="connection ended"):
        process.stream.receive_into(memoryview(bytearray(9)), timeout_s=30)
    until(lambda: not any(Path(f"/proc/{pid}/exe").exists() for pid in helper_and_below), "the end of the program")
    until(lambda: not board_files(sshd), "the wiping")


def test_after_a_cut_every_use_says_that_the_device_is_lost(
    sshd: PlainSshd, link: SshTransport, tmp_path: Path
) -> None:
    sshd.cut()
    (tmp_path / "model").write_bytes(b"x")
    for use in (
        lambda: link.run(["true"], timeout_s=30),
        lambda: link.start(["true"]),
        lambda: link.push(tmp_path / "model", timeout_s=30),
        lambda: link.place(b"x", timeout_s=30),
        lambda: link.clean("/tmp/edgedevice-session-x", timeout_s=30),
    ):
        with pytest.raises(DeviceLostError):
            use()


def test_an_agent_that_is_cut_off_is_a_lost_device_not_a_dead_agent(sshd: PlainSshd, link: SshTransport) -> None:
    bundle = agent_bundle()
    path = link.place(bundle.content, timeout_s=30)
    agent = AgentClient(link.start(link.agent_command(path)), where=NAME, sha256=bundle.sha256)
    sshd.cut()
    with pytest.raises(DeviceLostError):
        agent.request("facts", timeout_s=30)


def agents(sshd: PlainSshd) -> list[int]:
    return [pid for pid in sshd.sessions() if b"--folder" in command_line(pid)]


def test_a_helper_that_the_board_kills_is_a_lost_device_and_the_next_session_ends_what_it_left(
    sshd: PlainSshd, link: SshTransport
) -> None:
    process = link.start(["sh", "-c", "exec >&- 2>&- <&-; sleep 987"])
    assert process.stream.receive_into(memoryview(bytearray(9)), timeout_s=30) == 0  # it has closed what it had of ours
    (helper,) = (pid for pid in sshd.sessions() if b"-I\0-S" in command_line(pid) and process.pid in descendants(pid))
    os.kill(helper, signal.SIGKILL)
    with pytest.raises(DeviceLostError, match="connection ended"):
        process.wait(timeout_s=30)
    with opened(sshd):
        pass
    until(lambda: not _lives(process.pid), "the end of the program")
    until(lambda: not board_files(sshd), "the wiping")


def test_a_cut_in_mid_measure_is_a_lost_device_within_its_deadline(sshd: PlainSshd, link: SshTransport) -> None:
    device = Device(link, name="board")
    model = device.load(SLOW, delegate="cpu")
    (agent,) = agents(sshd)
    before = _ticks(agent)

    def cut_amid() -> None:
        until(lambda: _ticks(agent) > before + 10, "measuring")
        sshd.cut()

    cutting = threading.Thread(target=cut_amid)
    cutting.start()
    with pytest.raises(DeviceLostError, match="connection ended"):
        model.measure({"steps": np.full(1, 2000, np.int32)}, min_runs=100_000, max_runs=100_000, max_s=600)
    cutting.join()
    device.close()
    until(lambda: not _lives(agent), "the end of the agent")
    until(lambda: not board_files(sshd), "the wiping")


def _ticks(pid: int) -> int:
    """Processor time of a process, in the kernel's ticks."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return int(fields[11]) + int(fields[12])


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGILL, signal.SIGSEGV])
def test_an_agent_that_died_by_a_signal_is_told_with_it(quiet: SshTransport, number: signal.Signals) -> None:
    bundle = agent_bundle()
    path = quiet.place(bundle.content, timeout_s=30)
    agent = AgentClient(quiet.start(quiet.agent_command(path)), where=NAME, sha256=bundle.sha256)
    os.kill(agent.hello["pid"], number)
    with pytest.raises(AgentDiedError, match=number.name):
        agent.request("facts", timeout_s=30)


class SlowFile:
    """A pushed file that is read up to a point, where something happens."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, after_bytes: int, act: Callable[[], None]) -> None:
        sent = 0
        original = ssh_link.Link.send_piece

        def send(link: ssh_link.Link, header: dict[str, object], piece: FilePiece, *, deadline: float) -> None:
            nonlocal sent
            sent += piece.left
            if after_bytes < sent <= after_bytes + CHUNK_BYTES:
                act()
            original(link, header, piece, deadline=deadline)

        monkeypatch.setattr(ssh_link.Link, "send_piece", send)


def cut_push(sshd: PlainSshd, source: Path, after_bytes: int) -> None:
    """A push that is cut once the board has kept what arrived."""
    link = opened(sshd)

    def act() -> None:
        part = Path(link.folder) / "put-1.part"
        until(lambda: part.stat().st_size >= after_bytes // 2)
        sshd.cut()

    with pytest.MonkeyPatch.context() as patch:
        SlowFile(patch, after_bytes, act)
        with pytest.raises(DeviceLostError):
            link.push(source, timeout_s=30)
    link.close()
    until(lambda: any("edgedevice-part" in name for name in board_files(sshd)), "keeping the part")


def test_a_push_that_was_cut_goes_on_where_it_was(sshd: PlainSshd, tmp_path: Path) -> None:
    source = tmp_path / "model"
    source.write_bytes(os.urandom(16 << 20))
    cut_push(sshd, source, 12 << 20)
    with opened(sshd) as link:
        pushed = link.push(source, timeout_s=30)
        there = link.run(["sha256sum", f"{link.folder}/{pushed.sha256}"], timeout_s=30).stdout
    assert there.split()[0].decode() == pushed.sha256 == hashlib.sha256(source.read_bytes()).hexdigest()
    assert 0 < pushed.sent_bytes < pushed.size_bytes


def test_what_a_cut_left_of_another_file_of_that_size_is_not_gone_on_with(sshd: PlainSshd, tmp_path: Path) -> None:
    source = tmp_path / "model"
    source.write_bytes(os.urandom(16 << 20))
    cut_push(sshd, source, 12 << 20)
    source.write_bytes(b"x" * (16 << 20))
    with opened(sshd) as link:
        assert link.push(source, timeout_s=30).sent_bytes == 16 << 20


def test_what_a_cut_left_is_removed_when_nobody_comes_back(sshd: PlainSshd, tmp_path: Path) -> None:
    source = tmp_path / "model"
    source.write_bytes(os.urandom(16 << 20))
    cut_push(sshd, source, 12 << 20)
    until(lambda: not board_files(sshd), "removing the part")


def test_a_board_that_is_frozen_is_a_deadline_for_whoever_waits(sshd: PlainSshd) -> None:
    link = opened(sshd)
    process = link.start(["cat"])
    frozen = sshd.sessions()
    send_all(frozen, signal.SIGSTOP)
    try:
        with pytest.raises(DeadlineError):
            process.stream.receive_into(memoryview(bytearray(1)), timeout_s=0.5)
        with pytest.raises((DeadlineError, DeviceLostError)):
            process.stream.send([bytes(64 << 20)], timeout_s=0.5)
        with pytest.raises((DeadlineError, DeviceLostError)):
            link.run(["true"], timeout_s=0.5)
    finally:
        send_all(frozen, signal.SIGCONT)
        link.close()
    until(lambda: not board_files(sshd), "the wiping")


def test_a_board_that_gives_no_sign_of_life_is_lost_however_long_one_would_wait(
    sshd: PlainSshd, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = opened(sshd)
    process = link.start(["cat"])
    frozen = sshd.sessions()
    send_all(frozen, signal.SIGSTOP)
    monkeypatch.setattr(ssh_link, "TTL_S", 0.5)  # not before, as one that is slow to start would be lost too
    try:
        with pytest.raises(DeviceLostError, match="no sign of life"):
            process.stream.receive_into(memoryview(bytearray(1)), timeout_s=600)
    finally:
        send_all(frozen, signal.SIGCONT)
        link.close()


def test_a_full_disk_is_told_and_nothing_is_left_of_the_file(sshd: PlainSshd, tmp_path: Path, small_disk: Path) -> None:
    source = tmp_path / "model"
    source.write_bytes(bytes(4 << 20))
    with opened(sshd, base=str(small_disk)) as link:
        before = sorted(Path(link.folder).iterdir())
        with pytest.raises(DeviceFullError, match="no space left"):
            link.push(source, timeout_s=30)
        with pytest.raises(DeviceFullError, match="no space left"):
            link.place(bytes(4 << 20), timeout_s=30)
        assert sorted(Path(link.folder).iterdir()) == before


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "small"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "edgedevice-test", str(folder)], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def record(link: SshTransport) -> bytes:
    return to_record(Holder(user="bob", pid=8, host="desk", since=2.0), key=link.identity())


def test_a_board_that_is_held_by_another_host_is_busy_and_says_who_has_it(sshd: PlainSshd, link: SshTransport) -> None:
    other, _ = client(*sshd.program)
    told: list[str] = []
    with other:
        with pytest.raises(DeviceBusyError, match=r"ada \(pid 7 on lab"):
            link.guard(record(link), wait_s=0.6, on_wait=told.append)
        other.kill()
    assert "place 1" in told[0]


def test_a_killed_client_leaves_the_board_to_the_next_one_and_nothing_on_it(
    sshd: PlainSshd, link: SshTransport
) -> None:
    other, folder = client(*sshd.program)
    below = descendants(other.pid)
    with other:
        other.kill()
    link.guard(record(link), wait_s=30)
    assert not folder.exists()
    until(lambda: not any(_lives(pid) for pid in below), "the end of its ssh")


def test_a_frozen_client_loses_the_board(sshd: PlainSshd, link: SshTransport) -> None:
    other, folder = client(*sshd.program)
    other.send_signal(signal.SIGSTOP)
    try:
        link.guard(record(link), wait_s=30)
        assert not folder.exists()
    finally:
        other.kill()
        with other:
            pass


def test_a_client_that_is_cut_off_loses_the_board_and_is_told_when_it_looks(
    sshd: PlainSshd, link: SshTransport
) -> None:
    with (
        Relay(sshd.port) as relay,
        SshTransport(NAME, program=sshd.behind(relay.port), python=sys.executable) as other,
    ):
        other.guard(record(other), wait_s=0)
        other.place(b"secret", timeout_s=30)
        process = other.start(["sleep", "987"])
        relay.cut()
        link.guard(record(link), wait_s=60)
        assert not Path(other.folder).exists()
        with pytest.raises(DeviceLostError):
            process.stream.receive_into(memoryview(bytearray(1)), timeout_s=60)


def test_a_guard_is_handed_back_by_close(sshd: PlainSshd, link: SshTransport) -> None:
    with opened(sshd) as first:
        first.guard(record(first), wait_s=0)
    link.guard(record(link), wait_s=0)


def test_a_lock_that_this_very_holder_has_is_not_waited_for(
    sshd: PlainSshd, link: SshTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pytest_edgedevice.leases import acquire

    monkeypatch.setenv("EDGEDEVICE_LOCKS", str(sshd.folder / "locks"))
    with acquire(link.identity(), holder=Holder.here(), wait_s=0) as lease:
        link.guard(to_record(lease.holder, key=lease.key), wait_s=0)


def _lives(pid: int) -> bool:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    return False


def test_a_forked_child_that_outlives_us_does_not_keep_the_connection(sshd: PlainSshd) -> None:
    link = opened(sshd)
    child = os.fork()
    if child == 0:
        try:
            with pytest.raises(DeviceLostError, match="forked"):
                link.run(["true"], timeout_s=5)
            link.close()
        finally:
            os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    assert link.run(["echo", "alive"], timeout_s=30).stdout == b"alive\n"
    link.close()


def test_threads_share_the_connection(quiet: SshTransport) -> None:
    got: dict[int, bytes] = {}

    def use(number: int) -> None:
        for _ in range(10):
            got[number] = quiet.run(["cat"], timeout_s=30, stdin=bytes([number]) * 300_000).stdout

    threads = [threading.Thread(target=use, args=(number,)) for number in range(4)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert got == {number: bytes([number]) * 300_000 for number in range(4)}


def test_more_input_than_is_ever_on_its_way_comes_back(quiet: SshTransport) -> None:
    sent = os.urandom(20 << 20)
    assert quiet.run(["cat"], timeout_s=60, stdin=sent).stdout == sent


def test_a_program_that_reads_nothing_ends_all_the_same(quiet: SshTransport) -> None:
    assert quiet.run(["true"], timeout_s=30, stdin=bytes(20 << 20)).returncode == 0


@pytest.mark.parametrize("stream", ["", ">&2"])
def test_endless_output_is_cut_off(quiet: SshTransport, monkeypatch: pytest.MonkeyPatch, stream: str) -> None:
    monkeypatch.setattr(ssh, "MOST_OUTPUT_BYTES", 4 << 20)
    with pytest.raises(TransportError, match="more than 4 MiB"):
        quiet.run(["sh", "-c", f"exec cat /dev/zero {stream}"], timeout_s=60)


def test_silence_at_the_door_is_told_in_time(tmp_path: Path) -> None:
    server = socket.create_server(("127.0.0.1", 0))
    with server, pytest.raises(TransportError, match="did not answer in time"):
        SshTransport("127.0.0.1", port=server.getsockname()[1], connect_timeout_s=1)
