"""Put the blame where it belongs: what an exception of ours makes of a test.

``InfraError`` becomes a pytest error in any phase, everything else a failure.
Tracebacks end at the user's line; the message says the rest.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_edgedevice.plugin.parametrize import is_device_test
from pytest_edgedevice.plugin.recording import PROPERTY, RECORDS, keep_error

if TYPE_CHECKING:
    from collections.abc import Generator

OUTCOME = pytest.StashKey[str]()
HOUSE = Path(__file__).parent.parent


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Name the outcome, shorten our tracebacks, and send the records with the last report."""
    if not is_device_test(item) and not _is_ours(call):
        return (yield)
    outcome = _outcome(item, call)
    if call.excinfo is not None and _is_ours(call):
        _note(item, call, outcome)
        if not item.config.option.fulltrace:
            _shorten(call.excinfo)
    if call.when == "teardown":
        _attach_records(item)
    report = yield
    if outcome == "infra" and report.when == "call":
        report.when = "setup"  # pytest, JUnit and all reporters count a failing call as the test's own failure
    report.edgedevice = outcome  # type: ignore[attr-defined]
    return report


def _is_ours(call: pytest.CallInfo[None]) -> bool:
    return call.excinfo is not None and type(call.excinfo.value).__module__.startswith("pytest_edgedevice.")


def _outcome(item: pytest.Item, call: pytest.CallInfo[None]) -> str:
    """The worst outcome of the phases so far."""
    found = "passed" if call.excinfo is None else _blame(call.excinfo.value)
    rank = ("passed", "skipped", "inconclusive", "failed", "infra")
    worst = max(found, item.stash.get(OUTCOME, "passed"), key=rank.index)
    item.stash[OUTCOME] = worst
    return worst


def _blame(error: BaseException) -> str:
    from pytest_edgedevice.errors import InfraError

    if isinstance(error, InfraError):
        return "infra"
    if isinstance(error, pytest.skip.Exception):
        return "skipped"
    evidence = getattr(error, "evidence", None)
    return "inconclusive" if getattr(evidence, "verdict", None) == "inconclusive" else "failed"


def _note(item: pytest.Item, call: pytest.CallInfo[None], outcome: str) -> None:
    """A test that ended by an error of ours before its check leaves a record too."""
    assert call.excinfo is not None
    error: Any = call.excinfo.value
    if getattr(error, "evidence", None) is None and hasattr(error, "message"):
        keep_error(item, "device" if outcome == "infra" else "model", "fail", error.message)


def _shorten(excinfo: pytest.ExceptionInfo[BaseException]) -> None:
    """Leave out our own frames; of an error in one of our fixtures only the message is left."""
    theirs = excinfo.traceback.filter(lambda entry: not Path(entry.path).is_relative_to(HOUSE))
    users = [
        entry for entry in theirs if "_pytest" not in Path(entry.path).parts and "pluggy" not in Path(entry.path).parts
    ]
    if users:
        excinfo.traceback = theirs
    else:
        excinfo.value.__cause__ = None
        excinfo.value.__suppress_context__ = True
        excinfo.traceback = type(excinfo.traceback)(excinfo.traceback[-1:])


def _attach_records(item: pytest.Item) -> None:
    for record in item.stash.get(RECORDS, []):
        record["outcome"] = item.stash.get(OUTCOME, "passed")
        item.user_properties.append((PROPERTY, json.dumps(record, allow_nan=False)))
