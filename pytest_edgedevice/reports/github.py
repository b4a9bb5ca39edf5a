"""The summary of a job on GitHub: Markdown with the worst first, short enough to be shown.

GitHub drops a summary of more than 1 MiB whole, so this one ends before that, and says what it left out.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from pytest_edgedevice.errors import InfraError
from pytest_edgedevice.records.writing import write_text
from pytest_edgedevice.reports.cells import SEVERITY, clean, outcome_of
from pytest_edgedevice.reports.rows import COLUMNS, rows

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from pytest_edgedevice.records import Record
    from pytest_edgedevice.reports.rows import Row

MOST_BYTES = 1_000_000
"""Of one step's file; several runs of a step share GitHub's limit of 1 MiB."""
MOST_ROWS = 500
MOST_MESSAGES = 50
MOST_MESSAGE_CHARS = 2000
MARKS = {"passed": "✅", "skipped": "⏭️", "inconclusive": "⚠️", "failed": "❌", "infra": "🔌"}
_SPECIAL = str.maketrans({sign: f"&#{ord(sign)};" for sign in "&<>|`*_[]()!#~@\\:"})


def summary(records: Sequence[Record], *, title: str = "Edge devices", most_bytes: int = MOST_BYTES) -> str:
    """Markdown of all records; empty without any. Tests that no check speaks for are counted, and not listed.

    Args:
        records: Records of schema 1.
        title: Heading.
        most_bytes: About the length that it may have; heading and counts are told in any case.
    """
    found = sorted(rows(records), key=lambda row: -SEVERITY.get(row.outcome, max(SEVERITY.values())))
    if not found:
        return ""
    checked = [row for row in found if row.checked]
    names = [name for name in COLUMNS if any(row.cells.get(name) for row in checked)]
    head = [f"## {title}", "", _counts(found), "", *([_line(names), _line(["---"] * len(names))] if names else [])]
    lines = [_line([_cell(row, name) for name in names]) for row in checked[:MOST_ROWS]]
    kept = _fitting(lines, most_bytes // 2)
    left = len(checked) - len(kept)
    more = ["", f"{left} more rows are in the report's artifact."] if left else []
    wrong = _with_messages(records)
    told = _fitting(map(_message, wrong[:MOST_MESSAGES]), most_bytes // 4)
    unsaid = len(wrong) - len(told)
    rest = [f"{unsaid} more messages are in the report's artifact."] if unsaid else []
    return "\n".join([*head, *kept, *more, "", *told, *rest]) + "\n"


def append_summary(records: Sequence[Record], path: Path) -> None:
    """Add a summary to what is there, in the room that it leaves; nothing without records.

    Raises:
        InfraError: The file cannot be written; or it is a pipe that nobody reads.
    """
    try:
        if path.exists() and not path.is_file():
            write_text(path, summary(records))
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        _append(path, records)
    except OSError as error:
        raise InfraError(f"no job summary in {path}: {error.strerror or error}") from error


def _append(path: Path, records: Sequence[Record]) -> None:
    """All of it or nothing: half a table would spoil what other steps write below it."""
    with path.open("ab", buffering=0) as file:
        before = file.tell()
        left = memoryview(summary(records, most_bytes=max(0, MOST_BYTES - before)).encode())
        try:
            while left:
                left = left[file.write(left) :]
        except OSError:
            file.truncate(before)
            raise


def _counts(found: Sequence[Row]) -> str:
    count = Counter(row.outcome for row in found)
    ordered = sorted(count, key=lambda outcome: -SEVERITY.get(outcome, 0))
    return ", ".join(f"{MARKS.get(outcome, '')} {count[outcome]} {_escaped(outcome)}".strip() for outcome in ordered)


def _cell(row: Row, name: str) -> str:
    text = _escaped(row.cells.get(name, ""))
    return f"{MARKS.get(row.outcome, '')} {text}".strip() if name == "verdict" else text


def _with_messages(records: Iterable[Record]) -> list[Record]:
    """Those that tell in words what went wrong, the worst first."""
    worst_first = sorted(records, key=lambda record: -SEVERITY[outcome_of(record)])
    return [one for one in worst_first if one.get("message") and not _is_fine(one)]


def _is_fine(record: Record) -> bool:
    return record.get("verdict") == "pass" or record.get("outcome") == "skipped"


def _message(record: Record) -> str:
    """What went wrong in words, folded so that the table stays in sight."""
    title = _escaped(clean(record.get("test", "")) or clean(record.get("check", "")))
    message = str(record["message"])[:MOST_MESSAGE_CHARS]
    text = "".join(sign if sign.isprintable() or sign == "\n" else "?" for sign in message)
    return f"<details><summary>{title}</summary>\n\n<pre>{_escaped(text)}</pre>\n\n</details>\n"


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
