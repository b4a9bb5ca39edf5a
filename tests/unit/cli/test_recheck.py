"""``edgedevice recheck``: the verdicts of a record again, by its raw series."""

from __future__ import annotations

import contextlib
import dataclasses
import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from pytest_edgedevice.checks import CheckFailed, EdgeCheck
from pytest_edgedevice.cli import main
from pytest_edgedevice.metrics.gate import Gate
from pytest_edgedevice.metrics.looks import plan_looks
from pytest_edgedevice.records import build, pack, write_lines
from pytest_edgedevice.values import Disturbance, Evidence, ModelInfo, Placement, Timing

if TYPE_CHECKING:
    from pathlib import Path

MS = 1_000_000
MODEL = ModelInfo("m.tflite", "a" * 64, 640, "float32", (), (), "litert", "2.1.0", 1)
PLACEMENT = Placement("cpu", "xnnpack", 1, 1, 1, {}, "counted")


class Gated:
    """A model whose latency is measured as the real loop does it, on a series that was drawn before."""

    info, placement, device_name = MODEL, PLACEMENT, "desk"

    def __init__(self, **changes: Any) -> None:
        self._changes = changes
        noise = np.random.RandomState(3).standard_normal(5000)
        self._series = (np.exp(0.1 * noise) * 20 * MS).astype(int)

    def measure(
        self, inputs: Any = None, *, budget_ms: float, quantile: float, confidence: float, **limits: Any
    ) -> Timing:
        looks = plan_looks(quantile=quantile, confidence=confidence, min_runs=0, max_runs=2000)
        gate = Gate(budget_ms * MS, quantile=quantile, confidence=confidence, looks=looks)
        found = next(one for length in looks if (one := gate.look(self._series[:length])))
        length = looks[gate._number - 1]
        lower, upper = (None if bound is None else bound / MS for bound in (found.lower_ns, found.upper_ns))
        series = tuple(int(value) for value in self._series[:length])
        timing = Timing(
            found.verdict,
            series,
            1,
            20,
            23,
            24,
            26,
            lower,
            upper,
            budget_ms,
            quantile,
            confidence,
            1,
            1,
            9,
            steady=True,
            reason=found.reason,
            look_confidence=gate.confidence_used,
        )
        return dataclasses.replace(timing, **self._changes)


def recorded(path: Path, *, changes: dict[str, Any] | None = None, **budgets: Any) -> Path:
    """The record that a real check makes."""
    seen: list[Evidence] = []
    with contextlib.suppress(CheckFailed):
        model: Any = Gated(**(changes or {}))
        EdgeCheck(seen.append).latency(model, **budgets)
    write_lines(path, [build(one, test="t.py::test_a", facts={}, version="1", time="now") for one in seen])
    return path


def rechecked(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, list[dict[str, Any]]]:
    code = main(["recheck", *map(str, arguments), "--json"])
    told = json.loads(capsys.readouterr().out)
    assert told["schema"] == 1
    budgets: list[dict[str, Any]] = told["budgets"]
    return code, budgets


@pytest.mark.parametrize("budgets", [{"p95_ms": 26}, {"p95_ms": 22}, {"p95_ms": 23.6}, {"p50_ms": 20.1, "p99_ms": 40}])
def test_the_budgets_of_a_record_give_its_own_verdicts_and_bounds(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], budgets: dict[str, Any]
) -> None:
    path = recorded(tmp_path / "r.jsonl", **budgets)
    told = json.loads(path.read_text())["numbers"]["budgets"]
    code, found = rechecked(capsys, path)
    assert [{name: one[name] for name in ("quantile", "verdict", "lower_ms", "upper_ms")} for one in found] == [
        {name: one[name] for name in ("quantile", "verdict", "lower_ms", "upper_ms")} for one in told
    ]
    assert code == (0 if all(one["verdict"] == "pass" for one in told) else 1)
    assert all(one["recorded"] == one["verdict"] for one in found)


@pytest.mark.parametrize(
    ("budget", "code", "verdict"), [("40", 0, "pass"), ("10", 1, "fail"), ("23.6", 1, "inconclusive")]
)
def test_another_budget_is_judged_as_if_it_had_been_asked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], budget: str, code: int, verdict: str
) -> None:
    path = recorded(tmp_path / "r.jsonl", p95_ms=26)
    ended, found = rechecked(capsys, path, "--p95-ms", budget)
    assert (ended, [(one["verdict"], one["recorded"]) for one in found]) == (code, [(verdict, None)])


