"""A report on disk: written whole or not at all; an open stream is written to, within a time."""

from __future__ import annotations

import contextlib
import errno
import os
import select
import tempfile
import time
from pathlib import Path

from pytest_edgedevice.errors import InfraError

DEVICES = frozenset({Path("/dev"), Path("/proc")})
"""Below these even a regular file is somebody's open stream."""
PATIENCE_S = 30.0
"""How long whoever reads a pipe may take for all of it."""


def write_text(path: Path, text: str) -> None:
    """Replace a file by a text in UTF-8; an existing file stays as it was if that fails.

    What is no regular file, such as ``/dev/stdout`` or a pipe, is written to and not replaced.

    Raises:
        InfraError: The file cannot be written; or it is a pipe that nobody reads, or not within ``PATIENCE_S``.
    """
    try:
        if DEVICES.intersection(path.parents) or (path.exists() and not path.is_file()):
            _stream(path, text.encode())
        else:
            _replace(Path(os.path.realpath(path)), text)  # the file that a link names, not the link
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        hint = "name a file in a folder that you may write to"
        if getattr(error, "errno", None) in (errno.ENXIO, errno.ETIMEDOUT):
            hint = "a pipe needs a program that reads it when the tests end; or name a file"
        raise InfraError(f"cannot write the report {str(path)!r}: {reason}", hint=hint) from error


def _stream(path: Path, content: bytes) -> None:
    """Append to an open stream; a pipe without a reader, or with one that stopped, must not hang the run."""
    deadline, left = time.monotonic() + PATIENCE_S, memoryview(content)
    try:
        handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NONBLOCK | os.O_NOCTTY, 0o666)
    except OSError as error:
        if error.errno == errno.ENXIO:
            raise OSError(errno.ENXIO, "nobody reads from it") from error
        raise
    try:
        ready = select.poll()
        ready.register(handle, select.POLLOUT)
        while left:
            if not ready.poll(max(deadline - time.monotonic(), 0) * 1000):
                raise TimeoutError(errno.ETIMEDOUT, f"its reader left {len(left)} bytes for {PATIENCE_S:g} s")
            with contextlib.suppress(BlockingIOError):  # somebody else filled the pipe meanwhile
                left = left[os.write(handle, left) :]
    finally:
        os.close(handle)


def _replace(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        raise NotADirectoryError(errno.ENOTDIR, f"{path.parent} is not a folder") from None
    handle, part = tempfile.mkstemp(prefix=".edgedevice-", suffix=".part", dir=path.parent)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())  # or the name could be on disk before the content is
        _share(Path(part))
        Path(part).replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(part).unlink()
        raise


def _share(path: Path) -> None:
    """Give the file the mode that a plain ``open`` would have given it."""
    mask = os.umask(0)
    os.umask(mask)
    path.chmod(0o666 & ~mask)
