"""The record of one check: from values to plain JSON types."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any

from pytest_edgedevice.records.series import pack

if TYPE_CHECKING:
    from pytest_edgedevice.values import Evidence, Fact, ModelInfo, Outcome, Placement

SCHEMA = 1
MAX_MESSAGE_CHARS = 8000
MAX_CLAUSE_CHARS = 1000
MAX_LOG_CHARS = 20_000
Record = dict[str, Any]
UNCHECKED = frozenset({"skip", "test"})
"""What records of tests are called that no check speaks for."""


def build(
    evidence: Evidence,
    *,
    test: str,
    facts: Mapping[str, Fact],
    version: str,
    time: str,
    worker: str = "",
    recovered: Sequence[str] = (),
    repeated: str = "",
    conditions: Mapping[str, Mapping[str, Fact]] | None = None,
    device_log: Mapping[str, str] | None = None,
) -> Record:
    """The record of one check, before its test's outcome is known.

    Args:
        evidence: What the check saw.
        test: Node id of the test; empty outside pytest.
        facts: Facts of the device.
        version: Version of this package.
        time: When the check ended, ISO 8601 in UTC.
        worker: pytest-xdist worker; empty without.
        recovered: What had to be cleaned up on the device before, a clause each.
        repeated: The error of the first attempt, where the test was repeated because its device was lost.
        conditions: Conditions of the device; the key names the moment: ``before`` or ``after`` the test.
        device_log: What the device's own logs said of an error, title to text.

    Returns:
        JSON-ready: finite numbers, strings, booleans, None, lists and objects. What is not finite becomes None.
    """
    return {
        "schema": SCHEMA,
        "version": version,
        "time": time,
        "test": test,
        "worker": worker,
        "check": evidence.check,
        "verdict": evidence.verdict,
        "outcome": None,
        "message": evidence.message[:MAX_MESSAGE_CHARS],
        "model": _model(evidence.model),
        "engine": _engine(evidence.model),
        "delegate": _delegate(evidence.placement),
        "device": {
            "name": evidence.device,
            "facts": _plain(facts),
            "recovered": [text[:MAX_CLAUSE_CHARS] for text in recovered],
            "conditions": _plain(conditions or {}),
        },
        "device_log": {str(title): str(text)[-MAX_LOG_CHARS:] for title, text in (device_log or {}).items()},
        "repeated": repeated[:MAX_MESSAGE_CHARS],
        "numbers": _plain(_packed(evidence.numbers)),
    }


def with_outcome(record: Record, outcome: Outcome) -> Record:
    """The record with its test's outcome."""
    return {**record, "outcome": outcome}


def with_conditions_after(record: Record, conditions: Mapping[str, Fact]) -> Record:
    """The record with the conditions of its device after the test."""
    device = record["device"]
    return {**record, "device": {**device, "conditions": {**device["conditions"], "after": _plain(conditions)}}}


def _model(info: ModelInfo | None) -> Record | None:
    if info is None:
        return None
    return {"name": info.name, "sha256": info.sha256, "size_bytes": info.size_bytes, "variant": info.variant}


def _engine(info: ModelInfo | None) -> Record | None:
    if info is None:
        return None
    return {"name": info.engine, "version": info.engine_version, "threads": info.threads}


def _delegate(placement: Placement | None) -> Record | None:
    if placement is None:
        return None
    return {
        "requested": placement.requested,
        "proven": placement.proven,
        "nodes": placement.nodes,
        "delegated": placement.delegated,
        "partitions": placement.partitions,
        "left_over": dict(placement.left_over),
        "evidence": placement.evidence,
        **({"requested_only": True, "plan": dict(placement.plan)} if placement.requested_only else {}),
    }


def _packed(numbers: Mapping[str, Any]) -> dict[str, Any]:
    """The numbers with raw series compressed: what lies under a name that ends in ``samples_ns``."""
    return {key: _series(value) if str(key).endswith("samples_ns") else value for key, value in numbers.items()}


def _series(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _series(item) for key, item in value.items()}
    whole = isinstance(value, list | tuple) and all(type(one) is int and 0 <= one < 1 << 63 for one in value)
    return pack(value) if whole else value


def _plain(value: Any) -> Any:
    """Plain JSON types, whatever sequence or scalar type came in; of anything else its text."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if hasattr(value, "tolist"):  # an array, or one of numpy's scalars
        return _plain(value.tolist())
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, Real):
        return _number(value)
    return str(value)


def _number(value: Real) -> int | float | None:
    if isinstance(value, Integral):
        return int(value)
    return float(value) if math.isfinite(value) else None
