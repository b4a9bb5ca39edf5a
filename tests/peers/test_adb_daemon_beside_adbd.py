"""Keeps our phone's end of adb honest: on the wire it answers, byte for byte, what AOSP's own adbd answers."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import adbutils  # type: ignore[import-untyped]
import pytest

from tests.peers.adb_daemon import FaultyPhone
from tests.peers.adb_daemon.clients import LONGEST_S, TMP, frames, until
from tests.phones import AdbServer, Phone, start_adb_server, start_phone

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.phone


def request(name: bytes, path: str) -> bytes:
    return name + struct.pack("<I", len(path)) + path.encode()


def pushed(content: bytes, path: str, *, mode: int = 0o100640, kind: bytes = b"DATA") -> bytes:
    sent = kind + struct.pack("<I", len(content)) + content if content else b""
    return request(b"SEND", f"{path},{mode}") + sent + b"DONE" + struct.pack("<I", 1_600_000_000)


QUIT = request(b"QUIT", "")
TALKS = {
    "a program by exec": ("exec:echo out; echo err >&2; exit 3", b""),
    "a program by shell": ("shell:echo out; echo err >&2; exit 3", b""),
    "a program by framed shell": ("shell,v2,raw:echo out; echo err >&2; exit 3", b""),
    "a framed program by neither way": ("shell,v2,TERM=dumb:echo out; exit 3", b""),
    "a program that a signal ends": ("shell,v2,raw:kill -9 $$", b""),
    "a program that is not there": ("shell,v2,raw:/none 2>/dev/null", b""),
    "input that is closed": ("shell,v2,raw:cat", struct.pack("<BI", 0, 3) + b"abc" + struct.pack("<BI", 4, 0)),
    "commands as input": ("shell,v2,raw:", struct.pack("<BI", 0, 14) + b"echo a\nexit 4\n"),
    "a folder of its own": ("exec:pwd; cd /data/local/tmp && pwd", b""),
    "a service that is not there": ("nix:", b""),
    "what is missing": ("sync:", request(b"STAT", f"{TMP}/none") + request(b"LST2", f"{TMP}/none") + QUIT),
    "a list of what is missing": ("sync:", request(b"LIST", f"{TMP}/none") + QUIT),
    "a pull of what is missing": ("sync:", request(b"RECV", f"{TMP}/none") + QUIT),
    "a push": ("sync:", pushed(b"abc", f"{TMP}/new/a") + request(b"STAT", f"{TMP}/new/a") + QUIT),
    "a push of nothing": ("sync:", pushed(b"", f"{TMP}/empty") + request(b"STAT", f"{TMP}/empty") + QUIT),
    "a push over a file": (
        "sync:",
        pushed(b"abc", f"{TMP}/b", mode=0o100755) + pushed(b"d", f"{TMP}/b") + request(b"STAT", f"{TMP}/b") + QUIT,
    ),
    "a pull": ("sync:", pushed(b"abc", f"{TMP}/c") + request(b"RECV", f"{TMP}/c") + QUIT),
    "a push over a folder": ("sync:", pushed(b"abc", TMP) + QUIT),
    "a push that is none": ("sync:", pushed(b"abc", f"{TMP}/e", kind=b"DATX")),
    "a pull of a folder": ("sync:", request(b"RECV", TMP) + QUIT),
    "a name that is too long": ("sync:", request(b"STAT", TMP + "/" * 1100)),
    "an unknown request": ("sync:", request(b"EVIL", f"{TMP}/c")),
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AdbServer]:
    with start_adb_server(tmp_path_factory.mktemp("adb")) as one:
        yield one


@pytest.fixture(scope="module")
def pair(server: AdbServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[FaultyPhone, Phone]]:
    folder = tmp_path_factory.mktemp("phones")
    with FaultyPhone(folder / "ours") as ours, start_phone(folder / "real") as real:
        server.connect(real)
        until(lambda: "connected to" in server.adb("connect", ours.address).stdout, "connecting")
        until(lambda: server.states()[ours.address] == "device", "becoming a device")
        yield ours, real


def answer(server: AdbServer, phone: FaultyPhone | Phone, service: str, sent: bytes) -> bytes:
    device = adbutils.AdbClient(port=server.port, socket_timeout=LONGEST_S).device(phone.address)
    with device.open_transport(timeout=LONGEST_S) as connection:
        connection.send_command(service)
        connection.conn.sendall(sent)
        return bytes(connection.read_until_close(encoding=None))


@pytest.mark.parametrize("talk", TALKS)
def test_both_answer_the_same(talk: str, server: AdbServer, pair: tuple[FaultyPhone, Phone]) -> None:
    ours, real = (answer(server, phone, *TALKS[talk]) for phone in pair)
    assert ours[:4] == real[:4] == (b"FAIL" if talk.startswith("a service that is not") else b"OKAY")
    if "v2" in TALKS[talk][0]:
        # both streams are read at once, so which comes first is nobody's promise
        assert sorted(frames(ours[4:])) == sorted(frames(real[4:]))
    else:
        assert ours == real
