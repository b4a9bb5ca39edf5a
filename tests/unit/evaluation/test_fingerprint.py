"""Scores of an earlier version of a metric are told from those of this one, whatever it was that changed."""

from __future__ import annotations

import functools
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pytest_edgedevice.evaluation import MeanAveragePrecision, Sample
from pytest_edgedevice.evaluation.fingerprint import fingerprint_of
from tests.unit.evaluation.conftest import NumpyModel, one_hot

ROOT = Path(__file__).parents[3]
LEAST = 0.5


def above(output: Any, label: Any, least: float = 0.5) -> bool:
    return bool(output[label] > least)


def above_global(output: Any, label: Any) -> bool:
    return bool(output[label] > LEAST)


def above_by_helper(output: Any, label: Any) -> bool:
    return above(output, label)


def enclosing(least: Any) -> Any:
    return lambda output, label: output[label] > least


def ordinary(output: Any, label: Any = 0) -> Any:
    return label in {"cat", "dog", "fish"} or output.max() > np.float32(0.5)


class Judge:
    def __init__(self, least: Any) -> None:
        self.least = least

    def __call__(self, output: Any, label: Any) -> bool:
        return bool(output[label] > self.least)

    def judge(self, output: Any, label: Any) -> bool:
        return self(output, label)


class Slow:
    __slots__ = ()


@pytest.mark.parametrize(
    "made",
    [
        enclosing,
        Judge,
        lambda least: Judge(least).judge,
        lambda least: functools.partial(above, least=least),
        lambda least: MeanAveragePrecision(enclosing(least)),
        lambda least: MeanAveragePrecision(list, ious=(least, 1.0)),
        lambda least: Judge(np.full(3, least)),
        lambda least: Judge({"a": [least], "b": {least}}),
    ],
)
def test_a_value_that_a_metric_can_see_tells_it_from_another(made: Any) -> None:
    assert fingerprint_of(made(0.5)) == fingerprint_of(made(0.5)) != fingerprint_of(made(0.7))


@pytest.mark.parametrize("metric", [above_global, above_by_helper])
def test_globals_and_functions_that_it_calls_do_too(monkeypatch: pytest.MonkeyPatch, metric: Any) -> None:
    before = fingerprint_of(metric)
    monkeypatch.setitem(globals(), "LEAST", 0.7)
    monkeypatch.setitem(globals(), "above", enclosing(0.7))
    assert fingerprint_of(metric) != before


def test_another_code_has_another_fingerprint() -> None:
    metrics = [lambda output, label: 0.5, lambda output, label: 0.25, lambda output, label: max(0, 1)]
    assert len({fingerprint_of(one) for one in metrics}) == 3
    assert fingerprint_of(max) == ""


def test_code_that_is_only_inside_of_it_counts() -> None:
    metrics = [lambda output, _: [one.a for one in output], lambda output, _: [one.b for one in output]]
    assert fingerprint_of(metrics[0]) != fingerprint_of(metrics[1])


def test_it_is_the_same_in_another_process() -> None:
    program = (
        "from tests.unit.evaluation.test_fingerprint import *; "
        "print(fingerprint_of(ordinary), fingerprint_of(MeanAveragePrecision(ordinary)))"
    )
    told = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert told.stdout.split() == [fingerprint_of(ordinary), fingerprint_of(MeanAveragePrecision(ordinary))]


def test_whatever_a_metric_holds_has_an_end() -> None:
    endless: list[Any] = [threading.Lock(), sys, Slow(), int, object()]
    endless.append(endless)
    deep: list[Any] = []
    for _ in range(5000):
        deep = [deep]

    def unbound(output: Any, label: Any) -> Any:
        return later

    first = fingerprint_of(Judge([endless, deep, unbound]))
    later = first
    assert len(first) == len(later) == 16


def test_a_changed_metric_of_the_same_name_begins_anew(tmp_path: Path) -> None:
    samples = [Sample(one_hot(at % 3) * np.float32(at / 10), at % 3) for at in range(10)]

    def cut() -> Any:
        yield from samples[:5]
        raise KeyError

    model, path = NumpyModel(), tmp_path / "state.jsonl"
    with pytest.raises(KeyError):
        model.evaluate(cut, enclosing(0.25), batch=1, resume=path)
    found = model.evaluate(lambda: iter(samples), enclosing(0.75), resume=path)
    assert (found.resumed, found.total.successes) == (0, 2)
