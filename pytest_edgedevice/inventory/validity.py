"""The table of rules for conditions: ``[validity]`` for all devices, ``[devices.NAME.validity]`` for one."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from pytest_edgedevice.inventory.tables import TableReader, kind_of
from pytest_edgedevice.spec import closest_first
from pytest_edgedevice.validity import CONDITIONS, RULES, Rules

if TYPE_CHECKING:
    from collections.abc import Mapping

LIMITS = {
    "max_load_per_core": (0.0, 1000.0),
    "max_cpu_pressure": (0.0, 100.0),
    "max_temperature_c": (-60.0, 200.0),
    "max_battery_c": (-60.0, 200.0),
    "min_battery_percent": (0.0, 100.0),
    "cool_s": (0.0, 3600.0),
}
KEYS = (*CONDITIONS, *LIMITS)


class ValidityReader(TableReader):
    """Reads one table of rules.

    Args:
        where: File and table path, the beginning of every error text.
        table: Its content, as parsed.
    """

    def __init__(self, where: str, table: Any) -> None:
        is_table = isinstance(table, dict)
        super().__init__(where, table if is_table else {})
        if not is_table:
            self._fail(f"must be a table, not {kind_of(table)}", 'write validity = { busy = "inconclusive" }')

    def read(self, base: Rules) -> Rules:
        """Check everything.

        Args:
            base: What holds where the table says nothing.

        Raises:
            ConfigError: A key is unknown, or a value cannot be.
        """
        found: dict[str, Any] = {}
        for key, value in self._table.items():
            if key in CONDITIONS:
                self._check_rule(key, value)
            elif key in LIMITS:
                self._check_limit(key, value)
            else:
                nearest = ", ".join(closest_first(key, KEYS))
                self._fail(f"unknown key {key[:80]!r}", f"known keys, closest first: {nearest}")
            found[key] = value
        return dataclasses.replace(base, **found)

    def _check_rule(self, key: str, value: Any) -> None:
        if value not in RULES:
            shown = f"{value[:80]!r}" if isinstance(value, str) else kind_of(value)
            self._fail(f"{key} is {shown}, which is no rule", f"rules: {', '.join(RULES)}")

    def _check_limit(self, key: str, value: Any) -> None:
        least, most = LIMITS[key]
        if type(value) not in (int, float) or not least <= value <= most:  # a NaN is in no range
            shown = repr(value) if type(value) in (int, float) else kind_of(value)
            self._fail(f"{key} is {shown:.80}, not a number from {least:g} to {most:g}", f"write {key} = {_usual(key)}")


def rules_of(where: str, tables: Mapping[str, Any], base: Rules) -> Rules:
    """The rules that a table holds under ``validity``, over those that hold without it."""
    return ValidityReader(where, tables["validity"]).read(base) if "validity" in tables else base


def _usual(key: str) -> str:
    return f"{getattr(Rules(), key):g}"
