"""Small bars that stand in tables, and the strip of all outcomes."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from pytest_edgedevice.reports.html.svg.axes import picture, short

if TYPE_CHECKING:
    from collections.abc import Sequence

WIDE = 120


def latency_bar(p50: float | None, p95: float | None, most: float) -> str:
    """The median as a full bar, and from there to the p95 a light one; both on the same scale as other rows."""
    body = "".join(
        f'<path class={kind} d="M0 {top}h{min(max(value / most, 0), 1) * WIDE:.0f}v{high}H0z"/>'
        for kind, value, top, high in (("light", p95, 3, 6), ("fill", p50, 0, 12))
        if value is not None and most > 0
    )
    return f"<svg class=bar>{body}</svg>" if body else ""


def share_bar(share: float | None) -> str:
    """A share of 1 in steps of a twentieth: an element of a class, as there may be thousands."""
    return f"<i class=b{round(min(max(share, 0), 1) * 20)}></i>" if share is not None else ""


def strip(counts: Sequence[tuple[str, int]]) -> str:
    """How many cells had each outcome, side by side."""
    whole = sum(count for _, count in counts) or 1
    x, body = 0.0, ""
    for outcome, count in counts:
        wide = 1000 * count / whole
        if count:
            body += f'<rect class="{escape(outcome)}" x="{short(x)}" width="{short(max(wide - 2, 1))}" height="14"/>'
        x += wide
    label = ", ".join(f"{count} {outcome}" for outcome, count in counts if count)
    return picture(1000, 14, body, label=label, kind="strip").replace("<svg ", '<svg preserveAspectRatio="none" ', 1)
