"""An agent with one fault, chosen by argument; it speaks the wire over its real standard streams.

Holds a model with the input ``x`` [1,4] float32 and the output ``y`` likewise.
"""

from __future__ import annotations

import os
import signal
import struct
import sys
import time
from typing import Any

from pytest_edgedevice.agent import SENTINEL
from pytest_edgedevice.agent.wire import Frame, FrameReader, describe, encode
from pytest_edgedevice.agent.writing import write_all

HELLO: dict[str, Any] = {
    "op": "hello",
    "protocol": 1,
    "agent_sha256": "right",
    "engines": {"fake": "1"},
    "window": 4,
    "clock_tick_ns": 40,
    "operations": [],
}
SPEC = {"dtype": "float32", "shape": [1, 4], "quantization": None}
PLACEMENT = {"proven": "cpu", "nodes": 1, "delegated": 1, "partitions": 0, "left_over": {}, "evidence": "fake"}
LOAD: dict[str, Any] = {
    "op": "load",
    "engine": "fake",
    "engine_version": "1",
    "variant": "float32",
    "inputs": [{"name": "x", **SPEC}],
    "outputs": [{"name": "y", **SPEC}],
    "placement": PLACEMENT,
    "load_ns": 1,
}
Y = describe("y", "float32", (1, 1, 4))
TIMES = describe("inference_ns", "int64", (1,), "timing")
DATA, TIME, NAN = bytes(16), bytes(8), struct.pack("<d", float("nan"))
DEEP: Any = "x"
for _ in range(200):
    DEEP = [DEEP]

RUNS: dict[str, tuple[list[dict[str, Any]], list[bytes]]] = {
    "larger output": ([describe("y", "float32", (1, 1, 4096)), TIMES], [bytes(4 * 4096), TIME]),
    "other shape": ([describe("y", "float32", (1, 4, 1)), TIMES], [DATA, TIME]),
    "other dtype": ([describe("y", "int32", (1, 1, 4)), TIMES], [DATA, TIME]),
    "missing output": ([TIMES], [TIME]),
    "extra output": ([describe("z", "float32", (1, 0)), Y, TIMES], [b"", DATA, TIME]),
    "no sample axis": ([describe("y", "float32", ()), TIMES], [bytes(4), TIME]),
    "ragged": ([describe("y", "float32", (4, 1), "sample"), TIMES], [DATA, TIME]),
    "output twice": ([describe("y", "float32", (0, 1, 4)), Y, TIMES, TIMES], [b"", DATA, b"", TIME]),
    "no times": ([Y], [DATA]),
    "times of another dtype": ([Y, describe("inference_ns", "float64", (1,), "timing")], [DATA, NAN]),
    "times of another count": ([Y, describe("inference_ns", "int64", (0,), "timing")], [DATA, b""]),
    "payload too short": ([Y, TIMES], [DATA]),
    "payload too long": ([Y], [DATA, TIME]),
    "unknown role": ([{**Y, "role": "boss"}, TIMES], [DATA, TIME]),
}  # fmt: skip
LOADS: dict[str, dict[str, Any]] = {
    "no outputs": {"outputs": None},
    "outputs are numbers": {"outputs": [1]},
    "two outputs of one name": {"outputs": [LOAD["outputs"][0]] * 2},
    "dtype of strings": {"outputs": [{**LOAD["outputs"][0], "dtype": "string"}]},
    "dtype is a list": {"outputs": [{**LOAD["outputs"][0], "dtype": []}]},
    "negative shape": {"outputs": [{**LOAD["outputs"][0], "shape": [-2]}]},
    "huge shape": {"outputs": [{**LOAD["outputs"][0], "shape": [10**30]}]},
    "half a character": {"outputs": [{**LOAD["outputs"][0], "name": "\ud800"}]},
    "placement is a list": {"placement": []},
    "left over is a list": {"placement": {**PLACEMENT, "left_over": []}},
    "left over less than nothing": {"placement": {**PLACEMENT, "left_over": {"ADD": -1}}},
    "nodes are true": {"placement": {**PLACEMENT, "nodes": True}},
    "load time without end": {"load_ns": 10**400},
    "load time is text": {"load_ns": "1"},
    "scales without points": {"outputs": [{**LOAD["outputs"][0], "quantization": {"scales": [1], "zero_points": []}}]},
    "scale without end": {
        "outputs": [{**LOAD["outputs"][0], "quantization": {"scales": [10**400], "zero_points": [0]}}]
    },
    "axis is text": {
        "outputs": [{**LOAD["outputs"][0], "quantization": {"scales": [1], "zero_points": [0], "axis": "0"}}]
    },
    "nested": {"variant": DEEP},
}
HELLOS: dict[str, dict[str, Any]] = {
    "other version": {"protocol": 2},
    "version is true": {"protocol": True},
    "other hash": {"agent_sha256": "wrong"},
    "not a hello": {"op": "run"},
    "no window": {"window": 0},
    "window is text": {"window": "4"},
    "no engines": {"engines": None},
}


