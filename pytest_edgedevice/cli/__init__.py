"""The command ``edgedevice``: which devices there are, who holds them, and whether this host is in order.

Exit codes: 0 fine, 1 something is wrong, 2 the command was misused. An error of
ours becomes one sentence and a hint on standard error, never a traceback. Knows
nothing of pytest's internals, and starts without numpy or a runtime.
"""

from __future__ import annotations

from pytest_edgedevice.cli.main import main

__all__ = ["main"]
