"""The controller's side of records: gathered from pytest's reports, each test's last attempt."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from pytest_edgedevice.plugin.recording import NOTE_PROPERTY, PROPERTY, made_now
from pytest_edgedevice.plugin.remembering import stamped

if TYPE_CHECKING:
    from pytest_edgedevice.records import Record

COLLECTOR = pytest.StashKey["Collector"]()


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
            before = report.when == "teardown" and self.skipped.get(test, False)  # a part may be skipped before its end
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
        crash = Evidence("worker", "fail", printable(str(report.longrepr)), {})
        made = made_now(crash, test=report.nodeid, facts={}, worker=worker)
        record = stamped(self._config, with_outcome(made, "failed"))
        self._records[(report.nodeid, worker)] = [record]
        self._config.hook.pytest_edgedevice_record(config=self._config, record=record)

    def _take_note(self, value: str) -> None:
        text, bad = json.loads(value)
        note = (f"edgedevice: {printable(text)}", bool(bad))
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


def printable(text: str) -> str:
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
