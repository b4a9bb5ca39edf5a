"""Sessions whose phone, keeper, folder or host process goes away: they are over for good, and say so."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import textwrap
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_edgedevice.errors import DeviceLostError, TransportError
from pytest_edgedevice.transports.adb import keeper as adb_keeper
from pytest_edgedevice.transports.adb.server import AdbServer
from tests.peers.adb_daemon.clients import connect, until
from tests.peers.hostile_links import gone, left_on, nothing_left, opened, promptly

if TYPE_CHECKING:
    import socket

    from pytest_edgedevice.transports.adb.transport import AdbTransport
    from tests import phones
    from tests.peers.adb_daemon import FaultyPhone

ROOT = Path(__file__).parents[2]
LONG_S = 60.0
CLIENT = textwrap.dedent("""
    import sys
    from pytest_edgedevice.errors import EdgeDeviceError
    from pytest_edgedevice.transports.adb import keeper as adb_keeper
    from pytest_edgedevice.transports.adb.transport import AdbTransport

    adb_keeper.TTL_S, adb_keeper.BEAT_S = 2, 0.3
    link = AdbTransport(sys.argv[1], server=("127.0.0.1", int(sys.argv[2])))
    link.start(["cat"])
    print(link.folder, flush=True)
    sys.stdin.readline()
    for use in (lambda: link.run(["true"], timeout_s=30), lambda: link.place(b"x", timeout_s=30)):
        try:
            use()
            print("went on", flush=True)
        except EdgeDeviceError as error:
            print(type(error).__name__, flush=True)
    link.close()
