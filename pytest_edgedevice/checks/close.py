"""Outputs against their references: which pairs, which tolerance, and what each comparison found.

Owns matching by name, the default tolerances, and the hint that outputs are
swapped. The wording of a failure is next door, in ``close_text``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pytest_edgedevice.checks.numerals import json_ready
from pytest_edgedevice.errors import UsageError
from pytest_edgedevice.metrics.closeness import Closeness, Element, compare
from pytest_edgedevice.metrics.hints import agrees
from pytest_edgedevice.metrics.structure import Kind, Samples, as_samples, describe, kind_of
from pytest_edgedevice.values import Run

if TYPE_CHECKING:
    from pytest_edgedevice.checks.seams import GoldenLike
    from pytest_edgedevice.values import Outputs

DEFAULTS: dict[Kind, tuple[float, float]] = {
    "float": (1e-4, 1e-3),
    "complex": (1e-4, 1e-3),
    "integer": (0.0, 0.0),
    "bool": (0.0, 0.0),
    "other": (0.0, 0.0),  # never compared: a failure of structure
}

STEP = (1.0, 0.0)
"""For integers of 8 and 16 bits: one quantisation step. Wider ones count or name things, and are compared exactly."""


@dataclass(frozen=True, slots=True)
class OutputResult:
    """One output against its reference.

    Attributes:
        name: Name of the output.
        atol, rtol: The tolerance that was applied.
        actual, reference: Dtype and shape of each side, for people.
        closeness: What the comparison found.
        hint: What would match instead; empty when unknown.
    """

    name: str
    atol: float
    rtol: float
    actual: str
    reference: str
    closeness: Closeness
    hint: str = ""


@dataclass(frozen=True, slots=True)
class CloseResult:
    """All outputs of a run against their references.

    Attributes:
        outputs: Output name to result, for every name that both sides have.
        extra: Outputs of the device without a reference.
        missing: References without an output of the device.
        samples: Samples in the run.
        ids: Name of each sample; empty where they have none.
        golden: Name of the golden; empty for a plain mapping.
        hint: Which names may belong together; empty when they match.
    """

    outputs: Mapping[str, OutputResult]
    extra: tuple[str, ...]
    missing: tuple[str, ...]
    samples: int
    ids: tuple[str, ...]
    golden: str
    hint: str = ""

    @property
    def passed(self) -> bool:
        """Whether names match exactly and every output is close."""
        return not (self.extra or self.missing) and all(part.closeness.close for part in self.outputs.values())

    def sample_id(self, sample: int) -> str:
        """Name of a sample, or its position where samples have no names."""
        return repr(self.ids[sample]) if sample < len(self.ids) else str(sample)


def compare_run(
    run: Run,
    reference: GoldenLike | Outputs,
    *,
    atol: float | None,
    rtol: float | None,
    outputs: Sequence[str] | str | None,
) -> CloseResult:
    """Compare every output with the reference of the same name; see ``EdgeCheck.close``."""
    for name, bound in (("atol", atol), ("rtol", rtol)):
        _check_tolerance(name, bound)
    references, golden, ids = _unpack(run, reference)
    actual = dict(run.outputs)
    if outputs is not None:
        actual, references = _chosen(outputs, actual, references)
    actual_samples = {name: _samples("device", name, values) for name, values in actual.items()}
    reference_samples = {name: _samples("reference", name, values) for name, values in references.items()}
    results = {
        name: _compare(name, actual_samples, reference_samples, run=run, atol=atol, rtol=rtol)
        for name in actual
        if name in references
    }
    extra = tuple(name for name in actual if name not in references)
    missing = tuple(name for name in references if name not in actual)
    ids = ids if len(ids) == run.samples else ()
    hint = name_hint(extra, missing, actual_samples, reference_samples) if extra or missing else ""
    return CloseResult(results, extra, missing, run.samples, ids, golden, hint)


def name_hint(
    extra: Sequence[str],
    missing: Sequence[str],
    actual: Mapping[str, Samples],
    reference: Mapping[str, Samples],
) -> str:
    """Say which names may belong together: by value, else by likeness; else how to compare a part."""
    from difflib import get_close_matches

    for theirs in missing:
        for ours in extra:
            atol, rtol = _defaults(actual[ours])
            if _agree(actual[ours], reference[theirs], atol, rtol):
                return f"device output {ours!r} has the values of reference {theirs!r}: rename the reference"
    for theirs in missing:
        near = get_close_matches(theirs, extra, n=1, cutoff=0.5)
        if near:
            return f"closest to reference {theirs!r} is device output {near[0]!r}: rename the reference"
    both = [name for name in actual if name in reference]
    return f"compare a part of them with outputs={tuple(both)!r}" if both else "no name is on both sides"


def evidence_numbers(result: CloseResult) -> dict[str, Any]:
    """Everything that was found, JSON-ready."""
    return {
        "samples": result.samples,
        "golden": result.golden,
        "extra": list(result.extra),
        "missing": list(result.missing),
        "outputs": [_numbers(result, part) for part in result.outputs.values()],
    }


def _numbers(result: CloseResult, part: OutputResult) -> dict[str, Any]:
    found = part.closeness

    def element(one: Element | None) -> dict[str, Any] | None:
        if one is None:
            return None
        values = {"actual": one.actual, "reference": one.reference, "error": one.error}
        where = {"sample": one.sample, "index": list(one.index)}
        named = {"id": result.ids[one.sample]} if one.sample < len(result.ids) else {}
        return {**where, **named, **{key: json_ready(value) for key, value in values.items()}}

    numbers = {
        "name": part.name,
        "close": found.close,
        "atol": part.atol,
        "rtol": part.rtol,
        "actual": part.actual,
        "reference": part.reference,
        "elements": found.elements,
        "mismatches": found.mismatches,
        "share": found.share,
        "worst": element(found.worst),
        "needed_atol": found.needed_atol,
        "needed_rtol": found.needed_rtol,
        "max_abs_error": found.max_abs_error,
        "cosine": found.cosine,
        "actual_nonfinite": found.actual_nonfinite.count,
        "reference_nonfinite": found.reference_nonfinite.count,
        "actual_nonfinite_first": element(found.actual_nonfinite.first),
        "reference_nonfinite_first": element(found.reference_nonfinite.first),
        "dead": found.dead,
        "structure": list(found.structure),
        "hint": part.hint,
    }
    return {key: json_ready(value) for key, value in numbers.items()}


def _compare(
    name: str,
    actual: Mapping[str, Samples],
    reference: Mapping[str, Samples],
    *,
    run: Run,
    atol: float | None,
    rtol: float | None,
) -> OutputResult:
    ours, theirs = actual[name], reference[name]
    bounds = _defaults(ours) if atol is None and rtol is None else (float(atol or 0), float(rtol or 0))
    found = compare(ours, theirs, atol=bounds[0], rtol=bounds[1])
    hint = ""
    if found.structure or found.mismatches:
        others = (other for other in reference if other != name)
        swapped = next((other for other in others if _agree(ours, reference[other], *bounds)), None)
        hint = found.hint
        if swapped is not None:
            hint = f"device output {name!r} has the values of reference {swapped!r}: the outputs may be swapped"
        elif not hint and {kind_of(ours), kind_of(theirs)} == {"integer", "float"}:
            hint = _dequantise_hint(name, run)
    return OutputResult(name, *bounds, describe(ours), describe(theirs), found, hint)


def _defaults(samples: Samples) -> tuple[float, float]:
    first = next(iter(samples), None) if isinstance(samples, tuple) else samples
    narrow = first is not None and first.dtype.kind in "iu" and first.dtype.itemsize <= 2
    return STEP if narrow else DEFAULTS[kind_of(samples)]


def _agree(actual: Samples, reference: Samples, atol: float, rtol: float) -> bool:
    for side in (actual, reference):
        if not isinstance(side, tuple) and (side.ndim == 0 or side.size == 0):
            return False
    return len(actual) > 0 and kind_of(actual) != "other" and agrees(actual, reference, atol=atol, rtol=rtol)


def _dequantise_hint(name: str, run: Run) -> str:
    spec = next((spec for spec in run.model.outputs if spec.name == name), None)
    if spec is None or spec.quantization is None or len(spec.quantization.scales) != 1:
        return "dequantise first: (integer - zero_point) * scale"
    scale, zero_point = spec.quantization.scales[0], spec.quantization.zero_points[0]
    return f"compare pytest_edgedevice.dequantized(run): (integer - {zero_point}) * {scale!r}"


def _unpack(run: Run, reference: Any) -> tuple[Mapping[str, Any], str, tuple[str, ...]]:
    if not isinstance(run, Run):
        raise UsageError(
            f"the first argument of close is what model.run(...) gave, not {type(run).__name__}",
            hint="edge_check.close(run, reference, atol=...)",
        )
    if isinstance(reference, Mapping):
        references, golden, ids = reference, "", ()
    elif hasattr(reference, "references"):
        reference.check_model(run.model)
        references, golden, ids = reference.references, str(reference.name), tuple(reference.ids)
    else:
        raise UsageError(
            f"a reference is a golden or a mapping of output name to array, not {type(reference).__name__}",
            hint=f"name the output: {{{next(iter(run.outputs), 'output')!r}: reference}}",
        )
    if not references:
        raise UsageError("the reference is empty: there is nothing to compare with")
    return references, golden, ids


def _chosen(
    outputs: Sequence[str] | str, actual: Mapping[str, Any], references: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    if not isinstance(outputs, str | list | tuple | set | frozenset):
        raise UsageError(f"outputs must name outputs, e.g. ('scores',), not {outputs!r}")
    names = (outputs,) if isinstance(outputs, str) else tuple(outputs)
    if not names:
        raise UsageError("outputs=() compares nothing", hint=f"the device's outputs are {sorted(actual)}")
    for side, known in (("device", actual), ("reference", references)):
        unknown = [name for name in names if name not in known]
        if unknown:
            raise UsageError(f"outputs={names!r}: the {side} has no {unknown[0]!r}", hint=f"it has {sorted(known)}")
    return {name: actual[name] for name in names}, {name: references[name] for name in names}


def _samples(side: str, name: str, values: Any) -> Samples:
    try:
        return as_samples(values)
    except ValueError as error:
        raise UsageError(f"the {side}'s {name!r} is not an array: {error}") from error


def _check_tolerance(name: str, bound: float | None) -> None:
    if bound is None:
        return
    try:
        sound = math.isfinite(bound) and bound >= 0 and not isinstance(bound, bool)
    except TypeError:
        sound = False
    if not sound:
        raise UsageError(f"{name} must be a finite number, 0 or more, not {bound!r}")
