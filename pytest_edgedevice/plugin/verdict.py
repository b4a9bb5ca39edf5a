"""The verdict file: an old one is taken away when a run begins, so that it is never read as this run's."""

from __future__ import annotations

import json
import os
import stat
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from pytest_edgedevice.errors import InfraError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pytest_edgedevice.records import Record

MOST_BYTES = 64 << 20


def take_away(path: Path) -> None:
    """Remove the verdict of an earlier run.

    Raises:
        pytest.UsageError: Something else has that name.
    """
    from pytest_edgedevice.records.verdict import MARK

    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    except FileNotFoundError:
        return
    except OSError as error:
        raise pytest.UsageError(f"--edge-verdict: {str(path)!r}: {error.strerror}") from error
    try:
        content = os.read(handle, MOST_BYTES) if stat.S_ISREG(os.fstat(handle).st_mode) else b""
    finally:
        os.close(handle)
    try:
        ours = MARK in json.loads(content)
    except (ValueError, TypeError, RecursionError):
        ours = False
    if not ours:
        raise pytest.UsageError(f"--edge-verdict: {str(path)!r} is no verdict of ours, and is not written over")
    path.unlink(missing_ok=True)


def write(path: Path, records: Sequence[Record], *, exit_status: int, tested: bool) -> str:
    """Write the verdict; a sentence that says so.

    Raises:
        InfraError: It cannot be written.
    """
    from pytest_edgedevice import __version__
    from pytest_edgedevice.records.verdict import verdict_of
    from pytest_edgedevice.records.writing import write_text

    time = datetime.now(UTC).isoformat(timespec="milliseconds")
    found = verdict_of(records, exit_status=exit_status, tested=tested, version=__version__, time=time)
    try:
        write_text(path, json.dumps(found, allow_nan=False, indent=2) + "\n")
    except InfraError as error:
        raise InfraError(error.message.replace("the report", "the verdict", 1), hint=error.hint) from error
    best = ", ".join(str(one["best"]["variant"]) for one in found["comparisons"] if one["best"])
    return f"verdict {found['verdict']}{f', best {best}' if best else ''}, in {path}"
