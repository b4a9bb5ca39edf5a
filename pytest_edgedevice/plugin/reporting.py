"""The controller's side of records: collect, write, print."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_edgedevice.plugin.options import settings_of
from pytest_edgedevice.plugin.recording import NOTE_PROPERTY, PROPERTY, made_now
from pytest_edgedevice.plugin.remembering import remember, stamped

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pytest_edgedevice.records import Record
    from pytest_edgedevice.reports.renderers import Report

JOB_SUMMARY = "GITHUB_STEP_SUMMARY"
COLLECTOR = pytest.StashKey["Collector"]()
COLOURS = {
    "passed": {"green": True},
    "inconclusive": {"yellow": True},
    "skipped": {"yellow": True},
    "detail": {"light": True},
}
UNCHECKED = frozenset({"skip", "test"})
"""What records of a test that measured nothing are called: a run of these alone is none to compare with."""
NOTHING_RAN = (pytest.ExitCode.USAGE_ERROR, pytest.ExitCode.INTERNAL_ERROR)


class Collector:
    """Gathers the records of a run from pytest's reports; in the controller only, when there are workers."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._records: dict[tuple[str, str], list[Record]] = {}
        self.skipped: dict[tuple[str, str], bool] = {}
        """Tests that need a device, by node id and worker, and whether each was skipped; of retries the last counts."""
        self.notes: list[tuple[str, bool]] = []
        """Lines for the end of the run, and whether each is bad news."""

    def take(self, report: pytest.TestReport) -> None:
        """Take what a device test's report carries."""
        needs_device = getattr(report, "edgedevice", None)
        if needs_device is None:
            return
        test = (report.nodeid, getattr(report, "worker_id", ""))  # one test may run in every worker
        if needs_device:
            before = report.when != "setup" and self.skipped.get(test, False)
            self.skipped[test] = before or (report.skipped and not _ran(report))
        if report.when == "teardown":
            sent = [json.loads(str(value)) for name, value in report.user_properties if name == PROPERTY]
            found = [stamped(self._config, record) for record in sent]
            self._records[test] = found  # of a test that is tried again the last attempt counts
            for name, value in report.user_properties:
                if name == NOTE_PROPERTY:
                    self._take_note(str(value))
            for record in found:
                self._config.hook.pytest_edgedevice_record(config=self._config, record=record)

    def take_crash(self, report: pytest.TestReport) -> None:
        """Make the record of a test whose worker crashed: it can send none, and must not look as if it had not been."""
        from pytest_edgedevice.records import with_outcome
        from pytest_edgedevice.values import Evidence

        worker = str(getattr(getattr(getattr(report, "node", None), "gateway", None), "id", ""))
        crash = Evidence("worker", "fail", _printable(str(report.longrepr)), {})
        made = made_now(crash, test=report.nodeid, facts={}, worker=worker)
        record = stamped(self._config, with_outcome(made, "failed"))
        self._records[(report.nodeid, worker)] = [record]
        self._config.hook.pytest_edgedevice_record(config=self._config, record=record)

    def _take_note(self, value: str) -> None:
        text, bad = json.loads(value)
        note = (f"edgedevice: {_printable(text)}", bool(bad))
        if note not in self.notes:  # several tests may have seen one thing
            self.notes.append(note)

    @property
    def records(self) -> list[Record]:
        """Records of every test's last attempt, in the order in which tests first ended."""
        return [record for found in self._records.values() for record in found]

    @property
    def tested_nothing(self) -> bool:
        """Whether there were tests that need a device, and every one of them was skipped."""
        return bool(self.skipped) and all(self.skipped.values())


def _printable(text: str) -> str:
    """What devices and other holders said must not steer the terminal."""
    return "".join(sign if sign.isprintable() else "?" for sign in text)


def _ran(report: pytest.TestReport) -> bool:
    """Whether a test was tried that pytest reports as skipped: one that failed as expected."""
    return report.when == "call" and hasattr(report, "wasxfail")


def collector_of(config: pytest.Config) -> Collector:
    """The run's only collector."""
    if COLLECTOR not in config.stash:
        config.stash[COLLECTOR] = Collector(config)
    return config.stash[COLLECTOR]


