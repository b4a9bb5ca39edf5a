"""Programs on a phone that goes wrong while they run: whatever happens is told, in time, and never as output."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Literal

import pytest

from pytest_edgedevice.errors import DeadlineError, DeviceLostError, TransportError
from pytest_edgedevice.transports.adb.transport import MOST_OUTPUT_BYTES
from tests.peers.hostile_links import promptly

if TYPE_CHECKING:
    from pytest_edgedevice.transports.adb.transport import AdbTransport
    from tests.peers.adb_daemon import FaultyPhone

OURS = "MARK"
LONG_S = 60.0
OUT, ERR, EXIT = 1, 2, 3


def said(link: AdbTransport, code: str = "echo all", timeout_s: float = LONG_S) -> bytes:
    return link.run(["sh", "-c", code, OURS], timeout_s=timeout_s).stdout


def greeted(bytes_more: int) -> int:
    """How much a program's stream has carried when its greeting and so much more of its output have come."""
    return 5 + len(f"EDGEDEVICE-{'0' * 16} 1\n") + bytes_more


def packet(kind: int, size: int, content: bytes = b"") -> bytes:
    return struct.pack("<BI", kind, size) + content


def test_a_phone_that_is_sound_is_not_suspected(link: AdbTransport) -> None:
    done = link.run(["sh", "-c", "echo out; echo err >&2; exit 7"], timeout_s=LONG_S)
    assert (done.returncode, done.stdout, done.stderr) == (7, b"out\n", b"err\n")


@pytest.mark.parametrize("more", [0, 3, 40_000])
def test_a_phone_that_vanishes_amid_output_is_lost(link: AdbTransport, phone: FaultyPhone, more: int) -> None:
    phone.faults.drop_after(bytes=greeted(more), containing=OURS, times=1)
    with promptly(), pytest.raises(DeviceLostError, match="is lost") as caught:
        said(link, "head -c 90000 /dev/zero")
    assert caught.value.hint


def test_a_phone_that_vanishes_before_a_program_starts_is_lost(link: AdbTransport, phone: FaultyPhone) -> None:
    phone.faults.drop_after(containing=OURS, times=1)
    with promptly(), pytest.raises(DeviceLostError):
        said(link)


def test_after_it_vanished_everything_says_so_and_nothing_waits(link: AdbTransport, phone: FaultyPhone) -> None:
    process = link.start(["cat"])
    phone.vanish()
    with promptly():
        with pytest.raises(DeviceLostError):
            process.stream.receive_into(memoryview(bytearray(1)), timeout_s=LONG_S)
        with pytest.raises(DeviceLostError):
            said(link)
        with pytest.raises(DeviceLostError):
            link.place(b"x", timeout_s=LONG_S)
    phone.come_back()


@pytest.mark.parametrize("more", [0, 3, 40_000])
def test_a_stream_that_is_closed_amid_output_gives_none(link: AdbTransport, phone: FaultyPhone, more: int) -> None:
    phone.faults.close_stream_after(bytes=greeted(more), containing=OURS, times=1)
    with promptly(), pytest.raises(DeviceLostError, match="ended without an exit status"):
        said(link, "head -c 90000 /dev/zero")


def test_a_stream_that_is_closed_leaves_the_session_alive(link: AdbTransport, phone: FaultyPhone) -> None:
    phone.faults.close_stream_after(bytes=greeted(3), containing=OURS, times=1)
    with pytest.raises(DeviceLostError):
        said(link)
    assert link.is_alive
    assert said(link) == b"all\n"


def test_output_without_an_exit_packet_is_not_whole(link: AdbTransport, phone: FaultyPhone) -> None:
    phone.faults.no_exit_packet(containing=OURS, times=1)
    with promptly(), pytest.raises(DeviceLostError, match="without an exit status"):
        said(link)


def test_an_exit_code_is_believed_as_it_is_told(link: AdbTransport, phone: FaultyPhone) -> None:
    phone.faults.exit_code(lie=255, containing=OURS, times=1)
    assert link.run(["sh", "-c", "exit 0", OURS], timeout_s=LONG_S).returncode == 255


@pytest.mark.parametrize("more", [0, 3])
def test_a_stream_that_hangs_is_a_deadline(link: AdbTransport, phone: FaultyPhone, more: int) -> None:
    phone.faults.hang_after(bytes=greeted(more), containing=OURS, times=1)
    with promptly(), pytest.raises(DeadlineError, match=r"'sh' did not end within 0\.5 s"):
        said(link, timeout_s=0.5)
    assert said(link) == b"all\n"


def test_a_stream_that_hangs_from_the_start_is_a_deadline(link: AdbTransport, phone: FaultyPhone) -> None:
    phone.faults.hang_after(containing=OURS, times=1)
    with promptly(), pytest.raises(DeadlineError):
        said(link, timeout_s=0.5)
    assert said(link) == b"all\n"


