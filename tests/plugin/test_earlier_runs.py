"""``--edge-baseline``: latencies of earlier runs, compared and kept."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from pytest_edgedevice.cli import main

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Run = Callable[..., pytest.RunResult]

TEST = """
import pytest
from pytest_edgedevice.values import ModelInfo, Placement, Timing
class Model:
    device_name = "desk"
    info = ModelInfo("m.tflite", "a" * 64, 640, "float32", (), (), "litert", "2.1", 1)
    placement = Placement("cpu", "xnnpack", 1, 1, 1, {{}}, "counted")
    def measure(self, **asked):
        return Timing("pass", (1000000,) * 99, 1, {median}, 1.0, 1.0, 1.0, 1.0, 1.0, 5.0, 0.95, 0.95, 1.0, 1.0, 3, True)
def test_a(edge_check):
    edge_check.latency(Model(), p95_ms=5)
"""


@pytest.fixture
def run(pytester: pytest.Pytester) -> Run:
    """Runs the test with a model that takes so many milliseconds."""

    def with_median(median: float, *arguments: str) -> pytest.RunResult:
        pytester.makepyfile(test_it=TEST.format(median=median))
        return pytester.runpytest("--edge-baseline", "b.jsonl", "-p", "no:cacheprovider", *arguments)

    return with_median


def kept(path: Path) -> list[list[float]]:
    return [json.loads(line)["p50_ms"] for line in (path / "b.jsonl").read_text().splitlines()]


def test_a_run_makes_the_file_and_the_next_one_adds_to_it(pytester: pytest.Pytester, run: Run) -> None:
    run(1.0, "--edge-update-baseline").stdout.fnmatch_lines(["edgedevice: 1 baseline updated in *b.jsonl"])
    run(1.01, "--edge-update-baseline").assert_outcomes(passed=1)
    run(1.02).assert_outcomes(passed=1)
    assert kept(pytester.path) == [[1.0, 1.01]]


def test_a_regression_of_unknown_noise_warns(run: Run) -> None:
    run(1.0, "--edge-update-baseline")
    result = run(1.5, "-W", "default")
    result.assert_outcomes(passed=1, warnings=1)
    result.stdout.fnmatch_lines(["*BaselineWarning: m.tflite: median 1.5 ms is 50 % over its baseline of 1 ms*"])


def test_a_regression_beyond_a_known_noise_fails_and_is_not_kept(pytester: pytest.Pytester, run: Run) -> None:
    run(1.0, "--edge-update-baseline")
    line = json.loads((pytester.path / "b.jsonl").read_text())
    (pytester.path / "b.jsonl").write_text(json.dumps({**line, "p50_ms": [1.0, 1.01] * 5}))
    result = run(1.2, "--edge-update-baseline", "--edge-report", "json=out.jsonl")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["E *median 1.2 ms is * over its baseline*"])
    numbers = json.loads((pytester.path / "out.jsonl").read_text())["numbers"]
    assert numbers["baseline"]["verdict"] == "fail"
    assert kept(pytester.path) == [[1.0, 1.01] * 5]


def test_the_record_of_a_real_measurement_is_judged_again(
    pytester: pytest.Pytester, capsys: pytest.CaptureFixture[str]
) -> None:
    pytester.makepyfile(
        "def test_a(edge_model, edge_check):\n"
        "    edge_check.latency(edge_model('add_float32.tflite'), p50_ms=1000, load_ms=60_000, cold_ms=120_000)"
    )
    pytester.runpytest("--edge-report", "json=out.jsonl").assert_outcomes(passed=1)
    capsys.readouterr()
    report = str(pytester.path / "out.jsonl")
    assert (main(["recheck", report]), main(["recheck", report, "--p50-ms", "0.0000001"])) == (0, 1)
    own, tight = capsys.readouterr().out.splitlines()[::2]
    assert "p50 < 1000 ms: pass, interval" in own
    assert "p50 < 1e-07 ms: fail, interval" in tight


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["--edge-update-baseline"], "--edge-update-baseline needs a file"),
        (["--edge-baseline", "none.jsonl"], "none.jsonl' is not there; --edge-update-baseline makes it"),
        (["--edge-baseline", "."], "is no file"),
    ],
)
def test_a_file_that_cannot_be_one_is_told_at_the_start(
    pytester: pytest.Pytester, arguments: list[str], why: str
) -> None:
    result = pytester.runpytest(*arguments)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert why in result.stderr.str()


def test_a_file_that_is_broken_is_a_sentence_and_stays_as_it_is(pytester: pytest.Pytester, run: Run) -> None:
    (pytester.path / "b.jsonl").write_text("{")
    result = run(1.0, "--edge-update-baseline")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert "b.jsonl:1: not JSON" in result.stdout.str()
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["test_* infra"])
    assert "Traceback" not in result.stdout.str()
    assert (pytester.path / "b.jsonl").read_text() == "{"
