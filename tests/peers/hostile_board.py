"""Takes the place of ssh: a board that does not do what it should. The first argument says how; ssh's follow."""

from __future__ import annotations

import os
import re
import sys
import time
from typing import Any

from pytest_edgedevice.agent.wire import MAGIC, PREFIX, FrameReader, encode

HELLO = {
    "op": "hello",
    "folder": "/tmp/edgedevice-session-x",
    "identity": "board-1",
    "facts": {"ssh": True},
    "parts": [],
}
WORDS = {
    "changed": "@@@@@\n@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @\n@@@@@\nHost key verification failed.",
    "unknown": "Host key verification failed.",
    "denied": "pi@kitchen: Permission denied (publickey).",
    "resolve": "ssh: Could not resolve hostname kitchen: Name or service not known",
    "odd": "\x1b[31mred\x07 words",
}


def line() -> bytes:
    got = bytearray()
    while not got.endswith(b"\n"):
        got += os.read(0, 1)
    return bytes(got[:-1])


def say(header: dict[str, Any], payload: bytes = b"") -> None:
    for part in encode(header, [payload]):
        os.write(1, part)


def requests() -> Any:
    reader = FrameReader()
    while count := os.readv(0, [reader.buffer()]):
        frame = reader.advance(count)
        if frame:
            yield frame.header


def misbehave(how: str, request: dict[str, Any]) -> None:  # noqa: C901 - one lie after the other
    number = request.get("id")
    if request["op"] == "start":
        say({"op": "started", "id": number, "pid": 1})
        floods: dict[str, dict[str, Any]] = {
            "flood": {"op": "out", "id": number},
            "errors": {"op": "err", "id": number},
            "strangers": {"op": "sing"},
        }
        while how in floods:
            say(floods[how], bytes(256 << 10))
        if how == "huge-frame":
            os.write(1, PREFIX.pack(MAGIC, 2, 1 << 40) + b"{}")
        if how == "huge-header":
            os.write(1, PREFIX.pack(MAGIC, 1 << 31, 0))
        if how == "deep":
            os.write(1, PREFIX.pack(MAGIC, 200_000, 0) + b"[" * 200_000)
        answers: dict[str, list[dict[str, Any]]] = {
            "took": [{"op": "took", "id": number, "bytes": 1 << 40}],
            "status": [{"op": "exit", "id": number, "status": "well"}],
            "unknown-answer": [{"op": "sing", "id": number}],
            "stranger": [{"op": "out", "id": 12345}, {"op": "out", "id": "x"}, {"op": "end", "id": number}],
        }
        for answer in answers.get(how, []):
            say(answer)
    elif request["op"] == "put":
        say({"op": "ready", "id": number, "have": 0})
        if how == "generous":
            say({"op": "took", "id": number, "bytes": 1 << 40})
        if how == "put-unknown":
            say({"op": "sing", "id": number})
    elif request["op"] in ("commit", "store") and how.startswith("stored "):
        say({"op": "stored", "id": number, "path": how.split(" ", 1)[1]})
    elif request["op"] == "guard":
        while True:
            say({"op": "waiting", "id": number, "text": "\x1b[2J" + "x" * 1000})
    elif request["op"] in ("commit", "store") and how == "hash":
        say({"op": "failed", "id": number, "kind": "hash", "message": "another\x1b hash"})
    elif request["op"] == "store" and how == "put-unknown":
        say({"op": "sing", "id": number})
    elif request["op"] == "clean":
        say({"op": "failed", "id": number, "message": ""} if how == "no-clean" else {"op": "cleaned", "id": number})


def main(how: str) -> int:  # noqa: C901 - one lie after the other
    if how in WORDS:
        print(WORDS[how], file=sys.stderr)
        return 255
    if how == "silent":
        time.sleep(600)
    if how == "forced":
        print("This account is for git only")
        return 1
    if how == "endless":
        while True:
            os.write(1, b"y" * 65536)
    _python, sentinel, loader = line(), line(), line()
    os.write(1, b"Welcome\nto this board\n\n" + sentinel + b" ")
    versions = {"missing": "missing", "old": "3.7.3", "python2": "2.7.18", "no-python": "bash"}
    os.write(1, versions.get(how, "3.9.2").encode() + b"\n")
    if how in versions:
        return 0
    sources = int(re.search(rb"len\(data\) < (\d+)", loader)[1])  # type: ignore[index]
    while sources:
        sources -= len(os.read(0, sources))
    if how == "garbage":
        os.write(1, b"Segmentation fault\n" * 100)
        time.sleep(600)
    if how == "huge":
        os.write(1, PREFIX.pack(MAGIC, 1 << 31, 1 << 40))
        time.sleep(600)
    while how == "endless-frames":
        say({"op": "beat", "id": 5}, bytes(1000))
    if how == "dies":
        print("MemoryError", file=sys.stderr)
        return 1
    hellos: dict[str, dict[str, Any]] = {
        "no-folder": {**HELLO, "folder": "tmp"},
        "no-identity": {**HELLO, "identity": "a\nb"},
        "no-facts": {**HELLO, "facts": []},
        "full": {"op": "failed", "id": None, "kind": "full", "message": "No space left on device"},
        "odd-facts": {**HELLO, "facts": {"a": "x\x1b[31m", "b": [1], "c\n": 1, "d": 1}, "parts": [1, {"size": -1}]},
    }
    say(hellos.get(how, HELLO))
    for request in requests():
        if request["op"] == "bye":
            return 0
        misbehave(how, request)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
