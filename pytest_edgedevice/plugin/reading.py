"""The value of one option: on the command line, in the ini file, or by default, checked for its form."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path


def several(config: pytest.Config, name: str) -> tuple[list[str], str]:
    """Values of an option that may be repeated, and where they come from."""
    given = config.getoption(name)
    return (given, _option(name)) if given else (config.getini(name), _ini(name))


def one(config: pytest.Config, name: str, default: object) -> tuple[str, str]:
    """The value of an option, and where it comes from."""
    given = config.getoption(name, None)  # some have an ini key only
    if given is not None:
        return str(given).strip(), _option(name)
    return str(config.getini(name) or "").strip() or str(default), _ini(name)


def _option(name: str) -> str:
    return "--" + name.replace("_", "-")


def _ini(name: str) -> str:
    return f"{name} in the ini file"


def choice(config: pytest.Config, name: str, known: tuple[str, ...], *, default: str) -> str:
    """One of some words; the default need not be among them."""
    text, where = one(config, name, default)
    if text not in (*known, default):
        raise pytest.UsageError(f"{where}: {text!r} is not one of {', '.join(known)}")
    return text


def whole(config: pytest.Config, name: str, default: int) -> int:
    """A whole number of threads or the like."""
    text, where = one(config, name, default)
    if not text.isdecimal() or not 1 <= int(text[:9]) <= 1024:
        raise pytest.UsageError(f"{where}: {text!r} is not a whole number from 1 to 1024")
    return int(text)


def count(config: pytest.Config, name: str, default: int) -> int:
    """A number of things that only the ini file tells."""
    text = str(config.getini(name) or default).strip()
    if not text.isdecimal() or not 1 <= int(text[:9]) <= 1_000_000:
        raise pytest.UsageError(f"{_ini(name)}: {text!r} is not a whole number from 1 to 1000000")
    return int(text)


def seconds(config: pytest.Config, name: str, default: float, *, least: float) -> float:
    """A time."""
    text, where = one(config, name, default)
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not least <= value < 1e9:
        raise pytest.UsageError(f"{where}: {text!r} is not a number of seconds of at least {least:g}")
    return value


def file(config: pytest.Config, name: str) -> Path | None:
    """A path, relative to where it was written; None where none is given."""
    option, ini = config.getoption(name), str(config.getini(name) or "")
    if option:
        return config.invocation_params.dir / str(option)
    return ini_folder(config) / ini if ini else None


def ini_folder(config: pytest.Config) -> Path:
    """Folder of the ini file; pytest's root folder without one."""
    return config.inipath.parent if config.inipath else config.rootpath


def home_of(config: pytest.Config) -> Path:
    """Where ``.edgedevice`` lies: pytest's root folder.

    Without an ini file that is what all paths on the command line have in common, those of options too,
    which may be ``/``. So it is then not taken where it lies above the current folder.
    """
    root, here = config.rootpath, config.invocation_params.dir
    meant = config.inipath or config.getoption("rootdir", None) or (root / "setup.py").exists()
    return root if meant or not here.is_relative_to(root) else here
