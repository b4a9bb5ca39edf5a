"""Files for other tools: each is read by the tool that it is for, or held to its published form."""

from __future__ import annotations

import csv
import json
import random
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import jsonschema
import pytest
from pytest_benchmark.stats import Stats

from pytest_edgedevice.reports.bencher import write_bencher
from pytest_edgedevice.reports.benchmark_json import statistics_of, write_benchmark_json
from pytest_edgedevice.reports.csv_file import write_csv
from pytest_edgedevice.reports.junit import write_junit
from tests.made_records import close, latency, made

HOSTILE = "=a\x1b[31m\n\ud800<&\"'\u202e,b"
SERIES = random.Random(0).sample(range(1_000_000, 9_000_000), 59)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "out"


def test_a_measurement_is_a_row_of_the_csv_file_the_oldest_first(path: Path) -> None:
    late = latency(2.0, 3.0, time="2026-01-02")
    write_csv([late, close(0.5, time="2026-01-01")], path)
    rows = list(csv.DictReader(path.read_text().splitlines()))
    assert [(row["time"], row["metric"], row["value"], row["unit"]) for row in rows] == [
        ("2026-01-01", "max_abs_error", "0.5", ""),
        ("2026-01-02", "p50_ms", "2.0", "ms"),
        ("2026-01-02", "p95_ms", "3.0", "ms"),
    ]
    about = {"commit": "c0ffee", "model": "m.tflite", "variant": "float32", "device": "kitchen", "delegate": "cpu"}
    assert about.items() <= rows[0].items()


def test_hostile_names_are_one_cell_that_no_spreadsheet_computes(path: Path) -> None:
    write_csv([close(model=HOSTILE)], path)
    with path.open(newline="", encoding="utf-8") as file:
        (row,) = csv.DictReader(file)
    assert row["model"] == "'=a?[31m??<&\"'?,b"


def bencher(path: Path, *records: dict[str, Any]) -> dict[str, Any]:
    write_bencher(records, path)
    content: dict[str, Any] = json.loads(path.read_text())
    schema = json.loads(Path(__file__).with_name("bmf.json").read_text())
    jsonschema.validate(content, schema)
    return content


def test_benchers_format_has_a_benchmark_a_cell_and_a_measure_a_metric(path: Path) -> None:
    assert bencher(path, latency(2.0, 3.0), close(0.5, test="other")) == {
        "m.tflite / float32 / kitchen / cpu": {
            "p50-ms": {"value": 2.0},
            "p95-ms": {"value": 3.0, "lower_value": pytest.approx(2.7), "upper_value": pytest.approx(3.3)},
            "max-abs-error": {"value": 0.5},
        }
    }


def test_bencher_gets_the_middle_of_several_and_the_tests_name_where_there_is_no_model(path: Path) -> None:
    found = bencher(
        path, close(1.0), close(3.0), close(2.0), made("metric", {"name": "Öl %", "value": 1}, model="", device="")
    )
    assert found["m.tflite / float32 / kitchen / cpu"] == {"max-abs-error": {"value": 2.0}}
    assert found["test_it.py::test_a"] == {"l-6ff119cf": {"value": 1.0}}


def test_bencher_gets_names_that_it_takes(path: Path) -> None:
    found = bencher(path, made("metric", {"name": "%" * 200, "value": 1}, model="m" * 2000 + HOSTILE))
    ((benchmark, measures),) = found.items()
    assert len(benchmark) == 1003
    assert list(measures) == ["metric-92098152"]


@pytest.mark.parametrize(
    "names", [("精度", "再現率"), ("top1", "top1 %"), ("accuracy", "accuracy[夜]"), ("a" * 70 + "1", "a" * 70 + "2")]
)
def test_two_metrics_are_two_measures_of_bencher_whatever_they_are_called(path: Path, names: tuple[str, str]) -> None:
    found = bencher(path, *(made("metric", {"name": name, "value": place}) for place, name in enumerate(names)))
    ((_, measures),) = found.items()
    assert [one["value"] for one in measures.values()] == [0, 1]
    assert all(len(name) <= 64 for name in measures)


def test_names_of_a_million_signs_can_be_read_again_by_pythons_own_reader(path: Path) -> None:
    write_csv([close(model="m" * 1_000_000)], path)
    with path.open(newline="", encoding="utf-8") as file:
        assert len(next(csv.DictReader(file))["model"]) == 1003


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 6, 7, 8, 59])
def test_statistics_are_those_of_pytest_benchmark(count: int) -> None:
    data = [one / 1e9 for one in SERIES[:count]]
    theirs: Any = Stats()  # type: ignore[no-untyped-call]
    for one in data:
        theirs.update(one)
    expected = theirs.as_dict()
    found = statistics_of(data)
    assert found.pop("outliers") == expected.pop("outliers")
    assert found == pytest.approx(expected)


def test_a_series_without_spread_has_statistics(path: Path) -> None:
    assert statistics_of([0.0, 0.0])["ops"] == 0.0


