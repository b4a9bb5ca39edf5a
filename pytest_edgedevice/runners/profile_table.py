"""Read the text of LiteRT's profiler; what is not understood is left out, and never raises.

Source:
    tsl/util/stats_calculator.cc ("Summary by node type") as LiteRT's profile summary uses it: ``avg ms`` is of one
    call, ``times called`` is of all runs, and the share is of the microseconds behind ``curr=``.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pytest_edgedevice.findings import Operator, Profile

if TYPE_CHECKING:
    from collections.abc import Iterator

MOST_CHARS = 4 << 20
MOST_LINE_CHARS = 2000
MOST_OPERATORS = 2000
MOST_CALLS = 1 << 40
TABLE = "Summary by node type"
DELEGATED = "Delegate/"
_ROW = re.compile(
    r"^\s*(\S.{0,300}?)\s+([0-9]{1,9})\s+([0-9.]{1,20})\s+([0-9]{1,3}(?:\.[0-9]{1,6})?)%\s+[0-9.]{1,12}%"
    r"\s+[0-9.]{1,20}\s+([0-9]{1,12})$"
)
_TOTAL = re.compile(r"^Timings \(microseconds\): count=[0-9]{1,12}(?: first=[0-9]{1,18})? curr=([0-9]{1,18})\b")


def read_profile(text: str, *, runs: int, delegate: str = "delegate") -> Profile:
    """Read the summary of a profiler.

    Args:
        text: The summary.
        runs: Inferences that it is of, at least 1.
        delegate: What to call the delegate that it names only as such.
    """
    rows: list[tuple[str, float, int]] = []
    total_us, reading = 0, False
    for line in _lines(text):
        if TABLE in line:
            reading, rows = True, []
        elif found := _TOTAL.match(line):
            total_us, reading = int(found[1]), False
        elif reading and len(rows) < MOST_OPERATORS and (row := _ROW.match(line)):
            rows.append((row[1], float(row[4]) / 100, int(row[5])))
    if not rows:
        return Profile(runs=runs, problem="the profiler found no operator")
    per_run_ms = total_us / runs / 1000
    operators = [_operator(*row, runs=runs, per_run_ms=per_run_ms, delegate=delegate) for row in rows]
    operators.sort(key=lambda one: (-one.time_ms, -one.share, one.name))
    return Profile(tuple(operators), runs, per_run_ms)


def _operator(name: str, share: float, calls: int, *, runs: int, per_run_ms: float, delegate: str) -> Operator:
    share = min(share, 1.0)
    taken = name.startswith(DELEGATED)
    count = max(round(min(calls, MOST_CALLS) / runs), 1)
    return Operator(
        name.removeprefix(DELEGATED) or name, delegate if taken else "cpu", count, share * per_run_ms, share
    )


def _lines(text: str) -> Iterator[str]:
    """Printable lines of what is not longer than a profile can be."""
    for line in text[:MOST_CHARS].splitlines():
        yield "".join(sign if sign.isprintable() else " " for sign in line[:MOST_LINE_CHARS])
