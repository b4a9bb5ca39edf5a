"""The failure text of ``close``: at most four lines, what and where first, what to do last."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from pytest_edgedevice.checks.numerals import copyable, pair, percent, plain, tolerance

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pytest_edgedevice.checks.close import CloseResult, OutputResult
    from pytest_edgedevice.metrics.closeness import Closeness, Element
    from pytest_edgedevice.metrics.metric import Finding

ELEMENTWISE = {"within", "steps", "ulp"}
"""Metrics whose worst element is the comparison's own."""
_MOST_NAMES = 6


def failure_text(result: CloseResult) -> str:
    """Word what is wrong; empty when nothing is."""
    if result.passed:
        return ""
    if result.extra or result.missing:
        return _name_text(result)
    failed = sorted((part for part in result.outputs.values() if not part.passed), key=_gravity)
    if not failed:
        return _group_text(result)
    worst, others = failed[0], [part.name for part in failed[1:]]
    lines = _output_lines(result, worst)
    last = [worst.hint] if worst.hint else []
    if others:
        noun = "output differs" if len(others) == 1 else "outputs differ"
        last.append(f"{len(others)} more {noun}: {_names(others)}")
    return "\n  ".join([*lines, "; ".join(last)] if last else lines)


def _gravity(part: OutputResult) -> tuple[bool, bool, bool, float]:
    found = part.closeness
    return not found.structure, not found.nonfinite, not found.dead, -found.share


def _name_text(result: CloseResult) -> str:
    extra = f"only on the device: {_names(result.extra)}" if result.extra else ""
    missing = f"only in the reference: {_names(result.missing)}" if result.missing else ""
    sides = "; ".join(filter(None, (extra, missing)))
    device, reference = (_names([*result.outputs, *more]) for more in (result.extra, result.missing))
    lines = [
        f"device and reference do not have the same outputs; {sides}",
        f"device: {device}; reference: {reference}",
        f"hint: {result.hint}",
    ]
    return "\n  ".join(lines)


def _output_lines(result: CloseResult, part: OutputResult) -> list[str]:
    found, name = part.closeness, repr(part.name)
    if found.structure:
        problems = "; ".join(found.structure)
        return [f"output {name} cannot be compared with its reference: {problems}", _sides(part)]
    if found.nonfinite:
        return _nonfinite_lines(result, name, found)
    count = f"{found.mismatches} of {found.elements} elements ({percent(found.share)})"
    cosine = f"cosine {found.cosine:.4f}" if found.cosine is not None else "no cosine"
    if found.dead:
        return [
            f"output {name} is dead: {found.dead}",
            f"it differs from its reference in {count}; {_bounds(part)}; {cosine}",
            "no tolerance would pass; run it with delegate 'cpu' to tell the delegate from the model",
        ]
    bad = next(one for one in part.findings if not one.passed)
    elementwise = bad.metric == "within"
    known = found.worst if bad.metric in ELEMENTWISE else None
    saw = f"in {count}" if elementwise else f": {bad.saw}{_samples(result, bad)}"
    needed = _needed(result, bad)
    return [
        f"output {name} differs from its reference{' ' if elementwise else ''}{saw}",
        f"{_worst(result, bad, known)} ({_bounds(part)})",
        "; ".join(filter(None, (needed, _others(part, bad), *_measures(found, bad)))),
    ]


def _bounds(part: OutputResult) -> str:
    if part.preset:
        relative = part.atol is not None and "|reference|" in part.preset
        absolute = f" = {part.atol:.3g}" if relative else ""
        silent = ", as it is zero everywhere: name an atol" if relative and not part.atol else ""
        return f"preset {part.preset}{absolute}{silent}"
    if part.atol is not None and part.rtol is not None and len(part.bounds) == 1:
        return f"atol {tolerance(part.atol)} + rtol {tolerance(part.rtol)}"
    return "; ".join(part.bounds)


def _samples(result: CloseResult, found: Finding) -> str:
    return f"; {found.bad_samples} of {result.samples} samples" if found.bad_samples and result.samples > 1 else ""


def _worst(result: CloseResult, found: Finding, element: Element | None) -> str:
    if element is not None:
        ours, theirs = pair(element.actual, element.reference)
        return f"worst at {_place(result, element)}: device {ours}, reference {theirs}"
    if found.sample is None:
        return "over all samples together"
    where = f" {list(found.index)}" if found.index else ""
    return f"worst at sample {result.sample_id(found.sample)}{where}"


def _others(part: OutputResult, bad: Finding) -> str:
    more = [one.saw for one in part.findings if not one.passed and one is not bad]
    return f"also {'; '.join(more)}" if more else ""


def _measures(found: Closeness, bad: Finding) -> list[str]:
    measures = [] if bad.metric == "within" else [f"max error {plain(found.max_abs_error)}"]
    if bad.metric != "cosine":
        measures.append(f"cosine {found.cosine:.4f}" if found.cosine is not None else "no cosine")
    return measures


def _group_text(result: CloseResult) -> str:
    group = next(one for one in result.groups if one.finding is not None and not one.finding.passed)
    found = group.finding
    assert found is not None
    lines = [
        f"outputs {_names(group.outputs)} differ from their references: {found.saw}{_samples(result, found)}",
        f"{_worst(result, found, None)} ({group.bound})",
        f"would pass with {found.needed}" if found.needed else "no bound would pass",
    ]
    return "\n  ".join(lines)


def _nonfinite_lines(result: CloseResult, name: str, found: Closeness) -> list[str]:
    ours, theirs = found.actual_nonfinite, found.reference_nonfinite
    first = ours.first or theirs.first
    assert first is not None
    device, reference = pair(first.actual, first.reference)
    values = f": device {device}, reference {reference}" if found.elements else ""
    advice = "run it with delegate 'cpu' to tell the delegate from the model"
    if theirs.count:
        advice = "the reference must be finite itself: record it again"
    of_all = f" of {found.elements} elements" if found.elements else ""
    counts = f"{ours.count}{of_all} on the device, {theirs.count} in the reference"
    return [
        f"output {name} holds NaN or Inf: {counts}",
        f"first at {_place(result, first)}{values}",
        f"no tolerance would pass; {advice}",
    ]


def _sides(part: OutputResult) -> str:
    return f"device {part.actual}; reference {part.reference}"


def _place(result: CloseResult, element: Element) -> str:
    where = f"sample {result.sample_id(element.sample)}"
    return f"{where} {list(element.index)}" if element.index else where


def _needed(result: CloseResult, bad: Finding) -> str:
    """One tolerance that passes *all* outputs when it is copied, where it will be applied to all."""
    if bad.metric != "within" or "share" in bad.needed:
        return f"would pass with {bad.needed}" if bad.needed else f"no bound of {bad.metric} would pass"
    alike = [one.closeness for one in result.outputs.values() if one.atol is not None]
    atol = copyable(max((one.needed_atol for one in alike), default=math.inf))
    rtol = copyable(max((one.needed_rtol for one in alike), default=math.inf))
    if atol is None:
        return "no atol alone would pass" if rtol is None else f"would pass with rtol {rtol}"
    return f"would pass with atol {atol}" + (f" or rtol {rtol}" if rtol else "; no rtol alone would pass")


def _names(names: Sequence[str] | Iterable[str]) -> str:
    listed = [repr(name) for name in names]
    more = f" and {len(listed) - _MOST_NAMES} more" if len(listed) > _MOST_NAMES else ""
    return ", ".join(listed[:_MOST_NAMES]) + more if listed else "none"
