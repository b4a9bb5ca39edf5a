"""Keeps our phone's end of adb honest: what it does wrong, seen by adb's own programs and by adbutils."""

from __future__ import annotations

import socket
import struct
from typing import TYPE_CHECKING, Any

import adbutils  # type: ignore[import-untyped]
import pytest

from tests.peers.adb_daemon.clients import (
    ERR,
    LONGEST_S,
    OUT,
    TMP,
    adb,
    connect,
    device,
    frames,
    said,
    state,
    stays_silent,
    stream,
    until,
)

if TYPE_CHECKING:
    from pathlib import Path

    from tests.peers.adb_daemon import FaultyPhone
    from tests.phones import AdbServer


@pytest.fixture
def phone(fresh_phone: FaultyPhone, server: AdbServer) -> FaultyPhone:
    connect(server, fresh_phone)
    return fresh_phone


def pushed(server: AdbServer, phone: FaultyPhone, content: bytes) -> None:
    sync = device(server, phone).sync
    sync.push(content, f"{TMP}/f")


def test_a_drop_amid_a_push_leaves_a_part_and_no_device(server: AdbServer, phone: FaultyPhone) -> None:
    phone.faults.drop_after(service="sync", bytes=1_000_000, times=1)
    with pytest.raises((adbutils.AdbError, OSError)):
        pushed(server, phone, b"x" * 9_000_000)
    until(lambda: 900_000 < (phone.tmp / "f").stat().st_size <= 1_000_000, "the file's end")


def test_a_drop_amid_output_lets_so_much_of_it_through(server: AdbServer, phone: FaultyPhone) -> None:
    phone.faults.drop_after(service="exec", bytes=100_001, containing="zero", times=1)
    assert said(server, phone, "exec:head -c 900000 /dev/zero") == bytes(100_001)


def test_a_stream_that_hangs_says_nothing_and_the_others_go_on(server: AdbServer, phone: FaultyPhone) -> None:
    phone.faults.hang_after(service="shell", bytes=3, containing="echo")
    with stream(server, phone, "shell:echo abcdef") as connection:
        assert connection.read_exact(3) == b"abc"
        assert stays_silent(connection)
        assert said(server, phone, "exec:echo other") == b"other\n"


def test_a_stream_that_hangs_from_the_start_is_opened_and_that_is_all(server: AdbServer, phone: FaultyPhone) -> None:
    phone.faults.hang_after(service="exec")
    with stream(server, phone, "exec:echo abc; touch /data/local/tmp/ran") as connection:
        assert stays_silent(connection)
    assert not (phone.tmp / "ran").exists()


def test_input_is_not_taken_by_a_stream_that_hangs(server: AdbServer, phone: FaultyPhone) -> None:
    phone.faults.hang_after(service="exec", bytes=10)
    with stream(server, phone, "exec:cat > /data/local/tmp/got") as connection:
        connection.conn.sendall(b"0123456789abcdef")
        until(lambda: (phone.tmp / "got").exists() and (phone.tmp / "got").read_bytes() == b"0123456789", "input")
        assert stays_silent(connection)


def test_a_stream_can_be_neither_accepted_nor_refused(server: AdbServer, phone: FaultyPhone) -> None:
    phone.faults.ignore_open(service="exec")
    with device(server, phone).open_transport(timeout=LONGEST_S) as connection:
        connection.send_command("exec:true")
        assert stays_silent(connection)
    assert phone.opened == ["exec:true"]


def test_a_framed_stream_that_is_closed_amid_output_has_no_exit_code(server: AdbServer, phone: FaultyPhone) -> None:
    phone.faults.close_stream_after(service="shell", bytes=8)
    assert frames(said(server, phone, "shell,v2,raw:echo abcdef; exit 3")) == [(OUT, b"abc")]
    until(lambda: not phone.running(), "the program's end")


def test_a_push_whose_stream_is_closed_has_no_answer(server: AdbServer, phone: FaultyPhone) -> None:
    phone.faults.close_stream_after(service="sync", bytes=200_000)
    with pytest.raises((adbutils.AdbError, OSError)):
        pushed(server, phone, b"x" * 9_000_000)
    assert state(server, phone) == "device"


def test_a_fault_armed_for_one_time_happens_once(server: AdbServer, phone: FaultyPhone) -> None:
    phone.faults.refuse(service="exec", times=1)
    with pytest.raises(adbutils.AdbError, match="closed"):
        said(server, phone, "exec:echo")
    assert said(server, phone, "exec:echo") == b"\n"


def test_a_fault_is_for_streams_that_contain_its_words(server: AdbServer, phone: FaultyPhone) -> None:
    phone.faults.refuse(containing="agent")
    assert said(server, phone, "exec:echo") == b"\n"
    with pytest.raises(adbutils.AdbError, match="closed"):
        said(server, phone, "exec:echo agent")


