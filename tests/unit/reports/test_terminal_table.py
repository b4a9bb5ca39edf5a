"""The closing table: one row a test and model, never wider than the terminal, nothing hidden that matters."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_edgedevice.reports.columns import display_width, fit
from pytest_edgedevice.reports.rows import rows
from pytest_edgedevice.reports.terminal import table

PRINTABLE = st.text(st.characters(categories=["L", "N", "P", "S", "Mn"]), max_size=40)


def record(check: str = "metric", verdict: str = "pass", **fields: Any) -> dict[str, Any]:
    """A record as written, with what a test needs to change."""
    filled = {
        "schema": 1,
        "test": "tests/test_it.py::TestA::test_a[local-cpu]",
        "check": check,
        "verdict": verdict,
        "outcome": "passed",
        "model": {"name": "m.tflite", "sha256": "a" * 64, "size_bytes": 229_714, "variant": "float16"},
        "delegate": {"requested": "cpu", "proven": "cpu", "left_over": {}, "nodes": 3, "delegated": 3},
        "device": {"name": "local", "facts": {}},
        "numbers": {},
    }
    return {**filled, **fields}


LATENCY = {"p50_ms": 0.00123, "p95_ms": 12.34, "budgets": [{"quantile": 0.95, "budget_ms": 100}]}
CLOSE = {"outputs": [{"max_abs_error": 0.00059}, {"max_abs_error": None}, {"max_abs_error": 0.0002}]}


def cell(name: str, *records: dict[str, Any]) -> str:
    return rows(records)[0].cells.get(name, "")


def test_checks_of_one_test_and_model_share_a_row() -> None:
    found = rows([record("close", numbers=CLOSE), record("latency", numbers=LATENCY), record("size")])
    assert [row.cells for row in found] == [
        {
            "test": "test_a[local-cpu]",
            "model": "m.tflite",
            "variant": "float16",
            "device": "local",
            "delegate": "cpu",
            "size": "229.7 kB",
            "error": "0.00059",
            "p50": "1.23 us",
            "p95": "12.3 ms",
            "budget": "p95<100 ms",
            "verdict": "passed",
        }
    ]


def test_two_models_in_one_test_have_two_rows() -> None:
    other = {"name": "n.tflite", "sha256": "b" * 64, "size_bytes": 3, "variant": "int8"}
    assert [row.cells["size"] for row in rows([record(), record(model=other)])] == ["229.7 kB", "0.0 kB"]


def test_a_number_without_a_model_joins_its_tests_row() -> None:
    assert len(rows([record(), record(model=None, delegate=None)])) == 1


def test_a_number_without_a_model_and_without_a_row_makes_one() -> None:
    assert cell("model", record(model=None, delegate=None)) == ""


@pytest.mark.parametrize(
    ("verdicts", "shown"),
    [
        (["pass", "fail", "pass"], "failed"),
        (["pass", "inconclusive"], "inconclusive"),
        (["inconclusive", "fail"], "failed"),
        (["pass"], "passed"),
    ],
)
def test_a_row_shows_its_gravest_verdict(verdicts: list[str], shown: str) -> None:
    assert cell("verdict", *[record(verdict=verdict) for verdict in verdicts]) == shown


def test_a_test_that_failed_by_its_own_assert_is_not_shown_as_passed() -> None:
    assert cell("verdict", record(outcome="failed"), record("size", outcome="failed")) == "failed"


def test_a_model_that_passed_beside_one_that_failed_is_shown_as_passed() -> None:
    other = {"name": "n.tflite", "sha256": "b" * 64, "size_bytes": 3, "variant": "int8"}
    found = rows([record(outcome="failed"), record(verdict="fail", outcome="failed", model=other)])
    assert [row.cells["verdict"] for row in found] == ["passed", "failed"]


@pytest.mark.parametrize("runs", [({}, {}), ({"run": {"id": "a"}}, {"run": {"id": "b"}})], ids=["old", "new"])
@pytest.mark.parametrize(("check", "shown"), [("test", "failed"), ("device", "infra")])
def test_what_ended_a_test_on_one_host_is_not_shown_at_anothers(
    runs: tuple[dict[str, Any], dict[str, Any]], check: str, shown: str
) -> None:
    phone = {"name": "phone", "facts": {}}
    ended = record(check, "fail", model=None, delegate=None, outcome=shown, device=phone, **runs[0])
    found = rows([record(outcome=shown, device=phone, **runs[0]), record(**runs[1]), ended])
    assert [(row.cells["device"], row.outcome) for row in found] == [("phone", shown), ("local", "passed")]


def test_a_lost_device_is_graver_than_a_failure() -> None:
    assert cell("verdict", record(verdict="fail"), record("device", "fail", model=None, delegate=None)) == "infra"


def test_a_pass_in_a_test_that_the_world_ended_is_shown_as_that() -> None:
    assert cell("verdict", record(outcome="infra")) == "infra"


@pytest.mark.parametrize(("check", "verdict"), [("metric", "fail"), ("metric", "pass"), ("device", "fail")])
def test_a_test_that_was_skipped_or_failed_as_expected_is_shown_as_skipped(check: str, verdict: str) -> None:
    assert cell("verdict", record(check, verdict, outcome="skipped")) == "skipped"


def test_a_delegate_that_left_operators_says_how_many_it_took() -> None:
    delegate = {"requested": "default", "proven": "xnnpack", "left_over": {"SOFTMAX": 1}, "nodes": 4, "delegated": 3}
    assert cell("delegate", record(delegate=delegate)) == "xnnpack 3/4"


@pytest.mark.parametrize(
    ("test", "shown"),
    [
        ("tests/test_it.py::test_a", "test_a"),
        ("tests/test_it.py::test_a[a::b]", "test_a[a::b]"),
        ("no colons", "no colons"),
        ("", ""),
        ("t.py::test_a[\x1b[31m\n\u202e]", "test_a[?[31m??]"),
    ],
)
def test_a_test_is_shown_by_its_name_and_nothing_in_it_steers_the_terminal(test: str, shown: str) -> None:
    assert cell("test", record(test=test)) == shown


@pytest.mark.parametrize(
    ("check", "numbers"),
    [
        ("latency", {}),
        ("latency", {"p50_ms": None, "p95_ms": "x", "budgets": None}),
        ("latency", {"budgets": [None, {}, {"quantile": "x", "budget_ms": 3}]}),
        ("close", {"outputs": None}),
        ("close", {"outputs": ["x", {"max_abs_error": "x"}]}),
        ("size", {}),
        ("memory", {"observed": None}),
        ("realtime", {"achieved_fps": "x"}),
        ("faster", {"ratio": True}),
        ("cpu_load", []),
        ("memory", {"observed": 10**400}),
        ("latency", {"p50_ms": 10**400, "budgets": [{"quantile": 10**400, "budget_ms": float("nan")}]}),
    ],
)
def test_numbers_of_an_unexpected_form_leave_their_cells_empty(check: str, numbers: dict[str, Any]) -> None:
    found = rows([record(check, numbers=numbers)])[0].cells
    assert not [found.get(name) for name in ("p50", "p95", "error", "memory", "also") if found.get(name)]
    assert not found.get("budget", "").strip()


@pytest.mark.parametrize(("size_bytes", "shown"), [(640, "0.6 kB"), (999_999, "1000.0 kB"), (5_300_000, "5.30 MB")])
def test_sizes_have_units(size_bytes: int, shown: str) -> None:
    assert cell("size", record("size", numbers={"size_bytes": size_bytes})) == shown


@pytest.mark.parametrize(
    ("check", "numbers", "column", "shown"),
    [
        ("memory", {"observed": 12.3456}, "memory", "12.3 MB"),
        ("cpu_load", {"observed": 24.9}, "also", "cpu 24.9 %"),
        ("energy", {"observed": 3.14159}, "also", "energy 3.14 mJ"),
        ("load_time", {"observed": 41.0}, "also", "load 41 ms"),
        ("realtime", {"achieved_fps": 29.97, "dropped_share": 0.012}, "also", "30 fps, 1.2% dropped"),
        ("faster", {"ratio": 0.512, "old": {"name": "old.tflite"}}, "also", "0.512 x old.tflite"),
        ("stages", {"p95_ms": {"before": 20.0, "total": 120.5}}, "also", "stages p95 120 ms"),
        ("accuracy", {"value": 0.9612, "metric": "top1"}, "also", "top1 0.961"),
    ],
)
def test_every_check_that_measures_has_a_cell(check: str, numbers: dict[str, Any], column: str, shown: str) -> None:
    assert cell(column, record(check, numbers=numbers)) == shown


def test_what_has_no_column_of_its_own_shares_one() -> None:
    several = [record("cpu_load", numbers={"observed": 25}), record("load_time", numbers={"observed": 4})]
    assert cell("also", *several) == "cpu 25 %, load 4 ms"


def test_a_short_table_has_only_what_did_not_pass() -> None:
    several = [record(), record("size", "fail", test="t.py::test_b")]
    assert [outcome for _, outcome in table(several, width=80, short=True)] == ["", "failed"]
    assert table([record()], width=80, short=True) == []


def test_a_row_of_a_short_table_says_what_it_says_in_a_long_one() -> None:
    """Also what an attempt that passed, or a check that did, says of a test that failed elsewhere."""
    several = [
        record("latency", numbers={"p50_ms": 2.0}, worker="gw0"),
        record("memory", "fail", numbers={"observed": 31}, worker="gw1"),
        record("close", numbers={"outputs": [{"max_abs_error": 0.5}]}, test="t.py::test_b", outcome="failed"),
        record(test="t.py::test_c"),
    ]
    heading, *body = table(several, width=200)
    assert table(several, width=200, short=True) == [heading, *body[:2]]


def test_no_records_make_no_table() -> None:
    assert table([], width=80) == []


@pytest.mark.parametrize("width", [40, 60, 80, 100, 120, 200])
def test_the_table_is_never_wider_than_the_terminal(width: int) -> None:
    several = [
        record("latency", numbers=LATENCY, test=f"t.py::test_{'long_' * 30}{number}[日本語]") for number in range(50)
    ]
    lines = table([*several, record("close", "fail", numbers=CLOSE)], width=width)
    assert max(display_width(line) for line, _ in lines) <= width
    assert len(lines) == 52
    assert lines[0][0].endswith("verdict")


def test_a_wide_terminal_shows_every_column() -> None:
    lines = table([record("latency", numbers=LATENCY), record("close", numbers=CLOSE)], width=200)
    heading = ["test", "model", "variant", "device", "delegate", "p50", "p95", "budget", "error", "size", "verdict"]
    assert lines[0][0].split() == heading


def test_a_column_that_goes_leaves_its_room_to_the_tests_name() -> None:
    name = "test_" + "x" * 40
    several = [record("latency", numbers=LATENCY, test=name)]
    narrow, wide = table(several, width=50)[1][0], table(several, width=60)[1][0]
    assert display_width(narrow) > 40  # only the test's name and the verdict are left, and they fill the line
    assert len(wide) >= len(narrow)


ENGINE = {"name": "litert", "version": "2.3.0", "threads": 2}
BEFORE_AND_AFTER = {"before": {"temperature_c": 38.0, "governor": "performance", "charging": False},
                    "after": {"temperature_c": 41.5, "governor": "performance", "load": None}}  # fmt: skip


@pytest.mark.parametrize(
    ("check", "fields", "phrase"),
    [
        ("size", {"engine": ENGINE}, "litert 2.3.0, 2 threads"),
        ("size", {"delegate": {"requested": "default", "proven": "xnnpack"}}, "asked for default"),
        ("size", {"delegate": {"nodes": 4, "delegated": 3}}, "3 of 4 operators delegated"),
        ("latency", {"numbers": {"runs": 59, "batch": 3, "warmup_runs": 7}}, "59 runs, each a mean of 3, 7 to warm up"),
        ("latency", {"numbers": {"load_ms": 41.5, "first_ms": 3.2}}, "load 41.5 ms, first run 3.2 ms"),
        ("latency", {"numbers": {"budgets": [{"lower_ms": 1, "upper_ms": 2}]}}, "between 1 ms and 2 ms"),
        ("latency", {"numbers": {"disturbances": [{"text": "the machine was busy"}]}}, "the machine was busy"),
        ("close", {"numbers": {"outputs": [{"name": "boxes", "max_abs_error": 5e-4}]}}, "boxes off by 0.0005"),
        ("metric", {"numbers": {"name": "top1", "value": 0.91, "unit": ""}}, "top1 0.91"),
        ("accuracy", {"numbers": {"samples": 820, "slices": [{"tag": "dark", "value": 0.8}]}}, "820 samples, dark 0.8"),
        ("profile", {"numbers": {"operators": [{"name": "CONV_2D", "time_ms": 2}]}}, "slowest CONV_2D 2 ms"),
        ("memory", {"numbers": {"observed": 3.0, "limit": 50, "unit": "MB"}}, "at most 50 MB"),
        ("energy", {"numbers": {"observed": None, "reason": "no meter"}}, "not measured: no meter"),
        ("size", {"repeated": "was lost\nat 3"}, "repeated: was lost"),
        ("size", {"device": {"name": "x", "recovered": ["taken over"]}}, "before it: taken over"),
        ("size", {"device": {"name": "x", "conditions": BEFORE_AND_AFTER}},
         "temperature c 38 to 41.5, governor performance, charging no"),
        ("skip", {"outcome": "skipped", "message": "no \x1b phone"}, "no ? phone"),
    ],
)  # fmt: skip
def test_more_is_told_below_the_line(check: str, fields: dict[str, Any], phrase: str) -> None:
    below = [line for line, outcome in table([record(check, **fields)], width=300, more=True) if outcome == "detail"]
    assert phrase in " ".join(below)


def test_a_column_that_found_no_room_is_told_below_the_line() -> None:
    lines = table([record("latency", numbers=LATENCY)], width=40, more=True)
    assert "variant float16" in " ".join(line.strip() for line, _ in lines)


@pytest.mark.parametrize("width", [20, 40, 80])
def test_what_is_told_below_is_never_wider_than_the_terminal(width: int) -> None:
    several = [record("energy", numbers={"observed": None, "reason": "日本語 " * 30 + "x" * 90})]
    assert max(display_width(line) for line, _ in table(several, width=width, more=True)) <= max(width, 24)


def test_tests_that_no_check_speaks_for_are_in_the_longer_table_only() -> None:
    several = [record("skip", "inconclusive", outcome="skipped", test="t.py::a"), record("test", test="t.py::b")]
    assert table(several, width=80) == []
    assert [outcome for _, outcome in table(several, width=300, more=True)][1::2] == ["skipped", "passed"]


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
                    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(
                        st.sampled_from(["budgets", "outputs", "operators", "slices", "conditions", "before", "value",
                                         "disturbances", "limit", "threads", "nodes", "runs", "name"]), inner,
                        max_size=3), max_leaves=8))  # fmt: skip
def test_details_of_an_unexpected_form_break_nothing(odd: Any) -> None:
    for check in ("latency", "close", "metric", "accuracy", "profile", "memory"):
        one = record(check, numbers=odd, engine=odd, device={"name": "x", "conditions": odd, "recovered": odd})
        assert table([one], width=80, more=True)


def test_lines_know_the_outcome_that_colours_them() -> None:
    lines = table([record(), record("size", "fail", test="t.py::test_b")], width=80)
    assert [outcome for _, outcome in lines] == ["", "passed", "failed"]


@given(PRINTABLE, st.integers(1, 50))
def test_fitting_gives_exactly_so_many_columns(text: str, columns: int) -> None:
    assert display_width(fit(text, columns)) == columns


def test_cutting_keeps_both_ends() -> None:
    assert fit("test_face_detector[local-xnnpack]", 20) == "test_fac...-xnnpack]"


@pytest.mark.parametrize(("text", "columns"), [("abc", 3), ("日本", 4), ("e\u0301", 1), ("", 0)])
def test_width_is_counted_in_columns(text: str, columns: int) -> None:
    assert display_width(text) == columns


@pytest.mark.parametrize("outcome", ["pass", "fail"])
def test_a_repeated_test_is_flagged_beside_its_verdict(outcome: str) -> None:
    shown = {"pass": "passed", "fail": "failed"}[outcome]
    assert cell("verdict", record(verdict=outcome, repeated="rack was unplugged"), record()) == f"{shown}, repeated"
    assert cell("verdict", record(verdict=outcome, repeated="")) == shown
