"""The record of a test that its checks do not speak for: skipped, failed by itself, or without any check.

Records are the one source of every report, so all that a report says of a test has to be
in them: why it was skipped, what it failed with where no check did, and that it passed.
"""

from __future__ import annotations

import pytest

from pytest_edgedevice.plugin.collecting import printable
from pytest_edgedevice.plugin.recording import RECORDS, keep

ERROR = pytest.StashKey[str]()
"""What the test failed with; of several failures the first."""
REASON = pytest.StashKey[str]()
"""Why the test was skipped, or is expected to fail."""


def listen(item: pytest.Item, when: str, report: pytest.TestReport) -> None:
    """Remember what pytest says of a phase of a test.

    Args:
        item: The test.
        when: The phase; an error of the world has another one in its report.
        report: Of the phase.
    """
    if when == "setup":
        item.stash[ERROR] = item.stash[REASON] = ""  # somebody may try the test again
    if report.failed:
        item.stash[ERROR] = item.stash.get(ERROR, "") or _error(report)
    elif report.skipped:
        item.stash[REASON] = _reason(report)


def speak(item: pytest.Item, outcome: str) -> None:
    """Make the record of a test at its end, where none of its own says how it ended."""
    from pytest_edgedevice.values import Evidence

    records, error, reason = item.stash.get(RECORDS, []), item.stash.get(ERROR, ""), item.stash.get(REASON, "")
    needs_device = "edge_device" in getattr(item, "fixturenames", ())
    if outcome in ("failed", "infra"):
        if all(record["verdict"] != "fail" for record in records):
            keep(item, Evidence("test" if outcome == "failed" else "device", "fail", error, {}))
    elif needs_device and not records:
        passed = Evidence("test", "pass", "", {})
        keep(item, passed if outcome == "passed" else Evidence("skip", "inconclusive", reason, {}))


def _error(report: pytest.TestReport) -> str:
    """What a test failed with, without its traceback."""
    crash = getattr(report.longrepr, "reprcrash", None)
    return _clean(str(getattr(crash, "message", "") or report.longrepr))


def _reason(report: pytest.TestReport) -> str:
    """Why a test was skipped, or is expected to fail."""
    if hasattr(report, "wasxfail"):
        why = report.wasxfail.removeprefix("reason: ")
        return _clean(f"failed as expected{f': {why}' if why else ''}")
    told = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    return _clean(told.removeprefix("Skipped: "))


def _clean(text: str) -> str:
    return "\n".join(map(printable, text.split("\n")))
