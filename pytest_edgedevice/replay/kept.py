"""Both sides of a comparison in a file, and the comparison made again from it.

Holds outputs and references, and inputs only where that was asked for: they may be
personal data. What is larger than a limit keeps its worst samples, and says so.
"""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_edgedevice.checks import parts
from pytest_edgedevice.checks.close import compare_run
from pytest_edgedevice.errors import UsageError
from pytest_edgedevice.replay.archive import KINDS, ArchiveWriter
from pytest_edgedevice.replay.asked import as_json

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from pytest_edgedevice.checks.blamed import Compared
    from pytest_edgedevice.checks.close import CloseResult
    from pytest_edgedevice.values import Array, ModelInfo, Run

KIND = "edgedevice-kept"
MOST_BYTES = 64 << 20
"""Of one file."""
MOST_NAMES = 10_000


@dataclass(frozen=True, slots=True)
class Reference:
    """References as they were kept; what ``close`` asks of a golden."""

    name: str
    references: Mapping[str, Any]
    ids: Sequence[str]

    def check_model(self, info: ModelInfo) -> None:
        """They were compared with this model's outputs: nothing to say."""


@dataclass(frozen=True, slots=True)
class Kept:
    """What a file holds.

    Attributes:
        run: The device's side.
        reference: The other side.
        inputs: What was run; empty where inputs were not kept.
        arguments: Tolerances and metrics of the check.
        unkept: Arguments that no file can hold, such as a function, by name.
        test: pytest's node id.
        cut: How much was left out; empty where nothing was.
    """

    run: Run
    reference: Reference | Run
    inputs: Mapping[str, Any]
    arguments: Mapping[str, Any]
    unkept: tuple[str, ...]
    test: str
    cut: str

    def compare(self, **changes: Any) -> CloseResult:
        """Compare again.

        Args:
            changes: Arguments in the place of those of the check; see ``edge_check.close``.

        Raises:
            UsageError: The check had an argument that no file can hold, and nothing is given in its place.
        """
        arguments: dict[str, Any] = {"atol": None, "rtol": None, "outputs": None, **self.arguments, **changes}
        by_tolerance = any(changes.get(name) is not None for name in ("atol", "rtol"))
        lost = [name for name in self.unkept if name not in changes and not (name == "metric" and by_tolerance)]
        if lost:
            raise UsageError(
                f"the check was made with a {lost[0]} of its own, which no file can hold",
                hint="compare by --atol or --rtol, or repeat the test",
            )
        try:
            return compare_run(self.run, self.reference, **arguments)
        except TypeError as error:
            raise UsageError(f"the file has arguments that this version does not know: {error}") from error


def keep(
    path: Path,
    found: Compared,
    *,
    names: Sequence[str],
    inputs: Mapping[str, Any] | None,
    about: Mapping[str, Any],
    most_bytes: int = MOST_BYTES,
) -> tuple[int, str]:
    """Write both sides of a comparison.

    Args:
        path: The file, which is replaced.
        found: The comparison.
        names: Outputs to write.
        inputs: What was run, name to array; None writes none.
        about: What else to say of it, JSON-ready: ``test``, ``version``, ``time``.
        most_bytes: What is more is cut to the worst samples.

    Returns:
        Bytes of all arrays, and how much was left out in words; that is empty where nothing was.

    Raises:
        InfraError: The file cannot be written.
        ValueError: A side holds something else than numbers.
    """
    sides = {
        "device": {name: found.run.outputs[name] for name in names},
        "reference": {name: found.references[name] for name in names},
        "inputs": dict(inputs or {}),
    }
    picked = _fitting(found, sides, most_bytes)
    cut = f"{len(picked)} of {found.run.samples} samples, the worst, within {most_bytes >> 20} MiB"
    is_cut = len(picked) < found.run.samples
    members: dict[str, dict[str, Any]] = {}
    with ArchiveWriter(path) as archive:
        for side, tensors in sides.items():
            members[side] = {}
            for name, values in tensors.items():
                some = parts.rows(values, picked) if is_cut else values
                members[side][name] = _written(archive, f"{side}.{len(members[side])}", some)
        kept, lost = _json_ready(found.arguments)
        ids = [str(one) for one in found.result.ids] or ([str(at) for at in range(found.run.samples)] if is_cut else [])
        archive.finish(
            {
                "kind": KIND,
                "schema": 1,
                **about,
                "golden": found.result.golden,
                "device": found.run.device,
                "model": dataclasses.asdict(found.run.model),
                "placement": dataclasses.asdict(found.run.placement),
                "reference_model": dataclasses.asdict(found.other.model) if found.other else None,
                "arguments": kept,
                "unkept": lost,
                "ids": [ids[at] for at in picked] if ids else [],
                "samples": list(picked),
                "members": members,
                "cut": cut if is_cut else "",
            }
        )
        return archive.size_bytes, cut if is_cut else ""


def _fitting(found: Compared, sides: Mapping[str, Mapping[str, Any]], most_bytes: int) -> list[int]:
    """The samples that fit, in order; the worst ones where not all do, one at least."""
    each = [0] * found.run.samples
    for tensors in sides.values():
        for values in tensors.values():
            for at in range(min(len(values), len(each))):
                each[at] += np.asarray(values[at]).nbytes
    if sum(each) <= most_bytes:
        return list(range(found.run.samples))
    picked: list[int] = []
    size = 0
    for at in parts.worst_first(found.run, found.references):
        size += each[at]
        if size > most_bytes and picked:
            break
        picked.append(at)
    return sorted(picked)


def _written(archive: ArchiveWriter, name: str, values: Any) -> str | list[str]:
    if not isinstance(values, list | tuple):
        archive.add(name, _numbers(values))
        return name
    names = [f"{name}.{number}" for number in range(len(values))]
    for one, value in zip(names, values, strict=True):
        archive.add(one, _numbers(value))
    return names


def _numbers(values: Any) -> Array:
    array: Array = np.asarray(values)
    if array.dtype.kind not in KINDS:
        raise ValueError(f"{array.dtype} is no dtype of numbers")
    return array


def _json_ready(arguments: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    kept, lost = {}, []
    for name, value in arguments.items():
        try:
            kept[name] = json.loads(json.dumps(as_json(value), allow_nan=False))
        except (TypeError, ValueError):
            lost.append(name)
    return kept, lost
