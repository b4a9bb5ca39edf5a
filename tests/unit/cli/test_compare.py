"""``edgedevice compare`` and ``edgedevice trend``: what people and programs are told of past runs."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from pytest_edgedevice.cli import main
from pytest_edgedevice.history.journal import remember
from pytest_edgedevice.records import write_lines
from tests.made_records import close, latency, made

NOISE = [2.0, 2.02, 1.98, 2.01, 1.99, 2.0, 2.02, 1.98, 2.01, 1.99, 2.0, 2.01]


def run(name: str, *records: dict[str, Any], folder: str = ".edgedevice") -> None:
    remember(Path(folder), [{**record, "run": {**record["run"], "id": name}} for record in records])


@pytest.fixture
def past() -> None:
    """Twelve runs of one model, p50 2 ms and p95 3 ms."""
    for number, p50 in enumerate(NOISE):
        run(f"run{number:02}", latency(p50, p50 * 1.5), close(1e-6))


def told(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = main([*arguments])
    return code, *capsys.readouterr()


@pytest.mark.usefixtures("past")
def test_the_last_two_runs_are_compared_by_themselves(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = told(capsys, "compare")
    assert (code, err) == (0, "")
    heading, row, _, summary = out.splitlines()
    assert heading.split() == ["model,", "variant,", "device,", "delegate", "p50", "p95", "error", "size", "verdict"]
    assert " ".join(row.split()) == "m.tflite, float32, kitchen, cpu 2.01 ms +0.5% 3.01 ms +0.5% 1e-06 0.6 kB passed"
    assert summary == "none of 1 became worse; ! is more than noise; noise by up to 11 earlier runs"


@pytest.mark.usefixtures("past")
def test_a_regression_is_marked_and_fails_where_that_was_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    run("slow", latency(3.0, 4.5, verdict="fail", outcome="failed"), close(1e-6))
    code, out, _ = told(capsys, "compare", "last~1", "last")
    assert code == 0
    row = out.splitlines()[1]
    assert "3 ms +49.3%!" in row
    assert row.endswith("passed -> failed")
    assert out.splitlines()[-1].startswith("1 of 1 became worse; ! is more than noise; noise by up to 12 earlier runs")
    assert told(capsys, "compare", "last~1", "last", "--fail")[0] == 1
    assert told(capsys, "compare", "last", "last~1", "--fail")[0] == 0


def test_files_are_compared_without_a_history(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_lines(tmp_path / "a.jsonl", [latency(2.0), latency(2.0, device="hall")])
    write_lines(tmp_path / "b.jsonl", [latency(3.0), latency(2.0, device="lab")])
    code, out, _ = told(capsys, "compare", "a.jsonl", "b.jsonl", "--fail")
    assert code == 1
    assert "3 ms +50.0%!" in out
    assert "noise not known (ten runs tell), 10 % assumed" in out
    (gone,) = [line for line in out.splitlines() if line.endswith("gone, was passed")]
    assert "->" not in gone
    assert "new: passed" in out


@pytest.mark.usefixtures("past")
def test_a_file_is_compared_with_a_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_lines(tmp_path / "b.jsonl", [latency(2.02, 3.0)])
    code, out, _ = told(capsys, "compare", "run03", "b.jsonl", "--fail")
    assert code == 0
    assert "noise by up to" in out or "10 % assumed" in out


def test_other_numbers_and_delegates_that_changed_are_noted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    old, new = latency(), latency()
    new["delegate"]["proven"] = "xnnpack"
    metric = {"name": "top1\x1b[31m", "at_least": 0.5}
    write_lines(tmp_path / "a.jsonl", [old, made("metric", {**metric, "value": 0.9})])
    write_lines(tmp_path / "b.jsonl", [new, made("metric", {**metric, "value": 0.7})])
    _, out, _ = told(capsys, "compare", "a.jsonl", "b.jsonl")
    assert "m.tflite, float32, kitchen, cpu: top1?[31m 0.9 -> 0.7 worse, ran on xnnpack, cpu, before on cpu" in out


def test_changes_that_percent_cannot_tell_are_told_in_values(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_lines(tmp_path / "a.jsonl", [close(0.0), latency(1.0)])
    write_lines(tmp_path / "b.jsonl", [close(0.5)])
    _, out, _ = told(capsys, "compare", "a.jsonl", "b.jsonl")
    assert "0.5 from 0!" in out
    assert "1 ms -> none" in out


def test_runs_without_anything_in_common_are_no_success(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_lines(tmp_path / "a.jsonl", [latency(device="a")])
    write_lines(tmp_path / "b.jsonl", [latency(device="b")])
    code, out, _ = told(capsys, "compare", "a.jsonl", "b.jsonl", "--fail")
    assert code == 1
    assert "nothing to compare" in out


def test_lines_of_a_file_that_are_no_records_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_lines(tmp_path / "a.jsonl", [latency()])
    (tmp_path / "b.jsonl").write_text((tmp_path / "a.jsonl").read_text() + "torn")
    code, _, err = told(capsys, "compare", "a.jsonl", "b.jsonl")
    assert code == 0
    assert "b.jsonl:2: not JSON" in err


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["compare"], "no history in"),
        (["compare", "empty.jsonl", "empty.jsonl"], "holds no records"),
        (["compare", "a.jsonl", "a.jsonl", "--history", "nowhere"], "no history in 'nowhere'"),
        (["trend", "m.tflite"], "no history in"),
    ],
)
def test_what_is_not_there_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], text: str
) -> None:
    (tmp_path / "empty.jsonl").touch()
    write_lines(tmp_path / "a.jsonl", [latency()])
    code, _, err = told(capsys, *arguments)
    assert code == 1
    assert text in err


@pytest.mark.usefixtures("past")
def test_a_comparison_is_one_json_object_for_programs(capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = told(capsys, "compare", "--json")
    (cell,) = json.loads(out)["cells"]
    assert cell["cell"]["model"] == "m.tflite"
    assert {one["metric"] for one in cell["changes"]} == {"p50_ms", "p95_ms", "max_abs_error", "size_bytes"}
    assert cell["regressed"] is False


@pytest.mark.usefixtures("past")
def test_a_trend_has_a_line_a_run_a_line_of_bars_and_a_verdict(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = told(capsys, "trend", "m.tfl", "--metric", "p50", "--last", "3")
    lines = out.splitlines()
    assert code == 0
    assert lines[0] == "m.tflite, float32, kitchen, cpu: p50_ms of the last 3 of 12 runs"
    assert lines[1] == "  ▁▄█"
    assert [line.split()[0] for line in lines[2:5]] == ["run09", "run10", "run11"]
    assert lines[4].split()[1:6] == ["2026-01-01", "00:00:00", "2.01", "ms", "pass"]
    assert "against the median 2 ms of 11 before it; their noise is" in lines[5]


@pytest.mark.usefixtures("past")
def test_a_trend_that_ends_in_a_regression_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    run("slow", latency(3.0, 4.5))
    assert told(capsys, "trend", "m.tflite")[0] == 0
    code, out, _ = told(capsys, "trend", "m.tflite", "--fail")
    assert code == 1
    assert "REGRESSION: the newest is +50.0% against the median 3 ms of 12 before it" in out
    _, out, _ = told(capsys, "trend", "m.tflite", "--json")
    (found,) = json.loads(out)["trends"]
    assert (found["regressed"], len(found["past"]), found["usual"]["runs"]) == (True, 13, 12)


@pytest.mark.usefixtures("past")
def test_a_trend_for_otava_is_a_table_of_all_runs_and_a_configuration(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = told(capsys, "trend", "m.tflite", "--metric", "p50", "--last", "2", "--otava", "o u/t")
    name = "m-tflite-float32-kitchen-cpu-p50-ms"
    assert code == 0
    assert out.splitlines()[-1] == f"look for change points: otava analyze --config-file 'o u/t/otava.yaml' {name}"
    lines = Path(f"o u/t/{name}.csv").read_text().splitlines()
    assert lines[:2] == ["time,commit,run,p50_ms", "2026-01-01T00:00:00.000+00:00,c0ffee,run00,2.0"]
    assert len(lines) == 13
    (test,) = json.loads(Path("o u/t/otava.yaml").read_text())["tests"].values()
    assert test["metrics"] == {"p50_ms": {"direction": -1}}


def test_series_for_otava_have_names_of_their_own(capsys: pytest.CaptureFixture[str]) -> None:
    run("a", latency(model="../ä.tflite"), latency(model="../ö.tflite"), latency(model="../o\n.tflite"))
    _, out, _ = told(capsys, "trend", "../", "--otava", "out", "--json")
    rest = "tflite-float32-kitchen-cpu-p95-ms"
    assert json.loads(out)["series"] == [rest, f"{rest}-2", f"o-{rest}"]
    assert len(list(Path("out").iterdir())) == 4


def test_a_folder_for_otava_that_cannot_be_made_is_a_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    run("a", latency())
    Path("out").write_text("mine")
    code, _, err = told(capsys, "trend", "m.tflite", "--otava", "out")
    assert code == 1
    assert "cannot write" in err


def test_a_young_history_says_that_it_knows_no_noise(capsys: pytest.CaptureFixture[str]) -> None:
    run("a", close(0.0))
    assert "the first run; nothing to hold it against" in told(capsys, "trend", "m", "--metric", "error")[1]
    run("b", close(1.0))
    assert "their noise is not known (ten runs tell)" in told(capsys, "trend", "m", "--metric", "error")[1]


def test_an_improvement_beyond_the_noise_is_no_regression(capsys: pytest.CaptureFixture[str]) -> None:
    for number in range(11):
        run(f"run{number}", latency(2.0))
    run("fast", latency(1.0, 1.0))
    code, out, _ = told(capsys, "trend", "m", "--fail")
    assert code == 0
    assert "; more than that" in out


@pytest.mark.usefixtures("past")
def test_devices_and_delegates_are_told_apart_and_chosen(capsys: pytest.CaptureFixture[str]) -> None:
    run("other", latency(5.0, device="hall"), latency(6.0, delegate="gpu", device="hall", facts={"host": "lab"}))
    assert told(capsys, "trend", "m")[1].count("p95_ms of the last") == 3
    out = told(capsys, "trend", "m", "--device", "hall", "--delegate", "gpu")[1]
    assert out.startswith("m.tflite, float32, hall, gpu (lab): p95_ms of the last 1 of 1 runs")


@pytest.mark.usefixtures("past")
@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["nothing"], "no 'p95_ms' of a model 'nothing'(?s:.*)there is: m.tflite"),
        (["m", "--metric", "colour"], "no 'colour'(?s:.*)it has: max_abs_error, p50_ms"),
        (["m", "--device", "moon"], "of a model 'm' with device 'moon'"),
    ],
)
def test_a_trend_of_what_was_never_measured_is_said(
    capsys: pytest.CaptureFixture[str], arguments: list[str], text: str
) -> None:
    code, _, err = told(capsys, "trend", *arguments)
    assert code == 1
    assert re.search(text, err)


@pytest.mark.parametrize("last", ["0", "1001", "x", "-1"])
def test_a_number_of_runs_that_is_none_is_misuse(last: str) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["trend", "m", "--last", last])


def test_another_history_may_be_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run("a", latency(), folder="elsewhere")
    assert told(capsys, "trend", "m", "--history", "elsewhere")[0] == 0
