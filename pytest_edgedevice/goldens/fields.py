"""A JSON value that knows where it stands, so that every complaint names its place.

Owns reading JSON strictly and asking one value for a type. Knows nothing of
what the fields of a golden mean. Raises only ``GoldenError``.
"""

from __future__ import annotations

import difflib
import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

from pytest_edgedevice.errors import GoldenError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from pathlib import Path

MAX_JSON_BYTES = 64 << 20
MAX_TEXT = 1024  # longer than any tensor name seen; keeps names fit for zip members and messages


def nearest(name: str, known: Iterable[str]) -> str:
    """The known name that was probably meant, if one is close, then those that are known."""
    names = sorted(known)
    close = difflib.get_close_matches(name[:MAX_TEXT], names, n=1)
    meant = f"did you mean {close[0]!r}? " if close else ""
    shown = ", ".join(repr(one) for one in names[:12]) + (", ..." if len(names) > 12 else "")
    return f"{meant}known here: {shown or 'nothing'}"


def shown(value: object) -> str:
    """A value for a message: as JSON writes it, cut to fit a line."""
    try:
        text = json.dumps(value)
    except (ValueError, TypeError, RecursionError):  # a number of 5,000 digits, a structure too deep
        text = f"a {type(value).__name__}"
    return text if len(text) <= 60 else f"{text[:57]}..."


@dataclass(frozen=True, slots=True)
class Field:
    """One value of the document.

    Attributes:
        value: What ``json`` made of it.
        file: The document, as the user named it.
        path: The place within, e.g. ``samples[3].file``; empty for the document itself.
    """

    value: Any
    file: Path
    path: str = ""

    def fail(self, problem: str, *, hint: str = "") -> NoReturn:
        """Raise a ``GoldenError`` that starts with the place."""
        place = f"{self.path}: " if self.path else ""
        raise GoldenError(f"{self.file}: {place}{problem}", hint=hint)

    def _expect(self, what: str) -> NoReturn:
        self.fail(f"is {shown(self.value)}, but {what} is needed", hint="see goldens/FORMAT.md for every field")

    def child(self, key: str) -> Field:
        """The member ``key`` of an object; the caller knows that it is there."""
        step = f".{key}" if self.path else key
        path = f"{self.path}{step if key.isidentifier() else f'[{shown(key)}]'}"
        return Field(self.value[key], self.file, path)

    def members(self, *, known: Collection[str] | None = None, required: Collection[str] = ()) -> dict[str, Field]:
        """The object's members; an unknown or missing key is an error where ``known`` is given."""
        if not isinstance(self.value, dict):
            self._expect("an object {...}")
        for key in self.value:
            if known is not None and key not in known:
                self.child(key).fail("unknown key", hint=nearest(key, known))
        for key in required:
            if key not in self.value:
                self.fail(f"the key {key!r} is missing", hint=f"add {key!r}; see goldens/FORMAT.md")
        return {key: self.child(key) for key in self.value}

    def entries(self) -> list[Field]:
        """The list's entries."""
        if not isinstance(self.value, list):
            self._expect("a list [...]")
        return [Field(entry, self.file, f"{self.path}[{index}]") for index, entry in enumerate(self.value)]

    def text(self) -> str:
        """A string that is not empty, printable and fit for a file name or a message."""
        if not isinstance(self.value, str):
            self._expect("a string")
        return self.checked(self.value)

    def checked(self, text: str) -> str:
        """``text`` if a name may look like this; used for keys, which are no values of their own."""
        if not text.strip():
            self.fail("is empty", hint="give it a name")
        if len(text) > MAX_TEXT:
            self.fail(f"has {len(text)} characters; at most {MAX_TEXT} are taken")
        if not text.isprintable():
            self.fail(f"{shown(text)} holds a character that cannot be printed", hint="take it out")
        return text

    def choice(self, choices: Collection[str]) -> str:
        """One of ``choices``."""
        if self.value not in list(choices):
            hint = nearest(self.value, choices) if isinstance(self.value, str) else nearest("", choices)
            self.fail(f"is {shown(self.value)}", hint=hint)
        return str(self.value)

    def integer(self, *, minimum: int, maximum: int) -> int:
        """A whole number within bounds; ``true`` is not one."""
        value = self.value
        if not isinstance(value, int) or isinstance(value, bool) or not minimum <= value <= maximum:
            self._expect(f"a whole number from {minimum} to {maximum}")
        return int(value)

    def number(self) -> float:
        """A finite number that float32 can hold."""
        value = self.value
        limit = 3.4e38
        if not isinstance(value, int | float) or isinstance(value, bool):
            self._expect("a number")
        if not -limit <= value <= limit or (isinstance(value, float) and not math.isfinite(value)):
            self._expect("a number within float32's range")
        return float(value)


def read_json(file: Path) -> Field:
    """Read one JSON document strictly: UTF-8, no duplicate keys, no NaN, bounded size and depth.

    Raises:
        GoldenError: It cannot be read or is malformed; the text gives line and column.
    """
    document = Field(None, file)
    try:
        with file.open("rb") as stream:
            raw = stream.read(MAX_JSON_BYTES + 1)
    except OSError as error:
        document.fail(f"cannot be read: {error.strerror or error}", hint="check the file and its permissions")
    if len(raw) > MAX_JSON_BYTES:
        document.fail(f"is larger than {MAX_JSON_BYTES >> 20} MiB", hint="keep numbers in NPY or NPZ files")

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        members = dict(pairs)
        if len(members) < len(pairs):
            keys = [key for key, _ in pairs]
            twice = next(key for key in keys if keys.count(key) > 1)
            document.fail(f"the key {shown(twice)} stands twice in one object", hint="keep one of them")
        return members

    def constant(name: str) -> NoReturn:
        document.fail(f"{name} is not JSON", hint="write a number")

    try:
        text = raw.decode("utf-8-sig")
        return Field(json.loads(text, object_pairs_hook=unique, parse_constant=constant), file)
    except UnicodeDecodeError as error:
        document.fail(f"is not UTF-8 at byte {error.start}", hint="save the file as UTF-8")
    except json.JSONDecodeError as error:
        document.fail(
            f"line {error.lineno}, column {error.colno}: malformed JSON: {error.msg}",
            hint=f"mend it; python -m json.tool {file.name} shows the same place",
        )
    except RecursionError:
        document.fail("is nested too deeply to be a golden", hint="see goldens/FORMAT.md")
    except ValueError as error:  # a number of more digits than Python converts
        document.fail(f"holds a number that cannot be read: {error}")
