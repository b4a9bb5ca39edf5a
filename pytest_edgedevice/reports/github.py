"""The summary of a job on GitHub: Markdown with the worst first, short enough to be shown.

GitHub drops a summary of more than 1 MiB whole, so this one ends before that, and says what it left out.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from pytest_edgedevice.errors import InfraError
from pytest_edgedevice.reports.cells import SEVERITY, clean
from pytest_edgedevice.reports.rows import COLUMNS, rows

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from pytest_edgedevice.records import Record
    from pytest_edgedevice.reports.rows import Row

MOST_BYTES = 900_000
"""Of one summary; a job's steps share GitHub's limit of 1 MiB each."""
MOST_ROWS = 500
MOST_MESSAGES = 50
MOST_MESSAGE_CHARS = 2000
MARKS = {"passed": "✅", "skipped": "⏭️", "inconclusive": "⚠️", "failed": "❌", "infra": "🔌"}
_SPECIAL = str.maketrans({sign: f"&#{ord(sign)};" for sign in "&<>|`*_[]()!#~@\\:"})


def summary(records: Sequence[Record], *, title: str = "Edge devices") -> str:
    """Markdown of all records; empty without any.

    Args:
        records: Records of schema 1.
        title: Heading.
    """
    found = sorted(rows(records), key=lambda row: -SEVERITY.get(row.outcome, max(SEVERITY.values())))
    if not found:
        return ""
    names = [name for name in COLUMNS if any(row.cells.get(name) for row in found)]
    head = [f"## {title}", "", _counts(found), "", _line(names), _line(["---"] * len(names))]
    lines = [_line([_cell(row, name) for name in names]) for row in found[:MOST_ROWS]]
    kept = _fitting(lines, MOST_BYTES // 2)
    left = len(found) - len(kept)
    more = ["", f"{left} more rows are in the report's artifact."] if left else []
    return "\n".join([*head, *kept, *more, "", *_fitting(_messages(records), MOST_BYTES // 4)]) + "\n"


def append_summary(records: Sequence[Record], path: Path) -> None:
    """Add a summary to what other steps of the job wrote; nothing without records.

    Raises:
        InfraError: The file cannot be written.
    """
    try:
        with path.open("a", encoding="utf-8") as file:
            file.write(summary(records))
    except OSError as error:
        raise InfraError(f"no job summary in {path}: {error.strerror or error}") from error


def _counts(found: Sequence[Row]) -> str:
    count = Counter(row.outcome for row in found)
    ordered = sorted(count, key=lambda outcome: -SEVERITY.get(outcome, 0))
    return ", ".join(f"{MARKS.get(outcome, '')} {count[outcome]} {_escaped(outcome)}".strip() for outcome in ordered)


def _cell(row: Row, name: str) -> str:
    text = _escaped(row.cells.get(name, ""))
    return f"{MARKS.get(row.outcome, '')} {text}".strip() if name == "verdict" else text


def _messages(records: Iterable[Record]) -> list[str]:
    """What went wrong in words, each folded so that the table stays in sight."""
    found: list[str] = []
    for record in records:
        message = str(record.get("message") or "")
        if not message or record.get("verdict") == "pass" or record.get("outcome") == "skipped":
            continue
        title = _escaped(clean(record.get("test", "")) or str(record.get("check", "")))
        text = "".join(sign if sign.isprintable() or sign == "\n" else "?" for sign in message[:MOST_MESSAGE_CHARS])
        found.append(f"<details><summary>{title}</summary>\n\n<pre>{_escaped(text)}</pre>\n\n</details>\n")
    return found[:MOST_MESSAGES]


def _fitting(lines: Iterable[str], most_bytes: int) -> list[str]:
    kept: list[str] = []
    for line in lines:
        most_bytes -= len(line.encode()) + 1
        if most_bytes < 0:
            break
        kept.append(line)
    return kept


def _line(texts: Iterable[str]) -> str:
    return "| " + " | ".join(texts) + " |"


def _escaped(text: str) -> str:
    """Nothing in a name may become a link, an image, a mention, a tag or a column."""
    return text.translate(_SPECIAL)
