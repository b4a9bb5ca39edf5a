"""From what a user writes to the server that is meant."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pytest_edgedevice.errors import UsageError

if TYPE_CHECKING:
    from pytest_edgedevice.goldens.servers.server import Server

FORMS = "module:function, file.py:function, FILE.onnx, FILE.npz, FILE.npy or http(s)://HOST:PORT/v2/models/NAME"


def open_server(text: str, *, output: str = "", timeout_s: float = 60.0, header_env: str = "") -> Server:
    """Open what computes references.

    Args:
        text: One of ``FORMS``.
        output: Name of the only output, for an NPY file.
        timeout_s: Deadline of each request to a server over HTTP.
        header_env: Environment variable with a header for such a server.

    Raises:
        EdgeDeviceError: There is no such thing, or it cannot be used.
    """
    if text.startswith(("http://", "https://")):
        from pytest_edgedevice.goldens.servers.oip import OpenInferenceServer

        return OpenInferenceServer(text, timeout_s=timeout_s, header_env=header_env)
    if header_env:
        raise UsageError("a header is for servers with an http:// or https:// address only")
    suffix = Path(text).suffix.lower()
    if suffix in (".onnx", ".npz", ".npy"):
        file = Path(text)
        if not file.is_file():
            raise UsageError(f"{text!r} does not exist", hint=f"paths are relative to {Path.cwd()}")
        if suffix == ".onnx":
            from pytest_edgedevice.goldens.servers.onnx import OnnxTwin

            return OnnxTwin(file)
        from pytest_edgedevice.goldens.servers.stored import StoredAnswers

        return StoredAnswers(file, output=output)
    if ":" in text:
        from pytest_edgedevice.goldens.servers.call import find_callable

        return find_callable(text)
    raise UsageError(f"{text[:200]!r} is nothing that references can be recorded from", hint=f"known are {FORMS}")
