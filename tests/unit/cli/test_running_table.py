"""The table of a sweep: it fits the terminal, says what its numbers are of, and nothing in it steers the terminal."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from pytest_edgedevice.cli.running_error import Deviation
from pytest_edgedevice.cli.running_sweep import Wishes
from pytest_edgedevice.cli.running_table import Layout, heading, layout, legend, lines
from pytest_edgedevice.findings import Resources
from pytest_edgedevice.reports.columns import display_width
from pytest_edgedevice.values import Disturbance
from tests.unit.cli.swept import failed, placement, row, timing

WIDE = layout([("cpu", 1), ("cpu", 2)], width=0)
ALL_WAYS = Wishes(threads=[1, 2]).ways()
HOSTILE = "\x1b[2J\u202e\n模型" * 3


def deviated(absolute: float | None = None, *, problem: str = "", **changed: Any) -> Deviation:
    told = {"relative": None, "steps": None, "outputs": {}} | changed
    return Deviation(absolute=absolute, problem=problem, **told)


def cell(column: str, chosen: Layout = WIDE, **changed: Any) -> str:
    """What a row shows in a column."""
    title, (line, *_) = heading(chosen), lines(row(**changed), chosen)
    end = title.index(column) + len(column)
    return line[:end].rsplit("  ", 1)[-1].strip()


@pytest.mark.parametrize("width", [40, 60, 77, 80, 100, 120, 200])
@pytest.mark.parametrize("threads", [(1,), (1, 2, 4)])
def test_numbers_fit_the_terminal_from_70_columns_on_and_stay_in_their_columns(
    width: int, threads: tuple[int, ...]
) -> None:
    chosen = layout(Wishes(threads=threads).ways(), width=width)
    found = [*lines(row("reference", threads[-1], deviation=deviated(1.234e-05, relative=0.5)), chosen)]
    assert display_width(found[0]) <= max(width, 70)
    assert found[0].index("reference 164/164") == heading(chosen).index("placement")


@pytest.mark.parametrize("width", [40, 80, 120])
def test_sentences_and_legends_fit_the_terminal(width: int) -> None:
    chosen = layout(ALL_WAYS, width=width)
    ran = [row(emulated=True), row("xnnpack", 2, timing=timing(1.0), speed_up=4.0)]
    told = failed("npu", "it is not here " * 20 + HOSTILE, hint="buy one " * 30)
    found = [*lines(told, chosen), *legend([*ran, told], chosen)]
    assert max(map(display_width, found)) <= width


def test_one_number_of_threads_needs_no_column() -> None:
    assert "threads" not in heading(layout([("cpu", 1), ("gpu", None)], width=0))
    assert "threads" in heading(layout([("cpu", 1), ("xnnpack", 4)], width=0))


def test_a_narrow_terminal_loses_what_matters_least_first() -> None:
    titles = [heading(layout(ALL_WAYS, width=width)) for width in (120, 90, 80, 40)]
    assert [[name in title for name in ("relative", "memory", "p50 ms", "p95 ms")] for title in titles] == [
        [True, True, True, True],
        [False, True, True, True],
        [False, False, True, True],
        [False, False, False, True],
    ]


@pytest.mark.parametrize(
    ("p50_ms", "shown"), [(0.00421, "0.00421"), (4.214, "4.21"), (421.4, "421"), (1234.5, "1234"), (0.0, "0")]
)
def test_milliseconds_have_three_figures(p50_ms: float, shown: str) -> None:
    assert cell("p50 ms", timing=timing(p50_ms)) == shown


@pytest.mark.parametrize(("factor", "shown"), [(0.5, "0.50x"), (2.345, "2.35x"), (123.4, "123x"), (None, "-")])
def test_factors(factor: float | None, shown: str) -> None:
    assert cell("speed-up", speed_up=factor) == shown


@pytest.mark.parametrize(
    ("found", "error", "relative"),
    [
        (None, "-", "-"),
        (deviated(0.0, relative=0.0), "equal", "0 %"),
        (deviated(1.234e-05, relative=2e-7), "1.2e-05", "<0.01 %"),
        (deviated(2.0, relative=0.5), "2", "50 %"),
        (deviated(2.0, relative=50.0), "2", "5000 %"),
        (deviated(steps=0), "equal", "-"),
        (deviated(steps=1), "1 step", "-"),
        (deviated(steps=255), "255 steps", "-"),
        (deviated(steps=99999), ">999 steps", "-"),
        (deviated(problem="y: shapes differ"), "differs", "-"),
    ],
)
def test_errors_are_in_the_outputs_own_unit_or_in_steps(found: Deviation | None, error: str, relative: str) -> None:
    assert (cell("error", deviation=found), cell("relative", deviation=found)) == (error, relative)


@pytest.mark.parametrize(
    ("peak", "before", "shown"),
    [(9_000_000, 1_000_000, "8.0 MB"), (3_500_000_000, 0, "3.50 GB"), (None, 1, "-"), (1, 2, "0.0 MB")],
)
def test_memory_is_what_the_model_added(peak: int | None, before: int | None, shown: str) -> None:
    assert cell("memory", resources=Resources(1, 1.0, peak_bytes=peak, before_load_bytes=before)) == shown


def test_memory_that_nobody_told_is_no_number() -> None:
    assert cell("memory", resources=None) == "-"


def test_a_delegate_that_knows_no_threads_shows_none() -> None:
    assert lines(row("gpu", None), WIDE)[0].split()[1] == "-"


@pytest.mark.parametrize(
    ("found", "shown"),
    [
        (placement("xnnpack"), "xnnpack 164/164"),
        (placement("xnnpack", nodes=3, delegated=2, CUMSUM=1), "xnnpack 2/3, left over: CUMSUM x1"),
        (placement("cpu", delegated=0, CUMSUM=164), "cpu 164/164"),
        (placement("unknown", nodes=0, delegated=0), "unknown, not counted"),
        (None, "-"),
    ],
)
def test_placement_says_how_many_operators_the_proven_delegate_runs(found: Any, shown: str) -> None:
    assert lines(row("xnnpack", placement=found), WIDE)[0].endswith("  " + shown)


@pytest.mark.parametrize(
    ("changed", "note"),
    [
        ({"emulated": True}, "emulated"),
        ({"timing": replace(timing(), steady=False)}, "latency never settled"),
        ({"timing": replace(timing(), drift=0.123)}, "slowed down by 12 %"),
        ({"deviation": deviated(problem="y: 2 NaN or Inf here")}, "y: 2 NaN or Inf here"),
        ({"deviation": deviated(1.0, steps=3)}, "whole numbers differ by 3"),
    ],
)
def test_what_makes_a_number_worth_less_stands_beside_it(changed: dict[str, Any], note: str) -> None:
    (line,) = lines(row(**changed), WIDE)
    assert line.endswith(f"  cpu 164/164, {note}")


def test_notes_that_do_not_fit_follow_on_their_own_line() -> None:
    first, second = lines(row(emulated=True), layout(ALL_WAYS, width=80))
    assert (first.endswith("cpu 164/164"), second.strip()) == (True, "emulated")


def test_a_way_that_failed_shows_the_first_line_of_why_and_what_to_do() -> None:
    told = lines(failed("gpu", "it is not here\n  stderr: noise", None, hint="plug one in"), WIDE)
    assert told == ["gpu        it is not here", "           hint: plug one in"]


def test_a_way_that_can_never_be_had_is_called_impossible() -> None:
    assert lines(failed("nnapi", "its agent offers cpu", None, state="impossible"), WIDE) == [
        "nnapi      impossible: its agent offers cpu"
    ]


def test_the_same_sentence_is_told_once() -> None:
    first, second = failed("gpu", "it is not here", 1), failed("gpu", "it is not here", 2)
    assert lines(second, WIDE, before=first) == ["gpu        2 threads: the same"]
    assert lines(second, WIDE, before=row()) == ["gpu        2 threads: it is not here"]


def test_nothing_that_others_wrote_steers_the_terminal() -> None:
    rows = [
        row("external:" + HOSTILE, placement=placement("external:" + HOSTILE, nodes=2, delegated=1, **{HOSTILE: 1})),
        row(deviation=deviated(problem=HOSTILE)),
        failed("external:" + HOSTILE, HOSTILE, hint=HOSTILE),
    ]
    chosen = layout([(one.delegate, 1) for one in rows], width=80)
    shown = [line for one in rows for line in lines(one, chosen)] + legend(rows, chosen)
    assert all(line.isprintable() for line in shown)


def test_the_legend_says_what_the_numbers_are() -> None:
    rows = [row(), row("xnnpack", 2, timing=timing(1.0), speed_up=4.0)]
    speed = "speed-up: of the median, cpu with 1 thread is 1"
    relative = "relative: as a share of that output's largest value"
    assert legend(rows, WIDE) == [
        f"latency: 118 runs each after warming up, on the device, around the inference only; {speed}",
        f"error: largest difference from what cpu with 1 thread gave for the same inputs; {relative}",
        "memory: what the model added to its process at the peak",
        "fastest by the median: xnnpack with 2 threads, 4.00x as fast",
    ]


def test_the_legend_of_emulated_times_names_no_fastest() -> None:
    rows = [row(emulated=True), row("xnnpack", timing=timing(1.0), speed_up=4.0, emulated=True)]
    told = "\n".join(legend(rows, WIDE))
    assert "these times are the emulator's and say nothing of the device" in told
    assert "fastest" not in told


def test_the_legend_names_what_disturbed_how_many_rows_and_each_cause_once() -> None:
    busy = Disturbance("busy", "before", "ignore", "load 9 on 2 cores before the run: the machine was \x1bbusy")
    rows = [row(), *[row("xnnpack", timing=replace(timing(), disturbances=(busy, busy)))] * 2]
    told = [line for line in legend(rows, WIDE) if line.startswith("disturbed")]
    assert told == ["disturbed, 2 of 3: load 9 on 2 cores before the run: the machine was ?busy"]


def test_the_legend_of_one_row_compares_nothing() -> None:
    told = "\n".join(legend([row(timing=replace(timing(), samples_ns=(1,)), resources=None)], WIDE))
    assert "1 run each" in told
    assert not any(word in told for word in ("error:", "memory:", "fastest by"))


def test_the_legend_counts_inferences_and_says_where_the_rest_is() -> None:
    many = replace(timing(), batch=10)
    told = legend([row(), row("gpu", None, timing=many), failed("npu", "no\n  stderr: a")], WIDE)
    assert told[0].startswith("latency: 118 to 1180 runs each")
    assert told[-1] == "more of what the device said: --json"


def test_where_nothing_ran_there_is_nothing_to_explain() -> None:
    assert legend([failed("cpu", "no")], WIDE) == []


@pytest.mark.parametrize(
    ("asked", "proven", "plan", "told"),
    [
        ("cpu_and_ne", "cpu_and_ne", {"cpu": 4, "neural_engine": 212}, "requested, planned neural engine 212, cpu 4"),
        ("coreml", "all", {}, "all, requested, no plan"),
    ],
)
def test_what_was_only_requested_says_so_with_its_plan(
    asked: str, proven: str, plan: dict[str, int], told: str
) -> None:
    placed = replace(placement(), requested=asked, proven=proven, left_over={}, requested_only=True, plan=plan)
    (line,) = lines(row(asked, None, placement=placed), WIDE)
    assert line.endswith(told)


def test_a_reference_without_threads_is_told_without_them() -> None:
    (how, *_) = legend([row("cpu_only", None)], WIDE)
    assert "speed-up: of the median, cpu_only is 1" in how
