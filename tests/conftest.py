"""Whose processes are measured for coverage: of tests that run code which no test runs in its own process."""

from __future__ import annotations

from pathlib import Path

import pytest

HERE = Path(__file__).parent
MEASURED = (
    "contract/test_local",
    "contract/test_ssh",
    "peers/test_agent_ends",
    "peers/test_engines",
    "peers/test_ssh",
    "plugin/test_crowd",
    "plugin/test_startup",
    "plugin/test_workers",
    "unit/leases",
    "unit/transports",
)


@pytest.fixture(autouse=True)
def _coverage_of_processes(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Starting Python takes ten times as long where coverage is measured, and the suite starts thousands."""
    path = request.path
    if not (path.is_relative_to(HERE) and path.relative_to(HERE).as_posix().startswith(MEASURED)):
        monkeypatch.delenv("COVERAGE_PROCESS_CONFIG", raising=False)
