"""Whether a device was in a state in which its times mean something: the rules, and what they find. Pure.

Knows what conditions are called (``agent.conditions`` and what links add), and nothing of devices, links or files.
A condition comes from a device and may be anything: what makes no sense is not judged, and no text of a device's own
is repeated.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pytest_edgedevice.values import Disturbance, Rule

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pytest_edgedevice.values import Fact

CONDITIONS = ("busy", "throttled", "hot", "battery_low", "charging", "governor")
RULES: tuple[Rule, ...] = ("wait", "inconclusive", "ignore")
OWN_REST = 0.1
"""What the minute's average of the load still holds of other things than our own threads."""
_THROTTLED = "the device was throttled"
_HELD_BACK = (
    ("thermal_status", ("moderate", "severe", "critical", "emergency", "shutdown"), "thermal status", _THROTTLED),
    ("thermal_state", ("serious", "critical"), "thermal state", _THROTTLED),
    ("app_state", ("inactive", "background"), "the app's state was", "the system held it back"),
)
"""Condition, its words for throttling that is felt, what it is called, and what that means.

Android's ``light`` is not felt, nor iOS's ``fair``; the system holds an app back while it is not in front.
"""
_SLOW_GOVERNORS = ("powersave", "conservative")
_PI_HELD, _PI_STARVED = 0b1110, 0b1
"""Bits of a Raspberry Pi's word that are of now: clocks held down, and too low a voltage; those above are history."""
_COLDEST_C, _HOTTEST_C = -60.0, 200.0
_MOST_CORES = 4096


@dataclass(frozen=True, slots=True)
class Rules:
    """What becomes of a measurement under each condition, and from where on the condition is met.

    ``wait`` waits for it to pass before the measurement, and judges all the same where it does not; ``inconclusive``
    gives no verdict; ``ignore`` judges all the same. What was met is named where a verdict is not ``pass``.

    By default nothing turns a verdict: a machine of a CI is always a little busy, and a phone in a rack always
    charging. Only what the device itself calls throttling is waited for, as that passes, and makes every time longer.

    Attributes:
        busy: Others use the processor.
        throttled: The device holds its clocks down, to cool or for lack of power; or holds back an app that is not in
            front.
        hot: A temperature is above its limit. By itself that slows nothing: ``throttled`` says when it does.
        battery_low: Many phones save power then.
        charging: It heats; named and judged only where its rule is another than ``ignore``, as any phone on a cable is.
        governor: The clocks' own policy, or a phone's low power mode, keeps them below what the processor can, which
            is often meant.
        max_load_per_core: Tasks for each processor, our own threads not counted. Half of them busy leaves room.
        max_cpu_pressure: Share of ten seconds in which a task waited for a processor, percent.
        max_temperature_c: Of a processor; most hold their clocks down from 80 or more.
        max_battery_c: Of battery and case; phones begin to save themselves there.
        min_battery_percent: Where most phones begin to save power.
        cool_s: Longest wait before one measurement, seconds; a phone cools by most of what it will in two minutes.
    """

    busy: Rule = "ignore"
    throttled: Rule = "wait"
    hot: Rule = "ignore"
    battery_low: Rule = "ignore"
    charging: Rule = "ignore"
    governor: Rule = "ignore"
    max_load_per_core: float = 0.5
    max_cpu_pressure: float = 10.0
    max_temperature_c: float = 80.0
    max_battery_c: float = 45.0
    min_battery_percent: float = 20.0
    cool_s: float = 120.0


def disturbances(
    conditions: Mapping[str, Mapping[str, Fact]], rules: Rules, *, threads: int = 1, cores: int | None = None
) -> tuple[Disturbance, ...]:
    """What was met, in the order of the moments.

    Args:
        conditions: Moment to conditions: ``before``, ``after``, and any number that begin with ``during``.
        rules: What is judged, and where its limits are.
        threads: Of the model that was measured: their load is our own.
        cores: Processors of the device; None where that is not known, and then its load says nothing.
    """
    return tuple(
        one for moment, told in conditions.items() for one in _met(told, moment, rules, threads=threads, cores=cores)
    )


def to_wait_for(told: Mapping[str, Fact], rules: Rules, *, threads: int, cores: int | None) -> tuple[Disturbance, ...]:
    """What there is now that a wait may end, and that is to be waited for."""
    met = disturbances({"before": told}, rules, threads=threads, cores=cores)
    return tuple(one for one in met if one.rule == "wait" and one.passes)


def spoiling(met: tuple[Disturbance, ...]) -> str:
    """Why a measurement shows nothing by the rules, one sentence; empty where it does."""
    return "; ".join(_first_of_each(one for one in met if one.rule == "inconclusive"))


