"""From observations to a likely cause: pure rules, in the order of how much each one proves.

A delegate is to blame where other kernels of the same device agree with the
reference; the device where only this host does; what all sides share (file,
inputs, reference) where all give the same. What shows nothing says so.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_edgedevice.checks.blamed import Likely, Observation

MUCH_CLOSER = 10
"""By how much an error must be smaller than that of the run to point at a cause although it is no match."""

Found = tuple["Likely", str]


def attribute(delegate: str, error: float, seen: Sequence[Observation]) -> Found:
    """The likely cause, and a clause that says so with numbers.

    Args:
        delegate: What ran when the check failed, e.g. ``gpu``.
        error: The largest difference of that run from its reference.
        seen: What was tried.
    """
    tried = [one for one in seen if one.close is not None]
    again = next((one for one in tried if one.kind == "again"), None)
    if again is not None and (again.close or not again.same):
        return _not_the_same(again)
    inner = [one for one in tried if one.kind == "delegate" and one.where == "device"]
    outer = [one for one in tried if one.kind == "delegate" and one.where == "host"]
    if not inner and not outer:
        return _nothing(seen)
    return (
        _delegate(delegate, error, inner, [one for one in inner if one.close])
        or _device(error, inner, [one for one in outer if one.close])
        or _inputs(tried)
        or _delegate(delegate, error, inner, _closer(inner, error))
        or _device(error, inner, _closer(outer, error))
        or _shared(inner, outer, seen)
        or ("unknown", f"unknown: all sides differ: {_listed([*inner, *outer])}")
    )


def _not_the_same(again: Observation) -> Found:
    found = f"agrees with the reference ({number(again.max_abs_error)})" if again.close else "gives something else"
    return "device", f"run again with the same settings it {found}, so the device is not deterministic"


def _nothing(seen: Sequence[Observation]) -> Found:
    problems = "; ".join(f"{one.what}: {one.problem}" for one in seen if one.problem)
    return "unknown", f"unknown: nothing else could be run to compare with{f' ({problems})' if problems else ''}"


def _delegate(delegate: str, error: float, inner: Sequence[Observation], better: Sequence[Observation]) -> Found | None:
    if not better:
        return None
    best = min(better, key=_error)
    others = [one for one in inner if one not in better]
    besides = f", {_listed(others)} does not" if others and best.close else ""
    text = f"same model with {best.what} on the device {_how(best, error)}{besides}"
    return "delegate", f"{text}, so the delegate {delegate!r} is the likely cause"


def _device(error: float, inner: Sequence[Observation], better: Sequence[Observation]) -> Found | None:
    if not better:
        return None
    best = min(better, key=_error)
    text = f"same model with {best.what} {_how(best, error)}"
    if not inner:
        return "device", f"{text}; the device offers nothing to compare with, so it or its delegate is the likely cause"
    return "device", f"{text}, with {_listed(inner)} not, so the device is the likely cause"


def _inputs(tried: Sequence[Observation]) -> Found | None:
    better = next((one for one in tried if one.kind == "inputs" and one.close), None)
    if better is None:
        return None
    text = f"with {better.what} the same model agrees ({number(better.max_abs_error)})"
    return "pre-processing", f"{text}, so the pre-processing is the likely cause"


def _shared(inner: Sequence[Observation], outer: Sequence[Observation], seen: Sequence[Observation]) -> Found | None:
    """All sides give the same: it lies in what they share."""
    twin = next((one for one in seen if one.kind == "twin" and one.close is not None), None)
    if twin is not None and twin.close:
        return "conversion", f"{twin.what} agrees ({number(twin.max_abs_error)}), so the conversion is the likely cause"
    asked = [*inner, *outer]
    if not all(one.same for one in asked):
        return None
    text = f"{_listed(asked)} give{'s' if len(asked) == 1 else ''} the same"
    if twin is not None:
        text += f" and {twin.what} differs too ({number(twin.max_abs_error)})"
        return "pre-processing", f"{text}, so the pre-processing or a stale reference is the likely cause"
    unasked = next((one for one in seen if one.where == "host" and one.kind == "delegate" and one.problem), None)
    if unasked is not None:
        shared = "the conversion, the pre-processing, a stale reference or the device"
        return "unknown", f"unknown: {text}, and {unasked.what} cannot be asked ({unasked.problem}): {shared}"
    return "conversion", f"{text}, so the conversion, the pre-processing or a stale reference is the likely cause"


def _closer(seen: Sequence[Observation], error: float) -> list[Observation]:
    return [one for one in seen if _error(one) * MUCH_CLOSER <= error and math.isfinite(_error(one))]


def _how(one: Observation, error: float) -> str:
    if one.close:
        return f"agrees ({number(one.max_abs_error)})"
    return f"comes much closer ({number(one.max_abs_error)} against {number(error)})"


def _listed(seen: Sequence[Observation]) -> str:
    told = [f"{one.what} ({number(one.max_abs_error)})" for one in seen]
    return " and ".join([", ".join(told[:-1]), told[-1]] if len(told) > 1 else told)


def _error(one: Observation) -> float:
    return math.inf if one.max_abs_error is None else one.max_abs_error


def number(value: float | None) -> str:
    """A difference in two digits, e.g. ``4e-7``."""
    if value is None or not math.isfinite(value):
        return "nothing to compare" if value is None else "no finite difference"
    digits, _, power = f"{value:.2g}".partition("e")
    return f"{digits}e{int(power)}" if power else digits
