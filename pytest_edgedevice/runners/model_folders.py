"""Model folders on their way to a device: each file as a blob, then the manifest that names them all."""

from __future__ import annotations

import hashlib
import time
from typing import TYPE_CHECKING

from pytest_edgedevice.agent.folders import Entry
from pytest_edgedevice.errors import ModelError, TransportError
from pytest_edgedevice.runners.model_content import manifest_of, parts_of
from pytest_edgedevice.transports.base import Pushed

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_edgedevice.runners.model_content import Part
    from pytest_edgedevice.transports.base import Transport


def push_model(link: Transport, source: Path, *, timeout_s: float) -> Pushed:
    """Place a model, a file or a folder, where a link can write files.

    Raises:
        ModelError: The folder holds what cannot be sent.
        TransportError, DeadlineError, DeviceFullError: As ``Transport.push``; or it changed meanwhile.
    """
    if not source.is_dir():
        return link.push(source, timeout_s=timeout_s)
    deadline = time.monotonic() + timeout_s
    parts = parts_of(source)
    pushed = link.push_all([part.file for part in parts], timeout_s=timeout_s)
    entries = [Entry(part.path, one.sha256, one.size_bytes) for part, one in zip(parts, pushed, strict=True)]
    refuse_change(source, parts)
    manifest = manifest_of(source, entries)
    link.place(manifest, timeout_s=max(deadline - time.monotonic(), 0))
    sizes = (sum(one.size_bytes for one in pushed), sum(one.sent_bytes for one in pushed))
    return Pushed(hashlib.sha256(manifest).hexdigest(), *sizes)


def refuse_change(source: Path, parts: tuple[Part, ...]) -> None:
    """See to it that what was sent is one state of the folder.

    Raises:
        TransportError: It changed since its files were listed.
    """
    now = parts_of(source)
    if now != parts:
        changed = sorted({part.path for part in set(now) ^ set(parts)})
        named = ", ".join(map(repr, changed[:3])) + (" ..." if len(changed) > len(changed[:3]) else "")
        raise TransportError(f"model {str(source)!r} changed while it was sent: {named}")


def one_file(source: Path, program: str) -> Path:
    """A model's file, for what takes no folder.

    Raises:
        ModelError: It is a folder.
    """
    if source.is_dir():
        raise ModelError(
            f"model {source.name!r} is a folder, and {program} takes one file",
            hint="a Core ML model runs in an app on an iPhone, or on a Mac; convert it to .tflite for other devices",
        )
    return source
