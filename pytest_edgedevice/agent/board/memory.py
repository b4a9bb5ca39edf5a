"""Whether the kernel may have killed a program for lack of memory: what is known of it on this board."""

from __future__ import annotations

from typing import Dict, Optional

MEMINFO = "/proc/meminfo"
VMSTAT = "/proc/vmstat"


class Memory:
    """The board's memory at one moment.

    Attributes:
        kills: How many processes the kernel has killed for lack of memory so far; None where it does not tell.
        free_mb: Memory that could be had; None where that is not told.
        all_mb: All of it.
    """

    def __init__(self) -> None:
        told = _numbers(MEMINFO)
        self.kills = _numbers(VMSTAT).get("oom_kill")
        self.free_mb = _megabytes(told.get("MemAvailable"))
        self.all_mb = _megabytes(told.get("MemTotal"))

    def since(self, start: Memory) -> str:
        """What happened to memory since a program was started, for the error about its end; empty if nothing is known.

        Args:
            start: The memory as it was when the program was started.
        """
        clauses = []
        if self.kills is not None and start.kills is not None:
            kills = self.kills - start.kills
            words = f"has killed {kills} process{'es' if kills != 1 else ''}" if kills else "has killed nothing"
            clauses.append(f"its kernel {words} for lack of memory meanwhile")
        if self.free_mb is not None:
            free = f"{self.free_mb} MB of memory are free now"
            before = "" if start.free_mb is None else f", {start.free_mb} were when it started"
            clauses.append(free + before + ("" if self.all_mb is None else f", of {self.all_mb}"))
        return "; ".join(clauses)


def _megabytes(kilobytes: Optional[int]) -> Optional[int]:
    return None if kilobytes is None else kilobytes * 1024 // 1_000_000


def _numbers(path: str) -> Dict[str, int]:
    """Names and numbers of one of the kernel's lists; empty where there is none."""
    found = {}
    try:
        with open(path, encoding="ascii", errors="replace") as file:
            for line in file:
                words = line.replace(":", " ").split()
                if len(words) > 1 and words[1].isdigit():
                    found[words[0]] = int(words[1])
    except OSError:
        return {}
    return found
