"""The failure text of ``close``: at most four lines, what and where first, what to do last."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from pytest_edgedevice.checks.numerals import copyable, pair, percent, tolerance

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pytest_edgedevice.checks.close import CloseResult, OutputResult
    from pytest_edgedevice.metrics.closeness import Closeness, Element

_MOST_NAMES = 6


def failure_text(result: CloseResult) -> str:
    """Word what is wrong; empty when nothing is."""
    if result.passed:
        return ""
    if result.extra or result.missing:
        return _name_text(result)
    failed = sorted((part for part in result.outputs.values() if not part.closeness.close), key=_gravity)
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
    bounds = f"atol {tolerance(part.atol)} + rtol {tolerance(part.rtol)}"
    if found.nonfinite:
        return _nonfinite_lines(result, name, found)
    count = f"{found.mismatches} of {found.elements} elements ({percent(found.share)})"
    cosine = f"cosine {found.cosine:.4f}" if found.cosine is not None else "no cosine"
    if found.dead:
        return [
            f"output {name} is dead: {found.dead}",
            f"it differs from its reference in {count}; {bounds}; {cosine}",
            "no tolerance would pass; run it with delegate 'cpu' to tell the delegate from the model",
        ]
    assert found.worst is not None
    ours, theirs = pair(found.worst.actual, found.worst.reference)
    return [
        f"output {name} differs from its reference in {count}",
        f"worst at {_place(result, found.worst)}: device {ours}, reference {theirs} ({bounds})",
        f"{_needed(result)}; {cosine}",
    ]


def _nonfinite_lines(result: CloseResult, name: str, found: Closeness) -> list[str]:
    ours, theirs = found.actual_nonfinite, found.reference_nonfinite
    first = ours.first or theirs.first
    assert first is not None
    device, reference = pair(first.actual, first.reference)
    advice = "run it with delegate 'cpu' to tell the delegate from the model"
    if theirs.count:
        advice = "the reference must be finite itself: record it again"
    counts = f"{ours.count} of {found.elements} elements on the device, {theirs.count} in the reference"
    return [
        f"output {name} holds NaN or Inf: {counts}",
        f"first at {_place(result, first)}: device {device}, reference {reference}",
        f"no tolerance would pass; {advice}",
    ]


def _sides(part: OutputResult) -> str:
    return f"device {part.actual}; reference {part.reference}"


def _place(result: CloseResult, element: Element) -> str:
    where = f"sample {result.sample_id(element.sample)}"
    return f"{where} {list(element.index)}" if element.index else where


def _needed(result: CloseResult) -> str:
    """One tolerance that passes *all* outputs when it is copied, because it will be applied to all."""
    parts = [part.closeness for part in result.outputs.values()]
    atol = copyable(max((part.needed_atol for part in parts), default=math.inf))
    rtol = copyable(max((part.needed_rtol for part in parts), default=math.inf))
    if atol is None:
        return "no atol alone would pass" if rtol is None else f"would pass with rtol {rtol}"
    return f"would pass with atol {atol}" + (f" or rtol {rtol}" if rtol else "; no rtol alone would pass")


def _names(names: Sequence[str] | Iterable[str]) -> str:
    listed = [repr(name) for name in names]
    more = f" and {len(listed) - _MOST_NAMES} more" if len(listed) > _MOST_NAMES else ""
    return ", ".join(listed[:_MOST_NAMES]) + more if listed else "none"
