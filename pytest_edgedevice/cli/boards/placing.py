"""The program that lays packages into a board's folder, on the board: unpacked aside, and given their name last.

Python 3.9, standard library and what is sent with it. Whoever calls holds the board's lock. Nothing is
removed but what this program made: folders with our note in them, and those that it unpacks into.
"""

from __future__ import annotations

# texts from and to JSON, which os.path takes as they are
# ruff: noqa: PTH102, PTH103, PTH104, PTH106, PTH108, PTH111, PTH113, PTH114, PTH118, PTH119, PTH120, PTH123, PTH208
import contextlib
import errno
import json
import os
import shutil
import tempfile
import zipfile
from typing import TYPE_CHECKING, Any

from pytest_edgedevice.agent import sites
from pytest_edgedevice.cli.boards.there import free_bytes
from pytest_edgedevice.cli.boards.trying import probe

if TYPE_CHECKING:
    from collections.abc import Callable

NOTE = "edgedevice-site.json"
ASIDE = ".edgedevice-new-"
PIECE_BYTES = 1 << 20
ABOVE = ("edgedevice", "share", ".local")
ROOTS = ("purelib", "platlib")


class RefusalError(Exception):
    """It cannot be done; the text says why."""


def prepare(request: dict[str, Any]) -> dict[str, Any]:
    """Make the folder that packages are unpacked into, beside the one that they will be in.

    Args:
        request: ``site``, and ``bytes``, what will be written.
    """
    site = os.path.expanduser(request["site"])
    os.makedirs(site, mode=0o755, exist_ok=True)
    _sweep(site)
    free, needed = free_bytes(site), int(request["bytes"])
    if free is not None and free < needed:
        raise OSError(errno.ENOSPC, f"{needed / 1e6:.0f} MB are needed and {free / 1e6:.0f} MB are free")
    aside = tempfile.mkdtemp(prefix=ASIDE, dir=site)
    os.mkdir(os.path.join(aside, sites.kind()))
    return {"aside": aside}


def unpack(request: dict[str, Any]) -> dict[str, Any]:
    """Unpack a wheel, and remove its file.

    Args:
        request: ``aside``, ``wheel``, its path.
    """
    target = os.path.join(request["aside"], sites.kind())
    with zipfile.ZipFile(request["wheel"]) as archive:
        for entry in archive.infolist():
            name = inner(entry.filename)
            if name:
                _extract(archive, entry, os.path.join(target, name))
    os.unlink(request["wheel"])
    return {}


def inner(name: str) -> str:
    """Where a file of a wheel goes, relative to the folder; empty for what is not for a folder of packages.

    Raises:
        RefusalError: It would leave the folder.
    """
    parts = name.split("/")
    if name.startswith("/") or "\\" in name or "\0" in name or any(part in (".", "..") for part in parts):
        raise RefusalError(f"a file named {name[:100]!r} would leave its folder")
    if name.endswith("/"):
        return ""
    if parts[0].endswith(".data"):
        return "/".join(parts[2:]) if len(parts) > 2 and parts[1] in ROOTS else ""
    return name


def prove(request: dict[str, Any]) -> dict[str, Any]:
    """Load the engine from what was unpacked; what went wrong, if anything."""
    return {"probe": probe(request["engine"], [os.path.join(request["aside"], sites.kind())])}


def commit(request: dict[str, Any]) -> dict[str, Any]:
    """Give what was unpacked its name; what was there before goes.

    Args:
        request: ``aside``, ``site``, and ``note``, which is left with it.
    """
    aside, name = request["aside"], os.path.join(os.path.expanduser(request["site"]), sites.kind())
    new = os.path.join(aside, sites.kind())
    with open(os.path.join(new, NOTE), "w", encoding="utf-8") as file:
        json.dump(request["note"], file)
        file.flush()
        os.fsync(file.fileno())
    old = os.path.join(aside, "old")
    if os.path.lexists(name):
        if not os.path.isfile(os.path.join(name, NOTE)):
            raise RefusalError(f"{name} was not made by edgedevice setup")
        os.rename(name, old)
    try:
        os.rename(new, name)
    except OSError:
        with contextlib.suppress(OSError):  # there was none
            os.rename(old, name)
        raise
    shutil.rmtree(aside, ignore_errors=True)
    return {"folder": name}


def discard(request: dict[str, Any]) -> dict[str, Any]:
    """Remove what was unpacked so far, and the folders above it that were made for it."""
    site = os.path.expanduser(request["site"])
    _sweep(site)
    _remove_empty(site)
    return {}


def remove(request: dict[str, Any]) -> dict[str, Any]:
    """Remove every folder of packages that setup made, for whatever Python."""
    removed: list[str] = []
    for site in map(os.path.expanduser, request["sites"]):
        with contextlib.suppress(FileNotFoundError):
            _sweep(site)
            for name in sorted(os.listdir(site)):
                folder = os.path.join(site, name)
                if os.path.isfile(os.path.join(folder, NOTE)) and not os.path.islink(folder):
                    aside = tempfile.mkdtemp(prefix=ASIDE, dir=site)
                    os.rename(folder, os.path.join(aside, name))  # at once for whoever looks
                    shutil.rmtree(aside)
                    removed.append(folder)
        _remove_empty(site)
    return {"removed": removed}


def work(request: dict[str, Any]) -> dict[str, Any]:
    """Do one thing; what cannot be done is told by ``failed`` and ``message``."""
    doing: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
        "prepare": prepare,
        "unpack": unpack,
        "prove": prove,
        "commit": commit,
        "discard": discard,
        "remove": remove,
    }
    os.umask(0o022)
    try:
        return doing[request["op"]](request)
    except OSError as error:
        kind = "full" if error.errno in (errno.ENOSPC, errno.EDQUOT) else "system"
        where = f"{error.filename}: " if error.filename else ""
        return {"failed": kind, "message": f"{where}{error.strerror or error}"}
    except (RefusalError, zipfile.BadZipFile, RuntimeError) as error:  # RuntimeError: an encrypted entry
        return {"failed": "refused", "message": str(error)}


def _extract(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, path: str) -> None:
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with archive.open(entry) as source, open(path, "xb") as file:
        shutil.copyfileobj(source, file, PIECE_BYTES)


def _sweep(site: str) -> None:
    """Remove what a setup that was cut short left; whoever is at work holds the board's lock."""
    with contextlib.suppress(FileNotFoundError):
        for name in os.listdir(site):
            if name.startswith(ASIDE):
                _restore(site, os.path.join(site, name))
                shutil.rmtree(os.path.join(site, name), ignore_errors=True)


def _restore(site: str, aside: str) -> None:
    """Give back its name to what was put aside by a setup that was cut off before it gave it to the new one."""
    name = os.path.join(site, sites.kind())
    with contextlib.suppress(OSError):
        if not os.path.lexists(name):
            os.rename(os.path.join(aside, "old"), name)


def _remove_empty(site: str) -> None:
    """Remove the folder of packages, and those above it that were made for it, as far as nothing is left in them."""
    with contextlib.suppress(OSError):
        os.rmdir(site)
        above = os.path.dirname(site)
        while os.path.basename(above) in ABOVE:
            os.rmdir(above)
            above = os.path.dirname(above)
