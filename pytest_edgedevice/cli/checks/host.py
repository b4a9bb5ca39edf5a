"""The interpreter, pytest with our plugin, and what a runtime reads of the processor."""

from __future__ import annotations

import os
import platform
import sys
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_edgedevice import __version__
from pytest_edgedevice.cli.checks.finding import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_edgedevice.inventory import Inventory

PYTEST_LEAST = (8, 2)
XNNPACK_READS = ("/proc/cpuinfo", "/sys/devices/system/cpu/possible", "/sys/devices/system/cpu/present")


def check_python(_: Inventory) -> Iterator[Finding]:
    """The interpreter, and whether we were ever tested on such a host."""
    system, machine = platform.system(), platform.machine()
    text = f"{platform.python_version()} on {system} {machine}"
    if (system, machine) != ("Linux", "x86_64"):
        text += f": not tested there; version {__version__} was tested on Linux x86_64"
    yield Finding("python", "ok", text)


def check_plugin(_: Inventory) -> Iterator[Finding]:
    """Whether pytest is there, new enough, and loads us."""
    yield _plugin()


def _plugin() -> Finding:
    try:
        version = metadata.version("pytest")
    except metadata.PackageNotFoundError:
        return Finding("pytest", "wrong", "is not installed", "pip install 'pytest>=8.2'")
    numbers = tuple(int(part) for part in version.split(".")[:2] if part.isdecimal())
    if numbers < PYTEST_LEAST:
        return Finding("pytest", "wrong", f"{version} is older than 8.2", "pip install -U pytest")
    if not any(point.name == "edgedevice" for point in metadata.entry_points(group="pytest11")):
        hint = "pip install pytest-edgedevice (or -e . in a checkout)"
        return Finding("pytest", "wrong", f"{version} does not know the plugin 'edgedevice'", hint)
    if os.environ.get("PYTEST_DISABLE_PLUGIN_AUTOLOAD"):
        text = f"{version} loads no plugins by itself: PYTEST_DISABLE_PLUGIN_AUTOLOAD is set"
        return Finding("pytest", "wrong", text, "unset it, or run: pytest -p edgedevice")
    return Finding("pytest", "ok", f"{version} with the plugin edgedevice {__version__}")


def check_xnnpack(_: Inventory) -> Iterator[Finding]:
    """Whether the files can be read by which a runtime decides to use XNNPACK at all."""
    unread = [path for path in XNNPACK_READS if not _is_readable(path)]
    if sys.platform.startswith("linux") and unread:
        text = f"{' and '.join(unread)} cannot be read, without which runtimes leave XNNPACK out and run slower"
        yield Finding("xnnpack", "wrong", text, "mount -t proc proc /proc; mount -t sysfs sysfs /sys")
    else:
        yield Finding("xnnpack", "ok", "nothing here keeps it from being used; tests prove it for each model")


def _is_readable(path: str) -> bool:
    try:
        descriptor = os.open(Path(path), os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        return bool(os.read(descriptor, 1))
    except OSError:
        return False
    finally:
        os.close(descriptor)