def send(header: dict[str, Any], payload: list[bytes] | None = None) -> None:
    write_all(1, encode(header, payload or []))


def before_hello(fault: str) -> None:
    """Faults of the greeting."""
    if fault == "silent":
        time.sleep(600)
    if fault == "exits":
        os.write(2, b"\x1b[31mno module named numpy\n")
        sys.exit(3)
    if fault == "chatter without end":
        while True:
            os.write(1, b"Welcome to Linux!\n" * 100)
    if fault == "polite chatter":
        os.write(1, b"Last login: yesterday\nEDGEDEVICE-AGENT 0\n")


def answer(fault: str, frame: Frame) -> None:  # noqa: C901 - a list of faults
    """Faults of a reply to ``run``."""
    reply = {"op": "run", "id": frame.header["id"], "samples": 1, "tensors": [Y, TIMES]}
    whole = b"".join(bytes(part) for part in encode(reply, [DATA, TIME]))
    if fault in RUNS:
        tensors, payload = RUNS[fault]
        send({**reply, "tensors": tensors}, payload)
    elif fault == "dies mid-frame":
        os.write(1, whole[:40])
        os.kill(os.getpid(), signal.SIGKILL)
    elif fault == "bad magic":
        os.write(1, b"HTTP/1.1 400 Bad Request\r\n\r\n")
    elif fault == "promises a gigabyte":
        os.write(1, struct.pack("<4sIQ", b"EDG1", 2, 1 << 30) + b"{}")
    elif fault == "closes its output but lives":
        os.close(1)
    elif fault == "says nothing":
        pass
    elif fault == "dribbles":
        for at in range(len(whole)):
            os.write(1, whole[at : at + 1])
            time.sleep(0.05)
    elif fault == "floods its output":
        while True:
            os.write(1, bytes(1 << 16))
    elif fault == "floods standard error":
        for _ in range(1600):
            os.write(2, b"x" * 65535 + b"\n")
        send(reply, [DATA, TIME])
    elif fault == "other number":
        send({**reply, "id": 999}, [DATA, TIME])
    elif fault == "other operation":
        send({**reply, "op": "facts"}, [DATA, TIME])
    elif fault == "other count":
        send({**reply, "samples": 2}, [DATA, TIME])
    elif fault == "refusal of another":
        send({"op": "error", "id": 999, "kind": "input", "message": "not yours"})
    elif fault == "unknown kind of error":
        send({"op": "error", "id": frame.header["id"], "kind": ["model"], "message": {"a": "\x1b[2J\ud800"}})
    else:
        send(reply, [DATA, TIME])


def main(fault: str) -> None:
    before_hello(fault)
    os.write(1, SENTINEL)
    send({**HELLO, **HELLOS.get(fault, {})}, [b"x"] if fault == "hello with a payload" else None)
    reader = FrameReader()
    while count := os.readv(0, [reader.buffer()]):
        frame = reader.advance(count)
        if frame is None:
            continue
        number = frame.header["id"]
        if frame.header["op"] == "load":
            send({**LOAD, "id": number, **LOADS.get(fault, {})})
        elif frame.header["op"] == "run":
            answer(fault, frame)
        else:
            send({"op": frame.header["op"], "id": number})
            if frame.header["op"] == "bye":
                return


if __name__ == "__main__":
    main(sys.argv[1])
