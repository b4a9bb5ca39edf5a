"""Whether a line holds a record of this schema: what every reader relies on, and no more than that.

Older records lack what came later, and newer ones may have more; both are read.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from pytest_edgedevice.records.record import SCHEMA, Record

Shape = Mapping[str, type | tuple[type, ...]]
NEEDED: Shape = {"test": str, "check": str, "verdict": str, "message": str, "numbers": dict, "device": dict}
OFFERED: Mapping[str, Shape] = {
    "model": {"name": str, "sha256": str, "size_bytes": int, "variant": str},
    "engine": {"name": str, "version": str, "threads": int},
    "delegate": {"requested": str, "proven": str},
}
"""Objects that are null where a check has none."""
OPTIONAL: Shape = {
    "version": str,
    "time": str,
    "worker": str,
    "outcome": (str, type(None)),
    "repeated": str,
    "run": dict,
}
DEVICE: Shape = {"name": str, "facts": dict}


def record_of(line: str) -> Record:
    """The record of a line.

    Raises:
        ValueError: It is none; the text says why, to follow the line's place.
    """
    try:
        told = json.loads(line, parse_constant=_refuse, parse_float=_finite)
    except RecursionError as error:
        raise ValueError("not JSON: nested too deeply") from error
    except ValueError as error:
        endless = str(error).startswith("Exceeds the limit")  # of digits that Python reads; its advice is for programs
        raise ValueError(f"not JSON: {'a whole number of thousands of digits' if endless else error}") from error
    if not isinstance(told, dict) or told.get("schema") != SCHEMA or isinstance(told["schema"], bool):
        found = told.get("schema") if isinstance(told, dict) else type(told).__name__
        newer = isinstance(found, int) and found > SCHEMA and not isinstance(found, bool)
        why = "; a newer pytest-edgedevice wrote it, which reads it too" if newer else ""
        raise ValueError(f"not a record of schema {SCHEMA}, but {str(found)[:40]}{why}")
    _check(told, NEEDED, "", needed=True)
    _check(told, OPTIONAL, "", needed=False)
    _check(told["device"], DEVICE, "device.", needed=False)
    for name, shape in OFFERED.items():
        if told.get(name) is not None:
            _check(told, {name: dict}, "", needed=True)
            _check(told[name], shape, f"{name}.", needed=True)
    return told


def _check(told: Mapping[str, Any], shape: Shape, where: str, *, needed: bool) -> None:
    for key, kinds in shape.items():
        value = told.get(key)
        fits = isinstance(value, kinds) and not isinstance(value, bool)
        if not fits and (needed or key in told):
            kind = kinds.__name__ if isinstance(kinds, type) else kinds[0].__name__
            raise ValueError(f"{where + key!r} is missing or not a {kind}")


def _refuse(constant: str) -> float:
    raise ValueError(f"{constant} is no number of JSON")


def _finite(digits: str) -> float:
    """A number that can be written again; JSON allows more than a float holds."""
    number = float(digits)
    if not math.isfinite(number):
        raise ValueError(f"{digits[:20]} is a larger number than a record may have")
    return number
