"""A run and the runs before it: its name in every record, its place in the history, and whether it is slower.

Where the history lies in the default folder and cannot be written, a sentence says so
and the run is what it is; a folder that was named is the user's wish, and fails it.
"""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from pytest_edgedevice.plugin.options import settings_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from pytest_edgedevice.history.cells import Cell, Content
    from pytest_edgedevice.history.index import History
    from pytest_edgedevice.records import Record

RUN = pytest.StashKey[dict[str, Any]]()
COMMITS = ("GITHUB_SHA", "CI_COMMIT_SHA", "GIT_COMMIT", "BUILD_SOURCEVERSION")
"""What GitHub, GitLab, Jenkins and Azure call the commit that they test."""
GIT_S = 5.0
MOST_COMMIT_CHARS = 64
FOLLOWED = ("p50_ms", "p95_ms", "sustained_p50_ms", "sustained_p95_ms")
"""What the regression rule looks at."""
MOST_TOLD = 10
MOST_SHARE = 10.0


def stamped(config: pytest.Config, record: Record) -> Record:
    """The record with the run that it is of."""
    return {**record, "run": _run(config)}


def _run(config: pytest.Config) -> dict[str, Any]:
    if RUN not in config.stash:
        import secrets
        from datetime import UTC, datetime

        settings = settings_of(config)
        config.stash[RUN] = {
            "id": f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(3)}",
            "commit": _commit(config.rootpath),
            "devices": list(settings.devices),
            "delegates": list(settings.delegates),
        }
    return config.stash[RUN]


def _commit(root: Path) -> str:
    """What the run tests: as the CI system says, or git; empty where neither knows."""
    told = next(filter(None, (os.environ.get(name, "").strip() for name in COMMITS)), "")
    if told:
        return told[:MOST_COMMIT_CHARS] if told.isalnum() else ""
    try:
        asked = subprocess.run(
            ["git", "rev-parse", "HEAD"], cwd=root, capture_output=True, text=True, timeout=GIT_S, check=False
        )
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return ""
    commit = asked.stdout.strip()
    return commit[:MOST_COMMIT_CHARS] if asked.returncode == 0 and commit.isalnum() else ""


def remember(config: pytest.Config, records: Sequence[Record], tell: Callable[[str, bool], None]) -> None:
    """Hold a run against the runs before it, and add it to the history.

    Args:
        config: Of the run.
        records: All of them.
        tell: Takes a sentence, and whether it makes the run fail.
    """
    settings = settings_of(config)
    folder = settings.history
    if folder is None or not records:
        return
    from pytest_edgedevice.errors import EdgeDeviceError
    from pytest_edgedevice.history.journal import remember as append

    try:
        append(folder, records)
        _look_back(config, folder, records, tell)
    except EdgeDeviceError as error:
        tell(str(error), settings.history_named)


def _look_back(
    config: pytest.Config, folder: Path, records: Sequence[Record], tell: Callable[[str, bool], None]
) -> None:
    """Judge the run by the history, and drop what is too old; a run without latencies costs no look at others."""
    from pytest_edgedevice.history.journal import JOURNAL, Keep, is_due, prune
    from pytest_edgedevice.records import measurements

    settings = settings_of(config)
    if settings.regression != "off":
        followed = [record for record in records if any(one.metric in FOLLOWED for one in measurements(record))]
        told = _regressions(folder, followed, _run(config)["id"]) if followed else []
        for sentence in told[:MOST_TOLD]:
            tell(sentence, settings.regression == "fail")
        if len(told) > MOST_TOLD:
            tell(f"and {len(told) - MOST_TOLD} more regressions", settings.regression == "fail")
    keep = Keep(settings.history_runs, settings.history_days)
    if is_due(folder / JOURNAL, keep):
        prune(folder, keep)


def _regressions(folder: Path, records: Sequence[Record], run: str) -> list[str]:
    """A sentence for each latency that is a regression."""
    from pytest_edgedevice.history.cells import cells_of
    from pytest_edgedevice.history.index import History

    with History(folder) as history:
        found = [
            _regression(history, cell, content, metric, run)
            for cell, content in cells_of(records).items()
            for metric in FOLLOWED
            if metric in content.found
        ]
    return list(filter(None, found))


def _regression(history: History, cell: Cell, content: Content, metric: str, run: str) -> str:
    from pytest_edgedevice.history.trends import regressed, usual_of
    from pytest_edgedevice.reports.figures import value_text

    value = content.value(metric)
    earlier = [number for id_, number in history.values(cell, content.machine, metric).items() if id_ != run]
    usual = usual_of(earlier)
    if value is None or usual is None or not regressed(value, usual, content.better(metric)):
        return ""
    name = metric.removesuffix("_ms").replace("_", " ")
    new, old = (value_text(number, content.unit(metric)) for number in (value, usual.value))
    share = value / usual.value - 1
    more = f"{share:.1%} over" if share < MOST_SHARE else f"{share + 1:.3g} times"
    return (
        f"regression: {cell}: {name} {new} is {more} the median {old} of the last {usual.runs} runs; "
        f"their noise allows {usual.allowed:.1%}"
    )
