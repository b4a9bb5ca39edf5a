"""The summary's file where there is no room for all of it."""

from __future__ import annotations

import resource
import signal
from typing import TYPE_CHECKING

import pytest

from pytest_edgedevice.errors import InfraError
from pytest_edgedevice.reports.github import append_summary
from tests.report_records import record

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ROOM_BYTES = 300


@pytest.fixture
def little_room() -> Iterator[None]:
    """No file may grow further than some bytes, as on a full disk."""
    limits, before = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (ROOM_BYTES, limits[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    signal.signal(signal.SIGXFSZ, before)


@pytest.mark.usefixtures("little_room")
def test_a_full_disk_leaves_what_other_steps_wrote_and_no_half_of_ours(tmp_path: Path) -> None:
    path = tmp_path / "summary.md"
    path.write_text("## Theirs\n", encoding="utf-8")
    with pytest.raises(InfraError, match=r"no job summary in .*: File too large"):
        append_summary([record("close", "fail", message="x" * 1000)], path)
    assert path.read_text(encoding="utf-8") == "## Theirs\n"
