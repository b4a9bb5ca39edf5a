"""A table of the device file, read key by key, with errors that say where."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NoReturn

from pytest_edgedevice.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping


class TableReader:
    """Reads values of a table and says exactly where it is wrong.

    Args:
        where: File and table path, the beginning of every error text.
        table: Its content, as parsed.
    """

    def __init__(self, where: str, table: Mapping[str, Any]) -> None:
        self._where = where
        self._table = table

    def _text(self, key: str) -> str | None:
        value = self._table.get(key)
        if value is None:
            return None
        if not isinstance(value, str):
            self._fail(f"{key} must be text, not {kind_of(value)}", f'write {key} = "..."')
        if not value or value != value.strip() or not value.isprintable() or value.startswith("-"):
            self._fail(
                f"{key} is {value[:80]!r}: empty, padded, starting with a dash or with control characters",
                f"write the {key} plainly, or leave the line out",
            )
        return value

    def _texts(self, key: str) -> tuple[str, ...]:
        """A list of texts that may say anything but end early: NUL and newlines end texts elsewhere."""
        values = self._table.get(key, [])
        if not isinstance(values, list):
            self._fail(f"{key} must be a list of texts, not {kind_of(values)}", f'write {key} = ["..."]')
        for value in values:
            if not isinstance(value, str) or "\0" in value:
                shown = f"{value[:80]!r}" if isinstance(value, str) else kind_of(value)
                self._fail(f"{key} holds {shown}, which is no plain text", f'write {key} = ["..."]')
        return tuple(values)

    def _fail(self, what: str, hint: str) -> NoReturn:
        raise ConfigError(f"{self._where} {what}", hint=hint)


def kind_of(value: Any) -> str:
    """What TOML calls such a value."""
    if isinstance(value, float) and not math.isfinite(value):
        return f"the number {value}"
    names = {
        bool: "true or false",
        int: "a number",
        float: "a number",
        str: "text",
        list: "a list",
        dict: "a table",
    }
    return names.get(type(value), "a date or time")
