"""What a test asks of each output: ``metric=`` and tolerances, read into one plan.

Owns names, patterns and misuse. What a preset gives where nothing is asked is next door.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from pytest_edgedevice import metrics
from pytest_edgedevice.errors import UsageError
from pytest_edgedevice.given import shown
from pytest_edgedevice.metrics.metric import GroupMetric, Metric

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pytest_edgedevice.metrics.elementwise import Within

MetricLike = Metric | GroupMetric | type[Metric] | type[GroupMetric] | str
Several = MetricLike | Sequence[MetricLike]
Asked = Several | Mapping[str, Several]
"""One metric, several, or such by a pattern of output names."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How outputs are judged.

    Attributes:
        metrics: Output name to what judges it; empty where a preset does.
        groups: What judges several outputs together; those are not in ``metrics``.
    """

    metrics: Mapping[str, tuple[Metric, ...]]
    groups: tuple[GroupMetric, ...]


def plan_for(
    names: Sequence[str],
    metric: Asked | None,
    *,
    tolerance: Within | None,
    at_least: float | None = None,
    at_most: float | None = None,
) -> Plan:
    """Read what a test asks.

    The first pattern that fits an output's name decides; an output that none fits is left to a preset.

    Args:
        names: Outputs that are compared.
        metric: As ``EdgeCheck.close``.
        tolerance: What ``atol`` and ``rtol`` gave; judged besides, on every output that is in no group.
        at_least: Bound of a metric that is given by its name; or
        at_most: the same.

    Raises:
        UsageError: There is no such metric, a bound does not suit it, or a pattern fits no output.
    """
    asked = _by_pattern(metric, {"at_least": at_least, "at_most": at_most})
    found: dict[str, tuple[Metric, ...]] = {}
    groups: list[GroupMetric] = []
    taken: set[str] = set()
    for pattern, several in asked:
        fitting = [name for name in names if fnmatchcase(name, pattern)]
        if not fitting:
            raise UsageError(f"no output fits {pattern!r}", hint=f"the outputs are {sorted(names)}")
        for group in (one for one in several if isinstance(one, GroupMetric)):
            _check_group(group, names, taken)
            groups.append(group)
            taken.update(group.outputs)
        plain = tuple(one for one in several if isinstance(one, Metric))
        found |= {name: plain for name in fitting if plain and name not in found}
    besides = () if tolerance is None else (tolerance,)
    left = [name for name in names if name not in taken]
    return Plan({name: (*besides, *found.get(name, ())) for name in left}, tuple(groups))


def _by_pattern(
    metric: Asked | None, bounds: Mapping[str, float | None]
) -> list[tuple[str, tuple[Metric | GroupMetric, ...]]]:
    given = {key: value for key, value in bounds.items() if value is not None}
    if given and not isinstance(metric, str):
        raise UsageError(
            f"{next(iter(given))} goes with a metric that is given by its name",
            hint="metric='cosine', at_least=0.999; or metric=cosine(at_least=0.999)",
        )
    if metric is None:
        return []
    if not isinstance(metric, Mapping):
        return [("*", _read(metric, given))]
    if not metric:
        raise UsageError("metric={} judges nothing", hint="metric={'scores*': within(atol=1e-3), '*': steps(1)}")
    patterns: list[Any] = list(metric)
    if odd := [pattern for pattern in patterns if not isinstance(pattern, str)]:
        raise UsageError(f"metric: {shown(odd[0])} is no pattern of output names", hint="metric={'scores*': steps(1)}")
    return [(pattern, _read(several, {})) for pattern, several in metric.items()]


def _read(several: Any, bounds: Mapping[str, float]) -> tuple[Metric | GroupMetric, ...]:
    if isinstance(several, str | type | Metric | GroupMetric):
        return (_one(several, bounds),)
    if not isinstance(several, Sequence) or not several:
        raise UsageError(
            f"metric must be a metric, its name, several of them, or those by output name, not {shown(several)}",
            hint="metric=cosine(at_least=0.999), from pytest_edgedevice.metrics",
        )
    return tuple(_one(one, {}) for one in several)


def _one(metric: Any, bounds: Mapping[str, float]) -> Metric | GroupMetric:
    if isinstance(metric, Metric | GroupMetric):
        return metric
    if isinstance(metric, type) and issubclass(metric, Metric | GroupMetric):  # `cosine`, and not called
        return _made(metric, getattr(metric, "name", metric.__name__), bounds)
    if not isinstance(metric, str):
        raise UsageError(f"{shown(metric)} is no metric", hint=f"metrics are {_names(metrics.METRICS)}")
    if metric not in metrics.METRICS:
        raise UsageError(f"there is no metric {shown(metric)}", hint=f"metrics are {_names(metrics.METRICS)}")
    return _made(getattr(metrics, metric), metric, bounds)


def _made(kind: type[Metric | GroupMetric], name: str, bounds: Mapping[str, float]) -> Metric | GroupMetric:
    try:
        return kind(**bounds)
    except TypeError as error:
        raise UsageError(
            f"metric {name!r}: {_plainly(error)}", hint=f"{name}(...) of pytest_edgedevice.metrics"
        ) from error
    except ValueError as error:
        raise UsageError(f"metric {name!r}: {error}") from error


def _plainly(error: TypeError) -> str:
    return str(error).partition("__init__() ")[2] or str(error)


def _check_group(group: GroupMetric, names: Sequence[str], taken: Iterable[str]) -> None:
    for name in group.outputs:
        if name not in names:
            raise UsageError(f"metric {group.name!r}: there is no output {name!r}", hint=f"there are {sorted(names)}")
        if name in taken:
            raise UsageError(f"metric {group.name!r}: output {name!r} is judged by another metric already")


def _names(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))
