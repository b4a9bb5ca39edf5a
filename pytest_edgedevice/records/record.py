"""The record of one check: from values to plain JSON types."""

from __future__ import annotations

import math
from collections.abc import Mapping
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pytest_edgedevice.values import Evidence, Fact, ModelInfo, Outcome, Placement

SCHEMA = 1
MAX_MESSAGE_CHARS = 8000
Record = dict[str, Any]


def build(
    evidence: Evidence, *, test: str, facts: Mapping[str, Fact], version: str, time: str, worker: str = ""
) -> Record:
    """The record of one check, before its test's outcome is known.

    Args:
        evidence: What the check saw.
        test: Node id of the test; empty outside pytest.
        facts: Facts of the device.
        version: Version of this package.
        time: When the check ended, ISO 8601 in UTC.
        worker: pytest-xdist worker; empty without.

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
        "device": {"name": evidence.device, "facts": _plain(facts)},
        "numbers": _plain(evidence.numbers),
    }


def with_outcome(record: Record, outcome: Outcome) -> Record:
    """The record with its test's outcome."""
    return {**record, "outcome": outcome}


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
    }


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
