"""The table of variants as text. A pure function of rows as records have them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

MOST_NAME = 40
UNKNOWN = "-"
GAP = "  "
DISPENSABLE = ("file", "delegate", "max error", "p50", "loss")
"""Left out in this order where there is no room."""


def table_lines(rows: Sequence[Mapping[str, Any]], *, width: int | None = None) -> list[str]:
    """A heading and a line for each variant; ``*`` marks those on the Pareto front of size, median and metric.

    Args:
        rows: As ``VariantTable.rows`` and records have them; what is missing or of another kind is shown as a dash.
        width: Columns that there are; None for as many as it takes.
    """
    rates = any(row.get("metric_kind") == "rate" for row in rows)
    columns: dict[str, Callable[[Mapping[str, Any]], str]] = {
        "variant": lambda row: _name(row.get("variant")) + (" *" if row.get("pareto") is True else ""),
        "file": lambda row: _name(row.get("file")),
        "delegate": lambda row: _name(row.get("delegate")),
        "size": lambda row: _number(row.get("size_bytes"), _size),
        "p50": lambda row: _number(row.get("p50_ms"), _ms),
        "p95": lambda row: _number(row.get("p95_ms"), _ms),
        "speed-up": lambda row: _number(row.get("speed_up"), "{:.2f} x".format),
        "metric": lambda row: _interval(row, rates=rates),
        "loss": lambda row: _number(row.get("loss"), _points if rates else "{:+.3g}".format),
        "max error": lambda row: _number(row.get("max_abs_error"), "{:.3g}".format),
        "verdict": _verdict,
    }
    cells = {name: [name, *(write(row) for row in rows)] for name, write in columns.items()}
    cells = {name: lines for name, lines in cells.items() if any(one not in ("", UNKNOWN) for one in lines[1:])}
    for name in DISPENSABLE:
        if width is not None and _width(cells) > width:
            cells.pop(name, None)
    widths = {name: max(map(len, lines)) for name, lines in cells.items()}
    found = [
        GAP.join(lines[at].ljust(widths[name]) for name, lines in cells.items()).rstrip() for at in range(len(rows) + 1)
    ]
    return found if width is None else [line[:width] for line in found]


def _width(cells: Mapping[str, Sequence[str]]) -> int:
    """Columns that a table takes; why a variant is not admissible may be cut."""
    widths = [max(map(len, lines)) for name, lines in cells.items() if name != "verdict"]
    return sum(widths) + len(GAP) * len(widths) + len("admissible")


def _name(value: Any) -> str:
    """Names come from files and devices: nothing in them may steer the terminal."""
    return "".join(sign if sign.isprintable() else "?" for sign in str(value or ""))[:MOST_NAME]


def _number(value: Any, write: Callable[[float], str]) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return UNKNOWN
    return write(value) if math.isfinite(value) else str(value)


def _size(size_bytes: float) -> str:
    return f"{size_bytes / 1e6:.2f} MB" if size_bytes >= 1e6 else f"{size_bytes / 1e3:.1f} kB"


def _ms(value: float) -> str:
    return f"{value:.3g} ms" if value >= 0.1 else f"{value * 1000:.3g} us"


def _points(loss: float) -> str:
    return f"{loss * 100:+.2f} points"


def _interval(row: Mapping[str, Any], *, rates: bool) -> str:
    def write(value: Any) -> str:
        return _number(value, (lambda one: f"{one * 100:.4g}") if rates else "{:.4g}".format)

    value = write(row.get("accuracy"))
    if value == UNKNOWN:
        return UNKNOWN
    bounds = f"[{write(row.get('lower'))}, {write(row.get('upper'))}]"
    return f"{value} {'% ' if rates else ''}{bounds}"


def _verdict(row: Mapping[str, Any]) -> str:
    admissible = row.get("admissible")
    if admissible is True:
        return "best" if row.get("best") is True else "admissible"
    reasons = row.get("reasons")
    if admissible is False and isinstance(reasons, list):
        return "; ".join(_reason(one) for one in reasons)
    return ""


def _reason(reason: Any) -> str:
    return "".join(sign if sign.isprintable() else "?" for sign in str(reason))[:120]
