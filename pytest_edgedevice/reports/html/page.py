"""The page: one file that needs nothing else, from records alone."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
from functools import cache
from importlib import resources
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from pytest_edgedevice.reports.cells import SEVERITY
from pytest_edgedevice.reports.html import delegates, failures, markup, pareto, variants
from pytest_edgedevice.reports.html.cutting import cut_long_texts
from pytest_edgedevice.reports.html.gathering import OUTCOMES, gather
from pytest_edgedevice.reports.html.matrix import matrix
from pytest_edgedevice.reports.html.metrics import measure, usual
from pytest_edgedevice.reports.html.packing import packs, plain_first
from pytest_edgedevice.reports.html.panels import blocks_of
from pytest_edgedevice.reports.html.svg.bars import strip
from pytest_edgedevice.reports.html.svg.scatter import sample
from pytest_edgedevice.reports.html.wording import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import jinja2

    from pytest_edgedevice.records import Record
    from pytest_edgedevice.reports.html.gathering import Cell
    from pytest_edgedevice.reports.html.parts import Table

SCRIPTS = ("numbers.js", "page.js", "matrix.js", "panel.js")
MOST_NAMED = 5
OPEN_GROUPS = 8
LONG_FROM = 100
"""Cells from which on a browser leaves out of sight what is out of sight: it guesses how high that is, mostly wrong."""
MEANINGS = {
    "inconclusive": "Inconclusive: the measurement shows neither that the model keeps its limits nor that it fails.",
    "infra": "Infra: the device or its host failed; that says nothing of the model.",
}
"""Outcomes whose names do not say it all."""


def render(records: Sequence[Record]) -> str:
    """The page as text; it holds no sign that UTF-8 cannot carry.

    Args:
        records: Of schema 1, of any hosts and runs; what is odd in them is left out or shown as it is.

    Raises:
        ImportError: Jinja2 is not installed.
    """
    from markupsafe import Markup

    cells = gather(records)
    cut_long_texts(cells)
    metrics = measure(cells)
    environment = _environment()
    kinds = pareto.kinds_of(cells)
    cards = failures.cards(cells)
    return environment.get_template(
        "page.html"
    ).render(
        **_head(cells),
        **{name: Markup(text) for name, text in _assets().items()},  # noqa: S704 - files of ours
        cells=cells,
        long_from=LONG_FROM,
        metrics=metrics,
        shown=usual(metrics),
        matrix=matrix(cells, usual(metrics)),
        kinds=list(kinds.items()),
        scatters=pareto.figures(cells, metrics, kinds),
        comparisons=[
            ("variants", "Variants of one model", variants.tables(cells, metrics), OPEN_GROUPS),
            ("delegates", "Devices and delegates", delegates.tables(cells), OPEN_GROUPS),
        ],
        cards=cards[: failures.MOST_CARDS],
        more_cards=len(cards) - failures.MOST_CARDS if len(cards) > failures.MOST_CARDS else 0,
        **_panels(environment, cells, cards),
    )


def _head(cells: Sequence[Cell]) -> dict[str, Any]:
    from markupsafe import Markup

    counts = [(name, sum(cell.outcome == name for cell in cells)) for name in OUTCOMES]
    present = [(name, count) for name, count in counts if count]
    bad = sorted((cell for cell in cells if cell.outcome not in ("passed", "skipped")), key=_gravity)
    told = [record for cell in cells for record in cell.records]
    times = sorted(filter(None, (record["time"][:19].replace("T", " ") for record in told)))
    tests = {record["test"] for record in told if record["test"]}
    devices = {cell.device for cell in cells if cell.device}
    versions = sorted({record["version"][:40] for record in told if record["version"]})
    facts = [
        f"{times[0]} UTC" if times else "",
        counted(len(devices), "device"),
        counted(len(tests), "test"),
        counted(sum(record["check"] not in ("skip", "test") for record in told), "check"),
    ]
    return {
        "counts": present,
        "meanings": [MEANINGS[name] for name, _ in present if name in MEANINGS],
        "strip": Markup(strip(present)),  # noqa: S704 - a picture of ours
        "headline": _headline(len(cells), dict(present)),
        "worst": bad[0].outcome if bad else "passed",
        "worst_cells": bad[:MOST_NAMED],
        "more_worst": len(bad) - MOST_NAMED if len(bad) > MOST_NAMED else 0,
        "facts": list(filter(None, facts)),
        "footer": f"pytest-edgedevice {', '.join(versions[:5])}".strip(),
    }


def _gravity(cell: Cell) -> int:
    return -SEVERITY[cell.outcome]


def _headline(cells: int, counts: dict[str, int]) -> str:
    passed, skipped = counts.get("passed", 0), counts.get("skipped", 0)
    ran = cells - skipped
    if not ran:
        return f"Nothing was checked{f', {skipped:,} skipped' if skipped else ''}"
    said = f"{passed:,} of {counted(ran, 'cell')} passed"
    if passed == ran:
        said = f"All {ran:,} cells passed" if ran > 1 else "The only cell passed"
    return f"{said}, {skipped:,} skipped" if skipped else said


def _panels(environment: jinja2.Environment, cells: Sequence[Cell], cards: Sequence[failures.Card]) -> dict[str, Any]:
    """Each cell's panel; a browser that runs scripts makes elements of it only when it is opened."""
    from markupsafe import Markup

    template = environment.get_template("panel.html")
    by_cell: dict[int, list[failures.Card]] = {}
    for card in cards:
        by_cell.setdefault(card.cell.place, []).append(card)
    panels = {
        cell.slug: template.render(cell=cell, blocks=blocks_of(cell), cards=by_cell.get(cell.place, ()))
        for cell in cells
    }
    plain = plain_first(cells, panels)
    others = [(slug, html) for slug, html in panels.items() if slug not in plain]
    return {
        "panels": [SimpleNamespace(slug=slug, html=Markup(panels[slug])) for slug in panels if slug in plain],  # noqa: S704 - a template's output
        "packed": packs(others),
        "packed_count": len(others),
    }


