"""The summary of a job: the worst first, short enough for GitHub, and nothing in a name becomes Markdown or HTML."""

from __future__ import annotations

import os
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_edgedevice.errors import InfraError
from pytest_edgedevice.reports.github import MOST_MESSAGES, MOST_ROWS, append_summary, summary

if TYPE_CHECKING:
    from pathlib import Path

MIB = 1 << 20


def record(verdict: str = "pass", **fields: Any) -> dict[str, Any]:
    filled = {
        "test": "t.py::test_a",
        "check": "metric",
        "verdict": verdict,
        "outcome": "passed" if verdict == "pass" else "failed",
        "message": "",
        "model": {"name": "m.tflite", "sha256": "a" * 64, "size_bytes": 229_714, "variant": "float16"},
        "delegate": {"requested": "cpu", "proven": "cpu"},
        "device": {"name": "local", "facts": {}},
        "numbers": {},
    }
    return {**filled, **fields}


def table_lines(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.startswith("|")]


def test_the_worst_comes_first() -> None:
    several = [
        record(test="a"),
        record("inconclusive", test="b"),
        record("fail", test="c"),
        record(check="device", test="d"),
    ]
    assert [line.split("|")[1].strip() for line in table_lines(summary(several))[2:]] == ["d", "c", "b", "a"]


def test_counts_stand_above_the_table() -> None:
    assert "❌ 1 failed, ✅ 2 passed" in summary([record(test="a"), record(test="b"), record("fail", test="c")])


def test_a_failure_is_told_in_words() -> None:
    assert "<pre>p95 is 120 ms</pre>" in summary([record("fail", message="p95 is 120 ms")])


def test_what_passed_is_told_in_no_words() -> None:
    assert "<pre>" not in summary([record(message="odd")])


def test_no_records_make_no_summary() -> None:
    assert summary([]) == ""


def test_more_rows_than_anybody_reads_are_counted() -> None:
    text = summary([record(test=f"t.py::test_{number}") for number in range(MOST_ROWS + 7)])
    assert "7 more rows" in text
    assert len(table_lines(text)) == MOST_ROWS + 2


def test_it_is_never_longer_than_github_shows() -> None:
    big = {"name": "日" * 5000, "variant": "|" * 5000, "sha256": "a", "size_bytes": 1}
    several = [record("fail", test="&" * 4000 + str(n), model=big, message="<" * 9000) for n in range(2000)]
    assert len(summary(several).encode()) < MIB


class Tags(HTMLParser):
    """Every tag of a text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.found.add(tag)


@settings(max_examples=50)
@given(st.text(max_size=60))
def test_no_name_makes_a_tag_a_column_or_a_mention(name: str) -> None:
    odd = f"{name}<script>|x|@all[a](b)![c](d)`e`\n# f"
    text = summary([record("fail", message=odd, test=odd, model={"name": odd, "variant": odd, "sha256": "a"})])
    assert Tags(text).found <= {"details", "summary", "pre"}
    assert {line.count("|") for line in table_lines(text)} == {table_lines(text)[0].count("|")}
    assert not any(sign in text for sign in ("@all", "](", "`"))


def test_the_worst_is_told_in_words_first() -> None:
    several = [record("inconclusive", test="a", message="noisy"), record("fail", test="b", message="wrong")]
    text = summary(several)
    assert text.index("wrong") < text.index("noisy")


def test_messages_that_are_left_out_are_counted() -> None:
    text = summary([record("fail", test=str(number), message="wrong") for number in range(MOST_MESSAGES + 3)])
    assert "3 more messages are in the report's artifact." in text


def test_a_step_of_several_runs_stays_within_githubs_limit(tmp_path: Path) -> None:
    """GitHub drops the whole file otherwise."""
    path = tmp_path / "summary.md"
    path.write_text("x" * (MIB - 60_000))
    append_summary([record("fail", test=f"t{number}", message="wrong " * 300) for number in range(200)], path)
    assert path.stat().st_size <= MIB


def test_folders_on_the_way_to_a_summary_are_made(tmp_path: Path) -> None:
    append_summary([record()], tmp_path / "new" / "summary.md")
    assert "✅ 1 passed" in (tmp_path / "new" / "summary.md").read_text()


def test_a_pipe_that_nobody_reads_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InfraError, match="nobody reads from it"):
        append_summary([record()], tmp_path / "pipe")


def test_words_of_others_for_a_verdict_are_no_verdict() -> None:
    """They may steer a terminal, and hold what UTF-8 cannot."""
    text = summary([record("\x1b[31m\ud800", test="", check="\ud800", message="m")])
    assert "⚠️ 1 inconclusive" in text
    assert text.encode()