def benchmark(path: Path, *arguments: str) -> str:
    command = [sys.executable, "-m", "pytest_benchmark", "compare", str(path), *arguments]
    ran = subprocess.run(command, cwd=path.parent, capture_output=True, text=True, timeout=120, check=False)
    assert ran.returncode == 0, ran.stderr
    assert "Failed to load" not in ran.stderr
    return ran.stdout


def test_pytest_benchmark_compares_our_devices_and_draws_them(path: Path) -> None:
    path = path.with_suffix(".json")
    records = [latency(samples_ns=SERIES, device=device, test=f"t.py::a[{device}]") for device in ("kitchen", "hall")]
    write_benchmark_json(records, path)
    shown = benchmark(path, "--group-by=param:device", "--histogram=drawn")
    assert "benchmark 'device=kitchen': 1 tests" in shown
    assert "benchmark 'device=hall': 1 tests" in shown
    assert {one.name for one in path.parent.glob("*.svg")} == {"drawn-device=kitchen.svg", "drawn-device=hall.svg"}


def test_pytest_benchmark_gets_what_it_lacks_as_extra_information(path: Path) -> None:
    write_benchmark_json([latency(2.0, 3.0, samples_ns=SERIES)], path)
    (found,) = json.loads(path.read_text())["benchmarks"]
    assert found["extra_info"] == {"p50_ms": 2.0, "p95_ms": 3.0, "verdict": "pass"}
    assert found["params"] == {
        "device": "kitchen", "model": "m.tflite", "variant": "float32", "delegate": "cpu", "threads": 1,
    }  # fmt: skip
    assert found["fullname"] == "test_it.py::test_a[m.tflite / float32 / kitchen / cpu]"


@pytest.mark.parametrize("numbers", [{}, {"samples_ns": []}, {"samples_ns": "x"}, {"steady": False}])
def test_a_latency_without_a_series_that_counts_is_no_benchmark(path: Path, numbers: dict[str, Any]) -> None:
    record = latency()
    record["numbers"].pop("samples_ns")
    record["numbers"].update(numbers)
    write_benchmark_json([record, close()], path)
    assert json.loads(path.read_text())["benchmarks"] == []


def test_the_part_of_a_series_that_was_judged_is_the_benchmark(path: Path) -> None:
    record = latency(samples_ns=[9_000_000, 1_000_000, 3_000_000])
    record["numbers"]["judged_from"] = 1
    write_benchmark_json([record], path)
    (found,) = json.loads(path.read_text())["benchmarks"]
    assert found["stats"]["median"] == pytest.approx(0.002)


def test_the_machine_is_named_where_all_records_are_of_one(path: Path) -> None:
    facts = {"host": "lab", "arch": "arm64"}
    write_benchmark_json([latency(facts=facts), latency(facts=facts)], path)
    assert json.loads(path.read_text())["machine_info"] == {"node": "lab", "machine": "arm64"}
    write_benchmark_json([latency(facts=facts), latency()], path)
    assert json.loads(path.read_text())["machine_info"] == {}


def test_junit_has_a_suite_a_device_and_says_who_is_to_blame(path: Path) -> None:
    records = [
        latency(test="tests/test_a.py::TestIt::test_ok[cpu]"),
        close(test="t.py::bad", verdict="fail", outcome="failed", message="worse\nmuch worse"),
        close(test="t.py::lost", device="hall", verdict="fail", outcome="infra", message="gone"),
        {**close(test="t.py::open", device="hall", verdict="inconclusive"), "outcome": None},
    ]
    write_junit(records, path)
    suites = list(ET.parse(path).getroot())
    told = [[suite.get(name) for name in ("name", "tests", "errors", "failures", "skipped")] for suite in suites]
    assert told == [["kitchen", "2", "0", "1", "0"], ["hall", "2", "1", "1", "0"]]
    case = suites[0][0]
    assert (case.get("classname"), case.get("name")) == ("tests.test_a.TestIt", "test_ok[cpu]")
    assert ("edge.latency.verdict", "pass") in {(one.get("name"), one.get("value")) for one in case.iter("property")}
    failure = suites[0][1].find("failure")
    assert failure is not None
    assert (failure.get("message"), failure.text) == ("worse", "worse\nmuch worse")


def test_a_test_that_one_host_skipped_has_in_junit_the_outcome_of_the_host_that_ran_it(path: Path) -> None:
    skipped = made("skip", {}, model="", verdict="inconclusive", outcome="skipped", message="no camera")
    write_junit([latency(), {**skipped, "test": latency()["test"], "device": latency()["device"]}], path)
    assert 'tests="1" errors="0" failures="0" skipped="0"' in path.read_text()


def test_hostile_names_are_xml(path: Path) -> None:
    write_junit([close(test=HOSTILE, device=HOSTILE, model=HOSTILE)], path)
    names = {one.get("value") for one in ET.parse(path).iter("property")}
    assert "=a?[31m\n?<&\"'\u202e,b" in names


def test_what_nobody_knows_is_not_passed_in_junit(path: Path) -> None:
    write_junit([{**latency(), "outcome": "meteor"}], path)
    assert 'failures="1"' in path.read_text()
