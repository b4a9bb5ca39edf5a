"""What every agent must keep; see ``AgentContract``."""

from __future__ import annotations

import os
import struct
from typing import Any

import pytest

from pytest_edgedevice.agent.wire import split_tensors
from pytest_edgedevice.errors import EdgeDeviceError, ProtocolError
from pytest_edgedevice.testing.adding import StartAgent, add_request, ask, closing, digest, load, put
from pytest_edgedevice.testing.cases import case
from pytest_edgedevice.testing.instruments import InstrumentsContract
from pytest_edgedevice.testing.patience import PATIENCE_S


class AgentContract(InstrumentsContract):
    """Subclass as ``Test...`` and provide ``start_agent`` and ``add_model``, the bytes of a float32 ``sum = a + b``."""

    def test_the_hello_tells_what_it_serves(self, start_agent: StartAgent) -> None:
        """At least the operations of version 1."""
        with closing(start_agent()) as agent:
            assert {"have", "put", "load", "run", "measure", "facts", "bye"} <= set(agent.hello["operations"])
            assert agent.hello["clock_tick_ns"] >= 1
            assert {"default", "cpu"} <= set(agent.hello.get("delegates", ["default", "cpu"]))

    def test_a_blob_arrives_in_chunks(self, start_agent: StartAgent, add_model: bytes) -> None:
        """And is there afterwards, not before."""
        blob = add_model + os.urandom(16)  # agents that share a folder have the model itself from each other
        with closing(start_agent()) as agent:
            sha256 = digest(blob)
            before = ask(agent, "have", sha256=sha256)["present"]
            put(agent, blob)
            assert (before, ask(agent, "have", sha256=sha256)["present"]) == (False, True)

    @pytest.mark.parametrize(
        ("field", "value"),
        [("sha256", "../../etc/passwd"), ("sha256", 7), ("offset", 1), ("offset", -1), ("total", 2), ("total", True)],
    )
    def test_a_blob_that_does_not_fit_is_refused(self, start_agent: StartAgent, field: str, value: Any) -> None:
        """Names that lead elsewhere, gaps, lies about the size."""
        with closing(start_agent()) as agent:
            fields: dict[str, Any] = {"sha256": digest(b"abc"), "offset": 0, "total": 3, field: value}
            with pytest.raises(ProtocolError):
                agent.request("put", fields, [b"abc"], timeout_s=PATIENCE_S)

    def test_a_blob_with_another_hash_is_refused(self, start_agent: StartAgent) -> None:
        """The last chunk tells."""
        with closing(start_agent()) as agent, pytest.raises(ProtocolError, match="hash"):
            agent.request("put", {"sha256": digest(b"abc"), "offset": 0, "total": 3}, [b"abd"], timeout_s=PATIENCE_S)

    def test_a_model_runs(self, start_agent: StartAgent, add_model: bytes) -> None:
        """Two samples in, two out, exactly, with their times."""
        with closing(start_agent()) as agent:
            loaded = load(agent, add_model)
            assert sorted(spec["name"] for spec in loaded["inputs"]) == ["a", "b"]
            frame = agent.request("run", *add_request(2), timeout_s=PATIENCE_S)
            parts = {part.name: part for part in split_tensors(frame.header, frame.payload)}
            assert struct.unpack("<8f", parts["sum"].data) == tuple(11.0 * at for at in range(8))
            assert (parts["inference_ns"].role, parts["inference_ns"].shape) == ("timing", (2,))

    def test_requests_may_be_sent_ahead(self, start_agent: StartAgent, add_model: bytes) -> None:
        """As many as the hello allows; replies come in order."""
        with closing(start_agent()) as agent:
            load(agent, add_model)
            numbers = [agent.send("facts", timeout_s=PATIENCE_S) for _ in range(agent.hello["window"])]
            for number in numbers:
                agent.receive("facts", number, timeout_s=PATIENCE_S, max_reply_bytes=0)

    def test_a_series_has_the_length_that_was_asked_for(self, start_agent: StartAgent, add_model: bytes) -> None:
        """Positive nanoseconds."""
        with closing(start_agent()) as agent:
            load(agent, add_model)
            fields, buffers = add_request(1)
            fields |= {"runs": 7, "batch": 2, "settle": 1, "max_ns": 10**12}
            frame = agent.request("measure", fields, buffers, timeout_s=PATIENCE_S)
            (part,) = split_tensors(frame.header, frame.payload)
            assert (part.role, part.dtype, part.shape) == ("timing", "int64", (7,))
            assert all(value >= 0 for value in struct.unpack("<7q", part.data))

    def test_a_delegate_that_is_not_there_is_refused(self, start_agent: StartAgent, add_model: bytes) -> None:
        """And the agent goes on: the model can be loaded without it."""
        with closing(start_agent()) as agent:
            for delegate in ("", "warp", "external:/no/such/library.so"):
                with case(delegate), pytest.raises(EdgeDeviceError):
                    load(agent, add_model, delegate=delegate)
            assert load(agent, add_model)["placement"]["nodes"] == 1

    @pytest.mark.parametrize("operation", ["run", "measure"])
    def test_nothing_runs_without_a_model(self, start_agent: StartAgent, operation: str) -> None:
        """It is a breach of the protocol."""
        with closing(start_agent()) as agent, pytest.raises(ProtocolError):
            agent.request(operation, *add_request(1), timeout_s=PATIENCE_S)

    def test_an_unknown_operation_is_refused(self, start_agent: StartAgent) -> None:
        """By name."""
        with closing(start_agent()) as agent, pytest.raises(ProtocolError, match="fly"):
            agent.request("fly", timeout_s=PATIENCE_S)
