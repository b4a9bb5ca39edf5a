"""The two sides of a comparison: what a test hands over, read as outputs and references by name.

Owns what may be a reference, and misuse of the arguments that say so.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pytest_edgedevice.errors import UsageError
from pytest_edgedevice.given import shown
from pytest_edgedevice.metrics.metric import Affine
from pytest_edgedevice.metrics.structure import Samples, as_samples
from pytest_edgedevice.values import ModelInfo, Run

if TYPE_CHECKING:
    from pytest_edgedevice.checks.seams import GoldenLike
    from pytest_edgedevice.values import Outputs


@dataclass(frozen=True, slots=True)
class Sides:
    """Both sides, by output name.

    Attributes:
        actual: What the device produced.
        reference: What it is compared with.
        golden: Name of the golden; empty for a plain mapping.
        ids: Name of each sample; empty where they have none.
        reference_model: The model that gave the references, where they are a run's.
    """

    actual: Mapping[str, Samples]
    reference: Mapping[str, Samples]
    golden: str
    ids: tuple[str, ...]
    reference_model: ModelInfo | None = None


def sides_of(run: Run, reference: GoldenLike | Outputs | Run, outputs: Sequence[str] | str | None) -> Sides:
    """Read what a test hands over; see ``EdgeCheck.close``.

    Raises:
        UsageError: A side cannot be read, or ``outputs`` names what is not there.
        GoldenError: The golden was recorded for another model.
    """
    references, golden, ids = _unpack(run, reference)
    actual: Mapping[str, Any] = dict(run.outputs)
    if outputs is not None:
        actual, references = _chosen(outputs, actual, references)
    return Sides(
        actual={name: _samples("device", name, values) for name, values in actual.items()},
        reference={name: _samples("reference", name, values) for name, values in references.items()},
        golden=golden,
        ids=ids if len(ids) == run.samples else (),
        reference_model=reference.model if isinstance(reference, Run) else None,
    )


def affine_of(info: ModelInfo | None, name: str) -> Affine | None:
    """How an output's tensor is quantised; None where it is not, per channel, or not known."""
    spec = next((spec for spec in info.outputs if spec.name == name), None) if info is not None else None
    found = spec.quantization if spec is not None else None
    if found is None or len(found.scales) != 1 or not (math.isfinite(found.scales[0]) and found.scales[0] > 0):
        return None
    return Affine(found.scales[0], found.zero_points[0] if found.zero_points else 0)


def _unpack(run: Run, reference: Any) -> tuple[Mapping[str, Any], str, tuple[str, ...]]:
    if not isinstance(run, Run):
        raise UsageError(
            f"the first argument of close is what model.run(...) gave, not {type(run).__name__}",
            hint="edge_check.close(run, reference, atol=...)",
        )
    if isinstance(reference, Run):
        references, golden, ids = reference.outputs, "", ()
    elif isinstance(reference, Mapping):
        references, golden, ids = reference, "", ()
    elif hasattr(reference, "references"):
        reference.check_model(run.model)
        references, golden, ids = reference.references, str(reference.name), tuple(reference.ids)
    else:
        raise UsageError(
            f"a reference is a golden or a mapping of output name to array, not {type(reference).__name__}",
            hint=f"name the output: {{{next(iter(run.outputs), 'output')!r}: reference}}",
        )
    names: list[object] = list(references)
    if odd := [name for name in names if not isinstance(name, str)]:
        raise UsageError(f"a reference is named by a text, not by {shown(odd[0])}")
    if not references:
        raise UsageError("the reference is empty: there is nothing to compare with")
    return references, golden, ids


def _chosen(
    outputs: Sequence[str] | str, actual: Mapping[str, Any], references: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    if not isinstance(outputs, str | list | tuple | set | frozenset):
        raise UsageError(f"outputs must name outputs, e.g. ('scores',), not {shown(outputs)}")
    names = (outputs,) if isinstance(outputs, str) else tuple(outputs)
    if not names:
        raise UsageError("outputs=() compares nothing", hint=f"the device's outputs are {sorted(actual)}")
    for side, known in (("device", actual), ("reference", references)):
        unknown = [name for name in names if name not in known]
        if unknown:
            raise UsageError(
                f"outputs={shown(names)}: the {side} has no {unknown[0]!r}", hint=f"it has {sorted(known)}"
            )
    return {name: actual[name] for name in names}, {name: references[name] for name in names}


def _samples(side: str, name: str, values: Any) -> Samples:
    try:
        return as_samples(values)
    except ValueError as error:
        raise UsageError(f"the {side}'s {name!r} is not an array: {error}") from error


def check_tolerance(name: str, bound: float | None) -> None:
    """Refuse a tolerance that is no finite number, 0 or more."""
    if bound is None:
        return
    try:
        sound = math.isfinite(bound) and bound >= 0 and not isinstance(bound, bool)
    except (TypeError, ValueError, OverflowError):
        sound = False
    if not sound:
        raise UsageError(f"{name} must be a finite number, 0 or more, not {shown(bound)}")
