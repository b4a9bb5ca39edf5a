"""Whether Core ML can run here, and which models and delegates are its; told without importing anything heavy."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import re
import sys

UNITS = {
    "default": "ALL",
    "all": "ALL",
    "coreml": "ALL",
    "cpu_only": "CPU_ONLY",
    "cpu_and_gpu": "CPU_AND_GPU",
    "cpu_and_ne": "CPU_AND_NE",
}
"""Delegate to the name of ``coremltools.ComputeUnit``."""
DELEGATES = ("cpu_only", "cpu_and_gpu", "cpu_and_ne", "all", "coreml")
BINDING = "libcoremlpython"
SPECIFICATION = re.compile(rb"\x08[\x01-\x7f]\x12")
"""How a specification begins: its version, a small number, and then the description."""


def usable() -> bool:
    """Whether coremltools is here with the binding to Core ML, without importing it, which takes seconds."""
    try:
        found = importlib.util.find_spec("coremltools")
    except (ImportError, ValueError):
        return False
    folders = list(found.submodule_search_locations or ()) if found else []
    for folder in folders:
        with contextlib.suppress(OSError):
            if any(name.split(".")[0] == BINDING for name in os.listdir(folder)):
                return True
    return False


def needed() -> str:
    """What is missing for it here, and the command that installs it."""
    where = "" if sys.platform == "darwin" else f"Core ML needs macOS, and this is {sys.platform}; there: "
    return f"{where}pip install 'pytest-edgedevice[coreml]'"


def is_model(path: str) -> bool:
    """Whether this can only be Core ML's: a folder, or the specification of a model in one file."""
    if os.path.isdir(path):
        return True
    with open(path, "rb") as file:
        start = file.read(3)
    return bool(SPECIFICATION.match(start))
