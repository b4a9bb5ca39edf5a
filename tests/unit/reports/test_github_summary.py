"""The summary of a job: the worst first, short enough for GitHub, and nothing in a name becomes Markdown or HTML."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_edgedevice.reports.github import MOST_ROWS, summary

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
