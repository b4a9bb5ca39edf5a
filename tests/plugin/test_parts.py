"""What a test leaves whose parts pytest reports on their own, as subtests, or whose phases end differently."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import pytest

from pytest_edgedevice.records import read_lines

if TYPE_CHECKING:
    from pathlib import Path

TESTS = """
import pytest

def test_part_skipped(edge_device, edge_check, subtests):
    edge_check.metric("top1", 1)
    with subtests.test("b"): pytest.skip("no camera")

def test_failed_after_a_skipped_part(edge_device, subtests):
    with subtests.test("b"): pytest.skip("no camera")
    assert "cat" == "dog"

def test_failed_before_a_skipped_part(edge_device, subtests):
    with subtests.test("a"): assert "cat" == "dog"
    with subtests.test("b"): pytest.skip("no camera")

@pytest.mark.xfail(reason="known")
def test_expected_part(edge_device, edge_check, subtests):
    with subtests.test("a"): edge_check.metric("top1", 0.5, at_least=0.9)

@pytest.fixture
def broken_end():
    yield
    raise OSError("no such camera")

def test_skipped_with_a_broken_end(edge_device, broken_end): pytest.skip("no time")
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The records of one run of all of these."""
    folder = tmp_path_factory.mktemp("parts")
    (folder / "test_in_parts.py").write_text(TESTS)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        pytest.main(["-q", "-p", "no:cacheprovider", "-p", "no:playwright", f"--rootdir={folder}",
                     "--edge-history=off", "--edge-report=json=live.json", "."])  # fmt: skip
    sys.modules.pop("test_in_parts", None)
    return folder / "live.json"


@pytest.mark.parametrize(
    ("test", "check", "outcome", "message"),
    [
        ("test_part_skipped", "metric", "passed", ""),
        ("test_failed_after_a_skipped_part", "test", "failed", "assert 'cat' == 'dog'"),
        ("test_failed_before_a_skipped_part", "test", "failed", "assert 'cat' == 'dog'"),
        ("test_expected_part", "metric", "skipped", "top1"),
        ("test_skipped_with_a_broken_end", "test", "failed", "OSError: no such camera"),
    ],
)
def test_what_a_test_of_several_parts_leaves(run: Path, test: str, check: str, outcome: str, message: str) -> None:
    found: list[dict[str, Any]] = [one for one in read_lines(run) if one["test"].endswith(f"::{test}")]
    assert [(one["check"], one["outcome"]) for one in found] == [(check, outcome)]
    assert message in found[0]["message"]


def test_in_ci_a_test_of_which_one_part_was_skipped_is_a_test(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CI", "true")
    pytester.makepyfile(
        "def test_it(edge_device, subtests):\n    import pytest\n    with subtests.test('a'): pytest.skip('no camera')"
    )
    assert pytester.runpytest("--device", "local").ret == pytest.ExitCode.OK
