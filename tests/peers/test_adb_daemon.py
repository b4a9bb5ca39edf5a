"""Keeps our phone's end of adb honest: what it does right, seen by adb's own programs and by adbutils."""

from __future__ import annotations

import gc
import os
import struct
import subprocess
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import adbutils  # type: ignore[import-untyped]
import pytest

from tests.peers.adb_daemon import FaultyPhone
from tests.peers.adb_daemon.clients import (
    EXIT,
    LONGEST_S,
    OUT,
    TMP,
    adb,
    connect,
    device,
    frames,
    said,
    state,
    stream,
    until,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.phones import AdbServer


@pytest.fixture
def phone(tmp_path: Path, server: AdbServer) -> Iterator[FaultyPhone]:
    with FaultyPhone(tmp_path / "phone", properties={"ro.product.model": "It's a $(phone)"}) as one:
        connect(server, one)
        yield one


def test_output_errors_and_exit_code_come_apart(server: AdbServer, phone: FaultyPhone) -> None:
    done = adb(server, phone, "shell", "echo out; echo err >&2; exit 7")
    assert (done.returncode, done.stdout, done.stderr) == (7, b"out\n", b"err\n")


def test_a_program_that_a_signal_ended_has_128_and_its_number(server: AdbServer, phone: FaultyPhone) -> None:
    assert adb(server, phone, "shell", "kill -9 $$").returncode == 137


def test_a_plain_shell_has_one_output_and_no_exit_code(server: AdbServer, phone: FaultyPhone) -> None:
    assert said(server, phone, "shell:echo out; echo err >&2; exit 7") == b"out\nerr\n"


def test_a_program_reads_what_is_sent_and_answers_while_it_runs(server: AdbServer, phone: FaultyPhone) -> None:
    with stream(server, phone, "exec:exec cat") as connection:
        for message in (b"\x00\r\n\xff", b"x" * 300_000):
            connection.conn.sendall(message)
            assert connection.read_exact(len(message)) == message


def test_framed_input_can_be_closed_while_output_goes_on(server: AdbServer, phone: FaultyPhone) -> None:
    with stream(server, phone, "shell,v2,raw:cat; echo ended") as connection:
        connection.conn.sendall(struct.pack("<BI", 0, 3) + b"abc" + struct.pack("<BI", 4, 0))
        content = connection.read_until_close(encoding=None)
    assert b"".join(data for number, data in frames(content) if number == OUT) == b"abcended\n"
    assert frames(content)[-1] == (EXIT, b"\0")


def test_a_program_that_ignores_its_input_loses_no_output(server: AdbServer, phone: FaultyPhone) -> None:
    with stream(server, phone, "exec:read line; exec <&-; echo done") as connection:
        connection.conn.sendall(b"go\n" + b"more\n" * 10)
        assert connection.read_until_close() == "done\n"


def test_a_terminal_is_refused(server: AdbServer, phone: FaultyPhone) -> None:
    with pytest.raises(adbutils.AdbError, match="closed"):
        said(server, phone, "shell,v2,pty:true")


def test_files_come_and_go_unchanged(server: AdbServer, phone: FaultyPhone, tmp_path: Path) -> None:
    content = os.urandom(3_000_001)
    (tmp_path / "big").write_bytes(content)
    assert adb(server, phone, "push", str(tmp_path / "big"), f"{TMP}/a/b/big").returncode == 0
    assert (phone.tmp / "a/b/big").read_bytes() == content
    assert phone.received == len(content)
    assert adb(server, phone, "pull", f"{TMP}/a/b/big", str(tmp_path / "back")).returncode == 0
    assert (tmp_path / "back").read_bytes() == content


def test_adbutils_finds_sizes_modes_and_names(server: AdbServer, phone: FaultyPhone) -> None:
    sync = device(server, phone).sync
    sync.push(b"12345", f"{TMP}/früh", mode=0o640)
    (phone.tmp / "folder").mkdir()
    found = sync.stat(f"{TMP}/früh")
    assert (found.size, oct(found.mode)) == (5, "0o100666")
    assert [each.path for each in sync.list(TMP)] == [".", "..", "folder", "früh"]


def test_what_is_missing_has_no_mode_and_no_content(server: AdbServer, phone: FaultyPhone) -> None:
    sync = device(server, phone).sync
    assert sync.stat(f"{TMP}/none").mode == 0
    assert sync.list(f"{TMP}/none") == []
    with pytest.raises(adbutils.AdbError, match="No such file"):
        sync.read_bytes(f"{TMP}/none")


def test_stat_v2_tells_more_than_four_gigabytes(server: AdbServer, phone: FaultyPhone) -> None:
    phone.faults.sync_size(lie=(5 << 30) + 7)
    (phone.tmp / "f").touch()
    for request, form, expected in (
        (b"LST2", "<4s4x2QI12xQ24x", (5 << 30) + 7),
        (b"STAT", "<4s4xI4x", (1 << 30) + 7),
    ):
        with stream(server, phone, "sync:") as connection:
            name = f"{TMP}/f".encode()
            connection.conn.sendall(request + struct.pack("<I", len(name)) + name)
            assert struct.unpack(form, connection.read_exact(struct.calcsize(form)))[-1] == expected


def test_sync_touches_nothing_outside_the_two_folders(server: AdbServer, phone: FaultyPhone, tmp_path: Path) -> None:
    sync = device(server, phone).sync
    for name in (str(tmp_path / "x"), f"{TMP}/../../../{tmp_path}/x"):
        with pytest.raises(adbutils.AdbError):
            sync.push(b"x", name)
    with pytest.raises(adbutils.AdbError, match="Permission denied"):
        sync.read_bytes("/etc/passwd")
    assert not (tmp_path / "x").exists()


def test_a_host_that_breaks_the_framing_fails_its_test(server: AdbServer, tmp_path: Path) -> None:
    broken = FaultyPhone(tmp_path / "p")
    with pytest.raises(ExceptionGroup) as raised, broken as phone:  # noqa: PT012 - it is raised at the end
        connect(server, phone)
        with stream(server, phone, "shell,v2,raw:cat") as connection:
            connection.conn.sendall(b"\0\xff\xff\xff\xff")
            assert connection.read_until_close() == ""
    assert "a frame of 4294967295 bytes from the host" in str(raised.value.exceptions)


def test_what_is_no_sync_request_is_refused_with_words(server: AdbServer, phone: FaultyPhone) -> None:
    with stream(server, phone, "sync:") as connection:
        connection.conn.sendall(b"EVIL" + struct.pack("<I", 3) + b"abc")
        assert b"unknown command" in connection.read_until_close(encoding=None)


@pytest.mark.phone  # needs root, as those phones do
def test_programs_see_the_folder_under_its_name(server: AdbServer, phone: FaultyPhone) -> None:
    script = f"#!/bin/sh\necho here > {TMP}/made; cat {TMP}/made; pwd\n"
    device(server, phone).sync.push(script.encode(), f"{TMP}/program")
    assert said(server, phone, f"exec:cd {TMP} && ./program") == f"here\n{TMP}\n".encode()
    assert (phone.tmp / "made").read_text() == "here\n"


def test_without_a_namespace_names_in_commands_still_lead_there(server: AdbServer, tmp_path: Path) -> None:
    with FaultyPhone(tmp_path / "p", namespace=False) as phone:
        connect(server, phone)
        assert said(server, phone, f"exec:echo 1 > {TMP}/made; cat made; getprop ro.serialno") == b"1\nFAULTY1\n"
        assert (phone.tmp / "made").exists()


def test_properties_are_told_as_they_are(server: AdbServer, phone: FaultyPhone) -> None:
    assert said(server, phone, "exec:getprop ro.product.model") == b"It's a $(phone)\n"
    assert said(server, phone, "exec:getprop nothing") == b"\n"
    assert b"[ro.serialno]: [FAULTY1]\n" in said(server, phone, "exec:getprop")


def test_a_stand_in_is_found_before_the_systems_program(server: AdbServer, phone: FaultyPhone) -> None:
    phone.tool("logcat", "echo log of $1\n")
    assert said(server, phone, "exec:logcat -d") == b"log of -d\n"


def test_a_phone_without_shell_v2_is_spoken_to_in_v1(server: AdbServer, tmp_path: Path) -> None:
    with FaultyPhone(tmp_path / "p", features=("cmd",)) as phone:
        connect(server, phone)
        assert adb(server, phone, "shell", "echo hi; exit 3").stdout == b"hi\n"
        assert phone.opened == ["shell:echo hi; exit 3"]
        with pytest.raises(adbutils.AdbError):
            said(server, phone, "shell,v2,raw:true")


@pytest.mark.parametrize("mode", ["unauthorized", "recovery", "sideload", "bootloader"])
def test_adb_finds_the_phone_in_its_state(mode: str, server: AdbServer, tmp_path: Path) -> None:
    with FaultyPhone(tmp_path / "p", state=mode) as phone:
        connect(server, phone, until_it_is=mode)


def test_a_phone_that_never_says_hello_is_offline(server: AdbServer, tmp_path: Path) -> None:
    with FaultyPhone(tmp_path / "p", state="offline") as phone:
        adding = subprocess.Popen(
            [server.program, "-P", str(server.port), "connect", phone.address],
            env=server.environment,
            stdout=subprocess.DEVNULL,
        )
        until(lambda: state(server, phone) == "offline", "being seen as offline")
        adding.kill()
        adding.wait(LONGEST_S)


def test_a_key_can_be_accepted_later(server: AdbServer, tmp_path: Path) -> None:
    with FaultyPhone(tmp_path / "p", state="unauthorized") as phone:
        connect(server, phone, until_it_is="unauthorized")
        phone.authorize()
        until(lambda: state(server, phone) == "device", "the key's acceptance")
        assert said(server, phone, "exec:echo in") == b"in\n"


@pytest.mark.parametrize("service", ["shell,v2,raw", "shell", "exec"])
def test_closing_a_stream_hangs_up_on_its_program_and_what_that_started(
    nohup: None, service: str, server: AdbServer, phone: FaultyPhone
) -> None:
    with stream(server, phone, f"{service}:sleep 987 & echo up; sleep 987; :") as connection:
        connection.read_exact(3)
        until(lambda: list(phone.running().values()).count("sleep 987") == 2, "the start")
    until(lambda: not phone.running(), "the end")


def test_a_framed_shell_without_a_command_reads_commands(server: AdbServer, phone: FaultyPhone) -> None:
    with stream(server, phone, "shell,v2,raw:") as connection:
        connection.conn.sendall(struct.pack("<BI", 0, 13) + b"echo a\nexit 4")
        connection.conn.sendall(struct.pack("<BI", 4, 0))
        assert frames(connection.read_until_close(encoding=None)) == [(OUT, b"a\n"), (EXIT, b"\x04")]


def test_nothing_is_left_of_a_phone(server: AdbServer, tmp_path: Path) -> None:
    gc.collect()
    descriptors, threads = len(list(Path("/proc/self/fd").iterdir())), threading.active_count()
    with FaultyPhone(tmp_path / "p") as phone:
        connect(server, phone)
        phone.faults.hang_after(service="sync")
        escaping = "exec:(setsid env -u TMPDIR sleep 986 >/dev/null 2>&1 <&1 &); echo up"
        assert said(server, phone, escaping) == b"up\n"
        with (
            stream(server, phone, "sync:"),
            stream(server, phone, "exec:trap '' HUP; echo; exec sleep 985") as connection,
        ):
            connection.read_exact(1)
            until(lambda: sorted(phone.running().values()) == ["sleep 985", "sleep 986"], "the programs' start")
            phone.vanish()
    assert phone.running() == {}
    assert threading.active_count() == threads
    assert len(list(Path("/proc/self/fd").iterdir())) <= descriptors
