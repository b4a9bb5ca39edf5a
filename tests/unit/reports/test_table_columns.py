"""Which columns the closing table has where there is no room for all, and the user's own number in it."""

from __future__ import annotations

from pytest_edgedevice.reports.columns import display_width
from pytest_edgedevice.reports.rows import COLUMNS, rows
from pytest_edgedevice.reports.terminal import table
from tests.report_records import model, record

LATENCY = {"p50_ms": 1.5, "p95_ms": 2.5, "budgets": [{"quantile": 0.95, "budget_ms": 50}]}


def heading(width: int) -> list[str]:
    told = [
        record("latency", numbers=LATENCY, model=model("a model with a name of forty-four signs.tflite")),
        record("memory", numbers={"observed": 3.5}, model=model("a model with a name of forty-four signs.tflite")),
    ]
    lines = table(told, width=width)
    assert max(display_width(line) for line, _ in lines) <= width
    return lines[0][0].split()


def test_a_column_that_is_too_wide_leaves_its_place_to_those_that_fit() -> None:
    assert heading(80) == ["test", "device", "delegate", "p50", "p95", "budget", "memory", "verdict"]


def test_columns_keep_their_order_at_every_width() -> None:
    for width in range(30, 160):
        found = heading(width)
        assert found == [name for name in COLUMNS if name in found]


def test_a_number_of_the_users_own_is_in_the_table_with_its_name_and_unit() -> None:
    told = [
        record(numbers={"name": "top1", "value": 0.93}),
        record(numbers={"name": "drift", "value": 1.5, "unit": "px"}),
        record(numbers={"name": "odd", "value": "none"}),
    ]
    assert rows(told)[0].cells["also"] == "top1 0.93, drift 1.5 px"


def test_an_output_with_nan_has_no_small_error() -> None:
    broken = {"max_abs_error": 2.0, "close": False, "actual_nonfinite": 2}
    fine = {"max_abs_error": 0.5, "close": True, "actual_nonfinite": 2}
    assert rows([record("close", "fail", numbers={"outputs": [broken]})])[0].cells["error"] == "2, NaN or Inf"
    assert rows([record("close", numbers={"outputs": [fine]})])[0].cells["error"] == "0.5"
