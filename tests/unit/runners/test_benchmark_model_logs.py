"""Logs of ``benchmark_model`` are read by what was counted; whatever a log holds, reading it never raises."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from pytest_edgedevice.errors import ConfigError, ContractError, DelegateError, InfraError
from pytest_edgedevice.runners.backend import LoadRequest
from pytest_edgedevice.runners.benchmark_model.flags import Build, check_further, delegate_flags, read_help
from pytest_edgedevice.runners.benchmark_model.log import MOST_CHARS, read_log
from pytest_edgedevice.runners.benchmark_model.placement import placement_of
from pytest_edgedevice.runners.benchmark_model.report import Applied, Log, NodeCount, Operator, Statistics
from pytest_edgedevice.runners.benchmark_model.series import three_times, times_told

if TYPE_CHECKING:
    from pytest_edgedevice.values import Placement

LOGS = Path(__file__).parents[3] / "fixtures" / "benchmark_logs"


def text(name: str) -> str:
    return (LOGS / name).read_text(encoding="utf-8")


def log(name: str) -> Log:
    return read_log(text(f"{name}.log"))


def build(name: str) -> Build:
    return read_help(text(f"{name}_help.txt"), tool="it")


def asked(delegate: str, **more: Any) -> LoadRequest:
    return LoadRequest(Path("model.tflite"), delegate=delegate, **more)


def place(found: Log, delegate: str, *, nodes: int = 3, flavour: str = "tflite", **more: Any) -> Placement:
    return placement_of(found, asked(delegate, **more), build(flavour), nodes=nodes)


def test_statistics_are_those_of_warm_up_and_runs() -> None:
    found = log("tflite_xnnpack")
    assert found.series == (
        Statistics(161, 4102, 3055, 2996, 4102, 3089.42),
        Statistics(322, 3071, 3060, 2989, 3990, 3083.71),
    )
    assert (found.of_runs(322), found.of_runs(50), found.of_some_runs()) == (found.series[1], None, found.series[1])
    assert (
        read_log("count=9 curr=1(all same)").of_some_runs(),
        read_log("count=1 curr=1\ncount=0").of_some_runs(),
    ) == (
        None,
        None,
    )
    assert (found.init_us, found.first_us) == (20118, 4102)
    assert found.memory_mb == {"init": 3.75, "overall": 9.51953, "peak": 12.2383}
    assert (found.errors, found.unconsumed, found.version) == ((), (), "")


def test_a_single_run_and_equal_runs_are_worded_otherwise() -> None:
    assert log("tflite_partial_profile").series == (
        Statistics(0, 0, 0, 0, 0, 0),
        Statistics(1, 1151, 1151, 1151, 1151, 1151),
    )
    assert log("tflite_external").series[0] == Statistics(3, 3000, 3000, 3000, 3000, 3000)


def test_times_by_operator_are_those_of_the_runs_and_not_of_the_initialization() -> None:
    assert log("tflite_partial_profile").operators == (
        Operator("TfLiteGpuDelegateV2", 2, 1.137, 99.042),
        Operator("CUMSUM", 1, 0.011, 0.958),
    )


def test_litert_words_its_results_its_own_way() -> None:
    found = log("litert_gpu")
    assert found.series[-1] == Statistics(3, 2388, 2402, 2388, 2455, 2415)
    assert [found.init_us, found.first_us] == pytest.approx([214_500, 8120])
    assert found.memory_mb == {"init": 61.25, "overall": 62.5, "peak": 80.75}
    assert found.counts == (NodeCount("LiteRtGpuDelegate", 282, 282, 1, "subgraph 0"),)


def test_an_old_log_without_prefixes_is_read_too() -> None:
    found = log("tflite_old_nnapi_failed")
    assert [one.count for one in found.series] == [6, 50]
    assert (found.init_us, found.first_us, found.applied, found.counts) == (5388, None, (), ())
    assert found.errors == ("NNAPI is not available on this device.",)


def test_flags_that_were_ignored_are_known() -> None:
    found = log("tflite_ignored_flags")
    assert [one.partition("=")[0] for one in found.unconsumed] == ["--output_filepath", "--input_layer_value_files"]
    assert found.applied == (Applied("XNNPACK", "not"),)


def test_a_vendors_own_count_is_read_and_the_version() -> None:
    found = log("tflite_external")
    assert found.counts == (NodeCount("EthosuDelegate", 31, 33, 1, announced=True),)
    assert found.version == "2.15.0"
    assert found.memory_mb == {"init": 6.44141, "overall": 64.8633}


class TestPlacement:
    def test_a_whole_model_is_proven_by_node_numbers(self) -> None:
        found = place(log("tflite_xnnpack"), "xnnpack", nodes=282)
        assert (found.proven, found.nodes, found.delegated, found.partitions, found.complete) == (
            "xnnpack",
            282,
            282,
            1,
            True,
        )

    def test_operators_left_over_are_named_by_the_profile(self) -> None:
        found = place(log("tflite_partial_profile"), "gpu")
        assert (found.proven, found.nodes, found.delegated, dict(found.left_over)) == ("gpu", 3, 2, {"CUMSUM": 1})

    def test_applied_is_no_proof(self) -> None:
        found = place(log("tflite_old_nnapi_failed"), "nnapi")
        assert (found.proven, found.nodes, found.evidence) == ("unknown", 0, "the tool's log counts no nodes for it")

    def test_an_external_delegate_has_any_name(self) -> None:
        found = place(log("tflite_external"), "external:/usr/lib/libethosu_delegate.so", nodes=33)
        assert (found.delegated, found.nodes, dict(found.left_over)) == (31, 33, {"operators": 2})

    def test_the_npu_of_another_flavour_is_not_this_gpu(self) -> None:
        assert place(log("litert_gpu"), "npu", flavour="litert", allow_fallback=True).proven == "unknown"

    def test_litert_proves_by_leaving_out_the_processor(self) -> None:
        found = place(Log(), "npu", flavour="litert", nodes=7)
        assert (found.proven, found.nodes, found.complete) == ("npu", 7, True)
        assert "--use_cpu=false" in found.evidence
        assert place(Log(), "xnnpack", flavour="litert").proven == "unknown"

    def test_a_statement_counts_where_there_are_no_numbers(self) -> None:
        whole = place(Log(applied=(Applied("GPU", "completely"),)), "gpu", nodes=5)
        assert (whole.proven, whole.delegated, whole.complete) == ("gpu", 5, True)
        part = place(Log(applied=(Applied("GPU", "partially", 4),)), "gpu", nodes=5)
        assert (part.proven, part.delegated, part.partitions, part.complete) == ("gpu", 0, 4, False)
        nothing = place(Log(applied=(Applied("GPU", "not"),)), "gpu", nodes=5)
        assert (nothing.proven, dict(nothing.left_over)) == ("cpu", {"operators": 5})

    def test_numbers_win_over_a_statement_and_over_an_announcement(self) -> None:
        counts = (NodeCount("X delegate", 9, 9, 1, announced=True), NodeCount("X", 3, 9, 1, "the whole graph"))
        found = place(Log(applied=(Applied("EXTERNAL", "completely"),), counts=counts), "external:x", nodes=9)
        assert (found.delegated, found.nodes) == (3, 9)

    def test_a_count_is_no_proof_where_the_tool_says_that_nothing_was_left_of_it(self) -> None:
        counts = (NodeCount("X", 9, 9, 1, announced=True),)
        assert place(Log(applied=(Applied("EXTERNAL", "not"),), counts=counts), "external:x").proven == "cpu"

    def test_graphs_add_up_and_the_last_word_on_each_counts(self) -> None:
        name = "TfLiteXNNPackDelegate"
        counts = [
            NodeCount(name, 9, 9, 1, "subgraph 0"),
            NodeCount(name, 2, 4, 2, "subgraph 0"),
            NodeCount(name, 1, 1, 1, "s"),
        ]
        found = place(Log(counts=tuple(counts)), "xnnpack")
        assert (found.delegated, found.nodes, found.partitions) == (3, 5, 3)

    def test_a_count_without_a_total_is_held_against_the_hosts(self) -> None:
        counts = (NodeCount("TfLiteXNNPackDelegate", 2, 0, 1),)
        assert dict(place(Log(counts=counts), "xnnpack", nodes=3).left_over) == {"operators": 1}
        assert place(Log(counts=counts), "xnnpack", nodes=1).nodes == 2
        none = place(Log(counts=(NodeCount("TfLiteXNNPackDelegate", 0, 3, 0),)), "xnnpack")
        assert (none.proven, none.delegated) == ("cpu", 0)

    def test_a_delegate_that_was_undone_took_nothing(self) -> None:
        lines = "Replacing 2 out of 2 node(s) with delegate (TfLiteGpuDelegateV2) node, yielding 1 partitions.\n"
        assert len(read_log(lines).counts) == 1
        assert read_log(lines + "Restored original execution plan after delegate application failure.").counts == ()

    def test_built_in_kernels_are_proven_by_silence(self) -> None:
        found = place(Log(), "cpu", nodes=5)
        assert (found.proven, found.delegated, found.complete) == ("cpu", 5, True)
        taken = place(log("tflite_xnnpack"), "cpu", nodes=282)
        assert (taken.delegated, dict(taken.left_over)) == (0, {"DELEGATE": 282})
        said = place(Log(applied=(Applied("XNNPACK", "partially"),)), "cpu", nodes=5)
        assert dict(said.left_over) == {"DELEGATE": 1}

    @pytest.mark.parametrize(
        ("found", "proven", "delegated"),
        [
            (Log(), "cpu", 0),
            (Log(applied=(Applied("XNNPACK", "completely"),)), "xnnpack", 3),
            (Log(applied=(Applied("XNNPACK", "partially"),)), "xnnpack", 0),
            (Log(counts=(NodeCount("TfLiteXNNPackDelegate", 2, 3, 1),)), "xnnpack", 2),
        ],
    )
    def test_the_tools_own_choice_is_told(self, found: Log, proven: str, delegated: int) -> None:
        told = place(found, "default")
        assert (told.proven, told.delegated, told.nodes) == (proven, delegated, 3)


class TestFlags:
    def test_flavours_are_told_apart_by_their_help(self) -> None:
        assert (build("tflite").flavour, build("tflite").has_outputs) == ("tflite", True)
        assert (build("litert").flavour, build("litert").has_outputs) == ("litert", False)

    def test_a_program_without_such_a_help_is_no_such_tool(self) -> None:
        with pytest.raises(InfraError, match="it does not list its flags"):
            read_help("usage: something --else=1", tool="it")

    @pytest.mark.parametrize(
        ("flavour", "delegate", "more", "flags"),
        [
            ("tflite", "default", {}, {}),
            ("tflite", "cpu", {}, {"use_xnnpack": "false"}),
            ("tflite", "gpu", {}, {"use_gpu": "true"}),
            ("tflite", "nnapi", {}, {"use_nnapi": "true"}),
            ("tflite", "external:/a.so", {}, {"external_delegate_path": "/a.so"}),
            (
                "tflite",
                "external:/a.so",
                {"options": {"a": "1", "b": "2"}},
                {"external_delegate_path": "/a.so", "external_delegate_options": "a:1;b:2"},
            ),
            ("litert", "xnnpack", {}, {}),
            ("litert", "npu", {}, {"use_npu": "true", "use_cpu": "false", "require_full_delegation": "true"}),
            ("litert", "gpu", {"allow_fallback": True}, {"use_gpu": "true"}),
        ],
    )
    def test_delegates_are_chosen_by_flags(
        self, flavour: str, delegate: str, more: dict[str, Any], flags: dict[str, str]
    ) -> None:
        assert delegate_flags(asked(delegate, **more), build(flavour), tool="it") == flags

    @pytest.mark.parametrize(
        ("flavour", "delegate"),
        [("tflite", "npu"), ("tflite", "reference"), ("litert", "cpu"), ("litert", "external:/a")],
    )
    def test_a_delegate_that_the_flavour_lacks_is_refused(self, flavour: str, delegate: str) -> None:
        with pytest.raises(DelegateError, match=f"it has no delegate '{delegate}'") as raised:
            delegate_flags(asked(delegate), build(flavour), tool="it")
        assert "tool has default" in raised.value.hint

    def test_a_build_without_the_flag_is_not_asked_for_the_delegate(self) -> None:
        old = Build(frozenset({"graph", "num_runs"}))
        with pytest.raises(DelegateError, match="it knows no flag --use_gpu to choose 'gpu' by"):
            delegate_flags(asked("gpu"), old, tool="it")
        assert delegate_flags(asked("cpu"), old, tool="it") == {}

    @pytest.mark.parametrize(
        ("argument", "message"),
        [
            ("--num_runs=9", "the flag --num_runs is set by the runner"),
            ("--gpu_presicion=1", "it does not know the flag --gpu_presicion, and would ignore it"),
            ("verbose", "is no flag"),
            ("--verbose", "is no flag"),
        ],
    )
    def test_further_flags_must_mean_something(self, argument: str, message: str) -> None:
        with pytest.raises(ConfigError, match=message):
            check_further([argument], build("tflite"), tool="it")

    def test_further_flags_may_be_the_builds_own(self) -> None:
        check_further(["--gpu_precision_loss_allowed=false"], build("tflite"), tool="it")


def as_told(times: list[int]) -> Statistics:
    """What the tool says of a series; its mean has six digits."""
    mean = float(f"{sum(times) / len(times):.6g}")
    return Statistics(len(times), times[0], times[-1], min(times), max(times), mean)


@settings(deadline=None)
@given(st.lists(st.integers(1, 50_000), min_size=3, max_size=3))
def test_three_times_follow_from_their_statistics_exactly(times: list[int]) -> None:
    assert three_times(as_told(times), "it") == [1000 * time for time in times]


@settings(deadline=None)
@given(st.lists(st.integers(1, 10_000_000), min_size=3, max_size=3))
def test_long_times_follow_as_far_as_the_mean_has_digits(times: list[int]) -> None:
    got = three_times(as_told(times), "it")
    assert all(abs(one - 1000 * time) <= 1000 + 0.05 * sum(times) for one, time in zip(got, times, strict=True))


@pytest.mark.parametrize(
    "lie", [Statistics(3, 5, 5, 5, 5, 9), Statistics(3, 5, 6, 4, 9, 5), Statistics(3, 5, 6, 5, 6, 100)]
)
def test_statistics_that_no_three_runs_have_are_refused(lie: Statistics) -> None:
    with pytest.raises(ContractError, match="statistics of three runs that no three runs have"):
        three_times(lie, "it")


def test_of_other_counts_the_first_and_the_last_time_are_told() -> None:
    assert times_told(Statistics(1, 5, 5, 5, 5, 5), "it") == [5000]
    assert times_told(Statistics(2, 5, 7, 5, 7, 6), "it") == [5000, 7000]
    assert times_told(Statistics(50, 5, 7, 1, 90, 6), "it") == [5000, 7000]


def test_a_time_of_zero_is_none() -> None:
    with pytest.raises(InfraError, match="within one microsecond"):
        three_times(Statistics(3, 0, 0, 0, 0, 0), "it")


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(sorted(LOGS.glob("*.log"))), st.data())
def test_any_damage_to_a_log_is_read(path: Path, data: st.DataObject) -> None:
    whole = path.read_text(encoding="utf-8")
    at, cut = data.draw(st.integers(0, len(whole))), data.draw(st.integers(0, 200))
    junk = data.draw(
        st.text(max_size=40) | st.sampled_from(["=" * 99, "9" * 30, "e+999", "nan", "-1", "\0", "node(s)"])
    )
    found = read_log(whole[:at] + junk + whole[at + cut :])
    assert all(one.least <= one.first <= one.most for one in found.series)
    for delegate in ("default", "cpu", "xnnpack", "gpu", "nnapi", "external:x"):
        placed = place(found, delegate)
        assert placed.delegated <= placed.nodes
        assert (
            placed.complete is False
            or placed.delegated == placed.nodes
            or placed.proven in ("unknown", "xnnpack", "cpu")
        )


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=300))
def test_any_text_is_read(junk: str) -> None:
    assert read_log(junk).of_runs(3) is None


def test_a_log_without_end_is_cut_in_its_middle() -> None:
    found = read_log("count=1 curr=5\n" + "x" * (MOST_CHARS + 1) + "\ncount=3 curr=7(all same)")
    assert [one.count for one in found.series] == [1, 3]


@pytest.mark.parametrize(
    "line", ["count=", "count=x curr=1", "count=1 curr=1.5", "count=3 first=9 curr=1 min=5 max=6 avg=1"]
)
def test_statistics_that_are_none_are_left_out(line: str) -> None:
    assert read_log(line).series == ()
