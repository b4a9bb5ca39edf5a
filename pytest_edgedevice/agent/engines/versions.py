"""Which version of a package is installed, told without what is rarely needed to tell it.

``importlib.metadata`` imports all of ``email`` to read one line, which took a tenth of an agent's start.
"""

from __future__ import annotations

import os
import sys
from functools import cache
from typing import Optional, Tuple


def version_of(name: str) -> Optional[str]:
    """Version of an installed distribution, None where there is none; the first on the path counts.

    Anything but what pip leaves in a folder is left to ``importlib.metadata``.
    """
    for place, folder in enumerate(sys.path):
        if folder.lower().endswith(".egg") or (os.path.isfile(folder) and place > 0):  # the first is the agent itself
            return _thoroughly(name)
        for entry in _entries(folder or "."):
            if _project(entry) == name.replace("-", "_"):
                version = _told(os.path.join(folder, entry, "METADATA")) if entry.endswith(".dist-info") else ""
                return version or _thoroughly(name)
    return None


def _entries(folder: str) -> Tuple[str, ...]:
    try:
        return _listed(folder, os.stat(folder).st_mtime_ns)
    except OSError:  # many a path has folders that are not there
        return ()


@cache
def _listed(folder: str, _changed_ns: int) -> Tuple[str, ...]:
    return tuple(entry for entry in os.listdir(folder) if entry.lower().endswith((".dist-info", ".egg-info")))


def _project(entry: str) -> str:
    """Name of the project that an entry tells of, in lower case with underscores."""
    return os.path.splitext(entry)[0].partition("-")[0].lower().replace(".", "_")


def _told(path: str) -> str:
    """The field ``Version`` of a file with metadata; empty where it cannot be read."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            for line in file:
                name, _, value = line.partition(":")
                if not value:  # the fields end with the first line that is none
                    break
                if name.lower() == "version":
                    return value.strip()
    except OSError:
        pass
    return ""


def _thoroughly(name: str) -> Optional[str]:
    import importlib.metadata

    try:
        return str(importlib.metadata.version(name))
    except importlib.metadata.PackageNotFoundError:
        return None
