"""What an agent says of a model at work: numbers that make sense, or the end of the agent."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pytest

from pytest_edgedevice.agent.wire import Frame, describe
from pytest_edgedevice.errors import InputError, ProtocolError
from pytest_edgedevice.runners.agent_backend import AgentBackend
from pytest_edgedevice.runners.samples import Batch
from tests.unit.checks.conftest import INFO

if TYPE_CHECKING:
    from pytest_edgedevice.runners.client import AgentClient

ALL = ["resources", "stream", "profile"]
COST: dict[str, Any] = {
    "inferences": 10,
    "wall_ns": 20_000_000,
    "cpu_ns": 30_000_000,
    "cores": 4,
    "memory": {"peak_bytes": 70_000_000, "before_load_bytes": 50_000_000, "counter": "VmHWM since the load began"},
    "energy": {"uj": 80_000, "source": "RAPL package-0"},
    "problems": {},
}
SAMPLE = Batch({"x": np.zeros((1, 1, 2), np.float32)}, 1)
LIMITS: dict[str, Any] = {"runs": 5, "seconds": 1.0, "delegate": "xnnpack"}
USAGE = {"wall_ns": 1000, "cpu_ns": 500, "cores": 2}


@dataclass
class Client:
    """An agent that gives one answer to everything that it serves."""

    reply: dict[str, Any]
    payload: bytes = b""
    operations: Any = field(default_factory=lambda: ALL)
    emulated: bool = False
    asked: dict[str, Any] = field(default_factory=dict)

    @property
    def hello(self) -> dict[str, Any]:
        return {"operations": self.operations, "clock_tick_ns": 1, "emulated": self.emulated}

    def request(self, operation: str, fields: Any = None, buffers: Any = (), **limits: Any) -> Frame:
        if operation == "facts":
            return Frame({"conditions": {"load_1min": 0.5}}, memoryview(b""))
        self.asked = {**fields, **limits, "bytes": b"".join(bytes(one) for one in buffers)}
        return Frame(self.reply, memoryview(self.payload))

    def broken(self, what: str) -> ProtocolError:
        return ProtocolError(what)


def backend(client: Client) -> AgentBackend:
    return AgentBackend(cast("AgentClient", client), INFO, timeout_s=60)


def changed(**changes: Any) -> dict[str, Any]:
    return {**COST, **changes}


def test_costs_are_told_for_one_inference() -> None:
    client = Client(COST)
    found = backend(client).resources(SAMPLE, seconds=2.0)
    assert (found.inferences, found.wall_ms) == (10, 20.0)
    assert (found.peak_bytes, found.before_load_bytes, found.model_share_bytes) == (70_000_000, 50_000_000, 20_000_000)
    assert (found.cpu_ms, found.cpu_load_percent, found.cores) == (3.0, 37.5, 4)
    assert (found.energy_mj, found.energy_source) == (8.0, "RAPL package-0")
    assert found.power_mw == pytest.approx(4000)
    assert dict(found.problems) == {}
    assert (client.asked["max_ns"], client.asked["timeout_s"], client.asked["bytes"]) == (2_000_000_000, 62.0, bytes(8))


def test_what_was_not_measured_is_none_and_has_a_reason() -> None:
    problems = {"memory": "no\x1b counter", "energy": 7}
    client = Client(changed(memory=None, energy=None, problems=problems))
    found = backend(client).resources(SAMPLE, seconds=1.0)
    assert (found.peak_bytes, found.model_share_bytes, found.energy_mj, found.power_mw) == (None, None, None, None)
    assert dict(found.problems) == {"memory": "no  counter", "energy": "the agent does not say why"}


def test_a_processor_clock_that_stands_still_is_no_load_of_zero() -> None:
    found = backend(Client(changed(cpu_ns=0))).resources(SAMPLE, seconds=1.0)
    assert (found.cpu_ms, found.cpu_load_percent, "did not move" in found.problems["cpu"]) == (None, None, True)


@pytest.mark.parametrize(
    "reply",
    [
        {},
        changed(inferences=0),
        changed(inferences=True),
        changed(wall_ns=0),
        changed(wall_ns=1.5),
        changed(cpu_ns=-1),
        changed(cpu_ns=1 << 70),
        changed(cores=0),
        changed(memory={}),
        changed(memory=[]),
        changed(memory={"peak_bytes": 0, "before_load_bytes": 0, "counter": "x"}),
        changed(memory={"peak_bytes": "7", "before_load_bytes": 0, "counter": "x"}),
        changed(energy={"uj": 0, "source": "RAPL"}),
        changed(energy={"uj": 5}),
        changed(energy=5),
        changed(problems=None),
        changed(problems=[]),
    ],
    ids=str,
)
def test_costs_that_cannot_be_end_the_agent(reply: dict[str, Any]) -> None:
    with pytest.raises(ProtocolError, match="is malformed"):
        backend(Client(reply)).resources(SAMPLE, seconds=1.0)


def frames(*series: list[int], names: tuple[str, ...] = ("frames", "begun_ns", "ended_ns"), **more: Any) -> Client:
    payload = b"".join(struct.pack(f"<{len(one)}q", *one) for one in series)
    tensors = [describe(name, "int64", (len(one),), "timing") for name, one in zip(names, series, strict=True)]
    return Client({"tensors": tensors, **USAGE, **more}, payload)


def test_a_stream_is_asked_for_by_its_interval_and_its_length() -> None:
    client = frames([0, 1], [0, 33_333_333], [5_000_000, 40_000_000])
    found = backend(client).stream(SAMPLE, fps=30.0, count=3)
    assert (found.offered, found.processed, found.frames) == (3, 2, (0, 1))
    assert found.cpu_load_percent == 25.0
    assert (client.asked["interval_ns"], client.asked["frames"], client.asked["samples"]) == (33_333_333, 3, 1)
    assert (client.asked["timeout_s"], client.asked["max_reply_bytes"]) == (pytest.approx(60.1), 72)


@pytest.mark.parametrize(
    "client",
    [
        frames([0], [0], [5], names=("frames", "begun_ns", "other")),
        frames([0], [0], names=("frames", "begun_ns")),
        frames([0], [0], [5], [5], names=("frames", "begun_ns", "ended_ns", "more")),
        frames([0], [0, 1], [5]),
        frames([], [], []),
        frames([1, 0], [0, 10], [5, 20]),
        frames([0, 9], [0, 10**12], [5, 10**12]),
        frames([0], [0], [5], wall_ns=0),
        frames([0], [0], [5], cores=None),
        Client({"tensors": [describe("frames", "float64", (1,), "timing")]}, bytes(8)),
        Client({"tensors": [describe("frames", "int64", (1,))]}, b"short"),
        Client({**USAGE}),
    ],
)
def test_a_stream_that_cannot_be_ends_the_agent(client: Client) -> None:
    with pytest.raises(ProtocolError):
        backend(client).stream(SAMPLE, fps=30.0, count=3)


def test_a_profile_is_read_from_the_profilers_own_text() -> None:
    text = b"Summary by node type\n  Delegate/Add (ND)  1  0.001  50.000%  100.000%  0.000  5\n"
    text += b"Timings (microseconds): count=1 curr=100\n"
    client = Client({"runs": 5, "problem": "", "tensors": [describe("summary", "uint8", (len(text),))]}, text)
    found = backend(client).profile(SAMPLE, **LIMITS)
    assert [(one.name, one.delegate, one.time_ms) for one in found.operators] == [("Add (ND)", "xnnpack", 0.01)]


@pytest.mark.parametrize(
    ("problem", "said"),
    [("the engine has none", "the engine has none"), *((odd, "the agent does not say why") for odd in ("", None, 5))],
)
def test_a_profile_that_is_none_has_a_reason(problem: Any, said: str) -> None:
    found = backend(Client({"runs": 0, "problem": problem, "tensors": []})).profile(SAMPLE, **LIMITS)
    assert (found.operators, found.problem) == ((), said)


@pytest.mark.parametrize("runs", [-1, 6, True, "5", None])
def test_a_profile_of_a_count_that_cannot_be_ends_the_agent(runs: Any) -> None:
    with pytest.raises(ProtocolError, match="is no profile"):
        backend(Client({"runs": runs, "problem": "", "tensors": []})).profile(SAMPLE, **LIMITS)


def test_an_older_agent_is_not_asked() -> None:
    old = backend(Client({}, operations=["run"]))
    why = "the agent on the device does not serve {!r}"
    found = old.resources(SAMPLE, seconds=1.0)
    assert dict(found.problems) == dict.fromkeys(("cpu", "energy", "memory"), why.format("resources"))
    assert found.cpu_ms is None
    assert old.profile(SAMPLE, **LIMITS).problem == why.format("profile")
    with pytest.raises(InputError, match="does not serve 'stream'"):
        old.stream(SAMPLE, fps=30.0, count=3)


@pytest.mark.parametrize("operations", [None, 7, "stream", {"stream": True}])
def test_operations_that_are_no_list_are_none(operations: Any) -> None:
    with pytest.raises(InputError):
        backend(Client({}, operations=operations)).stream(SAMPLE, fps=30.0, count=3)
