"""What a user's own program tells of its cost: ``usage`` of a result, checked field by field. See COMMAND.md."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_edgedevice.runners.replies import count_of, short_text
from pytest_edgedevice.runners.usage import Usage

if TYPE_CHECKING:
    from collections.abc import Mapping

MOST = 1 << 62
MOST_WORDS = 200
_HOW = "write 'usage' to the result of 'measure' (see COMMAND.md)"
UNTOLD = {
    "memory": f"the program tells no peak of its memory: {_HOW}",
    "energy": f"the program tells no energy: {_HOW}",
}


def read_usage(found: Mapping[str, Any]) -> Usage:
    """Check what a result says.

    Raises:
        KeyError, TypeError, ValueError: It makes no sense.
    """
    peak, before = (_count(found, name) for name in ("peak_bytes", "before_load_bytes"))
    energy_uj = _count(found, "energy_uj")
    if peak is not None and before is not None and before > peak:
        raise ValueError(f"usage has before_load_bytes {before} over peak_bytes {peak}")
    return Usage(
        peak,
        before,
        _words(found, "counter") if peak is not None else "",
        _count(found, "cpu_ns"),
        energy_uj,
        _words(found, "energy_source") if energy_uj is not None else "",
    )


def _count(found: Mapping[str, Any], name: str) -> int | None:
    """A count above 0: what was not measured is left out."""
    if found.get(name) is None:
        return None
    value = count_of(found[name])
    if not 0 < value < MOST:
        raise ValueError(f"usage has {name} {value}; leave out what was not measured")
    return value


def _words(found: Mapping[str, Any], name: str) -> str:
    words = short_text(found[name])[:MOST_WORDS]
    if not words:
        raise ValueError(f"usage has no {name}, which says what told the number")
    return words