def test_a_fault_can_be_armed_while_a_stream_is_open_and_be_cleared(server: AdbServer, phone: FaultyPhone) -> None:
    with stream(server, phone, "exec:exec cat") as connection:
        connection.conn.sendall(b"a")
        assert connection.read_exact(1) == b"a"
        phone.faults.close_stream_after(bytes=3)
        connection.conn.sendall(b"b")
        assert connection.read_until_close() == ""
    phone.faults.clear()
    assert said(server, phone, "exec:echo 12345") == b"12345\n"


def test_the_exit_code_can_be_another(server: AdbServer, phone: FaultyPhone) -> None:
    phone.faults.exit_code(lie=0)
    assert adb(server, phone, "shell", "exit 3").returncode == 0


def test_the_exit_code_can_be_missing(server: AdbServer, phone: FaultyPhone) -> None:
    phone.faults.no_exit_packet()
    assert frames(said(server, phone, "shell,v2,raw:echo all; exit 3")) == [(OUT, b"all\n")]


def test_a_push_can_fail_for_want_of_space(server: AdbServer, phone: FaultyPhone, tmp_path: Path) -> None:
    phone.faults.sync_fail("No space left on device", bytes=70_000)
    (tmp_path / "big").write_bytes(bytes(1_000_000))
    done = adb(server, phone, "push", str(tmp_path / "big"), f"{TMP}/f")
    assert done.returncode == 1
    assert b"No space left on device" in done.stderr + done.stdout
    until(lambda: not (phone.tmp / "f").exists(), "its removal")


def test_a_push_can_be_taken_and_lost(server: AdbServer, phone: FaultyPhone) -> None:
    phone.faults.sync_ok_without_writing()
    pushed(server, phone, b"content")
    assert phone.received == 7
    assert list(phone.tmp.iterdir()) == []


def test_a_push_and_a_pull_can_change_a_bit(server: AdbServer, phone: FaultyPhone) -> None:
    phone.faults.corrupt_push(times=1)
    pushed(server, phone, b"content")
    assert (phone.tmp / "f").read_bytes() == b"bontent"
    phone.faults.corrupt_pull()
    assert device(server, phone).sync.read_bytes(f"{TMP}/f") == b"content"


def test_a_size_can_be_a_lie(server: AdbServer, phone: FaultyPhone) -> None:
    phone.faults.sync_size(lie=3)
    pushed(server, phone, b"content")
    assert device(server, phone).sync.stat(f"{TMP}/f").size == 3


def test_garbage_comes_in_place_of_an_answer_and_nothing_is_run(server: AdbServer, phone: FaultyPhone) -> None:
    phone.faults.garbage(b"\x01\xff\xff\xff\xff", service="shell")
    with stream(server, phone, "shell,v2,raw:touch /data/local/tmp/ran") as connection:
        assert connection.read_exact(5) == b"\x01\xff\xff\xff\xff"
        assert stays_silent(connection)
    assert not (phone.tmp / "ran").exists()


def test_garbage_can_go_on_without_end(server: AdbServer, phone: FaultyPhone) -> None:
    phone.faults.garbage(b"junk", endless=True)
    with stream(server, phone, "sync:") as connection:
        assert connection.read_exact(400) == b"junk" * 100


@pytest.mark.parametrize(("name", "number"), [("stdout", OUT), ("stderr", ERR)])
def test_output_without_end_is_framed(name: Any, number: int, server: AdbServer, phone: FaultyPhone) -> None:
    phone.faults.endless(name)
    with stream(server, phone, "shell,v2,raw:true") as connection:
        for _ in range(20):
            found, size = struct.unpack("<BI", connection.read_exact(5))
            assert found == number
            connection.read_exact(size)


def test_a_banner_comes_before_the_output(server: AdbServer, phone: FaultyPhone) -> None:
    phone.faults.banner(b"WARNING: linker\n")
    assert said(server, phone, "exec:echo out") == b"WARNING: linker\nout\n"


def test_a_slow_phone_is_right(server: AdbServer, phone: FaultyPhone) -> None:
    phone.faults.slow(bytes_per_s=20_000)
    pushed(server, phone, b"x" * 3000)
    assert said(server, phone, f"exec:cat {TMP}/f") == b"x" * 3000


def test_a_phone_vanishes_and_comes_back_as_another_at_its_address(server: AdbServer, phone: FaultyPhone) -> None:
    with stream(server, phone, "exec:echo; exec sleep 984") as connection:
        connection.read_exact(1)
        phone.vanish()
        assert connection.read_until_close() == ""
    until(lambda: state(server, phone) != "device", "its absence")
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", phone.port), LONGEST_S)
    phone.come_back(serial="OTHER2")
    connect(server, phone)
    assert said(server, phone, "exec:getprop ro.serialno") == b"OTHER2\n"


def test_a_frozen_phone_goes_on_where_it_was(server: AdbServer, phone: FaultyPhone) -> None:
    with stream(server, phone, "exec:exec cat") as connection:
        phone.freeze()
        connection.conn.sendall(b"a")
        assert stays_silent(connection)
        phone.thaw()
        connection.conn.settimeout(LONGEST_S)
        assert connection.read_exact(1) == b"a"