""")


@pytest.fixture
def phone(fresh_phone: FaultyPhone) -> FaultyPhone:
    return fresh_phone


def folder_of(link: AdbTransport, phone: FaultyPhone) -> Path:
    return phone.tmp / Path(link.folder).relative_to("/data/local/tmp")


def receives(link: AdbTransport) -> None:
    link.start(["cat"]).stream.receive_into(memoryview(bytearray(1)), timeout_s=LONG_S)


@pytest.mark.parametrize("serial", [None, "OTHER2"])
def test_a_phone_that_came_back_is_not_the_session_that_was_lost(
    server: phones.AdbServer, link: AdbTransport, phone: FaultyPhone, serial: str | None
) -> None:
    link.start(["sleep", "987"])
    phone.vanish()
    until(lambda: not link.is_alive, "noticing")
    phone.come_back(serial=serial)
    connect(server, phone)
    with promptly(), pytest.raises(DeviceLostError):
        link.run(["true"], timeout_s=LONG_S)
    with opened(server, phone.address) as another:
        assert another.identity() == f"android-{serial or 'FAULTY1'}"
        assert another.run(["echo", "back"], timeout_s=LONG_S).stdout == b"back\n"


def test_a_folder_that_was_removed_ends_the_session(link: AdbTransport, phone: FaultyPhone) -> None:
    shutil.rmtree(folder_of(link, phone))
    with promptly(), pytest.raises(DeviceLostError, match="its keeper ended this session"):
        link.run(["pwd"], timeout_s=LONG_S)
    assert not link.is_alive


def test_a_folder_that_was_made_again_by_a_push_is_none(link: AdbTransport, phone: FaultyPhone) -> None:
    shutil.rmtree(folder_of(link, phone))
    with promptly(), pytest.raises(DeviceLostError, match="its keeper ended this session"):
        link.place(b"secret", timeout_s=LONG_S)


def test_a_keeper_that_is_killed_ends_the_session(link: AdbTransport, phone: FaultyPhone) -> None:
    process = link.start(["cat"])
    for pid, words in phone.running().items():
        if "session-$R" in words:
            os.kill(pid, signal.SIGKILL)
    with promptly(), pytest.raises(DeviceLostError):
        process.stream.receive_into(memoryview(bytearray(1)), timeout_s=LONG_S)
    link.close()
    shutil.rmtree(phone.tmp / "edgedevice")  # who could remove it was killed; the next session's sweep does


def test_a_host_that_stood_still_for_too_long_finds_its_session_lost(
    server: phones.AdbServer, phone: FaultyPhone
) -> None:
    connect(server, phone)
    command = [sys.executable, "-c", CLIENT, phone.address, str(server.port)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment) as client:
        try:
            assert client.stdin is not None
            assert client.stdout is not None
            assert "/session-" in client.stdout.readline()
            client.send_signal(signal.SIGSTOP)
            until(lambda: not left_on(phone), "the wiping")
            client.send_signal(signal.SIGCONT)
            client.stdin.write("go on\n")
            client.stdin.flush()
            assert [client.stdout.readline().strip() for _ in range(2)] == ["DeviceLostError"] * 2
        finally:
            client.kill()
    gone(phone)


def test_a_phone_that_freezes_is_lost_and_stays_lost(
    server: phones.AdbServer, phone: FaultyPhone, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(adb_keeper, "TTL_S", 1)
    monkeypatch.setattr(adb_keeper, "BEAT_S", 0.2)
    connect(server, phone)
    with nothing_left(server), opened(server, phone.address) as link:
        process = link.start(["cat"])
        phone.freeze()
        with promptly(), pytest.raises(DeviceLostError, match="no sign of life for 1 s"):
            process.stream.receive_into(memoryview(bytearray(1)), timeout_s=LONG_S)
        phone.thaw()
        with promptly(), pytest.raises(DeviceLostError):
            link.run(["true"], timeout_s=LONG_S)
    gone(phone)


def test_a_keeper_that_answers_without_end_is_told(link: AdbTransport, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(adb_keeper, "MOST_ANSWER_BYTES", 100)
    before = [f"session-{number:016x}-999999-1" for number in range(20)]
    made = link.run(["sh", "-c", 'cd .. && for one; do mkdir "$one"; done', "sh", *before], timeout_s=LONG_S)
    assert made.returncode == 0
    with pytest.raises(TransportError, match="without end"):
        link.guard(b"{}", wait_s=0)
    link.guard(b"{}", wait_s=0)  # what was swept is gone


def test_a_forked_child_that_ends_everything_ends_nothing_of_ours(link: AdbTransport) -> None:
    process = link.start(["cat"])
    child = os.fork()
    if child == 0:
        try:
            process.kill()
            process.stream.close()
            link.close()
        except BaseException:  # noqa: BLE001 - a child must never come back
            os._exit(1)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    process.stream.send([b"still"], timeout_s=LONG_S)
    view = memoryview(bytearray(5))
    got = b""
    while len(got) < 5:
        got += bytes(view[: process.stream.receive_into(view, timeout_s=LONG_S)])
    assert got == b"still"
    assert link.run(["echo", "alive"], timeout_s=LONG_S).stdout == b"alive\n"


def test_closing_while_a_program_is_being_started_leaves_nothing_of_it(
    server: phones.AdbServer, phone: FaultyPhone, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect(server, phone)
    with nothing_left(server):
        link = opened(server, phone.address)
        opening = AdbServer.open

        def closed_meanwhile(*arguments: Any, **more: Any) -> socket.socket:
            connection = opening(*arguments, **more)
            link.close()
            return connection

        monkeypatch.setattr(AdbServer, "open", closed_meanwhile)
        with pytest.raises(TransportError, match="the link is closed"):
            link.start(["sleep", "987"])
    gone(phone)


def test_closing_while_others_use_it_leaves_nothing(
    server: phones.AdbServer, phone: FaultyPhone, tmp_path: Path
) -> None:
    (tmp_path / "model").write_bytes(os.urandom(6 << 20))
    connect(server, phone)
    odd: list[BaseException] = []
    with nothing_left(server):
        link = opened(server, phone.address)
        begun = threading.Barrier(4)

        def use(number: int) -> None:
            begun.wait(LONG_S)
            try:
                while True:
                    if number == 0:
                        link.push(tmp_path / "model", timeout_s=LONG_S)
                    elif number == 1:
                        receives(link)
                    else:
                        link.run(["echo", "x"], timeout_s=LONG_S)
            except TransportError:
                pass
            except BaseException as error:  # noqa: BLE001 - told by the test
                odd.append(error)

        threads = [threading.Thread(target=use, args=(number,)) for number in range(3)]
        for thread in threads:
            thread.start()
        begun.wait(LONG_S)
        link.run(["true"], timeout_s=LONG_S)
        link.close()
        for thread in threads:
            thread.join(LONG_S)
            assert not thread.is_alive()
    assert not odd
    gone(phone)
