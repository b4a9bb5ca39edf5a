"""Two hosts' devices of one name in one report: never one row of both's numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_edgedevice.reports.html.page import render
from pytest_edgedevice.reports.rows import rows
from pytest_edgedevice.reports.telling_apart import told_apart
from tests.made_records import latency

if TYPE_CHECKING:
    from pytest_edgedevice.records import Record


def on(host: str, *, serial: str = "", **fields: object) -> Record:
    """A latency that a host's own ``kitchen`` took."""
    one = latency(**fields)  # type: ignore[arg-type]  # what the helper takes
    facts = {"host": host, "serial": serial} if host or serial else {}
    return {**one, "device": {"name": "kitchen", "facts": facts}}


def names(*records: Record) -> list[str]:
    return [one["device"]["name"] for one in told_apart(records)]


def test_one_test_on_two_hosts_is_two_rows() -> None:
    assert names(on("a"), on("b")) == ["kitchen (a)", "kitchen (b)"]
    assert len(rows(told_apart([on("a"), on("b")]))) == 2


def test_all_of_a_host_is_renamed_once_one_test_ran_on_both() -> None:
    assert names(on("a"), on("b"), on("a", test="t.py::other")) == ["kitchen (a)", "kitchen (b)", "kitchen (a)"]


def test_shards_of_a_pool_stay_one_device() -> None:
    assert names(on("a"), on("b", test="t.py::other")) == ["kitchen", "kitchen"]


def test_what_was_skipped_elsewhere_is_no_second_device() -> None:
    skipped = {**on("b"), "check": "skip"}
    assert names(on("a"), skipped) == ["kitchen", "kitchen"]


def test_a_device_that_told_nothing_of_itself_keeps_its_name() -> None:
    assert names(on("a"), on("b"), on("")) == ["kitchen (a)", "kitchen (b)", "kitchen"]


@pytest.mark.parametrize(
    ("machines", "expected"),
    [
        ([("a", "1"), ("a", "2")], ["kitchen (1)", "kitchen (2)"]),
        ([("a", "1"), ("a", "2"), ("b", "1")], ["kitchen (a, 1)", "kitchen (a, 2)", "kitchen (b, 1)"]),
        ([("a", ""), ("", "2")], ["kitchen (a)", "kitchen (unknown)"]),
    ],
)
def test_the_name_says_what_differs_and_no_more(machines: list[tuple[str, str]], expected: list[str]) -> None:
    assert names(*(on(host, serial=serial) for host, serial in machines)) == expected


def test_the_command_that_repeats_a_failure_names_the_device_as_its_host_does() -> None:
    failed = on("b", verdict="fail", outcome="failed", message="too slow")
    page = render(told_apart([on("a"), failed]))
    assert "--device kitchen<" in page or "--device kitchen " in page
    assert "--device 'kitchen" not in page
