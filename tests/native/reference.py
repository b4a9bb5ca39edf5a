"""The Python agent's answers, from its session in this process: asked for what it computes, not for how it starts."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from pytest_edgedevice.agent.session import Session
from pytest_edgedevice.agent.wire import Frame
from pytest_edgedevice.runners.replies import read_load
from pytest_edgedevice.transports.base import Pushed
from tests.loaded_models import loaded_model

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pytest_edgedevice.runners.loaded import LoadedModel

PATIENCE_S = 60.0


class InProcess:
    """Stands in for ``AgentClient``, one request in flight."""

    dead = False

    def __init__(self, folder: Path) -> None:
        self._session = Session(str(folder))
        self.hello = {**self._session.hello(), "window": 1}

    def request(self, operation: str, fields: dict[str, Any], buffers: Sequence[Any] = (), **_: Any) -> Frame:
        payload = memoryview(b"".join(bytes(buffer) for buffer in buffers))
        reply, data = self._session.answer(Frame({"op": operation, "id": 1, **fields}, payload))
        assert reply["op"] != "error", reply
        return Frame(reply, memoryview(b"".join(bytes(buffer) for buffer in data)))

    def send(self, operation: str, fields: dict[str, Any], buffers: Sequence[Any] = (), **_: Any) -> int:
        self._reply = self.request(operation, fields, buffers)
        return 1

    def receive(self, operation: str, number: int, **_: Any) -> Frame:
        del operation, number
        return self._reply

    def close(self) -> None:
        """Nothing to end."""


def load_here(path: Path, folder: Path, *, delegate: str) -> LoadedModel:
    """Load a model as ``Device.load`` does, with any fallback allowed."""
    content = path.read_bytes()
    sha256 = hashlib.sha256(content).hexdigest()
    (folder / sha256).write_bytes(content)
    client: Any = InProcess(folder)
    fields = {"sha256": sha256, "engine": "", "delegate": delegate, "delegate_options": {}, "threads": 1}
    header = client.request("load", {**fields, "allow_fallback": True}).header
    loaded = read_load(client, header, requested=delegate)
    info = loaded.info(path.name, Pushed(sha256, len(content), 0), 1)
    return loaded_model(client, info, loaded.placement, timeout_s=PATIENCE_S)
