"""Transfers that take long, on standard error: a line that is rewritten on a terminal, plain ones elsewhere."""

from __future__ import annotations

import shutil
import sys
from typing import TYPE_CHECKING

from pytest_edgedevice.cli.text import printable

if TYPE_CHECKING:
    from pytest_edgedevice.transports.progress import Progress

EVERY_S = 10.0


class Transfers:
    """What is told of one link's transfers."""

    def __init__(self) -> None:
        self._due_s = 0.0

    def __call__(self, progress: Progress) -> None:
        """Say how far one is."""
        live = sys.stderr is not None and sys.stderr.isatty()
        if progress.over:
            self._due_s = 0.0
            text = "" if live else None
        elif live or progress.elapsed_s >= self._due_s:
            self._due_s = progress.elapsed_s + EVERY_S
            text = printable(f"sending {progress}")
        else:
            text = None
        if text is None:
            return
        if live:
            columns = shutil.get_terminal_size().columns - 1
            print(f"\r{text[:columns]:<{columns}}", end="\r" if progress.over else "", file=sys.stderr, flush=True)
        else:
            print(text, file=sys.stderr, flush=True)
