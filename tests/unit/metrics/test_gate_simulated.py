"""What the gate promises, on thousands of simulated series; the document has the same figures."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import pytest_edgedevice.metrics
from tests.unit.metrics import simulated

pytestmark = pytest.mark.slow
DOCUMENT = Path(pytest_edgedevice.metrics.__file__).parent / "LATENCY.md"
STABLE = [name for name in simulated.FAMILIES if name != "drifting by 4 %"]


@pytest.fixture(scope="module")
def printed() -> tuple[list[str], list[str], list[str]]:
    """Both tables and a figure, by a process that nobody measures: coverage makes it half as long again."""
    ran = subprocess.run(
        [sys.executable, "-m", simulated.__name__],
        cwd=Path(__file__).parents[3],
        env={name: value for name, value in os.environ.items() if name != "COVERAGE_PROCESS_CONFIG"},
        capture_output=True,
        text=True,
        timeout=600,
        check=True,
    )
    verdict_lines, drift_lines, late = (part.splitlines() for part in ran.stdout.split("\n\n"))
    return verdict_lines, drift_lines, late


@pytest.fixture(scope="module")
def verdicts(printed: tuple[list[str], list[str], list[str]]) -> dict[str, list[float]]:
    """The figures of each family, in the order of the table's columns."""
    return numbers(printed[0])


@pytest.fixture(scope="module")
def drifts(printed: tuple[list[str], list[str], list[str]]) -> dict[str, list[float]]:
    return numbers(printed[1])


def numbers(lines: list[str]) -> dict[str, list[float]]:
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]
    return {name: [float(cell) for cell in cells] for name, *cells in rows}


def documented(name: str) -> list[str]:
    found = re.search(rf"<!-- {name} -->\n(.*?)\n<!-- end -->", DOCUMENT.read_text(encoding="utf-8"), re.DOTALL)
    assert found is not None
    return found[1].splitlines()


@pytest.mark.parametrize("family", simulated.FAMILIES)
def test_five_percent_from_the_budget_at_most_one_verdict_in_a_hundred_is_wrong(
    verdicts: dict[str, list[float]], family: str
) -> None:
    _, failed_below, _, _, _, passed_above, *_ = verdicts[family]
    assert max(failed_below, passed_above) <= 1


@pytest.mark.parametrize("family", simulated.FAMILIES)
def test_five_percent_from_the_budget_most_verdicts_are_right(verdicts: dict[str, list[float]], family: str) -> None:
    passed_below, _, _, _, _, _, failed_above, *_ = verdicts[family]
    assert min(passed_below, failed_above) >= 85


@pytest.mark.parametrize("family", STABLE)
def test_on_the_budget_no_more_than_the_stated_error_is_decided(verdicts: dict[str, list[float]], family: str) -> None:
    assert sum(verdicts[family][3:5]) <= 5


@pytest.mark.parametrize("family", simulated.FAMILIES)
def test_the_interval_holds_the_truth_as_often_as_it_says(verdicts: dict[str, list[float]], family: str) -> None:
    assert verdicts[family][-1] >= 95


@pytest.mark.parametrize("family", STABLE)
@pytest.mark.parametrize("how", [1, 2, 3], ids=simulated.CHANGES[1:])
def test_a_device_that_gets_ten_percent_slower_is_flagged(
    drifts: dict[str, list[float]], family: str, how: int
) -> None:
    assert drifts[family][how] >= 95


@pytest.mark.parametrize("family", simulated.DRIFT_FAMILIES)
def test_a_device_that_keeps_its_speed_is_not_flagged(drifts: dict[str, list[float]], family: str) -> None:
    assert drifts[family][0] <= 1


def test_what_drifts_over_its_budget_does_not_pass_once_it_is_over(
    printed: tuple[list[str], list[str], list[str]],
) -> None:
    assert float(printed[2][0]) == 0
    assert "In 0 % of the series" in DOCUMENT.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["verdicts", "drift"])
def test_the_document_has_the_figures_that_the_code_gives(
    name: str, verdicts: dict[str, list[float]], drifts: dict[str, list[float]]
) -> None:
    assert numbers(documented(name)) == {"verdicts": verdicts, "drift": drifts}[name]
