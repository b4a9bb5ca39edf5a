"""A conversation with an agent about one model, ``sum = a + b``, as the contracts of agents have it."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Callable
from typing import Any

from pytest_edgedevice.agent.wire import describe
from pytest_edgedevice.runners.client import AgentClient
from pytest_edgedevice.testing.patience import PATIENCE_S

StartAgent = Callable[[], AgentClient]


class closing:  # noqa: N801 - read as contextlib.closing
    """Ends the agent with its block."""

    def __init__(self, agent: AgentClient) -> None:
        self._agent = agent

    def __enter__(self) -> AgentClient:
        return self._agent

    def __exit__(self, *_: object) -> None:
        self._agent.close()


def digest(content: bytes) -> str:
    """The name of a blob."""
    return hashlib.sha256(content).hexdigest()


def ask(agent: AgentClient, operation: str, **fields: Any) -> dict[str, Any]:
    """The header of the reply to a request without payload."""
    return agent.request(operation, fields, timeout_s=PATIENCE_S).header


def put(agent: AgentClient, content: bytes, *, chunk_bytes: int = 100) -> None:
    """Send a blob in chunks."""
    for offset in range(0, len(content), chunk_bytes):
        fields = {"sha256": digest(content), "offset": offset, "total": len(content)}
        chunk = content[offset : offset + chunk_bytes]
        complete = agent.request("put", fields, [chunk], timeout_s=PATIENCE_S).header["complete"]
        assert complete == (offset + len(chunk) == len(content))


def load(agent: AgentClient, content: bytes, *, delegate: str = "cpu") -> dict[str, Any]:
    """Load a model, after it was sent if it is not there; the reply."""
    if not ask(agent, "have", sha256=digest(content))["present"]:
        put(agent, content)
    fields = {"delegate": delegate, "engine": "", "threads": 1, "allow_fallback": False, "delegate_options": {}}
    return ask(agent, "load", sha256=digest(content), **fields)


def add_request(samples: int) -> tuple[dict[str, Any], list[bytes]]:
    """Fields and payload of so many samples: 0, 1, 2 ... and ten times that."""
    count = 4 * samples
    buffers = [struct.pack(f"<{count}f", *(scale * at for at in range(count))) for scale in (1.0, 10.0)]
    entries = [describe(name, "float32", (samples, 1, 4)) for name in ("a", "b")]
    return {"samples": samples, "tensors": entries}, buffers
