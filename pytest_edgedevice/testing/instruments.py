"""What an agent must keep that watches its model at work; part of ``AgentContract``.

These operations are optional: what an agent does not name in its hello is not asked of it.
"""

from __future__ import annotations

import contextlib
import itertools
import struct
from typing import TYPE_CHECKING, Any

import pytest

from pytest_edgedevice.agent.wire import split_tensors
from pytest_edgedevice.errors import EdgeDeviceError, ProtocolError
from pytest_edgedevice.testing.adding import StartAgent, add_request, closing, load
from pytest_edgedevice.testing.patience import PATIENCE_S

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_edgedevice.agent.wire import Frame
    from pytest_edgedevice.runners.client import AgentClient

FIELDS: dict[str, dict[str, Any]] = {
    "resources": {"runs": 5, "max_ns": 10**12, "settle": 1},
    "stream": {"interval_ns": 1_000_000, "frames": 20, "settle": 1},
    "profile": {"runs": 3, "max_ns": 10**12},
}
MOST_BYTES = 1 << 22


class InstrumentsContract:
    """``resources``, ``stream`` and ``profile``."""

    @pytest.fixture
    def start_agent(self) -> StartAgent:
        """A function that starts an agent and returns a client that has read its hello."""
        raise NotImplementedError

    @pytest.fixture
    def add_model(self) -> bytes:
        """A model with inputs ``a`` and ``b`` and the output ``sum``, each [1,4] float32."""
        raise NotImplementedError

    def test_the_cost_of_a_model_is_told_or_why_it_is_not(self, start_agent: StartAgent, add_model: bytes) -> None:
        """Memory and energy have a reason where they have no number, and no number is 0."""
        with _served(start_agent(), "resources", add_model) as agent:
            told = _ask(agent, "resources").header
            assert (told["inferences"], told["wall_ns"] > 0, told["cores"] > 0) == (5, True, True)
            for name, numbers in (("memory", ("peak_bytes", "before_load_bytes")), ("energy", ("uj",))):
                found, why = told[name], told["problems"].get(name, "")
                assert (found is None) == (why != "")
                assert found is None or all(found[number] > 0 for number in numbers)
            memory = told["memory"] or {"peak_bytes": 1, "before_load_bytes": 1, "counter": "none"}
            assert memory["peak_bytes"] >= memory["before_load_bytes"]
            assert memory["counter"] != ""

    def test_a_busy_model_takes_processor_time(self, start_agent: StartAgent, add_model: bytes) -> None:
        """Of some time with nothing but inferences in it a part is the processor's."""
        with _served(start_agent(), "resources", add_model) as agent:
            told = _ask(agent, "resources", runs=1_000_000, max_ns=3 * 10**8).header
            assert told["cpu_ns"] > 0
            assert told["wall_ns"] >= told["inferences"]

    def test_frames_are_taken_in_order_and_never_early(self, start_agent: StartAgent, add_model: bytes) -> None:
        """Numbers rise, no work begins before its frame is due or the last one ended, and the newest is never lost."""
        with _served(start_agent(), "stream", add_model) as agent:
            frame = _ask(agent, "stream", samples=3)
            frames, begun, ended = (_integers(frame, name) for name in ("frames", "begun_ns", "ended_ns"))
            assert frames[0] == 0
            assert frames[-1] == 19
            assert all(before < after for before, after in itertools.pairwise(frames))
            assert all(at >= number * 1_000_000 for number, at in zip(frames, begun, strict=True))
            assert all(start <= end for start, end in zip(begun, ended, strict=True))
            assert all(end <= start for end, start in zip(ended, begun[1:], strict=False))
            assert (frame.header["wall_ns"] > 0, frame.header["cores"] > 0) == (True, True)

    def test_a_profile_is_text_or_a_reason(self, start_agent: StartAgent, add_model: bytes) -> None:
        """The model has one operator, an addition."""
        with _served(start_agent(), "profile", add_model) as agent:
            frame = _ask(agent, "profile")
            parts = split_tensors(frame.header, frame.payload)
            if frame.header["problem"]:
                assert (parts, frame.header["runs"]) == ([], 0)
                return
            (summary,) = parts
            assert (summary.dtype, frame.header["runs"]) == ("uint8", 3)
            assert b"add" in bytes(summary.data).lower()

    @pytest.mark.parametrize("operation", FIELDS)
    def test_the_agent_goes_on_after_it_was_watched(
        self, start_agent: StartAgent, add_model: bytes, operation: str
    ) -> None:
        """And computes what it computed before."""
        with _served(start_agent(), operation, add_model) as agent:
            _ask(agent, operation)
            frame = agent.request("run", *add_request(2), timeout_s=PATIENCE_S)
            parts = {part.name: part for part in split_tensors(frame.header, frame.payload)}
            assert struct.unpack("<8f", parts["sum"].data) == tuple(11.0 * at for at in range(8))

    @pytest.mark.parametrize(
        ("operation", "field", "value"),
        [
            ("resources", "runs", 0),
            ("resources", "max_ns", -1),
            ("resources", "settle", True),
            ("resources", "samples", 2),
            ("stream", "interval_ns", 0),
            ("stream", "frames", 1 << 40),
            ("stream", "frames", "9"),
            ("stream", "settle", 1.5),
            ("profile", "runs", 1_000_000),
            ("profile", "max_ns", None),
            ("profile", "samples", 2),
        ],
    )
    def test_what_cannot_be_watched_is_refused(
        self, start_agent: StartAgent, add_model: bytes, operation: str, field: str, value: Any
    ) -> None:
        """It is a breach of the protocol."""
        with _served(start_agent(), operation, add_model) as agent, pytest.raises(ProtocolError):
            _ask(agent, operation, **{field: value})

    @pytest.mark.parametrize("operation", FIELDS)
    def test_nothing_is_watched_without_a_model(self, start_agent: StartAgent, operation: str) -> None:
        """It is a breach of the protocol, whether the operation is known or not."""
        with closing(start_agent()) as agent, pytest.raises(ProtocolError):
            _ask(agent, operation)

    @pytest.mark.parametrize("operation", FIELDS)
    def test_inputs_that_do_not_fit_cannot_be_watched(
        self, start_agent: StartAgent, add_model: bytes, operation: str
    ) -> None:
        """One of them lacks its bytes."""
        with _served(start_agent(), operation, add_model) as agent:
            fields, buffers = add_request(1)
            fields["tensors"] = fields["tensors"][:1]
            with pytest.raises(EdgeDeviceError):
                agent.request(operation, {**fields, **FIELDS[operation]}, buffers[:1], timeout_s=PATIENCE_S)


@contextlib.contextmanager
def _served(agent: AgentClient, operation: str, model: bytes) -> Iterator[AgentClient]:
    """An agent with the model, if it serves the operation."""
    with closing(agent):
        if operation not in agent.hello["operations"]:
            pytest.skip(f"this agent does not serve {operation!r}, and need not")
        load(agent, model)
        yield agent


def _ask(agent: AgentClient, operation: str, *, samples: int = 1, **changes: Any) -> Frame:
    fields, buffers = add_request(samples)
    fields |= {**FIELDS[operation], **changes}
    return agent.request(operation, fields, buffers, timeout_s=PATIENCE_S, max_reply_bytes=MOST_BYTES)


def _integers(frame: Frame, name: str) -> tuple[int, ...]:
    """One series of a reply."""
    (part,) = (part for part in split_tensors(frame.header, frame.payload) if part.name == name)
    assert (part.role, part.dtype, len(part.shape)) == ("timing", "int64", 1)
    return struct.unpack(f"<{part.shape[0]}q", part.data)
