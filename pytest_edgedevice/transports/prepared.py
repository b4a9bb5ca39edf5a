"""What is made of our own sources for a device, kept where Python keeps byte code.

Making it costs more than a start of the agent, and every run of pytest would pay that again.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import sys
from importlib.util import MAGIC_NUMBER, cache_from_source
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

DIGEST_BYTES = hashlib.sha256().digest_size


def prepared(source: str, parts: Iterable[str], make: Callable[[], bytes]) -> bytes:
    """What ``make`` makes, from the last time if nothing that it is made of has changed.

    Like byte code it is not written where ``sys.dont_write_bytecode`` is set or the folder is read-only,
    and is then made anew in every process.

    Args:
        source: File with the code that makes it, which it is kept beside and made anew with.
        parts: All texts that it is made of.
        make: Makes it.
    """
    key = _key([Path(source).read_text(encoding="utf-8"), *parts])
    path = _place(source)
    kept = _read(path, key)
    if kept is not None:
        return kept
    made = make()
    if path is not None and not sys.dont_write_bytecode:
        _keep(path, key + hashlib.sha256(made).digest() + made)
    return made


def _key(parts: Iterable[str]) -> bytes:
    digest = hashlib.sha256(MAGIC_NUMBER)
    for part in parts:
        content = part.encode()
        digest.update(len(content).to_bytes(8, "little") + content)
    return digest.digest()


def _place(source: str) -> Path | None:
    try:
        return Path(cache_from_source(source)).with_suffix(".prepared")
    except NotImplementedError:  # this Python keeps no byte code
        return None


def _read(path: Path | None, key: bytes) -> bytes | None:
    try:
        content = path.read_bytes() if path is not None else b""
    except OSError:
        return None
    made = content[2 * DIGEST_BYTES :]
    return made if content[: 2 * DIGEST_BYTES] == key + hashlib.sha256(made).digest() else None


def _keep(path: Path, content: bytes) -> None:
    """Others may read, and write, at the same moment: it appears whole."""
    part = path.with_suffix(f".{os.getpid()}.part")
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            part.write_bytes(content)
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
