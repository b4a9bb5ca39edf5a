"""Records gathered into cells: what belongs together is together, what only tells two apart is in their names."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_edgedevice.reports.html.gathering import gather
from pytest_edgedevice.reports.html.matrix import delegate_in, matrix
from pytest_edgedevice.reports.html.metrics import OWN, measure
from pytest_edgedevice.reports.html.variants import family
from tests.report_records import model, placement, record


def test_checks_of_several_tests_on_one_model_device_and_delegate_are_one_cell() -> None:
    (cell,) = gather([record("close", test="t.py::a"), record("latency", test="t.py::b")])
    assert cell.tests == ["t.py::a", "t.py::b"]


@pytest.mark.parametrize(
    "other",
    [
        {"model": model("n.tflite")},
        {"model": model(variant="int8")},
        {"delegate": placement("gpu")},
        {"device": {"name": "pixel8", "facts": {}}},
        {"engine": {"name": "tflite", "version": "2.14", "threads": 1}},
        {"engine": {"name": "litert", "version": "2.3.0", "threads": 4}},
    ],
    ids=["model", "variant", "delegate", "device", "engine", "threads"],
)
def test_what_ran_otherwise_is_another_cell_with_another_name_and_link(other: dict[str, Any]) -> None:
    first, second = gather([record(), record(**other)])
    assert first.name != second.name
    assert first.slug != second.slug


def test_two_contents_of_one_file_name_are_told_apart_by_their_hashes() -> None:
    first, second = gather([record(), record(model={**model(), "sha256": "b" * 64})])
    assert second.model == "m.tflite (bbbbbb)"
    assert first.model != second.model


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_a_number_without_a_model_joins_its_tests_cell_whichever_comes_first(order: tuple[int, int]) -> None:
    both = [record("close"), record("metric", model=None, engine=None, delegate=None)]
    (cell,) = gather([both[place] for place in order])
    assert len(cell.records) == 2


def test_a_test_without_a_model_is_a_cell_of_its_own_by_its_name() -> None:
    (cell,) = gather([record("device", "fail", model=None, delegate=None, test="t.py::test_a[gpu]")])
    assert (cell.what, cell.outcome) == ("test_a[gpu]", "infra")


def test_hosts_of_one_test_do_not_share_what_has_no_model() -> None:
    phone = {"name": "phone", "facts": {}}
    first, second = gather([record(), record("device", "fail", model=None, delegate=None, device=phone)])
    assert (first.outcome, second.device, second.outcome) == ("passed", "phone", "infra")


def test_workers_of_one_test_do_not_share_what_has_no_model() -> None:
    assert len(gather([record(worker="gw0"), record(worker="gw1", model=None, delegate=None)])) == 2


@pytest.mark.parametrize(
    ("verdicts", "shown"),
    [
        (["pass", "fail", "pass"], "failed"),
        (["pass", "inconclusive"], "inconclusive"),
        (["pass"], "passed"),
        (["pass", "no such verdict"], "inconclusive"),
    ],
)
def test_a_cell_shows_its_gravest_outcome(verdicts: list[str], shown: str) -> None:
    assert gather([record(verdict=one) for one in verdicts])[0].outcome == shown


def test_links_are_the_same_in_the_next_report_and_have_harmless_signs_only() -> None:
    hostile = [record(model=model("<script>alert(1)</script>.tflite"), device={"name": '"><img>', "facts": {}})]
    (cell,), (again,) = gather(hostile), gather([*hostile, *hostile])
    assert cell.slug == again.slug
    assert set(cell.slug) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")


def test_the_gravest_and_of_these_the_latest_record_gives_a_cell_its_number() -> None:
    told = [("pass", 1.0), ("fail", 9.0), ("fail", 7.0), ("pass", 2.0)]
    (cell,) = cells = gather([record("latency", verdict, numbers={"p95_ms": ms}) for verdict, ms in told])
    measure(cells)
    assert cell.numbers["p95"] == 7.0


def test_numbers_of_the_tests_own_are_metrics_and_their_bounds_say_what_is_better() -> None:
    low = {"name": "miss rate", "value": 0.1, "at_most": 0.2}
    high = {"name": "top1", "value": 0.9, "at_least": 0.8}
    found = {one.name: one for one in measure(gather([record(numbers=low), record(numbers=high)]))}
    assert (found[OWN + "miss rate"].low, found[OWN + "top1"].low) == (True, False)


def test_an_empty_slot_says_why_the_test_that_would_have_filled_it_did_not() -> None:
    ran = record("close", test="t.py::test_a[cpu]")
    broken = record(
        "model", "fail", test="t.py::test_a[gpu]", model=None, delegate=None, message="no OpenCL here\nmore"
    )
    found = matrix(gather([ran, broken]), None)
    assert found.columns == [("local", "cpu"), ("local", "gpu")]
    assert [slot.reason for slot in found.slots[0]] == ["", "no OpenCL here"]


def test_an_error_that_names_a_model_explains_its_slot_also_in_another_test() -> None:
    ran = record("close", test="t.py::test_a")
    broken = record(
        "model", "fail", test="t.py::test_b[gpu]", model=None, delegate=None, message="model 'm.tflite': no gpu"
    )
    assert matrix(gather([ran, broken]), None).slots[0][1].reason == "model 'm.tflite': no gpu"


@pytest.mark.parametrize("others", [[], ["pixel8"]], ids=["the only device", "of several"])
def test_a_test_that_was_skipped_says_why_its_slot_is_empty(others: list[str]) -> None:
    ran = [record(test="t.py::test_a[local-cpu]"), *(record(device={"name": one, "facts": {}}) for one in others)]
    skip = record(
        "skip",
        "inconclusive",
        test="t.py::test_a[local-gpu]",
        outcome="skipped",
        message="local has no gpu",
        model=None,
        delegate=None,
        device={"name": "", "facts": {}},
    )
    reasons = [slot.reason for slot in matrix(gather([*ran, skip]), None).slots[0]]
    assert reasons == ["", "local has no gpu", *("" for _ in others)]


def test_an_empty_slot_has_the_reason_of_its_own_parameters() -> None:
    absent: dict[str, Any] = {"model": None, "delegate": None}
    told = [
        *(record(test=f"t.py::a[cpu-{name}]", model=model(f"{name}.tflite")) for name in ("large", "small")),
        record(test="t.py::b[gpu]", delegate=placement("gpu"), model=model("other.tflite")),
        record("model", "fail", test="t.py::a[gpu-small]", message="no room", **absent),
    ]
    reasons = [slots[1].reason for slots in matrix(gather(told), None).slots]
    assert reasons == ["not run", "", "no room"]


def test_a_test_that_failed_though_all_its_checks_passed_is_no_pass() -> None:
    told = [record("size", outcome="failed"), record("close", outcome="failed"), record(test="t.py::other")]
    (cell,) = gather(told)
    assert [one["shown"] for one in cell.records] == ["passed", "failed", "passed"]
    assert cell.outcome == "failed"


def test_a_check_that_passed_beside_one_that_failed_stays_passed() -> None:
    passed, failed = record("size", outcome="failed"), record("close", "fail", model=model("n.tflite"))
    assert [cell.outcome for cell in gather([passed, failed])] == ["passed", "failed"]


def test_a_slot_that_nothing_tried_says_that_it_was_not_run() -> None:
    several = [record(), record(model=model("n.tflite"), delegate=placement("gpu"))]
    assert [slot.reason for slot in matrix(gather(several), None).slots[0]] == ["", "not run"]


@pytest.mark.parametrize(
    ("test", "delegate"),
    [("t[gpu]", "gpu"), ("t[pixel8-npu-3]", "npu"), ("t", ""), ("t[a]", ""), ("t[external:lib.so]", "external:lib.so")],
)
def test_a_tests_parameters_tell_its_delegate(test: str, delegate: str) -> None:
    assert delegate_in(test) == delegate


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("digits_float32.tflite", "digits"),
        ("digits_int8.tflite", "digits"),
        ("digits_dynamic_range_quant.tflite", "digits"),
        ("mobilenet_v2_1.0_224_fp16.tflite", "mobilenet v2 1 0 224"),
        ("int8.tflite", "int8"),
        ("international.tflite", "international"),
    ],
)
def test_conversions_of_one_model_are_known_by_what_is_left_of_their_names(name: str, kept: str) -> None:
    assert family(name) == kept