def causes(met: tuple[Disturbance, ...]) -> str:
    """What may have made the times longer than they are, each once; empty where nothing is known to."""
    return "; ".join(_first_of_each(iter(met)))


def _first_of_each(met: Iterator[Disturbance]) -> list[str]:
    texts: dict[str, str] = {}
    for one in met:
        texts.setdefault(one.condition, one.text)
    return list(texts.values())


def _met(
    told: Mapping[str, Fact], moment: str, rules: Rules, *, threads: int, cores: int | None
) -> Iterator[Disturbance]:
    when = _when(moment)
    found = {
        "busy": _busy(told, rules, when, threads=threads, cores=cores, first=moment == "before"),
        "throttled": _throttled(told, when),
        "hot": _hot(told, rules, when),
        "battery_low": _battery_low(told, rules, when),
        "charging": _charging(told, when) if rules.charging != "ignore" else None,
        "governor": _governor(told, when),
    }
    for condition, one in found.items():
        if one is not None:
            text, passes = one
            yield Disturbance(condition, moment[:40], getattr(rules, condition), text, passes)


def _when(moment: str) -> str:
    return {"before": "before the run", "after": "after the run"}.get(moment, "during the run")


def _busy(
    told: Mapping[str, Fact], rules: Rules, when: str, *, threads: int, cores: int | None, first: bool
) -> tuple[str, bool] | None:
    """By its load and by its pressure, whichever says so; neither where our own threads may be all of it."""
    known = cores if cores is not None and 0 < cores <= _MOST_CORES else None
    load = _number(told.get("load_1min"), 0, 1e6)
    pressure = _number(told.get("cpu_pressure_10s"), 0, 100)
    clauses = []
    if load is not None and known is not None:
        # before the run, the average may hold our own last measurement still, and afterwards it holds this one
        room = rules.max_load_per_core * known
        if load > (max(room, threads + OWN_REST) if first else room + threads):
            clauses.append(f"load {load:.3g} on {known} core{'s' * (known > 1)}")
    if pressure is not None and pressure > rules.max_cpu_pressure and (known is None or threads < known):
        clauses.append(f"tasks that waited for a processor in {pressure:.3g} % of ten seconds")
    return (f"{' and '.join(clauses)} {when}: the machine was busy", True) if clauses else None


def _throttled(told: Mapping[str, Fact], when: str) -> tuple[str, bool] | None:
    for name, words, what, means in _HELD_BACK:
        status = told.get(name)
        if isinstance(status, str) and status in words:
            return f"{what} {status!r} {when}: {means}", True
    word = told.get("throttled")
    if not isinstance(word, str) or not re.fullmatch(r"0x[0-9a-fA-F]{1,8}", word):
        return None
    bits = int(word, 16)
    if bits & _PI_STARVED:
        return f"too low a voltage {when} (get_throttled {word}): the device was throttled for lack of power", False
    if bits & _PI_HELD:
        return f"clocks held down {when} (get_throttled {word}): the device was throttled", True
    return None


def _hot(told: Mapping[str, Fact], rules: Rules, when: str) -> tuple[str, bool] | None:
    limits = {
        "temperature_c": rules.max_temperature_c,
        "battery_c": rules.max_battery_c,
        "skin_c": rules.max_battery_c,
    }
    names = {"temperature_c": "the processor", "battery_c": "the battery", "skin_c": "the case"}
    for name, limit in limits.items():
        value = _number(told.get(name), _COLDEST_C, _HOTTEST_C)
        if value is not None and value > limit:
            return f"{names[name]} at {value:.3g} C {when}, over {limit:g} C: the device was hot", True
    return None


def _battery_low(told: Mapping[str, Fact], rules: Rules, when: str) -> tuple[str, bool] | None:
    percent = _number(told.get("battery_percent"), 0, 100)
    if percent is None or percent >= rules.min_battery_percent:
        return None
    limit = f"{rules.min_battery_percent:g} %"
    return f"the battery at {percent:.3g} % {when}, under {limit}: the device may save power", True


def _charging(told: Mapping[str, Fact], when: str) -> tuple[str, bool] | None:
    return (f"charging {when}, which heats the device", True) if told.get("charging") is True else None


def _governor(told: Mapping[str, Fact], when: str) -> tuple[str, bool] | None:
    governor = told.get("governor")
    if isinstance(governor, str) and governor in _SLOW_GOVERNORS:
        return f"the governor {governor!r} {when}: it may have kept the clocks low", False
    if told.get("clock_limited") is True:
        return f"clocks limited below what the processor can {when}", False
    if told.get("low_power_mode") is True:
        return f"low power mode {when}: the device kept its clocks low", False
    return None


def _number(value: Any, least: float, most: float) -> float | None:
    """A finite number within a range; None for anything else, also where no float can hold it."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
        return None
    return float(value) if math.isfinite(value) else None
