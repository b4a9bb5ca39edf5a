"""Where references come from: the fields of ``provenance`` in ``golden.json``, checked one by one."""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_edgedevice.goldens.fields import Field

SOURCE_KEYS = (
    *("kind", "address", "file", "call", "sha256", "model", "model_version", "platform", "providers"),
    *("renamed", "transposed", "reshaped", "python", "numpy", "time"),
)


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where the references came from.

    Attributes:
        model_sha256: The model files they speak for: the server's and its conversions; empty for any.
        framework: What computed them, e.g. ``scikit-learn``.
        version: Version of that framework.
        date: Day of the recording, ISO 8601.
        note: Free text.
        source: What else is known of what computed them, by the keys of ``FORMAT.md``.
    """

    model_sha256: tuple[str, ...] = ()
    framework: str = ""
    version: str = ""
    date: str = ""
    note: str = ""
    source: Mapping[str, str] = field(default_factory=dict)


def parse_provenance(field: Field | None) -> Provenance:
    """Check the document's ``provenance``; all its fields are optional."""
    if field is None:
        return Provenance()
    keys = field.members(known=("model_sha256", "framework", "version", "date", "note", "source"))
    hashes: tuple[str, ...] = ()
    if "model_sha256" in keys:
        given = keys["model_sha256"]
        if given.value == []:
            given.fail("is empty", hint="list the models, or leave it out for any model")
        hashes = tuple(sha256_text(one) for one in ([given] if isinstance(given.value, str) else given.entries()))
    texts = {key: keys[key].text() for key in ("framework", "version", "date", "note") if key in keys}
    if "date" in keys:
        _date(keys["date"], texts["date"])
    source = keys["source"].members(known=SOURCE_KEYS) if "source" in keys else {}
    return Provenance(hashes, **texts, source={key: one.text() for key, one in source.items()})


def sha256_text(field: Field) -> str:
    """A SHA-256 in small letters."""
    text = field.text().lower()
    if not re.fullmatch("[0-9a-f]{64}", text):
        field.fail(f"is {text[:40]!r}, but 64 hexadecimal digits are needed", hint="sha256sum MODEL prints them")
    return text


def _date(field: Field, text: str) -> None:
    try:
        dt.date.fromisoformat(text)
    except ValueError:
        field.fail(f"{text!r} is no date", hint="write it as 2025-01-31")
