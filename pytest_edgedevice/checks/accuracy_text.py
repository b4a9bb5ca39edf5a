"""What an evaluation that is not good enough says: the value, its bounds, slices, and the worst samples."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_edgedevice.checks.accuracy import Gate
    from pytest_edgedevice.evaluation import Evaluation

MOST_SLICES = 3
MOST_WORST = 5
MOST_ID = 60


def failure_text(evaluation: Evaluation, gates: Sequence[Gate], confidence: float) -> str:
    """Four lines at most; empty where every gate passes."""
    wrong = [one for one in gates if one.verdict != "pass"]
    if not wrong:
        return ""
    wrong.sort(key=lambda one: one.verdict != "fail")
    first, others = wrong[0], wrong[1:]
    what = f"{evaluation.metric} of {evaluation.model.name!r} on {evaluation.device!r}"
    lines = [f"{what} over {_samples(evaluation, first)} {_clause(first, confidence)}"]
    if others:
        more = "" if len(others) <= MOST_SLICES else f"; and {len(others) - MOST_SLICES} more"
        lines.append("; ".join(_slice(one) for one in others[:MOST_SLICES]) + more)
    if first.needed is not None:
        lines.append(f"needed: about {first.needed:,} samples like these, or another bound")
    elif first.verdict == "inconclusive":
        lines.append("needed: many more samples, or another bound: the value is too close to it")
    if evaluation.worst:
        lines.append(f"worst: {', '.join(_named(one.id, one.score) for one in evaluation.worst[:MOST_WORST])}")
    return "\n  ".join(lines)


def _samples(evaluation: Evaluation, gate: Gate) -> str:
    where = f"{gate.score.samples:,} samples of {evaluation.dataset!r}"
    return f"{where} tagged {gate.tag!r}" if gate.tag else where


def _clause(gate: Gate, confidence: float) -> str:
    score = gate.score
    if not math.isfinite(score.value):
        return f"is no number: the metric gave NaN or an infinity for {score.not_finite:,} of them"
    value, low, high = (_shown(gate, one) for one in (score.value, gate.lower, gate.upper))
    bounds = f"{confidence * 100:g} % bounds [{low}, {high}], {score.method}"
    is_fail = gate.verdict == "fail"
    return f"is {value}, {'not' if is_fail else 'and cannot be shown to be'} {_wanted(gate)}: {bounds}"


def _slice(gate: Gate) -> str:
    where = f"tagged {gate.tag!r}" if gate.tag else "all"
    if not math.isfinite(gate.score.value):
        return f"{where}: no number"
    word = "not" if gate.verdict == "fail" else "not shown"
    bounds = f"[{_shown(gate, gate.lower)}, {_shown(gate, gate.upper)}]"
    return f"{where}: {_shown(gate, gate.score.value)} of {gate.score.samples:,}, {word} {_wanted(gate)} {bounds}"


def _wanted(gate: Gate) -> str:
    if gate.at_least is not None:
        return f">= {_text(gate.at_least, 12, rate=gate.score.kind == 'rate')}"
    return "a number" if gate.at_most is None else f"<= {_text(gate.at_most, 12, rate=gate.score.kind == 'rate')}"


def _shown(gate: Gate, value: float | None) -> str:
    """A value with as many digits, four or more, as tell it from what is wanted."""
    if value is None:
        return "?"
    rate, wanted = gate.score.kind == "rate", gate.at_most if gate.at_least is None else gate.at_least
    for digits in range(4, 16):
        text = _text(value, digits, rate=rate)
        if wanted is None or value == wanted or text != _text(wanted, digits, rate=rate):
            break
    return text


def _text(value: float, digits: int, *, rate: bool) -> str:
    return f"{value * 100:.{digits}g} %" if rate else f"{value:.{digits}g}"


def _named(name: str, score: float) -> str:
    shown = "".join(sign if sign.isprintable() else "?" for sign in name)[:MOST_ID]
    return f"{shown!r} {score:.3g}"
