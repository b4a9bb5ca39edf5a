"""The native agent against the Python agent: latency, start and memory, fresh processes in turn.

python -m benchmarks.native TFLITE_LIBRARY [LITERT_LIBRARY] [--rounds 15]

Both are started on this machine as the runners do it. The Python agent runs the same libLiteRt's interpreter, XNNPACK
and one thread in both. Memory is what is resident after BlazeFace was measured; start is from asking for the agent to
its hello, on a device that has been used before.
"""

from __future__ import annotations

import argparse
import statistics
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from benchmarks.pairs import row
from pytest_edgedevice.agent.wire import describe, split_tensors
from pytest_edgedevice.runners.agents import PythonAgent
from pytest_edgedevice.runners.backend import Site
from pytest_edgedevice.runners.client import AgentClient
from pytest_edgedevice.runners.native.program import NativeProgram
from pytest_edgedevice.transports.local import LocalTransport

if TYPE_CHECKING:
    from pytest_edgedevice.runners.agents import Agent

FACE = Path(__file__).parent.parent / "fixtures" / "models" / "face_detector.tflite"
RUNS = 300
WAIT_S = 60.0


class Seen(NamedTuple):
    """One process."""

    start_ms: float
    fast_ms: float
    resident_mb: float


def seen(agent: Agent, site: Site, sha256: str) -> Seen:
    begin = time.perf_counter()
    client = AgentClient(agent.start(site), where="desk", sha256=agent.sha256, timeout_s=WAIT_S)
    start_ms = (time.perf_counter() - begin) * 1e3
    fields: dict[str, Any] = {"engine": "", "delegate": "xnnpack", "threads": 1, "delegate_options": {}}
    client.request("load", {"sha256": sha256, **fields, "allow_fallback": False}, timeout_s=WAIT_S)
    tensors = [describe("input", "float32", (1, 1, 128, 128, 3))]
    wish = {"samples": 1, "tensors": tensors, "runs": RUNS, "batch": 1, "settle": 50, "max_ns": 10**11}
    reply = client.request("measure", wish, [bytes(4 * 128 * 128 * 3)], timeout_s=WAIT_S)
    (part,) = split_tensors(reply.header, reply.payload)
    resident = Path(f"/proc/{client.hello['pid']}/status").read_text(encoding="ascii").partition("VmRSS:")[2].split()[0]
    client.close()
    # the fastest tenth: what other processes take away lies above it
    return Seen(start_ms, statistics.quantiles(part.data.cast("q"), n=10)[0] / 1e6, int(resident) / 1e3)


def main() -> bool:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tflite")
    parser.add_argument("litert", nargs="?", default="")
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args()
    found: dict[str, list[Seen]] = {"python": [], "tflite": [], "litert": []}
    agents = {
        "python": PythonAgent(),
        "tflite": NativeProgram(runtime=options.tflite),
        "litert": NativeProgram(runtime=options.litert, engine="litert"),
    }
    with LocalTransport() as link:
        site = Site(link, "desk", WAIT_S)
        sha256 = link.push(FACE, timeout_s=WAIT_S).sha256
        for agent in agents.values():
            seen(agent, site, sha256)  # what is found, built and hashed once for a device is no part of a start
        for number in range(options.rounds):
            names = list(agents) if number % 2 else list(reversed(agents))
            for name in names:
                found[name].append(seen(agents[name], site, sha256))
    met = True
    for name in ("tflite", "litert"):
        pairs = list(zip(found[name], found["python"], strict=True))
        ratio = statistics.median(ours.fast_ms / theirs.fast_ms for ours, theirs in pairs)
        start = statistics.median(ours.start_ms for ours, _ in pairs)
        memory = statistics.median(ours.resident_mb / theirs.resident_mb for ours, theirs in pairs)
        lines = [
            (
                f"{name}: BlazeFace latency, fastest tenth, / Python agent's",
                f"{ratio:.3f}",
                "0.99 to 1.01",
                abs(ratio - 1) <= 0.01,
            ),
            (f"{name}: start", f"{start:.1f} ms", "at most 50 ms", start <= 50),
            (f"{name}: resident memory / Python agent's", f"{memory:.2f}", "at most 0.33", memory <= 1 / 3),
        ]
        for what, figure, goal, good in lines:
            met &= row(what, figure, goal, met=good)
    for name, series in found.items():
        middle = Seen(*(statistics.median(values) for values in zip(*series, strict=True)))
        speed = f"start {middle.start_ms:6.1f} ms  fastest tenth {middle.fast_ms:.3f} ms"
        print(f"{name:8} {speed}  resident {middle.resident_mb:.1f} MB")
    return met


if __name__ == "__main__":
    raise SystemExit(not main())
