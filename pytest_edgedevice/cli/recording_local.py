"""A TFLite model on this machine: as the server, and as the model that a golden is for."""

from __future__ import annotations

import platform
from typing import TYPE_CHECKING, Any

from pytest_edgedevice.goldens.servers.server import Origin, Server

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from pytest_edgedevice.interfaces import DeviceLike
    from pytest_edgedevice.values import ModelInfo

DELEGATE = "cpu"
"""The built-in kernels: what a delegate changes is for tests to find."""


class LocalModel(Server):
    """A float model that runs here, in a process of its own.

    Args:
        device: This machine, open.
        path: The ``.tflite`` file.
    """

    batch = -1

    def __init__(self, device: DeviceLike, path: Path) -> None:
        self._model = device.load(path, delegate=DELEGATE)
        self.inputs = self._model.info.inputs
        self.outputs = self._model.info.outputs

    def answer(self, inputs: Mapping[str, Any], outputs: Sequence[str]) -> Mapping[str, Any]:  # noqa: ARG002 - it gives all
        """See ``Server``."""
        return self._model.run(inputs).outputs

    def origin(self) -> Origin:
        """See ``Server``."""
        info = self._model.info
        source = {
            "kind": "tflite",
            "file": info.name,
            "sha256": info.sha256,
            "platform": f"{platform.system()} {platform.machine()}, delegate {DELEGATE}, {info.threads} thread",
        }
        return Origin(info.engine, info.engine_version, info.sha256, source)

    def close(self) -> None:
        """See ``Server``."""
        self._model.close()


def look_at(device: DeviceLike, path: Path) -> ModelInfo:
    """What a model says of itself when it is loaded."""
    with device.load(path, delegate=DELEGATE) as model:
        return model.info
