"""What a test asked of its outputs, as JSON and back: metrics by name and fields, out of a closed table.

Metrics of somebody's own have no form in a file.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from pytest_edgedevice import metrics
from pytest_edgedevice.given import shown

MARK = "$metric"
"""Key of a metric's name; no output is called like that."""


def as_json(asked: Any) -> Any:
    """``metric=`` of ``edge_check.close``, JSON-ready but for what is no metric of ours, which stays as it is."""
    if isinstance(asked, Mapping):
        return {pattern: as_json(several) for pattern, several in asked.items()}
    if isinstance(asked, list | tuple):
        return [as_json(one) for one in asked]
    for name in metrics.METRICS:
        kind: Any = getattr(metrics, name)
        if asked is kind:
            return name
        if type(asked) is kind:
            fields = (field.name for field in dataclasses.fields(asked))
            return {MARK: name, **{field: _plain(getattr(asked, field)) for field in fields}}
    return asked


def from_json(told: Any) -> Any:
    """What ``as_json`` was given, from what a file holds.

    Raises:
        ValueError: A metric is not in the table, or its fields are not its own.
    """
    if isinstance(told, list):
        return [from_json(one) for one in told]
    if not isinstance(told, dict):
        return told
    if MARK not in told:
        return {pattern: from_json(several) for pattern, several in told.items()}
    name = told[MARK]
    if not isinstance(name, str) or name not in metrics.METRICS:
        raise ValueError(f"there is no metric {shown(name)}")
    try:
        return getattr(metrics, name)(**{field: value for field, value in told.items() if field != MARK})
    except TypeError as error:
        raise ValueError(f"metric {name!r}: {error}") from None


def _plain(value: Any) -> Any:
    return value.item() if hasattr(value, "item") else value
