"""Start the native agent on this machine, and load models in it as the host does."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_edgedevice.runners.client import AgentClient
from pytest_edgedevice.runners.replies import read_load
from pytest_edgedevice.transports.base import Pushed
from pytest_edgedevice.transports.pipes import ChildProcess
from tests.loaded_models import loaded_model

if TYPE_CHECKING:
    from pytest_edgedevice.runners.loaded import LoadedModel
    from pytest_edgedevice.runners.native.building import NativeAgent

ROOT = Path(__file__).parents[2]
TINY = ROOT / "fixtures" / "tiny"
MODELS = ROOT / "fixtures" / "models"
PATIENCE_S = 60.0


class Agents:
    """Native agents with one of the runtimes each, in one folder."""

    def __init__(
        self, program: NativeAgent, runtimes: dict[str, Path], folder: Path, *, emulator: tuple[str, ...] = ()
    ) -> None:
        self.program = program
        self._emulator = emulator
        self.runtimes = runtimes
        self.folder = folder / "session"
        self.folder.mkdir(parents=True)

    def process(self, runtime: str, *, folder: str = "") -> ChildProcess:
        library = str(self.runtimes.get(runtime, runtime))
        command = self.program.command(str(self.program.path), folder or str(self.folder), library)
        return ChildProcess([*self._emulator, *command])

    def start(self, runtime: str = "tflite") -> AgentClient:
        return AgentClient(self.process(runtime), where="desk", sha256=self.program.sha256, timeout_s=PATIENCE_S)

    def load(self, path: Path, runtime: str = "tflite", **options: Any) -> LoadedModel:
        content = path.read_bytes()
        sha256 = hashlib.sha256(content).hexdigest()
        (self.folder / sha256).write_bytes(content)
        client = self.start(runtime)
        fields: dict[str, Any] = {
            "engine": "",
            "delegate": "default",
            "delegate_options": {},
            "threads": 1,
            "allow_fallback": True,
        }
        fields |= options
        try:
            header = client.request("load", {"sha256": sha256, **fields}, timeout_s=PATIENCE_S).header
            loaded = read_load(client, header, requested=str(fields["delegate"]))
        except BaseException:
            client.kill()
            raise
        info = loaded.info(path.name, Pushed(sha256, len(content), 0), fields["threads"])
        return loaded_model(client, info, loaded.placement, timeout_s=PATIENCE_S)
