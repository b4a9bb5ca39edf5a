"""Put the blame where it belongs: what an exception of ours makes of a test.

``InfraError`` becomes a pytest error in any phase, never a skip; everything else
a failure. Tracebacks end at the user's line; the message says the rest.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from pytest_edgedevice.plugin.blame import RANK, expected_by_name, is_infra, is_ours, outcome_of, shorten
from pytest_edgedevice.plugin.fixtures import is_device_test
from pytest_edgedevice.plugin.options import settings_of
from pytest_edgedevice.plugin.parametrize import required_expressions
from pytest_edgedevice.plugin.recording import (
    DEVICE,
    NOTE_PROPERTY,
    NOTES,
    OUTCOME,
    PROPERTY,
    RECORDS,
    keep_error,
    note_conditions_after,
    note_device,
    note_error,
    note_recovery,
)
from pytest_edgedevice.plugin.speaking import listen, speak

if TYPE_CHECKING:
    from collections.abc import Generator

    from pytest_edgedevice.interfaces import DeviceLike


def note_setup(item: pytest.Item) -> None:
    """Note the device of a test that asks for no model, and whether it fits."""
    device = getattr(item, "funcargs", {}).get("edge_device")
    if device is not None:
        from pytest_edgedevice.plugin.session import require

        use(item, device)
        require(item, device, required_expressions(item))


def use(item: pytest.Item, device: DeviceLike) -> None:
    """Note that a test uses a device, and what had to be done for it before."""
    from pytest_edgedevice.plugin.holding import holding_of

    holding = holding_of(item.config)
    if item.stash.get(DEVICE, None) is not device:
        note_device(item, device)
    if device is holding.device:
        news, holding.told = tuple(device.recovered)[holding.told :], len(device.recovered)
        note_recovery(item, device, news)


def report_of(item: pytest.Item, call: pytest.CallInfo[None]) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Name the outcome, shorten our tracebacks, and send the records with the last report."""
    error = call.excinfo.value if call.excinfo else None
    ours = error is not None and is_ours(error)
    if not (ours or is_device_test(item) or DEVICE in item.stash or RECORDS in item.stash):
        return (yield)
    before = _before(item, call.when)
    if error is not None:
        note_error(item, error)
    if error is not None and ours:
        _note(item, error)
    bare = error is not None and not item.config.getoption("fulltrace", False) and not _shorten(call, error, ours=ours)
    report = yield
    if bare:
        _message_only(report, item, call)
    if error is not None and ours:
        _shorten_summary(report, error)
    if error is not None and is_infra(error):
        _to_error(report, item, error)
    item.stash[OUTCOME] = max(_outcome(report, error), before, key=RANK.index)
    if error is not None and report.failed and _is_excused(item, error):
        report.outcome, report.wasxfail = "skipped", f"reason: {str(error).splitlines()[0]}"
    if call.when == "call" and not (error is not None and is_infra(error)):
        note_conditions_after(item)  # not at the end of teardown, when the device may be closed
    listen(item, call.when, report)
    if call.when == "teardown":
        speak(item, item.stash[OUTCOME])
        _attach_records(report, item)
    report.edgedevice = "edge_device" in getattr(item, "fixturenames", ())  # type: ignore[attr-defined]
    return report


def _before(item: pytest.Item, when: str) -> str:
    """What was made of a test so far; where its code went on after a skip, a part of it was skipped: a subtest."""
    before = "passed" if when == "setup" else item.stash.get(OUTCOME, "passed")
    went_on = when == "call" and before == "skipped" and item.get_closest_marker("xfail") is None
    return "passed" if went_on else before


def _is_excused(item: pytest.Item, error: BaseException) -> bool:
    """Whether a check came out inconclusive, where the policy is to count that as an expected failure."""
    verdict = getattr(getattr(error, "evidence", None), "verdict", "")
    return verdict == "inconclusive" and settings_of(item.config).on_inconclusive == "xfail"


def _outcome(report: pytest.TestReport, error: BaseException | None) -> str:
    """What a phase makes of its test's outcome; an exception that pytest expects or takes for a skip is no failure."""
    if report.skipped:
        return "skipped"
    if report.failed and error is None:
        return "failed"  # passed, where ``xfail(strict=True)`` says that it cannot
    return outcome_of(error)


def _shorten(call: pytest.CallInfo[None], error: BaseException, *, ours: bool) -> bool:
    """Shorten the traceback; false where only the message of an error of ours is worth showing."""
    if shorten(error):
        call.excinfo = pytest.ExceptionInfo.from_exception(error)
        return True
    return not ours


def _message_only(report: pytest.TestReport, item: pytest.Item, call: pytest.CallInfo[None]) -> None:
    """Of an error that one of our fixtures raised, our own lines tell a user nothing."""
    if call.excinfo is None or not report.failed or item.config.getoption("tbstyle", "auto") == "native":
        return
    shown = call.excinfo.getrepr(style="value", chain=False)
    if shown.reprcrash is not None:
        path, line, _ = item.reportinfo()
        shown.reprcrash.path, shown.reprcrash.lineno = str(path), (line or 0) + 1
    report.longrepr = shown


def _shorten_summary(report: pytest.TestReport, error: BaseException) -> None:
    """Leave the module out of the one line that the summary and JUnit show: there is little room in it."""
    crash = getattr(report.longrepr, "reprcrash", None)
    if crash is not None:
        crash.message = crash.message.removeprefix(f"{type(error).__module__}.")


def _to_error(report: pytest.TestReport, item: pytest.Item, error: BaseException) -> None:
    """Make pytest count an error of the world, also where the test expects just any exception."""
    if hasattr(report, "wasxfail"):
        if any(expected_by_name(error, mark.kwargs.get("raises")) for mark in item.iter_markers("xfail")):
            return
        del report.wasxfail
    report.outcome = "failed"
    if report.when == "call":
        report.when = "setup"  # pytest, JUnit and all reporters count a failing call as the test's own failure


def _note(item: pytest.Item, error: BaseException) -> None:
    """A test that ended by an error of ours before its check leaves a record too."""
    if getattr(error, "evidence", None) is None:
        keep_error(item, error)


def _attach_records(report: pytest.TestReport, item: pytest.Item) -> None:
    """Send the records with this report alone: the item's own properties would outlive a retry."""
    from pytest_edgedevice.records import properties_of_all, with_outcome

    outcome: Any = item.stash.get(OUTCOME, "passed")
    records = item.stash.get(RECORDS, [])
    for record in records:
        report.user_properties.append((PROPERTY, json.dumps(with_outcome(record, outcome), allow_nan=False)))
    report.user_properties += properties_of_all(records)
    for note in item.stash.get(NOTES, []):
        report.user_properties.append((NOTE_PROPERTY, json.dumps(note)))
    item.stash[RECORDS], item.stash[NOTES] = [], []
