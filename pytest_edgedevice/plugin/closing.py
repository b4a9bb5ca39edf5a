"""At the end of a run: the closing table, and what else has to be said, on the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_edgedevice.plugin.collecting import collector_of, printable

if TYPE_CHECKING:
    import pytest

    from pytest_edgedevice.plugin.collecting import Collector

COLOURS = {
    "passed": {"green": True},
    "inconclusive": {"yellow": True},
    "skipped": {"yellow": True},
    "detail": {"light": True},
}


def summarize(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print the table; nothing in runs without device tests."""
    collector = collector_of(config)
    if collector.records and terminalreporter.verbosity > -2 and not config.getoption("no_summary", False):
        from pytest_edgedevice.reports.terminal import table

        width = terminalreporter._tw.fullwidth  # noqa: SLF001
        verbosity = terminalreporter.verbosity
        lines = table(collector.records, width=width, short=verbosity < 0, more=verbosity > 0)
        if lines:
            terminalreporter.ensure_newline()
            terminalreporter.section("edge devices")
        for line, outcome in lines:
            style = COLOURS.get(outcome, {"red": True}) if outcome else {"bold": True}
            terminalreporter.write_line(line, **style)
        _show_variants(terminalreporter, collector)
    for line, bad in collector.notes:
        terminalreporter.write_line(line, red=bad)


def _show_variants(terminalreporter: pytest.TerminalReporter, collector: Collector) -> None:
    """Print the table of each comparison of variants."""
    from pytest_edgedevice.evaluation.variants_text import table_lines

    width = terminalreporter._tw.fullwidth  # noqa: SLF001
    for record in collector.records:
        if record["check"] == "variants":
            terminalreporter.section(printable(f"variants of {record['test'].rpartition('::')[2]}"), "-")
            for number, line in enumerate(table_lines(record["numbers"].get("rows") or [], width=width)):
                terminalreporter.write_line(line, bold=not number)
