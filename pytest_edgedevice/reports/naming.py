"""What each record is about, in the words that other tools' files need."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_edgedevice.records import delegate_text
from pytest_edgedevice.reports.columns import plain

if TYPE_CHECKING:
    from pytest_edgedevice.records import Record

MOST_NAME_CHARS = 1000
"""Bencher takes names of 1,024, and Python's csv no field of more than 131,072."""


@dataclass(frozen=True, slots=True)
class Subject:
    """Test, model, variant, device and delegate of a record; empty where it has none.

    Attributes:
        test: Node id.
        model: File name.
        variant: ``float32``, ``int8`` ...
        device: Its name.
        delegate: The one that was asked for, such as ``default``.
        proven: The one that ran; one that was only requested says so.
        threads: Of the engine; 0 where there is none.
    """

    test: str
    model: str
    variant: str
    device: str
    delegate: str
    proven: str
    threads: int

    @property
    def title(self) -> str:
        """One name for all of it."""
        parts = (self.model, self.variant, self.device, self.delegate)
        threads = f"{self.threads} threads" if self.threads > 1 else ""
        return " / ".join(part for part in (*parts, threads) if part) or self.test


def subject_of(record: Record) -> Subject:
    """What a record is about."""
    model, delegate, engine = (record.get(name) or {} for name in ("model", "delegate", "engine"))
    return Subject(
        test=str(record.get("test", "")),
        model=str(model.get("name", "")),
        variant=str(model.get("variant", "")),
        device=str(record["device"].get("name", "")),
        delegate=str(delegate.get("requested", "")),
        proven=delegate_text(delegate),
        threads=int(engine.get("threads", 0)),
    )


def commit_of(record: Record) -> str:
    """The commit that a record's run tested; empty where that is not known."""
    return str((record.get("run") or {}).get("commit", ""))


def told(text: str) -> str:
    """A name for other tools' files and their terminals: one line of signs that steer nothing, of limited length."""
    return plain(text if len(text) <= MOST_NAME_CHARS else text[:MOST_NAME_CHARS] + "...")
