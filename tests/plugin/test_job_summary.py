"""On GitHub, a run adds to its job's summary by itself, once, and never fails for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

TEST = "def test_a(edge_check):\n    edge_check.metric('top1', 0.5, at_least=0.9)"


@pytest.fixture
def summary(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = pytester.path / "summary.md"
    path.write_text("# An earlier step\n")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(path))
    return path


def test_a_run_adds_to_what_other_steps_wrote(pytester: pytest.Pytester, summary: Path) -> None:
    pytester.makepyfile(TEST)
    pytester.runpytest()
    assert summary.read_text().startswith("# An earlier step\n## Edge devices\n")
    assert "top1" in summary.read_text()


def test_workers_leave_it_to_the_controller(pytester: pytest.Pytester, summary: Path, workers: list[str]) -> None:
    pytester.makepyfile(TEST)
    pytester.runpytest(*workers)
    assert summary.read_text().count("## Edge devices") == 1


def test_a_run_without_device_tests_adds_nothing(pytester: pytest.Pytester, summary: Path) -> None:
    pytester.makepyfile("def test_a():\n    pass")
    pytester.runpytest()
    assert summary.read_text() == "# An earlier step\n"


def test_a_summary_that_cannot_be_written_is_told_and_fails_nothing(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    (pytester.path / "file").touch()
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(pytester.path / "file" / "summary.md"))
    pytester.makepyfile(TEST.replace("0.5", "0.95"))
    result = pytester.runpytest()
    assert result.ret == 0
    result.stdout.fnmatch_lines(["edgedevice: no job summary in *summary.md: File exists"])
