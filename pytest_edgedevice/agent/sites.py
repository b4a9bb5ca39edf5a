"""Folders with packages that were brought to a device whose own Python has none, a subfolder a kind of Python.

A folder is never used by a Python of another version or architecture than it was made for: it would hide
packages that work behind some that do not load.
"""

from __future__ import annotations

import os
import platform
import sys
from typing import List, Sequence

HOME = "~/.local/share/edgedevice/site"
"""Where packages are brought to where nobody has chosen a folder: it outlives a restart, as ``/tmp`` does not."""


def kind() -> str:
    """Name of the subfolder for this Python, such as ``cpython-311-aarch64``."""
    return f"{sys.implementation.cache_tag}-{machine()}"


def machine() -> str:
    """What this Python is built for: systems of 32 bits run on kernels of 64, and ``uname`` tells of the kernel."""
    named = platform.machine()
    narrow = {"aarch64": "armv7l", "armv8l": "armv7l", "x86_64": "i686"}
    return narrow.get(named, named) if sys.maxsize < 2**32 else named


def usable(sites: Sequence[str]) -> List[str]:
    """The subfolders for this Python that are there."""
    found = [os.path.join(os.path.expanduser(site), kind()) for site in sites if site]
    return [os.path.realpath(folder) for folder in found if os.path.isdir(folder)]
