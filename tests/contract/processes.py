"""Agents among the descendants of a process, as the kernel's process table shows them."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from pathlib import Path


class DescendantAgents:
    """Agents that a process or anything below it has started.

    Args:
        root: Number of that process.
    """

    def __init__(self, root: int) -> None:
        self._root = root

    def count(self) -> int:
        """How many live."""
        return len(self._living())

    def kill(self) -> None:
        """End all of them, and wait until they are gone."""
        found = self._living()
        assert found, "there is no agent to kill"
        for pid in found:
            os.kill(pid, signal.SIGKILL)
        deadline = time.monotonic() + 30
        while set(self._living()) & set(found):
            assert time.monotonic() < deadline, f"still there: {found}"
            time.sleep(0.01)

    def _living(self) -> list[int]:
        return [pid for pid in descendants(self._root) if _is_agent(pid)]


def descendants(root: int) -> list[int]:
    """Numbers of the living processes below one, itself not among them."""
    children: dict[int, list[int]] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            state, parent = (folder / "stat").read_text(encoding="utf-8").rsplit(")", 1)[1].split()[:2]
            if state != "Z":
                children.setdefault(int(parent), []).append(int(folder.name))
    found, ahead = [], [root]
    while ahead:
        ahead.extend(below := children.get(ahead.pop(), []))
        found.extend(below)
    return found


def command_line(pid: int) -> bytes:
    """The words of a process with a NUL after each; empty where it has ended, as any of them may at any time."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def _is_agent(pid: int) -> bool:
    return b"--wipe" in command_line(pid).split(b"\0")