def test_any_quantile_and_confidence_can_be_asked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = recorded(tmp_path / "r.jsonl", p95_ms=26)
    _, found = rechecked(capsys, path, "--quantile", "0.75=30", "--p50-ms", "30", "--confidence", "0.9")
    assert [(one["quantile"], one["verdict"]) for one in found] == [(0.75, "pass"), (0.5, "pass")]


def test_the_text_names_test_model_device_and_what_changed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = recorded(tmp_path / "r.jsonl", p95_ms=26)
    line = path.read_text().replace('"verdict": "pass", "lower_ms"', '"verdict": "fail", "lower_ms"')
    path.write_text(line)
    assert main(["recheck", str(path)]) == 0
    first, last = capsys.readouterr().out.splitlines()
    assert first.startswith("t.py::test_a m.tflite on desk: p95 < 26 ms: pass, interval [")
    assert first.endswith("; recorded: fail")
    assert last == "1 of 1 pass"


def test_a_series_that_is_too_short_lacks_what_it_lacked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    few = {"samples_ns": (20 * MS,) * 9, "verdict": "inconclusive", "lower_ms": None, "upper_ms": None}
    path = recorded(tmp_path / "r.jsonl", changes={**few, "look_confidence": 0.99}, p95_ms=26)
    _, (found,) = rechecked(capsys, path)
    assert "that needs at least 59 runs, there were 9" in found["reason"]
    assert found["needed"].startswith("needed: 59 runs")


def test_an_open_verdict_says_what_would_decide_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["recheck", str(recorded(tmp_path / "r.jsonl", p95_ms=26)), "--p95-ms", "23.6"]) == 1
    assert "; needed: " in capsys.readouterr().out


