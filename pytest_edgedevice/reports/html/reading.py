"""What a record says, read with suspicion: any value may be missing, of another type, endless or meant to mislead."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_edgedevice.errors import UsageError
from pytest_edgedevice.records import unpack

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_edgedevice.records import Record

MOST_QUANTITY, LEAST_QUANTITY = 1e100, 1e-100
"""What is beyond is no quantity of anything; sums, ratios and powers of ten of what is within are floats, too."""
MOST_NAME_CHARS = 200
MOST_LINES_CHARS = 8000
MOST_ITEMS = 200
"""Entries of any list that are shown; longer ones say how many are not."""
_TEXTS = ("test", "check", "verdict", "outcome", "message", "repeated", "time", "version", "worker")
_OBJECTS = ("model", "engine", "delegate", "device", "numbers", "device_log", "run")


def sound(record: Any) -> Record:
    """A record whose top level has the types of schema 1, whatever came in."""
    told = mapping(record)
    texts = {name: lines(told.get(name)) for name in _TEXTS}
    return {**texts, **{name: mapping(told.get(name)) for name in _OBJECTS}}


def mapping(value: Any) -> dict[str, Any]:
    """An object; empty for anything else."""
    return value if isinstance(value, dict) else {}


def items(value: Any) -> list[Any]:
    """A list; empty for anything else."""
    return value if isinstance(value, list) else []


def objects(value: Any) -> list[dict[str, Any]]:
    """The objects in a list."""
    return [one for one in items(value) if isinstance(one, dict)]


def number(value: Any) -> float | None:
    """A number that can be reckoned and drawn with; None for anything else, also for one beyond all quantities."""
    if type(value) is float and LEAST_QUANTITY <= abs(value) <= MOST_QUANTITY:
        return value  # nearly all, and there are a hundred thousand in a report
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        found = float(value)
    except OverflowError:
        return None
    if not abs(found) <= MOST_QUANTITY:  # nor for what is no number
        return None
    return found if abs(found) >= LEAST_QUANTITY else 0.0


def text(value: Any) -> str:
    """One line for people, of a limited length; empty for None and for what has parts."""
    usual = type(value) is str and len(value) <= MOST_NAME_CHARS and value.isprintable()
    return " ".join((value if usual else lines(value, most=MOST_NAME_CHARS)).split())


def lines(value: Any, *, most: int = MOST_LINES_CHARS) -> str:
    """Text of several lines; signs that reorder, hide or are no characters at all become question marks."""
    if isinstance(value, str) and len(value) <= most and value.isprintable():
        return value
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        found = number(value)
        return "" if found is None else f"{found:.10g}"
    if not isinstance(value, str):
        return ""
    short = value[:most].replace("\t", "    ")
    if not short.isprintable():
        short = "".join(sign if sign.isprintable() or sign == "\n" else "?" for sign in short.replace("\r\n", "\n"))
    return short + "..." * (len(value) > most)


def series_ms(value: Any) -> list[float]:
    """A raw series in milliseconds; empty where there is none that can be read."""
    if value is None:
        return []
    try:
        return [one / 1e6 for one in unpack(value)]
    except UsageError:
        return []


def leaves(value: Any, *, path: str = "", depth: int = 0) -> Iterator[tuple[str, str]]:
    """The single values in an object of unknown form, with where they stand."""
    if isinstance(value, dict) and depth < 6:
        for key, part in list(value.items())[:MOST_ITEMS]:
            yield from leaves(part, path=f"{path}.{text(key)}".strip("."), depth=depth + 1)
    elif isinstance(value, list) and depth < 6:
        for place, part in enumerate(value[:MOST_ITEMS]):
            yield from leaves(part, path=f"{path}[{place}]", depth=depth + 1)
    elif told := text(value):
        yield path, told
