"""``edgedevice recheck``: judge recorded latencies again, by the raw series in the records.

The same mathematics as the check that made the record: with the budgets of the
record the same verdicts come out; with others it is as if those had been asked.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from pytest_edgedevice.cli.text import printable
from pytest_edgedevice.errors import UsageError
from pytest_edgedevice.metrics.latency import Verdict, explained, interval_text, judge_run, quantile_name
from pytest_edgedevice.records import read_lines, unpack

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from pytest_edgedevice.records import Record

SCHEMA = 1
MOST_INFERENCES = 1_000_000
LEAST_CONFIDENCE = 0.5
MOST_MS = 1e12
MOST_BUDGETS = 100
MOST_SHOWN = 300
EMULATED = "the device is emulated, so its times say nothing; --allow-emulated judges them all the same"


@dataclass(frozen=True, slots=True)
class Rechecked:
    """One budget of one record, judged again.

    Attributes:
        test: pytest's node id.
        model, device, time: As the record has them.
        quantile: Which quantile.
        budget_ms: Its budget.
        verdict: By the series.
        recorded: What the record says; None where it has no such budget.
        lower_ms, upper_ms: Bounds of the quantile; None where the series is too short.
        runs: Length of the part of the series that was judged.
        reason: Why it is not ``pass``; empty otherwise.
        needed: What would have decided it, where it is inconclusive.
    """

    test: str
    model: str
    device: str
    time: str
    quantile: float
    budget_ms: float
    verdict: Verdict
    recorded: str | None
    lower_ms: float | None
    upper_ms: float | None
    runs: int
    reason: str
    needed: str


@dataclass(frozen=True, slots=True)
class _Series:
    """A recorded series, checked: ``confidence`` is that of the last look, ``overall`` that of all looks together."""

    samples_ns: Sequence[int]
    batch: int
    steady: bool
    confidence: float
    overall: float


def recheck(
    path: Path,
    *,
    quantiles: Sequence[tuple[float, float]] | None = None,
    confidence: float | None = None,
    allow_emulated: bool = False,
    as_json: bool = False,
) -> bool:
    """Print the verdicts; whether every one is a pass.

    Args:
        path: File of records.
        quantiles: Budgets, as quantile and milliseconds; by default each record's own.
        confidence: Of each verdict; by default each record's own.
        allow_emulated: Judge times of emulated devices too.
        as_json: Print one JSON object instead of text.

    Raises:
        UsageError: The file cannot be read, holds no latency, or a record is malformed; which one is said.
    """
    if confidence is not None and confidence < LEAST_CONFIDENCE:
        raise UsageError(f"--confidence must be {LEAST_CONFIDENCE} or more, not {confidence:g}")
    found: list[Rechecked] = []
    for number, record in enumerate(read_lines(path), start=1):
        if record["check"] == "latency":
            where = f"{path}: record {number}"
            found += _judged(record, where, quantiles or (), confidence=confidence, allow_emulated=allow_emulated)
    if not found:
        raise UsageError(f"{path} holds no latency to judge", hint="write one with: pytest --edge-report json=PATH")
    if as_json:
        print(json.dumps({"schema": SCHEMA, "budgets": [asdict(one) for one in found]}, allow_nan=False))
    else:
        for one in found:
            _show(one)
        passed = sum(one.verdict == "pass" for one in found)
        print(f"{passed} of {len(found)} pass")
    return all(one.verdict == "pass" for one in found)


def _judged(
    record: Record,
    where: str,
    asked: Sequence[tuple[float, float]],
    *,
    confidence: float | None,
    allow_emulated: bool,
) -> list[Rechecked]:
    numbers = record["numbers"]
    recorded = _recorded(numbers, where)
    if not (recorded or asked or numbers.get("singles")):
        raise UsageError(f"{where} holds no budget", hint="name one, e.g. --p95-ms 80")
    model, device = (_name(record.get(key)) for key in ("model", "device"))
    void = EMULATED if numbers.get("emulated") is True and not allow_emulated else _spoiled(numbers)
    results = []
    for quantile, budget_ms in asked or [(quantile, budget) for quantile, budget, _ in recorded]:
        series = _series(numbers, quantile, where, confidence=confidence)
        before = next((verdict for *own, verdict in recorded if own == [quantile, budget_ms]), None)
        verdict, lower, upper, reason, needed = _verdict(series, quantile, budget_ms, void=void)
        results.append(
            Rechecked(
                test=record["test"],
                model=model,
                device=device,
                time=str(record.get("time", "")),
                quantile=quantile,
                budget_ms=budget_ms,
                verdict=verdict,
                recorded=before,
                lower_ms=lower,
                upper_ms=upper,
                runs=len(series.samples_ns),
                reason=reason,
                needed=needed,
            )
        )
    return results


def _verdict(
    series: _Series, quantile: float, budget_ms: float, *, void: str
) -> tuple[Verdict, float | None, float | None, str, str]:
    """Verdict, bounds in milliseconds, reason and what is needed."""
    if not series.samples_ns:
        return "inconclusive", None, None, "not a single run was timed", ""
    if min(series.samples_ns) <= 0:
        return "inconclusive", None, None, "the series holds times of 0 ns, which no clock measures", ""
    asked = {"budget_ns": budget_ms * 1e6, "quantile": quantile}
    sure = {"confidence": series.confidence, "overall": series.overall}
    found = judge_run(series.samples_ns, series.batch, **asked, **sure)
    # in a series that is too short for a bound, more looks were not what it lacked
    lacked = series.overall if found.upper_ns is None else series.confidence
    found = explained(found, series.samples_ns, **asked, confidence=lacked)
    lower, upper = (None if bound is None else bound / 1e6 for bound in (found.lower_ns, found.upper_ns))
    if void:
        return "inconclusive", lower, upper, void, ""
    if not series.steady and min(series.samples_ns) <= budget_ms * 1e6:
        return "inconclusive", lower, upper, "the series never settled, so it shows nothing", ""
    return found.verdict, lower, upper, found.reason, found.needed


def _spoiled(numbers: Mapping[str, Any]) -> str:
    """Why the device's rules gave no verdict then; empty where they did."""
    met = numbers.get("disturbances")
    told = [one for one in met if isinstance(one, dict)] if isinstance(met, list) else []
    text = next((str(one.get("text")) for one in told if one.get("rule") == "inconclusive"), "")
    return "".join(sign if sign.isprintable() else " " for sign in text[:300])