def finish(session: pytest.Session) -> None:
    """Write the reports; in CI a run that tested nothing is not green."""
    config = session.config
    collector = collector_of(config)
    if session.exitstatus in NOTHING_RAN or config.getoption("collectonly"):
        return
    if settings_of(config).ci and collector.tested_nothing:
        count = len(collector.skipped)
        what = "the only test that needs a device was" if count == 1 else f"all {count} tests that need a device were"
        _fail(session, collector, f"{what} skipped; in CI that is a failure")
    if settings_of(config).reports:
        _write(session, collector, settings_of(config).reports)
    if settings_of(config).evidence.record_run:
        _write_recording(session, collector)
    if settings_of(config).update_baseline:
        _update_baseline(session, collector)
    checked = [record for record in collector.records if record["check"] not in UNCHECKED]
    remember(config, checked, lambda said, bad: _tell(session, collector, said, bad=bad))
    _summarize_job(collector)
    if settings_of(config).verdict:
        _write_verdict(session, collector)
    if not config.pluginmanager.hasplugin("terminalreporter"):
        for line, bad in collector.notes:
            if bad:
                print(line, file=sys.stderr)  # nobody else would say why the exit code is what it is


def _tell(session: pytest.Session, collector: Collector, said: str, *, bad: bool) -> None:
    if bad:
        _fail(session, collector, said)
    else:
        collector.notes.append((f"edgedevice: {said}", False))


def _fail(session: pytest.Session, collector: Collector, why: str) -> None:
    collector.notes.append((f"edgedevice: {why}", True))
    if session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def _write(session: pytest.Session, collector: Collector, reports: Iterable[Report]) -> None:
    from pytest_edgedevice.errors import EdgeDeviceError

    records = collector.records
    count = len(records)
    for report in reports:
        try:
            report.write(records)
        except EdgeDeviceError as error:
            _fail(session, collector, str(error))
        else:
            collector.notes.append((f"edgedevice: {count} record{'s' * (count != 1)} in {report.path}", False))


def _write_recording(session: pytest.Session, collector: Collector) -> None:
    """The records, and beside them what the device answered."""
    from pytest_edgedevice.errors import EdgeDeviceError
    from pytest_edgedevice.plugin.recording_run import finish_recording
    from pytest_edgedevice.records.lines import write_lines

    path = settings_of(session.config).evidence.record_run
    assert path is not None
    try:
        said = finish_recording(session.config)
        if said:
            write_lines(path, collector.records)
    except EdgeDeviceError as error:
        _fail(session, collector, str(error))
    else:
        collector.notes.append((f"edgedevice: {said or 'no device was used: there is nothing to record'}", not said))


def _write_verdict(session: pytest.Session, collector: Collector) -> None:
    """Last of all: whatever failed before counts."""
    from pytest_edgedevice.errors import InfraError
    from pytest_edgedevice.plugin.verdict import write

    path, tested = settings_of(session.config).verdict, any(not skipped for skipped in collector.skipped.values())
    assert path is not None
    try:
        said = write(path, collector.records, exit_status=int(session.exitstatus), tested=tested)
    except InfraError as error:
        _fail(session, collector, str(error))
    else:
        collector.notes.append((f"edgedevice: {said}", False))


def _update_baseline(session: pytest.Session, collector: Collector) -> None:
    from pytest_edgedevice.errors import EdgeDeviceError
    from pytest_edgedevice.plugin.baselines import update

    try:
        collector.notes.append((f"edgedevice: {update(session.config, collector.records)}", False))
    except EdgeDeviceError as error:
        _fail(session, collector, str(error))


def _summarize_job(collector: Collector) -> None:
    """On GitHub, add to the job's summary; whatever is wrong with that file is not the tests' fault."""
    path = os.environ.get(JOB_SUMMARY, "")
    if not path or not collector.records:
        return
    from pytest_edgedevice.errors import InfraError
    from pytest_edgedevice.reports.github import append_summary

    try:
        append_summary(collector.records, Path(path))
    except InfraError as error:
        collector.notes.append((f"edgedevice: {error.message}", False))


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
            terminalreporter.section(_printable(f"variants of {record['test'].rpartition('::')[2]}"), "-")
            for number, line in enumerate(table_lines(record["numbers"].get("rows") or [], width=width)):
                terminalreporter.write_line(line, bold=not number)
