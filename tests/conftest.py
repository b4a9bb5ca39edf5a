"""What all tests share: examples of hypothesis that are the same in every run, and whose processes are measured."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import settings

HERE = Path(__file__).parent
# no deadlines for examples, as this machine may be busy; and a run that finds another one than the last tells nothing
settings.load_profile("ci")
# for coverage: tests that run code in processes which no test runs in its own
MEASURED = (
    "contract/test_local.py",
    "contract/test_ssh.py",
    "peers/test_agent_ends",
    "peers/test_gpu",
    "peers/test_profiling",
    "plugin/test_workers",
)


@pytest.fixture(autouse=True)
def _coverage_of_processes(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process of Python takes twice as long where coverage is measured, and the suite starts thousands."""
    path = request.path
    if not (path.is_relative_to(HERE) and path.relative_to(HERE).as_posix().startswith(MEASURED)):
        monkeypatch.delenv("COVERAGE_PROCESS_CONFIG", raising=False)