def test_a_program_that_is_neither_accepted_nor_refused_is_a_deadline(link: AdbTransport, phone: FaultyPhone) -> None:
    phone.faults.ignore_open(containing=OURS, times=1)
    with promptly(), pytest.raises(DeadlineError):
        said(link, timeout_s=0.5)
    assert said(link) == b"all\n"


def test_a_program_that_is_refused_is_told(link: AdbTransport, phone: FaultyPhone) -> None:
    phone.faults.refuse(containing=OURS, times=1)
    with promptly(), pytest.raises(TransportError, match="refused: closed"):
        said(link)
    assert said(link) == b"all\n"


def test_input_that_nobody_takes_is_a_deadline(link: AdbTransport, phone: FaultyPhone) -> None:
    process = link.start(["sh", "-c", "cat >/dev/null", OURS])
    phone.faults.hang_after(containing=OURS, times=1)
    with promptly(), pytest.raises(DeadlineError, match="did not take anything in time"):
        process.stream.send([bytes(64 << 20)], timeout_s=0.5)
    process.kill()


GARBAGE = {
    "a packet of 4 GiB that never comes": (packet(OUT, 0xFFFFFFFF, b"x"), DeadlineError),
    "an unknown packet": (packet(9, 1, b"x"), TransportError),
    "input from the device": (packet(0, 1, b"x"), TransportError),
    "an exit status of 4 GiB": (packet(EXIT, 0xFFFFFFFF), TransportError),
    "an exit status of no bytes": (packet(EXIT, 0), TransportError),
    "half a header": (b"\x01\x02", DeadlineError),
    "an exit before the program": (packet(EXIT, 1, b"\0"), TransportError),
    "text": (b"/system/bin/sh: not found\n", TransportError),
}


@pytest.mark.parametrize("name", GARBAGE)
def test_garbage_is_no_program(link: AdbTransport, phone: FaultyPhone, name: str) -> None:
    content, kind = GARBAGE[name]
    phone.faults.garbage(content, containing=OURS, times=1)
    with promptly(), pytest.raises(kind) as caught:
        said(link, timeout_s=0.5)
    assert str(caught.value).isprintable()
    assert said(link) == b"all\n"


@pytest.mark.parametrize("content", [packet(OUT, 0), packet(ERR, 0), packet(ERR, 9, b"chatter\n ")])
def test_packets_without_end_are_a_deadline(link: AdbTransport, phone: FaultyPhone, content: bytes) -> None:
    phone.faults.garbage(content * 1000, endless=True, containing=OURS, times=1)
    with promptly(), pytest.raises(DeadlineError):
        said(link, timeout_s=0.5)


@pytest.mark.parametrize("name", ["stdout", "stderr"])
def test_chatter_without_end_is_no_program(
    link: AdbTransport, phone: FaultyPhone, name: Literal["stdout", "stderr"]
) -> None:
    phone.faults.endless(name, containing=OURS, times=1)
    with promptly(), pytest.raises((DeadlineError, TransportError)):
        said(link, timeout_s=0.5)


def test_a_program_whose_errors_never_end_can_be_waited_for_and_ended(link: AdbTransport) -> None:
    process = link.start(["sh", "-c", "exec cat /dev/zero >&2"])
    with promptly():
        assert process.wait(timeout_s=0.5) is None
        with pytest.raises(DeadlineError):
            process.stream.receive_into(memoryview(bytearray(1)), timeout_s=0.5)
        assert len(process.stderr_tail()) <= 1 << 16
        process.kill()


def test_output_without_end_is_cut_off(link: AdbTransport) -> None:
    with pytest.raises(TransportError, match=f"more than {MOST_OUTPUT_BYTES >> 20} MiB"):
        said(link, "exec cat /dev/zero")


def test_a_shell_may_say_what_it_likes_before_a_program(link: AdbTransport, phone: FaultyPhone) -> None:
    phone.faults.banner(b"WARNING: linker\nEDGEDEVICE-0 1\n\xff\n", containing=OURS, times=1)
    assert said(link) == b"all\n"


@pytest.mark.parametrize("number", ["0", "-1", "1", "x", "", "9" * 5000, "4294967296", "\u0663"])
def test_a_process_number_that_is_none_is_no_program(
    link: AdbTransport, phone: FaultyPhone, number: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("secrets.token_hex", lambda count: "ab" * count)  # so that we can answer as its shell does
    greeting = f"EDGEDEVICE-{'ab' * 8} {number}\n".encode()
    phone.faults.garbage(packet(OUT, len(greeting), greeting), containing=OURS, times=1)
    with promptly(), pytest.raises(TransportError, match="cannot start 'sh'"):
        said(link)


def test_a_phone_that_trickles_is_a_deadline(link: AdbTransport, phone: FaultyPhone) -> None:
    phone.faults.slow(20, containing=OURS, times=1)
    with promptly(), pytest.raises(DeadlineError):
        said(link, "head -c 90000 /dev/zero", timeout_s=1)


def test_a_slow_phone_is_right(link: AdbTransport, phone: FaultyPhone) -> None:
    phone.faults.slow(20_000, containing=OURS)
    assert said(link, "head -c 9000 /dev/zero") == bytes(9000)
