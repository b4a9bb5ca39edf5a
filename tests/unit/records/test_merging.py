"""Records of hosts, shards and attempts become one: nothing twice, nothing lost, what was repeated marked."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_edgedevice.records import Merged, merge
from tests.made_records import close, latency, made

EARLY, LATE = "2026-01-01T00:00:00.000+00:00", "2026-01-01T01:00:00.000+00:00"
LOST = "kitchen was lost\nand more"


def joined(*files: list[dict[str, Any]]) -> Merged:
    return merge([(f"{number}.jsonl", records) for number, records in enumerate(files, start=1)])


def test_shards_are_put_behind_each_other() -> None:
    first, second = latency(test="t.py::a"), latency(test="t.py::b")
    assert joined([first], [second]).records == [first, second]


def test_the_same_record_twice_is_one_within_a_file_and_between_files() -> None:
    record = latency()
    merged = joined([record, record], [record])
    assert (merged.records, merged.same, merged.conflicts) == ([record], 2, [])


def test_a_record_out_of_the_history_is_the_same_as_in_a_report() -> None:
    record = close(run="run1")
    remembered = {**record, "run": {**record["run"], "number": 7}}
    merged = joined([record], [remembered])
    assert (merged.records, merged.same, merged.conflicts) == ([record], 1, [])


def test_a_merge_can_be_merged_again() -> None:
    old = latency(9.0, verdict="fail", outcome="failed", message="too slow", run="run1", time=EARLY)
    new = latency(2.0, run="run2", time=LATE)
    once = joined([old], [new]).records
    for again in (joined(once, [old], [new]), joined([new], [old], once)):
        assert (again.records, again.conflicts) == (once, [])


@pytest.mark.parametrize("turned", [False, True])
def test_a_later_attempt_replaces_the_earlier_and_is_marked(turned: bool) -> None:
    old = latency(9.0, verdict="fail", outcome="failed", message="too slow", run="run1", time=EARLY)
    new = latency(2.0, run="run2", time=LATE)
    merged = joined(*([[new], [old]] if turned else [[old], [new]]))
    assert [one["numbers"]["p50_ms"] for one in merged.records] == [2.0]
    assert merged.records[0]["repeated"] == f"an earlier attempt at {EARLY}: too slow"
    assert merged.replaced == 1


def test_an_attempt_that_passed_is_replaced_as_well() -> None:
    merged = joined([latency(run="run1", time=EARLY)], [latency(run="run2", time=LATE)])
    assert merged.records[0]["repeated"] == f"an earlier attempt at {EARLY}: passed"


def test_attempts_without_a_runs_name_are_told_apart_by_their_time() -> None:
    merged = joined([latency(9.0, run="", time=EARLY)], [latency(2.0, run="", time=LATE)])
    assert [one["numbers"]["p50_ms"] for one in merged.records] == [2.0]


def test_an_attempt_that_lost_its_device_before_the_model_gives_way() -> None:
    lost = made(
        "device", {}, model="", device="", verdict="fail", outcome="infra", message=LOST, run="run1", time=EARLY
    )
    merged = joined([lost], [latency(run="run2", time=LATE)])
    assert [one["check"] for one in merged.records] == ["latency"]
    assert merged.records[0]["repeated"].endswith(": kitchen was lost")


def test_what_a_later_attempt_never_came_to_gives_way_too() -> None:
    lost = made("device", {}, model="", verdict="fail", outcome="infra", message=LOST, run="run2", time=LATE)
    merged = joined([latency(run="run1", time=EARLY)], [lost])
    assert [one["check"] for one in merged.records] == ["device"]


def test_other_delegates_of_one_test_stay_beside_each_other() -> None:
    merged = joined([latency(delegate="cpu", run="run1")], [latency(delegate="gpu", run="run2", time=LATE)])
    assert [one["delegate"]["requested"] for one in merged.records] == ["cpu", "gpu"]
    assert not any(one["repeated"] for one in merged.records)


@pytest.mark.parametrize("difference", [{"device": "hall"}, {"facts": {"host": "lab2"}}, {"facts": {"serial": "R5"}}])
def test_another_device_is_no_other_attempt(difference: dict[str, Any]) -> None:
    first = latency(facts={"host": "lab1"}, run="run1")
    second = latency(**{"facts": {"host": "lab1"}, "run": "run2", "time": LATE, **difference})
    assert joined([first], [second]).records == [first, second]


def test_a_run_that_was_asked_for_another_device_is_no_other_attempt() -> None:
    lost = made("device", {}, model="", device="", verdict="fail", outcome="infra", message=LOST, run="run1")
    lost["run"]["devices"] = ["hall"]
    assert len(joined([lost], [latency(run="run2", time=LATE)]).records) == 2


def test_old_records_that_name_no_device_replace_none_that_do() -> None:
    lost = made("device", {}, model="", device="", verdict="fail", outcome="infra", run="", time=LATE)
    assert len(joined([latency(run="", time=EARLY)], [lost]).records) == 2


def test_a_torn_copy_is_no_other_attempt() -> None:
    whole = [close(), latency()]
    for merged in (joined(whole, whole[:1]), joined(whole[:1], whole)):
        assert (merged.records, merged.same, merged.replaced) == (whole, 1, 0)


def test_a_mark_of_an_earlier_merge_stays() -> None:
    record = latency()
    for files in ([[record], [{**record, "repeated": "lost"}]], [[{**record, "repeated": "lost"}], [record]]):
        assert [one["repeated"] for one in joined(*files).records] == ["lost"]


@pytest.mark.parametrize("run", ["run1", ""])
def test_records_that_claim_one_moment_and_differ_are_told(run: str) -> None:
    merged = joined([latency(2.0, run=run)], [latency(4.0, run=run)])
    (told,) = merged.conflicts
    assert told.startswith("test_it.py::test_a on kitchen: 1.jsonl and 2.jsonl have records of the same run or moment")
    assert told.endswith("that differ; 2.jsonl counts")
    assert [one["numbers"]["p50_ms"] for one in merged.records] == [4.0]


def test_a_run_in_which_every_worker_ran_a_test_keeps_all_of_them() -> None:
    records = [{**latency(p50), "worker": worker} for p50, worker in ((2.0, "gw0"), (3.0, "gw1"))]
    assert joined(records).records == records


def test_a_test_that_was_skipped_elsewhere_takes_no_result_away() -> None:
    ran = latency(run="run1", time=EARLY)
    skipped = made("skip", {}, model="", device="", verdict="inconclusive", outcome="skipped", run="run2", time=LATE)
    assert joined([ran], [skipped]).records == [ran, skipped]


def test_a_test_that_ran_at_last_needs_no_reason_why_it_was_skipped() -> None:
    skipped = made("skip", {}, model="", device="", verdict="inconclusive", outcome="skipped", run="run1", time=EARLY)
    merged = joined([skipped], [latency(run="run2", time=LATE)])
    assert [one["check"] for one in merged.records] == ["latency"]


def test_a_test_that_passes_without_a_check_replaces_its_failure() -> None:
    failed = made("test", {}, model="", verdict="fail", outcome="failed", message="assert 0", run="run1", time=EARLY)
    merged = joined([failed], [made("test", {}, model="", run="run2", time=LATE)])
    assert [(one["outcome"], one["repeated"]) for one in merged.records] == [
        ("passed", f"an earlier attempt at {EARLY}: assert 0")
    ]
