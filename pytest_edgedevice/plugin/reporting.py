"""At the end of a run: its reports, its place in the history, its verdict."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_edgedevice.plugin.collecting import collector_of
from pytest_edgedevice.plugin.options import settings_of
from pytest_edgedevice.plugin.remembering import remember

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pytest_edgedevice.plugin.collecting import Collector
    from pytest_edgedevice.records import Record
    from pytest_edgedevice.reports.renderers import Report

JOB_SUMMARY = "GITHUB_STEP_SUMMARY"
NOTHING_RAN = (pytest.ExitCode.USAGE_ERROR, pytest.ExitCode.INTERNAL_ERROR)


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
    remember(config, _checked(collector), lambda said, bad: _tell(session, collector, said, bad=bad))
    _summarize_job(collector)
    if settings_of(config).verdict:
        _write_verdict(session, collector)
    if not config.pluginmanager.hasplugin("terminalreporter"):
        for line, bad in collector.notes:
            if bad:
                print(line, file=sys.stderr)  # nobody else would say why the exit code is what it is


def _checked(collector: Collector) -> list[Record]:
    """Records without those of tests that no check speaks for: a run of these alone is none to compare with."""
    if not collector.records:
        return []
    from pytest_edgedevice.records import UNCHECKED

    return [record for record in collector.records if record["check"] not in UNCHECKED]


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
