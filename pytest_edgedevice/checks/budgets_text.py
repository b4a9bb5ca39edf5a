"""How checks of cost and pace say what they found; at most four lines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_edgedevice.checks.budgets import MB, TOP_OPERATORS, Budget, Pace, age_ms, disturbance_numbers
from pytest_edgedevice.checks.numerals import percent, plain, tolerance
from pytest_edgedevice.validity import causes

if TYPE_CHECKING:
    from pytest_edgedevice.checks.seams import ModelLike
    from pytest_edgedevice.findings import Profile, Resources, Stream
    from pytest_edgedevice.values import Disturbance, Verdict


def budget_text(model: ModelLike, budget: Budget, details: str, *, met: tuple[Disturbance, ...] = ()) -> str:
    """Word an observation that is over its budget, or that is none; empty when it passes.

    Args:
        model: What was watched.
        budget: The verdict.
        details: Where the number came from.
        met: What may have disturbed it.
    """
    limit, name = f"{tolerance(budget.limit)} {budget.unit}", model.info.name
    if budget.verdict == "pass":
        return ""
    if budget.verdict == "inconclusive":
        first = f"cannot show {budget.what} of {name!r} <= {limit}: {budget.reason}"
        seen = "" if budget.observed is None else f"; observed {plain(budget.observed)} {budget.unit}"
        return f"{first}{seen}\n  {where_text(model)}"
    assert budget.observed is not None
    observed = f"{_apart(budget.observed, budget.limit)} {budget.unit}"
    return f"{budget.what} of {name!r} is {observed}, over the {limit} allowed\n  {details}\n  {where_text(model, met)}"


def memory_details(found: Resources) -> str:
    """Which counter said what."""
    if found.peak_bytes is None or found.before_load_bytes is None:
        return "memory was not measured"
    peak, before = found.peak_bytes / MB, found.before_load_bytes / MB
    return (
        f"{found.memory_counter}: {peak:.4g} MB in all, {before:.4g} MB of it before the load; "
        f"{found.inferences} inferences"
    )


def cpu_details(found: Resources) -> str:
    """How many processors were busy, for how long."""
    if found.cpu_load_percent is None or found.cores is None or found.cpu_ms is None:
        return "processor time was not measured"
    busy = found.cpu_load_percent / 100 * found.cores
    return (
        f"{busy:.3g} of {found.cores} cores busy, {found.cpu_ms:.4g} ms of processor time an inference; "
        f"{found.inferences} inferences back to back"
    )


def energy_details(found: Resources) -> str:
    """Which source told it."""
    power = "" if found.power_mw is None else f", {found.power_mw / 1000:.3g} W"
    return f"{found.energy_source}{power}: all that ran there meanwhile; {found.inferences} inferences"


def stream_text(model: ModelLike, found: Stream, pace: Pace, *, verdict: Verdict, reason: str) -> str:
    """Word a stream that a model did not keep up with; empty when it did."""
    if verdict == "pass":
        return ""
    name, rate = model.info.name, f"{found.fps:.6g} frames a second"
    first = (
        f"{name!r} does not keep up with {rate}"
        if verdict == "fail"
        else f"cannot show that {name!r} keeps up with {rate}"
    )
    quantile = "oldest" if pace.age_quantile == 1 else f"p{pace.age_quantile * 100:.6g}"
    dropped = f"dropped {percent(found.dropped_share)} of {found.offered} frames ({percent(pace.max_drop)} allowed)"
    age = (
        f"age {quantile} {_apart(age_ms(found, pace.age_quantile), pace.max_age_ms)} ms ({pace.max_age_ms:.6g} allowed)"
    )
    rest = (
        f"{found.achieved_fps:.4g} results a second, age p50 {found.age_p50_ms:.4g} ms, jitter {found.jitter_ms:.3g} ms"
    )
    where = where_text(model, found.disturbances, said=reason)
    return f"{first}{': ' + reason if reason else ''}\n  {dropped}, {age}\n  {rest}\n  {where}"


def profile_numbers(found: Profile, reason: str) -> dict[str, Any]:
    """The slowest operators for the record, and what the others take together."""
    top = found.operators[:TOP_OPERATORS]
    rest = found.operators[TOP_OPERATORS:]
    fields = ("name", "delegate", "count", "time_ms", "share")
    return {
        "runs": found.runs,
        "total_ms": found.total_ms,
        "operators": [{field: getattr(one, field) for field in fields} for one in top],
        "others": {"types": len(rest), "time_ms": sum(one.time_ms for one in rest)},
        "emulated": found.emulated,
        "reason": reason,
        **disturbance_numbers(found),
    }


def profile_text(model: ModelLike, reason: str) -> str:
    """Word a profile that could not be taken; empty when it could."""
    return f"cannot profile {model.info.name!r}: {reason}\n  {where_text(model)}" if reason else ""


def _apart(value: float, limit: float) -> str:
    """A number that does not round to its limit."""
    short = plain(value)
    return short if float(short) != limit else repr(value)


def where_text(model: ModelLike, met: tuple[Disturbance, ...] = (), *, said: str = "") -> str:
    """Where it ran, and what may have disturbed it there, but for what was said already."""
    threads = "1 thread" if model.info.threads == 1 else f"{model.info.threads} threads"
    known = {one.condition for one in met if said and one.text in said}
    why = causes(tuple(one for one in met if one.condition not in known))
    return f"on {model.device_name!r} by {model.placement.shown}, {threads}{'; ' + why if why else ''}"
