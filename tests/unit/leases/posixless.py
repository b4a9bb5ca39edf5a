"""Takes from this process what Windows does not have, so that leases do without; imported before them.

What stays is ``portalocker``, which locks by its own ``fcntl`` here and by Windows' calls there.
"""

from __future__ import annotations

import os
import sys

import portalocker  # noqa: F401  # while there is an fcntl for it

MISSING = (
    "O_CLOEXEC",
    "O_NOFOLLOW",
    "O_NONBLOCK",
    "ST_RDONLY",
    "fchmod",
    "geteuid",
    "pidfd_open",
    "pread",
    "pwrite",
    "register_at_fork",
    "statvfs",
)
sys.modules["fcntl"] = None  # type: ignore[assignment]  # importing it is an ImportError from here on
for name in MISSING:
    delattr(os, name)
