"""The controller's side of records: collect, write, print."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from pytest_edgedevice.plugin.options import MARKERS, SETTINGS, read_settings
from pytest_edgedevice.plugin.recording import PROPERTY

if TYPE_CHECKING:
    from pytest_edgedevice.records import Record

COLLECTOR = pytest.StashKey["Collector"]()
COLOURS = {"passed": {"green": True}, "inconclusive": {"yellow": True}, "skipped": {"yellow": True}}


class Collector:
    """Gathers the records of a run from pytest's reports; in the controller only, when there are workers."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self.records: list[Record] = []
        self.outcomes: dict[str, str] = {}
        self.problems: list[str] = []

    def take(self, report: pytest.TestReport) -> None:
        """Take what a device test's report carries."""
        outcome = getattr(report, "edgedevice", None)
        if outcome is None:
            return
        self.outcomes[report.nodeid] = outcome
        if report.when == "teardown":
            for name, value in report.user_properties:
                if name == PROPERTY:
                    record = json.loads(str(value))
                    self.records.append(record)
                    self._config.hook.pytest_edgedevice_record(config=self._config, record=record)

    @property
    def tested_nothing(self) -> bool:
        """Whether there were device tests and every one of them was skipped."""
        return bool(self.outcomes) and set(self.outcomes.values()) == {"skipped"}


def pytest_configure(config: pytest.Config) -> None:
    """Check the options before anything runs."""
    for marker in MARKERS:
        config.addinivalue_line("markers", marker)
    config.stash[SETTINGS] = read_settings(config)
    config.stash[COLLECTOR] = Collector(config)
    config.pluginmanager.register(_Reports(config), "edgedevice-reports")


class _Reports:
    """Hooks that need the run's configuration, which some of pytest's do not pass."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if not hasattr(self._config, "workerinput"):
            self._config.stash[COLLECTOR].take(report)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Write the reports; in CI a run that tested nothing is not green."""
    config = session.config
    collector, settings = config.stash[COLLECTOR], config.stash[SETTINGS]
    if hasattr(config, "workerinput"):
        return
    if settings.ci and collector.tested_nothing and session.exitstatus == pytest.ExitCode.OK:
        collector.problems.append(f"all {len(collector.outcomes)} device tests were skipped; in CI that is a failure")
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
    if settings.reports:
        _write(session, collector, settings.reports)


def _write(session: pytest.Session, collector: Collector, paths: Any) -> None:
    from pytest_edgedevice.errors import InfraError
    from pytest_edgedevice.records import write_lines

    for path in paths:
        try:
            write_lines(path, collector.records)
        except InfraError as error:
            collector.problems.append(str(error))
            if session.exitstatus == pytest.ExitCode.OK:
                session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print the table; nothing in runs without device tests."""
    collector = config.stash[COLLECTOR]
    if collector.records:
        from pytest_edgedevice.reports.terminal import table

        terminalreporter.section("edge devices")
        for line, outcome in table(collector.records, width=terminalreporter._tw.fullwidth):  # noqa: SLF001
            style = COLOURS.get(outcome, {"red": True}) if outcome else {"bold": True}
            terminalreporter.write_line(line, **style)
    for path in config.stash[SETTINGS].reports:
        terminalreporter.write_line(f"edgedevice: {len(collector.records)} records in {path}")
    for problem in collector.problems:
        terminalreporter.write_line(f"edgedevice: {problem}", red=True)
