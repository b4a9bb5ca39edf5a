"""``edgedevice trend``: one number of a model over the last runs, as a table and a line of bars."""

from __future__ import annotations

import json
import shlex
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_edgedevice.cli.text import printable
from pytest_edgedevice.errors import UsageError
from pytest_edgedevice.history.choosing import find_folder
from pytest_edgedevice.history.index import History
from pytest_edgedevice.history.otava import CONFIG, write_series
from pytest_edgedevice.history.trends import Trend, trends_of
from pytest_edgedevice.reports.figures import sparkline, value_text

if TYPE_CHECKING:
    from collections.abc import Iterator

SCHEMA = 1
SHORT = {"p50": "p50_ms", "p90": "p90_ms", "p95": "p95_ms", "p99": "p99_ms", "error": "max_abs_error",
         "size": "size_bytes", "load": "load_ms", "first": "first_ms", "memory": "memory_mb"}  # fmt: skip
MOST_NAMED = 20


@dataclass(frozen=True, slots=True)
class Wish:
    """What was asked for; empty texts ask for all.

    Attributes:
        model: File name, or its beginning.
        metric: Name of a measurement, or a short form.
        device: Name of a device.
        delegate: As it was asked for.
        last: How many runs to show.
    """

    model: str
    metric: str
    device: str
    delegate: str
    last: int


def trend(wish: Wish, *, folder: Path | None, otava: Path | None, as_json: bool) -> bool:
    """Print it; whether the newest run is no regression anywhere.

    Args:
        wish: What to show.
        folder: Of the history; None searches for it.
        otava: Folder for Otava's files of all runs; None writes none.
        as_json: Print one JSON object instead of text.

    Raises:
        UsageError: There is no history, or nothing in it fits.
        InfraError: It cannot be read, or a file cannot be written.
    """
    with History(folder or find_folder(Path.cwd())) as history:
        found = _found(history, wish)
        commits = {run.id: run.commit for run in history.runs()}
    series = list(write_series(found, commits, otava)) if otava else []
    if as_json:
        told = {"schema": SCHEMA, "trends": [_plain(one, wish.last) for one in found], "series": series}
        print(json.dumps(told, allow_nan=False))
    else:
        print("\n\n".join("\n".join(_block(one, wish.last)) for one in found))
        if otava:
            config = shlex.quote(str(otava / CONFIG))
            print(f"\nlook for change points: otava analyze --config-file {printable(config)} {' '.join(series)}")
    return not any(one.regressed for one in found)


def _found(history: History, wish: Wish) -> list[Trend]:
    metric = SHORT.get(wish.metric, wish.metric)
    filters = {name: value for name, value in (("device", wish.device), ("delegate", wish.delegate)) if value}
    points = history.points(metric=metric, **filters)
    exact = [one for one in points if one[1]["model"] == wish.model]
    fitting = exact or [one for one in points if str(one[1]["model"]).startswith(wish.model)]
    if fitting:
        return trends_of(fitting)
    if not points and not filters:
        known = sorted({str(one["metric"]) for _, one in history.points()})
        raise UsageError(f"the history has no {metric!r}", hint=f"it has: {', '.join(known[:MOST_NAMED]) or 'nothing'}")
    models = sorted({str(one["model"]) for _, one in history.points(metric=metric)})
    where = "".join(f" with {name} {value!r}" for name, value in filters.items())
    hint = f"there is: {', '.join(models[:MOST_NAMED])}"
    raise UsageError(f"the history has no {metric!r} of a model {wish.model!r}{where}", hint=hint)


def _block(one: Trend, last: int) -> Iterator[str]:
    shown = one.past[-last:]
    machine = f" ({one.machine})" if one.machine else ""
    yield printable(f"{one.cell}{machine}: {one.metric} of the last {len(shown)} of {len(one.past)} runs")
    yield f"  {sparkline([past.value for past in shown])}"
    values = [value_text(past.value, one.unit) for past in shown]
    width = max(map(len, values))
    for past, value in zip(shown, values, strict=True):
        moment = past.time[:19].replace("T", " ")
        yield printable(f"  {past.run}  {moment}  {value:>{width}}  {past.verdict:12}  {past.engine}").rstrip()
    yield f"  {_verdict(one)}"


def _verdict(one: Trend) -> str:
    usual, newest = one.usual, one.past[-1].value
    if usual is None:
        return "the first run; nothing to hold it against"
    share = f"{newest / usual.value - 1:+.1%} " if usual.value > 0 else ""
    against = f"the newest is {share}against the median {value_text(usual.value, one.unit)} of {usual.runs} before it"
    if not usual.known:
        return f"{against}; their noise is not known (ten runs tell)"
    if one.regressed:
        return f"REGRESSION: {against}, beyond their noise of {usual.allowed:.1%}"
    return f"{against}; their noise is {usual.allowed:.1%}" + ("; more than that" if usual.is_beyond(newest) else "")


def _plain(one: Trend, last: int) -> dict[str, Any]:
    usual, told = one.usual, asdict(one)
    return {**told, "past": told["past"][-last:], "usual": asdict(usual) if usual else None, "regressed": one.regressed}
