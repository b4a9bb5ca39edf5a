"""Optional dependencies: there, absent, or of a version that does not fit."""

from __future__ import annotations

from importlib import metadata
from importlib.util import find_spec
from typing import TYPE_CHECKING

from pytest_edgedevice.cli.checks.finding import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator
    from importlib.machinery import ModuleSpec

    from pytest_edgedevice.inventory import Inventory

OURS = "pytest-edgedevice"
EXTRAS = {"adb": "adbutils", "ios": "pymobiledevice3", "onnx": "onnxruntime", "report": "jinja2"}
"""Extra to the one distribution, and module, that it installs."""


def check_extras(_: Inventory) -> Iterator[Finding]:
    """Each extra but ``tflite`` and ``coreml``, which are engines."""
    for extra, name in EXTRAS.items():
        yield _extra(extra, name)


def _extra(extra: str, name: str) -> Finding:
    install = f"pip install '{OURS}[{extra}]'"
    try:
        version = metadata.version(name)
    except metadata.PackageNotFoundError:
        return Finding(extra, "missing", f"{name} is not installed", install)
    if found_module(name) is None:
        text = f"{name} {version} is installed and cannot be found by this interpreter"
        return Finding(extra, "wrong", text, f"pip install --force-reinstall {name}")
    if wanted := _unfit(extra, name, version):
        return Finding(extra, "wrong", f"{name} {version} is installed and {wanted} is needed", install)
    return Finding(extra, "ok", f"{name} {version}")


def found_module(name: str) -> ModuleSpec | None:
    """Where a module is, which is not imported for it; None also where something keeps it from being looked for."""
    try:
        return find_spec(name)
    except (ImportError, ValueError):
        return None


def _unfit(extra: str, name: str, version: str) -> str:
    """The versions that our own metadata asks for, if this is none of them."""
    from packaging.requirements import InvalidRequirement, Requirement  # pytest depends on it

    try:
        asked = [Requirement(text) for text in metadata.requires(OURS) or ()]
    except (metadata.PackageNotFoundError, InvalidRequirement):
        return ""
    for one in asked:
        ours = one.name.lower() == name and one.marker is not None and one.marker.evaluate({"extra": extra})
        if ours and not one.specifier.contains(version, prereleases=True):
            return f"{name}{one.specifier}"
    return ""
