"""Shells that phones and other devices have, as programs of this machine, for texts that any of them must understand.

Android's shell and tools, and busybox, are those that phones here are made of, so that they are the same wherever
tests run; where no phone was made they are this machine's, if it has them. Makes nothing: see ``making``.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.phones.making import CACHE
from tests.phones.tools import BUSYBOX, TOYBOX

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Shell:
    """A shell, and the tools that it finds.

    Attributes:
        name: Of the shell.
        command: To begin a command with; ``-c`` and a text follow.
        tools: The program that all its tools are; empty for those of this machine.
        names: Of these tools.
    """

    name: str
    command: tuple[str, ...]
    tools: str = ""
    names: tuple[str, ...] = ()

    def __str__(self) -> str:
        return self.name

    def environment(self, folder: Path) -> dict[str, str]:
        """What leads it to its tools.

        Args:
            folder: Links to the tools go there; made when it is not there.
        """
        if not self.tools:
            return {}
        if not folder.exists():
            folder.mkdir()
            for name in self.names:
                (folder / name).symlink_to(self.tools)
        return {"PATH": str(folder)}


def shells() -> list[Shell]:
    """Those that can be had here, in the same order everywhere."""
    found = [Shell(name, (path,)) for name in ("dash", "bash") if (path := shutil.which(name))]
    if busybox := _made("busybox"):
        found.append(Shell("busybox", (busybox, "sh"), busybox, tuple(BUSYBOX.split())))
    mksh, toybox = _made("mksh"), _made("toybox")
    if mksh and toybox:
        found.append(Shell("mksh", (mksh,), toybox, tuple(TOYBOX.split())))
    return found


def _made(name: str) -> str:
    """A program that phones are made of; empty where it cannot be had."""
    newest = max(CACHE.glob(f"*/{name}"), key=lambda path: path.stat().st_mtime_ns, default=None)
    return str(newest) if newest else shutil.which(name) or ""
