"""The program that looks at a board, on the board: one JSON request in, one JSON answer out; it changes nothing.

Python 3.9, standard library and what is sent with it. It tells what it finds and judges nothing.
"""

from __future__ import annotations

# texts from and to JSON, which os.path takes as they are
# ruff: noqa: PTH100, PTH111, PTH112, PTH118, PTH120, PTH123, PTH207
import contextlib
import ctypes
import ctypes.util
import fcntl
import glob
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from typing import Any

from pytest_edgedevice.agent import conditions, sites
from pytest_edgedevice.agent.board.facts import identity
from pytest_edgedevice.cli.boards.trying import ENGINES, probe
from pytest_edgedevice.errors import LeaseError
from pytest_edgedevice.leases.folder import lock_folder, ready_folder
from pytest_edgedevice.leases.looking import who
from pytest_edgedevice.runners.elf import NotElfError, highest, versions_of

XNNPACK_READS = ("/proc/cpuinfo", "/sys/devices/system/cpu/possible", "/sys/devices/system/cpu/present")
MOST_LIBRARY_BYTES = 64 << 20
VCGENCMD_S = 5.0


def look(request: dict[str, Any]) -> dict[str, Any]:
    """All that is to be known; a part that cannot be found out is left out.

    Args:
        request: ``sites``, the folders where packages may lie; ``base``, that of the sessions' folders.
    """
    given = [str(site) for site in request["sites"]]
    holder = _holder()
    return {
        "python": platform.python_version(),
        "executable": sys.executable,
        "implementation": sys.implementation.name,
        "abi": getattr(sys, "abiflags", ""),
        "kind": sites.kind(),
        "machine": sites.machine(),
        "kernel": platform.release(),
        "glibc": _glibc(),
        "libstdcxx": _libstdcxx(),
        "engines": {name: probe(name, sites.usable(given), load=not holder) for name in ENGINES},
        "holder": holder,
        "sites": [_site(site) for site in given],
        "base_free_bytes": free_bytes(str(request["base"])),
        "unread": [path for path in XNNPACK_READS if not _is_readable(path)],
        "facts": {**conditions.static_facts(), **conditions.conditions()},
        "governors": sorted({text for text in map(_text, glob.glob(f"{_CPUS}/scaling_governor")) if text}),
        "throttled": _throttled(),
        "locks": _locks(),
    }


_CPUS = "/sys/devices/system/cpu/cpu[0-9]*/cpufreq"


def free_bytes(folder: str) -> int | None:
    """What may still be written into a folder, or where it would be made."""
    place = os.path.abspath(os.path.expanduser(folder))
    while not os.path.isdir(place) and place != "/":
        place = os.path.dirname(place)
    with contextlib.suppress(OSError):
        return shutil.disk_usage(place).free
    return None


def answer(reply: dict[str, Any]) -> None:
    """Say it, on one line, and nothing else."""
    print(json.dumps(reply))


def _glibc() -> str:
    with contextlib.suppress(OSError, ValueError):
        return os.confstr("CS_GNU_LIBC_VERSION") or ""
    return ""


def _libstdcxx() -> dict[str, str]:
    """The C++ library that the loader finds, and the highest version of its symbols."""
    path = _loaded("libstdc++.so.6")
    if not path:
        return {}
    found = {"path": path}
    with contextlib.suppress(OSError, NotElfError):
        with open(path, "rb") as file:
            version = highest(versions_of(file.read(MOST_LIBRARY_BYTES)).gives, "GLIBCXX")
        if version:
            found["version"] = ".".join(map(str, version))
    return found


def _loaded(name: str) -> str:
    with contextlib.suppress(OSError):
        ctypes.CDLL(name)
        with open("/proc/self/maps", encoding="utf-8", errors="replace") as maps:
            for line in maps:
                path = line.rstrip("\n").partition("/")[2]
                if path.rpartition("/")[2].startswith(name):
                    return "/" + path
    for pattern in ("/usr/lib/*/", "/usr/lib/", "/usr/lib64/", "/lib/*/", "/lib/"):
        for path in sorted(glob.glob(pattern + name)):
            return path
    return ""


def _site(site: str) -> dict[str, Any]:
    folder = os.path.expanduser(site)
    mine = os.path.join(folder, sites.kind())
    parent = folder
    while not os.path.lexists(parent):
        parent = os.path.dirname(parent)
    return {
        "folder": mine,
        "there": os.path.isdir(mine),
        "writable": os.path.isdir(parent) and os.access(parent, os.W_OK | os.X_OK),
        "free_bytes": free_bytes(folder),
        "manifest": _manifest(mine),
    }


def _manifest(folder: str) -> dict[str, Any]:
    with (
        contextlib.suppress(OSError, ValueError),
        open(os.path.join(folder, "edgedevice-site.json"), encoding="utf-8") as file,
    ):
        content = json.loads(file.read(1 << 16))
        return content if isinstance(content, dict) else {}
    return {}


def _is_readable(path: str) -> bool:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    except OSError:
        return False
    try:
        return bool(os.read(descriptor, 1))
    except OSError:
        return False
    finally:
        os.close(descriptor)


def _text(path: str) -> str:
    with contextlib.suppress(OSError), open(path, encoding="utf-8", errors="replace") as file:
        return file.read(200).strip()
    return ""


def _throttled() -> str:
    """What a Raspberry Pi's firmware says of heat and voltage, as ``0x50000``; empty elsewhere."""
    program = shutil.which("vcgencmd")
    if program is None:
        return ""
    with contextlib.suppress(OSError, subprocess.TimeoutExpired):
        done = subprocess.run(
            [program, "get_throttled"], stdin=subprocess.DEVNULL, capture_output=True, timeout=VCGENCMD_S, check=False
        )
        return done.stdout.decode("ascii", "replace")[:100].strip().partition("=")[2]
    return ""


def _holder() -> str:
    try:
        found = who(identity())
    except (LeaseError, OSError):
        return ""
    return str(found) if found else ""


def _locks() -> dict[str, str]:
    """The lock folder, and what keeps it from being used."""
    found = {"folder": "", "fault": "", "hint": ""}
    try:
        folder = lock_folder()
        found["folder"] = str(folder)
        if not os.path.lexists(folder):
            if not os.access(folder.parent, os.W_OK | os.X_OK):
                found.update(fault="it is not there and cannot be made", hint=f"sudo install -d -m 1777 {folder}")
            return found
        with tempfile.TemporaryFile(dir=ready_folder()) as file:
            file.write(b"\0")
            file.flush()
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except LeaseError as error:
        found.update(fault=error.message, hint=error.hint)
    except OSError as error:
        found.update(fault=error.strerror or str(error), hint=f"df -h {found['folder']}; df -i {found['folder']}")
    return found