@cache
def _environment() -> jinja2.Environment:
    import jinja2
    from markupsafe import Markup

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("pytest_edgedevice.reports.html"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    # what these make is HTML already: each escapes the texts that it is given
    for made in (
        markup.table, markup.figure, markup.block, markup.cell_row, markup.outcome, markup.commands, markup.log, sample
    ):  # fmt: skip
        environment.globals[made.__name__] = _as_html(made, Markup)
    environment.globals.update(uncaptioned=_uncaptioned, places=_places)
    return environment


def _as_html(made: Callable[..., str], html: Callable[[str], str]) -> Callable[..., str]:
    return lambda *given: html(made(*given))


def _uncaptioned(table: Table) -> Table:
    return dataclasses.replace(table, caption="")


def _places(table: Table) -> str:
    """Numbers of the cells that a table is about."""
    return " ".join(str(row.cell.place) for row in table.rows if row.cell is not None)


@cache
def _assets() -> dict[str, str]:
    """Style, script, and the policy that lets a browser run and load these two and nothing else."""
    folder = resources.files("pytest_edgedevice.reports.html") / "templates"
    style = (folder / "page.css").read_text(encoding="utf-8")
    body = "\n".join((folder / name).read_text(encoding="utf-8") for name in SCRIPTS)
    script = f'"use strict";\n(() => {{\n{body}\n}})();\n'
    policy = "; ".join(
        [
            "default-src 'none'",
            f"style-src '{_digest(style)}'",
            f"script-src '{_digest(script)}'",
            "base-uri 'none'",
            "form-action 'none'",
        ]
    )
    return {"style": style, "script": script, "policy": policy}


def _digest(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode("ascii")
