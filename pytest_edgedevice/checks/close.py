"""Outputs against their references: which pairs, judged by what, and what each comparison found.

Owns matching by name and the order of judgement: structure, finite, alive, then
whatever was asked. The wording of a failure is next door, in ``close_text``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_edgedevice.checks import presets
from pytest_edgedevice.checks.asking import Asked, plan_for
from pytest_edgedevice.checks.close_hints import name_hint, output_hint
from pytest_edgedevice.checks.close_sides import Sides, affine_of, check_tolerance, sides_of
from pytest_edgedevice.errors import UsageError
from pytest_edgedevice.metrics.closeness import Closeness, compare
from pytest_edgedevice.metrics.elementwise import Within
from pytest_edgedevice.metrics.quantised import affine_problem
from pytest_edgedevice.metrics.structure import describe, is_constant, kind_of, structure_problems
from pytest_edgedevice.metrics.unordered import unordered

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pytest_edgedevice.checks.seams import GoldenLike
    from pytest_edgedevice.metrics.metric import Finding, GroupMetric, Metric
    from pytest_edgedevice.metrics.structure import Samples
    from pytest_edgedevice.values import Outputs, Run


@dataclass(frozen=True, slots=True)
class OutputResult:
    """One output against its reference.

    Attributes:
        name: Name of the output.
        atol, rtol: The elementwise tolerance that was applied; None where other metrics judged alone.
        actual, reference: Dtype and shape of each side, for people.
        closeness: What the comparison found.
        hint: What would match instead; empty when unknown.
        findings: What each metric found; empty where structure, NaN or a dead output came first.
        bounds: What passes, in words, for each metric.
        preset: Where the tolerance is from and what it allows; empty where the test named it.
        group: Name of the metric that judged this output with others together; empty elsewhere.
    """

    name: str
    atol: float | None
    rtol: float | None
    actual: str
    reference: str
    closeness: Closeness
    hint: str = ""
    findings: tuple[Finding, ...] = ()
    bounds: tuple[str, ...] = ()
    preset: str = ""
    group: str = ""

    @property
    def passed(self) -> bool:
        """Whether structure, values and every metric are fine; values only, where a group judges."""
        return self.closeness.sound and all(found.passed for found in self.findings)


@dataclass(frozen=True, slots=True)
class GroupResult:
    """Outputs that were judged together.

    Attributes:
        outputs: Their names.
        bound: What passes, in words.
        finding: What the metric found; None where an output was unsound before.
    """

    outputs: tuple[str, ...]
    bound: str
    finding: Finding | None


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
        groups: What judged several outputs together.
    """

    outputs: Mapping[str, OutputResult]
    extra: tuple[str, ...]
    missing: tuple[str, ...]
    samples: int
    ids: tuple[str, ...]
    golden: str
    hint: str = ""
    groups: tuple[GroupResult, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether names match exactly and every output passed."""
        together = all(group.finding is not None and group.finding.passed for group in self.groups)
        return not (self.extra or self.missing) and together and all(part.passed for part in self.outputs.values())

    def sample_id(self, sample: int) -> str:
        """Name of a sample, or its position where samples have no names."""
        return repr(self.ids[sample]) if sample < len(self.ids) else str(sample)


def compare_run(
    run: Run,
    reference: GoldenLike | Outputs | Run,
    *,
    atol: float | None = None,
    rtol: float | None = None,
    outputs: Sequence[str] | str | None = None,
    metric: Asked | None = None,
    at_least: float | None = None,
    at_most: float | None = None,
    preset: str | None = None,
) -> CloseResult:
    """Compare every output with the reference of the same name; see ``EdgeCheck.close``."""
    for name, bound in (("atol", atol), ("rtol", rtol)):
        check_tolerance(name, bound)
    tolerance = None if atol is None and rtol is None else Within(float(atol or 0), float(rtol or 0))
    presets.check_name(preset)
    if preset is not None and tolerance is not None:
        raise UsageError("preset and a tolerance exclude each other", hint="leave out preset, or atol and rtol")
    sides = sides_of(run, reference, outputs)
    both = [name for name in sides.actual if name in sides.reference]
    plan = plan_for(both, metric, tolerance=tolerance, at_least=at_least, at_most=at_most)
    results = {name: _compare(name, sides, metrics, run=run, preset=preset) for name, metrics in plan.metrics.items()}
    groups = []
    for group in plan.groups:
        parts = {name: _in_group(name, sides, group) for name in group.outputs}
        groups.append(_judge_group(group, sides, sound=all(part.passed for part in parts.values())))
        results |= parts
    extra = tuple(name for name in sides.actual if name not in sides.reference)
    missing = tuple(name for name in sides.reference if name not in sides.actual)
    return CloseResult(
        outputs={name: results[name] for name in both},
        extra=extra,
        missing=missing,
        samples=run.samples,
        ids=sides.ids,
        golden=sides.golden,
        hint=name_hint(extra, missing, sides.actual, sides.reference) if extra or missing else "",
        groups=tuple(groups),
    )


def _compare(name: str, sides: Sides, metrics: tuple[Metric, ...], *, run: Run, preset: str | None) -> OutputResult:
    ours, theirs = sides.actual[name], sides.reference[name]
    shown = describe(ours), describe(theirs)
    affine = affine_of(run.model, name)
    problem = affine_problem(affine, affine_of(sides.reference_model, name)) if kind_of(ours) == "integer" else ""
    if problem:
        return OutputResult(name, None, None, *shown, Closeness.of_structure((problem,)))
    if problems := structure_problems(ours, theirs):
        unlike = Closeness.of_structure(problems)
        hint = output_hint(name, ours, sides.reference, found=unlike, tolerance=None, info=run.model)
        return OutputResult(name, None, None, *shown, unlike, hint)
    text = ""
    if not metrics:
        chosen = presets.choose(run.model, run.placement, actual=ours, reference=theirs, affine=affine, name=preset)
        metrics, text = (chosen.metric,), chosen.text
    elif affine is not None:
        metrics = tuple(metric.fitted(affine) for metric in metrics)
    tolerance = next((bound for metric in metrics if (bound := metric.elementwise(theirs))), None)
    atol, rtol = tolerance or (0.0, 0.0)
    found = compare(ours, theirs, atol=atol, rtol=rtol)
    findings = tuple(_judge(name, metric, found, ours, theirs) for metric in metrics) if found.sound else ()
    hint = ""
    if not (found.nonfinite or (findings and all(one.passed for one in findings))):
        telling = tolerance if found.mismatches else None  # within one that all elements keep, anything may agree
        hint = output_hint(name, ours, sides.reference, found=found, tolerance=telling, info=run.model)
    return OutputResult(
        name,
        None if tolerance is None else atol,
        None if tolerance is None else rtol,
        *shown,
        found,
        hint,
        findings=findings,
        bounds=tuple(metric.bound for metric in metrics),
        preset=text,
    )


def _judge(name: str, metric: Metric, found: Closeness, ours: Samples, theirs: Samples) -> Finding:
    if isinstance(metric, Within) and metric.elementwise(theirs) == found.tolerance:
        return metric.finding(found, theirs)
    if metric.needs_variation and is_constant(theirs):
        raise UsageError(
            f"the reference of {name!r} is the same value everywhere: {metric.name} can tell nothing there",
            hint="give it samples that differ, or compare it elementwise with atol or rtol",
        )
    try:
        return metric.judge(ours, theirs)
    except ValueError as error:
        raise UsageError(f"metric {metric.name!r} cannot judge output {name!r}: {error}") from error


def _in_group(name: str, sides: Sides, group: GroupMetric) -> OutputResult:
    ours, theirs = sides.actual[name], sides.reference[name]
    found = unordered(ours, theirs, alive=name in group.vital)
    return OutputResult(
        name, None, None, describe(ours), describe(theirs), found, bounds=(group.bound,), group=group.name
    )


def _judge_group(group: GroupMetric, sides: Sides, *, sound: bool) -> GroupResult:
    finding = None
    if sound:
        try:
            finding = group.judge_group(
                {name: sides.actual[name] for name in group.outputs},
                {name: sides.reference[name] for name in group.outputs},
            )
        except ValueError as error:
            raise UsageError(f"metric {group.name!r} cannot judge {', '.join(group.outputs)}: {error}") from error
    return GroupResult(group.outputs, group.bound, finding)
