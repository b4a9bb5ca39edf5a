"""Model folders on their way to a device: each file as a blob, then the manifest that names them all."""

from __future__ import annotations

import hashlib
import time
from typing import TYPE_CHECKING

from pytest_edgedevice.errors import ModelError, TransportError
from pytest_edgedevice.runners.model_content import look_into
from pytest_edgedevice.transports.base import Pushed

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pytest_edgedevice.runners.model_content import ModelFolder
    from pytest_edgedevice.transports.base import Transport

MOST_NAMED = 3


def push_model(link: Transport, source: Path, *, timeout_s: float) -> Pushed:
    """Place a model, a file or a folder, where a link can write files.

    Raises:
        ModelError: The folder holds what cannot be sent.
        TransportError, DeadlineError, DeviceFullError: As ``Transport.push``; or it changed meanwhile.
    """
    if not source.is_dir():
        return link.push(source, timeout_s=timeout_s)
    deadline = time.monotonic() + timeout_s
    found = look_into(source)
    pushed = link.push_all([part.file for part in found.parts], timeout_s=timeout_s)
    refuse_change(found, [one.size_bytes for one in pushed])
    manifest = found.manifest([(one.sha256, one.size_bytes) for one in pushed])
    link.place(manifest, timeout_s=max(deadline - time.monotonic(), 0))
    sizes = (sum(one.size_bytes for one in pushed), sum(one.sent_bytes for one in pushed))
    return Pushed(hashlib.sha256(manifest).hexdigest(), *sizes)


def refuse_change(found: ModelFolder, sizes: Sequence[int]) -> None:
    """See to it that what was read is one state of the folder.

    Args:
        found: The folder before it was read.
        sizes: How many bytes were read of each part.

    Raises:
        TransportError: It has changed since.
    """
    now = look_into(found.path)
    changed = {part.path for part in set(now.parts) ^ set(found.parts)} | set(now.empty) ^ set(found.empty)
    changed |= {part.path for part, size in zip(found.parts, sizes, strict=True) if part.seen[0] != size}
    if changed:
        named = ", ".join(map(repr, sorted(changed)[:MOST_NAMED])) + (" ..." if len(changed) > MOST_NAMED else "")
        raise TransportError(f"model {str(found.path)!r} changed while it was sent: {named}")


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
