"""Whether what arrived on a device is what was sent: its hash, taken there, or here of what is read back."""

from __future__ import annotations

import hashlib
import re
import time
from typing import TYPE_CHECKING

from pytest_edgedevice.errors import DeviceFullError, TransportError
from pytest_edgedevice.transports.adb.process import run_to_end
from pytest_edgedevice.transports.adb.states import printable
from pytest_edgedevice.transports.adb.sync import FULL_HINT

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pytest_edgedevice.transports.adb.session import Session

MOST_ANSWER_BYTES = 1 << 20
_SHA256 = re.compile(r"[0-9a-f]{64}")

_HASH = """
case $1 in '') for c in sha256sum 'toybox sha256sum' 'busybox sha256sum'; do
    [ "$($c </dev/null 2>/dev/null)" = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855  -' ] &&
        { echo "$c"; exit 0; }
done; exit 3 ;; esac
set -f; tool=$1; cd "$2" || exit 4; set +f
for f in *; do h=$($tool <"$f") || exit 5; echo "$f ${h%% *}"; done
"""


class Checking:
    """Takes hashes on one device.

    Args:
        session: Of the device.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._tool: str | None = None

    def hashes(self, stage: str, names: Sequence[str], deadline: float) -> dict[str, str]:
        """SHA-256 of each file there.

        Args:
            stage: A folder on the device.
            names: What should be in it.
            deadline: By when, on the monotonic clock.

        Raises:
            TransportError: The device cannot tell, or is lost.
            DeadlineError: It took too long.
        """
        tool = self._hash_tool(deadline)
        if not tool:
            return {name: self._hash_back(f"{stage}/{name}", deadline) for name in names}
        said = run(self._session, ["sh", "-c", _HASH, "sh", tool, stage], deadline).decode("ascii", "replace")
        pairs = (line.partition(" ") for line in said.splitlines())
        return {name: found for name, _, sha256 in pairs if _SHA256.fullmatch(found := sha256.strip())}

    def _hash_tool(self, deadline: float) -> str:
        """How the device takes a hash; empty where it cannot, and files are read back instead."""
        if self._tool is None:
            status, output, _ = run_to_end(
                self._session, ["sh", "-c", _HASH, "sh", ""], b"", timeout_s=_left(deadline), most_bytes=4096
            )
            self._tool = output.decode("ascii", "replace").strip() if status == 0 else ""
        return self._tool

    def _hash_back(self, path: str, deadline: float) -> str:
        sync = self._session.open_sync(deadline=deadline)
        digest = hashlib.sha256()
        try:
            for piece in sync.get(path, deadline=deadline):
                digest.update(piece)
        finally:
            self._session.close(sync)
        return digest.hexdigest()


def check(there: Mapping[str, str], wanted: Mapping[str, str], *, where: str) -> None:
    """Compare what arrived with what was sent.

    Args:
        there: Name to hash.
        wanted: The same, as it should be.
        where: The device, for the message.

    Raises:
        TransportError: They differ.
    """
    if there != wanted:
        wrong = sorted(name for name in wanted if there.get(name) != wanted[name]) or ["more than was sent"]
        raise TransportError(
            f"{where}: {len(wrong)} of {len(wanted)} files arrived damaged, e.g. {wrong[0][:80]}",
            hint="is its disk or its cable sound? nothing of them was kept",
        )


def run(session: Session, arguments: Sequence[str], deadline: float) -> bytes:
    """Run a program that must succeed; its output.

    Raises:
        DeviceFullError: It says that there is no space.
        TransportError: It failed.
        DeadlineError: It did not end in time.
    """
    status, output, errors = run_to_end(
        session, arguments, b"", timeout_s=_left(deadline), most_bytes=MOST_ANSWER_BYTES
    )
    if status:
        said = printable(errors.decode("utf-8", "replace").strip()[-300:])
        kind, hint = (DeviceFullError, FULL_HINT) if "No space left" in said else (TransportError, "")
        raise kind(f"{session}: a file could not be stored: {said or f'exit code {status}'}", hint=hint)
    return output


def _left(deadline: float) -> float:
    return max(deadline - time.monotonic(), 0.0)