def test_a_sustained_record_is_judged_by_its_last_part(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = recorded(tmp_path / "r.jsonl", p95_ms=26, changes={"judged_from": 40})
    _, found = rechecked(capsys, path)
    whole = json.loads(path.read_text())["numbers"]["runs"]
    assert [one["runs"] for one in found] == [whole - 40]


def test_times_of_an_emulated_device_are_judged_only_on_demand(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = recorded(tmp_path / "r.jsonl", p95_ms=26, changes={"conditions": {"before": {"emulated": True}}})
    assert rechecked(capsys, path)[1][0]["verdict"] == "inconclusive"
    assert rechecked(capsys, path, "--allow-emulated")[1][0]["verdict"] == "pass"


def test_a_series_that_never_settled_shows_nothing_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = recorded(tmp_path / "r.jsonl", p95_ms=26, changes={"steady": False})
    code, (found,) = rechecked(capsys, path)
    assert (code, found["verdict"], found["reason"]) == (
        1,
        "inconclusive",
        "the series never settled, so it shows nothing",
    )


def changed(path: Path, **numbers: Any) -> Path:
    record = json.loads(recorded(path, p95_ms=26).read_text())
    record["numbers"].update(numbers)
    path.write_text(json.dumps(record) + "\n")
    return path


def test_a_series_without_runs_is_open(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, (found,) = rechecked(capsys, changed(tmp_path / "r.jsonl", samples_ns=[]))
    assert (code, found["verdict"], found["reason"]) == (1, "inconclusive", "not a single run was timed")


def test_times_of_zero_never_pass(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = changed(recorded(tmp_path / "r.jsonl", p95_ms=40), samples_ns=pack([0] * 400))
    code, (one,) = rechecked(capsys, path)
    assert (code, one["verdict"], "times of 0 ns" in one["reason"]) == (1, "inconclusive", True)


def test_a_record_without_a_budget_is_not_passed_over(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = changed(recorded(tmp_path / "r.jsonl", p95_ms=40), budgets=[])
    assert main(["recheck", str(path)]) == 1
    assert "record 1 holds no budget" in capsys.readouterr().err


@pytest.mark.parametrize("used", [{"look_confidence": 0.3}, {"look_confidence": None, "confidence": 0.49}])
def test_a_confidence_below_one_half_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], used: dict[str, Any]
) -> None:
    path = changed(recorded(tmp_path / "r.jsonl", p95_ms=40), **used)
    assert main(["recheck", str(path)]) == 1
    assert "a confidence must be 0.5 or more" in capsys.readouterr().err
    assert main(["recheck", str(path), "--confidence", "0.4"]) == 1
    assert "--confidence must be 0.5 or more" in capsys.readouterr().err


def test_a_record_from_before_series_were_packed_is_judged(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = changed(tmp_path / "r.jsonl", samples_ns=[20 * MS] * 100, look_confidence=None)
    assert rechecked(capsys, path, "--p95-ms", "21")[1][0]["verdict"] == "pass"


@pytest.mark.parametrize(
    ("numbers", "why"),
    [
        ({"samples_ns": None}, "the series 'samples_ns' is neither"),
        ({"samples_ns": {**pack([1]), "count": 9}}, "does not hold the 9 times"),
        ({"batch": 0}, "'batch' is no whole number"),
        ({"batch": "x"}, "'batch' is no whole number"),
        ({"judged_from": -1}, "'judged_from' is no place"),
        ({"judged_from": 1e9}, "'judged_from' is no place"),
        ({"confidence": "x", "look_confidence": None}, "'confidence' is no number"),
        ({"look_confidence": 1}, "'look_confidence' is no number"),
        ({"look_confidence": True}, "'look_confidence' is no number"),
        ({"look_confidence": float("nan")}, "NaN is no number"),
        ({"budgets": {}}, "'budgets' is no list"),
        ({"budgets": [1]}, "'budgets' is no list"),
        ({"budgets": [{"quantile": 2, "budget_ms": 1}]}, "'quantile' is no number"),
        ({"budgets": [{"quantile": 0.5, "budget_ms": 10**400}]}, "'budget_ms' is no number"),
        ({"budgets": [{"quantile": 0.5}]}, "'budget_ms' is no number"),
        ({"budgets": []}, "record 1 holds no budget"),
        ({"budgets": [{"quantile": 0.5, "budget_ms": 1}] * 101}, "'budgets' has 101 entries; 100 are the most"),
    ],
    ids=str,
)
def test_a_hostile_record_is_refused_with_a_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], numbers: dict[str, Any], why: str
) -> None:
    assert main(["recheck", str(changed(tmp_path / "r.jsonl", **numbers))]) == 1
    told = capsys.readouterr()
    assert told.out == ""
    assert why in told.err
    assert len(told.err) < 700


def test_names_in_a_hostile_record_cannot_steer_the_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = changed(tmp_path / "r.jsonl")
    record = json.loads(path.read_text())
    record.update(test="a\x1b[2Jb", model=None, device={"name": "d\n"})
    path.write_text(json.dumps(record))
    assert main(["recheck", str(path)]) == 0
    assert capsys.readouterr().out.startswith("a?[2Jb on d?: p95")


@pytest.mark.parametrize("content", ["", '{"schema": 1}', "{", "\x00"])
def test_a_file_without_records_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str) -> None:
    (tmp_path / "r.jsonl").write_text(content)
    assert main(["recheck", str(tmp_path / "r.jsonl")]) == 1
    assert capsys.readouterr().err.startswith("edgedevice: ")


@pytest.mark.parametrize(
    "arguments",
    [
        ["--p95-ms", "x"],
        ["--p95-ms", "0"],
        ["--p95-ms", "nan"],
        ["--quantile", "95=1"],
        ["--quantile", "0.5"],
        ["--confidence", "1"],
        ["--confidence", "x"],
    ],
    ids=str,
)
def test_misuse_exits_with_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["recheck", "r.jsonl", *arguments])
    assert stopped.value.code == 2
    assert "such as" in capsys.readouterr().err


def test_what_the_rules_of_a_device_refused_stays_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    hot = Disturbance("hot", "after", "inconclusive", "the device was\x1b hot")
    path = recorded(tmp_path / "r.jsonl", changes={"disturbances": (hot,), "verdict": "inconclusive"}, p95_ms=26)
    code, (found,) = rechecked(capsys, path)
    assert (code, found["verdict"], found["reason"]) == (1, "inconclusive", "the device was  hot")


@pytest.mark.parametrize("told", [3, [3], [{}], [{"rule": 3}], {"rule": "inconclusive"}, None])
def test_disturbances_that_are_none_are_passed_over(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], told: Any
) -> None:
    path = recorded(tmp_path / "r.jsonl", p95_ms=26)
    record = json.loads(path.read_text())
    record["numbers"]["disturbances"] = told
    path.write_text(json.dumps(record) + "\n")
    assert rechecked(capsys, path)[1][0]["verdict"] == "pass"
