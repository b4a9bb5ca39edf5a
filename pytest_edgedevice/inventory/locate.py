"""Find and read the one TOML file that names our devices.

The nearest folder that has a say wins, from the start folder upwards. Within a
folder that is ``edgedevice.toml`` or ``[tool.edgedevice]`` in ``pyproject.toml``;
both in one folder is an error, because one of them would be ignored in silence.
"""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import Any

from pytest_edgedevice.errors import ConfigError

ENVIRONMENT = "EDGEDEVICE_CONFIG"
FILE_NAME = "edgedevice.toml"
PYPROJECT = "pyproject.toml"
MAX_BYTES = 1_000_000
Table = dict[str, Any]


def locate(start: Path, *, explicit: Path | None = None) -> tuple[Path, Table] | None:
    """Give the file and our table in it, or None when there is none.

    Args:
        start: Folder to search from, upwards.
        explicit: Read this file and search nothing; the environment variable
            ``EDGEDEVICE_CONFIG`` does the same with lower precedence.

    Raises:
        ConfigError: A file cannot be read or is no TOML, or a named file is missing or has no table of ours.
    """
    named = explicit or (Path(os.environ[ENVIRONMENT]) if os.environ.get(ENVIRONMENT) else None)
    if named is not None:
        origin = "" if explicit else f" (named by the environment variable {ENVIRONMENT})"
        return _named(named.absolute(), origin)
    folder = start.absolute()
    for place in (folder, *folder.parents):
        own, pyproject = place / FILE_NAME, place / PYPROJECT
        own_table = _parse(own)
        project_table = _tool_table(pyproject)
        if own_table is not None and project_table is not None:
            raise ConfigError(
                f"devices are named in both {own} and [tool.edgedevice] of {pyproject}",
                hint=f"move everything into {FILE_NAME} and delete the table",
            )
        if own_table is not None:
            return own, own_table
        if project_table is not None:
            return pyproject, project_table
    return None


def _named(path: Path, origin: str) -> tuple[Path, Table]:
    if path.name == PYPROJECT:
        table = _tool_table(path)
        if table is None and path.exists():
            raise ConfigError(
                f"{path}{origin} has no table [tool.edgedevice]", hint="add [tool.edgedevice.devices.NAME]"
            )
    else:
        table = _parse(path)
    if table is None:
        raise ConfigError(f"the device file {path}{origin} does not exist", hint="create it, or name another one")
    return path, table


def _tool_table(path: Path) -> Table | None:
    # a foreign pyproject.toml, which may be huge or broken, is none of our business
    document = _parse(path, only_if=b"edgedevice")
    tool = document.get("tool") if document else None
    table = tool.get("edgedevice") if isinstance(tool, dict) else None
    if table is not None and not isinstance(table, dict):
        raise ConfigError(f"{path}: [tool.edgedevice] must be a table, not {type(table).__name__}")
    return table


def _parse(path: Path, *, only_if: bytes = b"") -> Table | None:
    """Parse a file; None when it does not exist or does not hold ``only_if``."""
    try:
        if path.is_fifo():  # opening it would wait for its writer
            raise ConfigError(f"{path} is a pipe, not a file", hint="write the device file there, or name another one")
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise ConfigError(
            f"cannot read {path}: {error.strerror or error}", hint="make it readable, or move it"
        ) from None
    if only_if not in raw:
        return None
    if len(raw) > MAX_BYTES:
        raise ConfigError(f"{path} is larger than {MAX_BYTES:,} bytes", hint="name the devices in a file of their own")
    try:
        return tomllib.loads(raw.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise ConfigError(f"{path} is not UTF-8 at line {line}", hint="save it as UTF-8") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path} is no valid TOML: {error}", hint="mend the line and run again") from None
    except (RecursionError, ValueError) as error:
        # nesting without end, or a number of thousands of digits
        raise ConfigError(f"{path} cannot be parsed: {error}", hint="nest less, and shorten the numbers") from None