def _recorded(numbers: Mapping[str, Any], where: str) -> list[tuple[float, float, str]]:
    """Quantile, budget and verdict of each budget in a record."""
    budgets = numbers.get("budgets", [])
    if not isinstance(budgets, list) or not all(isinstance(one, dict) for one in budgets):
        raise UsageError(f"{where}: 'budgets' is no list of objects")
    if len(budgets) > MOST_BUDGETS:
        raise UsageError(f"{where}: 'budgets' has {len(budgets)} entries; {MOST_BUDGETS} are the most")
    found = []
    for one in budgets:
        quantile = _number(one, "quantile", where, below=1)
        found.append(
            (quantile, _number(one, "budget_ms", where, below=MOST_MS), str(one.get("verdict", "no verdict"))[:20])
        )
    return found


def _series(numbers: Mapping[str, Any], quantile: float, where: str, *, confidence: float | None) -> _Series:
    """The series that decides a quantile: one that was taken for it alone, or else the record's only one."""
    name = quantile_name(quantile)
    raw, told = numbers.get("samples_ns"), numbers
    more, details = numbers.get("more_samples_ns"), numbers.get("more")
    if isinstance(more, dict) and name in more:
        raw = more[name]
        told = {
            **numbers,
            **(details[name] if isinstance(details, dict) and isinstance(details.get(name), dict) else {}),
        }
    samples = unpack(raw, where=f"{where}: the series 'samples_ns'")
    start, batch = told.get("judged_from", 0), told.get("batch", 1)
    if type(start) is not int or not 0 <= start <= len(samples):
        raise UsageError(f"{where}: 'judged_from' is no place in the series")
    if type(batch) is not int or not 1 <= batch <= MOST_INFERENCES:
        raise UsageError(f"{where}: 'batch' is no whole number from 1 to {MOST_INFERENCES}")
    used = "confidence" if told.get("look_confidence") is None else "look_confidence"
    sure = confidence or _number(told, used, where, below=1)
    if sure < LEAST_CONFIDENCE:
        raise UsageError(f"{where}: a confidence must be {LEAST_CONFIDENCE} or more, not {sure:g}")
    overall = confidence or (_number(told, "confidence", where, below=1) if "confidence" in told else sure)
    return _Series(samples[start:], batch, told.get("steady", True) is True, sure, overall)


def _name(told: Any) -> str:
    return str(told.get("name", ""))[:200] if isinstance(told, dict) else ""


def _number(told: Mapping[str, Any], key: str, where: str, *, below: float) -> float:
    value = told.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < below:
        raise UsageError(f"{where}: {key!r} is no number above 0 and below {below:g}: {str(value)[:40]}")
    return float(value)


def _show(one: Rechecked) -> None:
    what = " ".join(
        part for part in (one.test[:MOST_SHOWN], one.model, f"on {one.device}" if one.device else "") if part
    )
    bounds = [None if bound is None else bound * 1e6 for bound in (one.lower_ms, one.upper_ms)]
    verdict = f"{one.verdict}, interval {interval_text(*bounds)} ms, n={one.runs}"
    changed = f"; recorded: {one.recorded}" if one.recorded not in (None, one.verdict) else ""
    print(printable(f"{what}: {quantile_name(one.quantile)} < {one.budget_ms:.6g} ms: {verdict}{changed}"))
    if one.verdict == "inconclusive":
        print(printable(f"  {'; '.join(filter(None, (one.reason, one.needed)))}"))
