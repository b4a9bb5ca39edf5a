"""A wall clock that somebody sets while programs run: a library that is loaded into them, and the hand that sets it.

No name space has a wall clock of its own, and setting the machine's would set it for everybody.
"""

from __future__ import annotations

import os
import struct
import subprocess
from pathlib import Path

SOURCE = Path(__file__).with_suffix(".c")
HOUR_S = 3600


class Clock:
    """The wall clock of all programs that get ``environment``; it jumps for all of them at once.

    Args:
        folder: For the library and the clock's file.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        library = folder / "jumping_clock.so"
        subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", str(library), str(SOURCE), "-ldl"], check=True)
        self._file = folder / "offset"
        self._file.write_bytes(bytes(8))
        self.environment = {"LD_PRELOAD": str(library), "JUMPING_CLOCK": str(self._file)}

    def jump(self, seconds: float) -> None:
        """Set it so far from the true time."""
        descriptor = os.open(self._file, os.O_WRONLY)
        os.pwrite(descriptor, struct.pack("<q", int(seconds * 1e9)), 0)
        os.close(descriptor)

    def program(self, path: Path, *command: str) -> Path:
        """A program that is another one under this clock."""
        told = " ".join(f"{name}='{value}'" for name, value in self.environment.items())
        path.write_text(f'#!/bin/sh\n{told} exec {" ".join(command)} "$@"\n', encoding="utf-8")
        path.chmod(0o755)
        return path
