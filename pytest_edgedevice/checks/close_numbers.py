"""The numbers of ``close`` for the record: everything that was found, JSON-ready and bounded in size."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_edgedevice.checks.numerals import json_ready

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_edgedevice.checks.close import CloseResult, GroupResult, OutputResult
    from pytest_edgedevice.metrics.closeness import Closeness, Element
    from pytest_edgedevice.metrics.metric import Finding


def evidence_numbers(result: CloseResult) -> dict[str, Any]:
    """Everything that was found, JSON-ready."""
    return {
        "samples": result.samples,
        "golden": result.golden,
        "extra": list(result.extra),
        "missing": list(result.missing),
        "outputs": [_numbers(result, part) for part in result.outputs.values()],
        "groups": [_group(result, group) for group in result.groups],
    }


def _numbers(result: CloseResult, part: OutputResult) -> dict[str, Any]:
    found = part.closeness
    numbers = {
        "name": part.name,
        "close": part.passed,
        "atol": part.atol,
        "rtol": part.rtol,
        "preset": part.preset,
        "tolerance": {"preset": part.preset, "bounds": list(part.bounds), "group": part.group},
        "actual": part.actual,
        "reference": part.reference,
        "elements": found.elements,
        "mismatches": found.mismatches,
        "share": found.share,
        "worst": _element(result, found.worst),
        "needed_atol": found.needed_atol,
        "needed_rtol": found.needed_rtol,
        "max_abs_error": found.max_abs_error,
        "cosine": found.cosine,
        "metrics": _metrics(found, part.findings),
        "worst_samples": [_worst(result, one) for one in part.findings if one.sample is not None],
        "histogram": _histogram(found),
        "actual_nonfinite": found.actual_nonfinite.count,
        "reference_nonfinite": found.reference_nonfinite.count,
        "actual_nonfinite_first": _element(result, found.actual_nonfinite.first),
        "reference_nonfinite_first": _element(result, found.reference_nonfinite.first),
        "dead": found.dead,
        "structure": list(found.structure),
        "hint": part.hint,
    }
    return {key: json_ready(value) for key, value in numbers.items()}


def _element(result: CloseResult, one: Element | None) -> dict[str, Any] | None:
    if one is None:
        return None
    values = {"actual": one.actual, "reference": one.reference, "error": one.error}
    where = {"sample": one.sample, "index": list(one.index)}
    return {**where, **_id(result, one.sample), **{key: json_ready(value) for key, value in values.items()}}


def _id(result: CloseResult, sample: int) -> dict[str, str]:
    return {"id": result.ids[sample]} if sample < len(result.ids) else {}


def _metrics(found: Closeness, findings: Sequence[Finding]) -> dict[str, Any]:
    """Every number by name: those that a comparison always gives, and those of the metrics that judged."""
    if not found.elements:
        return {}
    always = {"cosine": found.cosine, "mse": found.mse, "snr": found.snr_db, "max_abs_error": found.max_abs_error}
    numbers = {key: value for key, value in always.items() if value is not None}
    for one in findings:
        numbers |= one.values
    return {key: json_ready(value) for key, value in numbers.items()}


def _worst(result: CloseResult, found: Finding) -> dict[str, Any]:
    assert found.sample is not None
    where = {"metric": found.metric, "sample": found.sample, "bad_samples": found.bad_samples}
    value = None if found.per_sample is None else json_ready(float(found.per_sample[found.sample]))
    return {**where, **_id(result, found.sample), "value": value}


def _histogram(found: Closeness) -> dict[str, Any] | None:
    if found.histogram is None:
        return None
    return {"edges": [json_ready(edge) for edge in found.histogram.edges], "counts": list(found.histogram.counts)}


def _group(result: CloseResult, group: GroupResult) -> dict[str, Any]:
    found = group.finding
    return {
        "outputs": list(group.outputs),
        "close": found is not None and found.passed,
        "bounds": [group.bound],
        "metrics": {} if found is None else {key: json_ready(value) for key, value in found.values.items()},
        "worst_samples": [] if found is None or found.sample is None else [_worst(result, found)],
    }
