"""``edge_check.close``: verdicts, texts and evidence."""

from __future__ import annotations

import json
import math
import pickle
import re
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_edgedevice.checks import CheckFailed, EdgeCheck
from pytest_edgedevice.errors import GoldenError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    from pytest_edgedevice.values import Evidence

    Make = Callable[..., Any]
    Scores = npt.NDArray[np.float32]


def failure(check: EdgeCheck, run: Any, reference: Any, **options: Any) -> str:
    with pytest.raises(CheckFailed) as caught:
        check.close(run, reference, **options)
    text = str(caught.value)
    assert text == caught.value.evidence.message
    assert len(text.splitlines()) <= 4
    return text


def test_a_close_run_passes_and_is_recorded(
    check: EdgeCheck, recorded: list[Evidence], scores: Scores, make_run: Make
) -> None:
    result = check.close(make_run({"scores": scores}), {"scores": scores.astype(np.float64)})
    (evidence,) = recorded
    assert result.passed
    assert (evidence.check, evidence.verdict, evidence.message, evidence.device) == (
        "close",
        "pass",
        "",
        "local",
    )
    assert evidence.model is not None
    assert evidence.numbers["outputs"][0]["elements"] == 12


def test_a_mismatch_says_how_much_where_and_what_would_pass(check: EdgeCheck, scores: Scores, make_run: Make) -> None:
    wrong = scores.copy()
    wrong[2, 1] += 0.25
    text = failure(check, make_run({"scores": wrong}), {"scores": scores}, atol=1e-3)
    assert text.splitlines() == [
        "output 'scores' differs from its reference in 1 of 12 elements (8.3 %)",
        "  worst at sample 2 [1]: device 1.25, reference 1 (atol 0.001 + rtol 0)",
        "  would pass with atol 0.25 or rtol 0.251; cosine 0.9962",
    ]


def test_a_failure_is_recorded_once_with_its_numbers(
    check: EdgeCheck, recorded: list[Evidence], scores: Scores, make_run: Make
) -> None:
    failure(check, make_run({"scores": scores + 1}), {"scores": scores})
    (evidence,) = recorded
    (output,) = evidence.numbers["outputs"]
    assert (evidence.verdict, output["mismatches"], output["close"]) == ("fail", 12, False)


def test_a_sample_is_named_by_its_id(
    check: EdgeCheck, recorded: list[Evidence], scores: Scores, make_run: Make, make_golden: Make
) -> None:
    wrong = scores.copy()
    wrong[1, 0] += 1
    golden = make_golden({"scores": scores}, ids=("a.png", "b.png", "c.png"))
    assert "worst at sample 'b.png' [0]" in failure(check, make_run({"scores": wrong}), golden)
    assert recorded[0].numbers["outputs"][0]["worst"]["id"] == "b.png"
    assert recorded[0].numbers["golden"] == "faces"


def test_ids_of_another_length_name_nobody(check: EdgeCheck, scores: Scores, make_run: Make, make_golden: Make) -> None:
    golden = make_golden({"scores": scores}, ids=("a", "b"))
    assert "sample 0" in failure(check, make_run({"scores": scores * [[9], [1], [1]]}), golden)


def test_a_golden_for_another_model_is_no_verdict(
    check: EdgeCheck, recorded: list[Evidence], scores: Scores, make_run: Make, make_golden: Make
) -> None:
    with pytest.raises(GoldenError, match="another model"):
        check.close(make_run({"scores": scores}), make_golden({"scores": scores}, sha256="cd" * 32))
    assert recorded == []


@given(st.lists(st.floats(-1e6, 1e6, width=32), min_size=4, max_size=4), st.sampled_from(["atol", "rtol"]))
@settings(max_examples=150, deadline=None)
def test_the_tolerance_that_is_printed_passes_when_it_is_copied(make_run: Make, errors: list[float], kind: str) -> None:
    base = np.array([[1.0, 5.0], [-3.0, 100.0]], np.float32)
    a = base + np.array(errors, np.float32).reshape(2, 2)
    outputs = {"a": a, "b": base * np.float32(1.01)}
    check = EdgeCheck(lambda _: None)
    try:
        check.close(make_run(outputs), {"a": base, "b": base}, atol=0)
    except CheckFailed as error:
        found = re.search(rf"{kind} (\S+?)[;\s]", str(error).splitlines()[2] + " ")
        if "dead" not in str(error):
            assert found is not None
            value = float(found[1])
            atol, rtol = (value, 0.0) if kind == "atol" else (0.0, value)
            assert check.close(make_run(outputs), {"a": base, "b": base}, atol=atol, rtol=rtol).passed


def test_no_rtol_alone_passes_where_the_reference_is_zero(check: EdgeCheck, make_run: Make) -> None:
    text = failure(check, make_run({"y": np.array([0.5, 1.0])}), {"y": np.array([0.0, 1.0])})
    assert "would pass with atol 0.5; no rtol alone would pass" in text


def test_only_rtol_passes_where_the_difference_overflows(check: EdgeCheck, make_run: Make) -> None:
    text = failure(check, make_run({"y": np.array([1e308, 1.0])}), {"y": np.array([-1e308, 1.0])})
    assert "no atol alone would pass" in text


def test_defaults_are_by_kind_and_shown(check: EdgeCheck, recorded: list[Evidence], make_run: Make) -> None:
    for dtype, shown in (
        ("float32", "preset int8 on xnnpack: error at most 0.1 of the largest |reference|"),
        ("int8", "preset int8 on xnnpack: at most 3 steps"),
        ("bool", "preset bool values: equal"),
    ):
        reference = np.array([0, 1, 0, 1]).astype(dtype)
        wrong = (np.array([1, 1, 0, 1]) * (1 if dtype == "bool" else 4)).astype(dtype)
        assert shown in failure(check, make_run({"y": wrong}), {"y": reference})


@pytest.mark.parametrize("dtype", ["int32", "uint32", "int64"])
def test_wide_integers_are_exact_by_default_because_they_name_things(
    dtype: str, check: EdgeCheck, make_run: Make
) -> None:
    classes = np.array([[3], [7]], dtype)
    with pytest.raises(CheckFailed):
        check.close(make_run({"class": classes + 1}), {"class": classes})


def test_one_quantisation_step_is_close_by_default(check: EdgeCheck, make_run: Make) -> None:
    steps = np.arange(8, dtype=np.int8).reshape(2, 4)
    assert check.close(make_run({"y": steps + np.int8(1)}), {"y": steps}).passed


def test_one_quantisation_step_too_many_is_not(check: EdgeCheck, make_run: Make) -> None:
    steps = np.arange(8, dtype=np.int8).reshape(2, 4)
    text = failure(check, make_run({"y": steps + np.int8(4)}), {"y": steps})
    assert "would pass with steps(at_most=4)" in text


@pytest.mark.parametrize(
    ("given_", "used"), [({"atol": 0.5}, (0.5, 0.0)), ({"rtol": 0.5}, (0.0, 0.5)), ({"atol": 0}, (0, 0))]
)
def test_a_tolerance_alone_sets_the_other_to_zero(
    check: EdgeCheck, scores: Scores, make_run: Make, given_: Any, used: Any
) -> None:
    result = check.close(make_run({"scores": scores}), {"scores": scores}, **given_)
    assert (result.outputs["scores"].atol, result.outputs["scores"].rtol) == used


@pytest.mark.parametrize("bad", [-1, math.nan, math.inf, "much", np.float32("nan")])
@pytest.mark.parametrize("name", ["atol", "rtol"])
def test_a_tolerance_that_is_none_is_misuse(
    check: EdgeCheck, recorded: list[Evidence], scores: Scores, make_run: Make, name: Any, bad: Any
) -> None:
    with pytest.raises(UsageError, match=f"{name} must be a finite number"):
        check.close(make_run({"scores": scores}), {"scores": scores}, **{name: bad})
    assert recorded == []


def test_nan_is_counted_and_placed(check: EdgeCheck, recorded: list[Evidence], scores: Scores, make_run: Make) -> None:
    wrong = scores.copy()
    wrong[1, 2], wrong[2, 0] = np.nan, np.inf
    text = failure(check, make_run({"scores": wrong}), {"scores": scores}, atol=1e9)
    assert text.splitlines()[:2] == [
        "output 'scores' holds NaN or Inf: 2 of 12 elements on the device, 0 in the reference",
        "  first at sample 1 [2]: device nan, reference 0.7",
    ]
    json.dumps(recorded[0].numbers, allow_nan=False)


def test_nan_in_the_reference_blames_the_reference(check: EdgeCheck, scores: Scores, make_run: Make) -> None:
    bad = scores.copy()
    bad[0, 0] = np.nan
    assert "record it again" in failure(check, make_run({"scores": scores}), {"scores": bad})
    assert "1 in the reference" in failure(check, make_run({"scores": bad}), {"scores": bad})


def test_a_dead_output_fails_within_any_tolerance(check: EdgeCheck, scores: Scores, make_run: Make) -> None:
    text = failure(check, make_run({"scores": scores * 0}), {"scores": scores}, atol=1e6)
    assert text.splitlines()[0] == "output 'scores' is dead: it is all zeros"
    assert "0 of 12 elements (0.0 %)" in text


def test_names_must_match_and_both_sets_are_told(
    check: EdgeCheck, recorded: list[Evidence], scores: Scores, make_run: Make
) -> None:
    text = failure(check, make_run({"score": scores, "boxes": scores}), {"scores": scores + 5, "boxes": scores})
    sides = "only on the device: 'score'; only in the reference: 'scores'"
    assert text.splitlines() == [
        f"device and reference do not have the same outputs; {sides}",
        "  device: 'boxes', 'score'; reference: 'boxes', 'scores'",
        "  hint: closest to reference 'scores' is device output 'score': rename the reference",
    ]
    assert (recorded[0].numbers["extra"], recorded[0].numbers["missing"]) == (["score"], ["scores"])
    assert recorded[0].numbers["outputs"][0]["close"]


def test_a_name_is_also_found_by_its_values(check: EdgeCheck, scores: Scores, make_run: Make) -> None:
    text = failure(
        check,
        make_run({"Identity": scores, "Identity_1": scores + 1}),
        {"scores": scores + 1, "Identity": scores},
    )
    assert "device output 'Identity_1' has the values of reference 'scores'" in text


def test_an_output_without_a_reference_fails_and_says_how_to_leave_it_out(
    check: EdgeCheck, scores: Scores, make_run: Make
) -> None:
    text = failure(check, make_run({"a": scores, "b": scores}), {"a": scores})
    assert text.endswith("hint: compare a part of them with outputs=('a',)")


def test_a_reference_without_an_output_fails(check: EdgeCheck, scores: Scores, make_run: Make) -> None:
    assert "only in the reference: 'zzz'" in failure(check, make_run({"a": scores}), {"zzz": scores + 3})


def test_named_outputs_are_compared_alone(check: EdgeCheck, scores: Scores, make_run: Make) -> None:
    result = check.close(make_run({"a": scores, "b": scores}), {"a": scores}, outputs=("a",))
    assert list(result.outputs) == ["a"]
    assert check.close(make_run({"a": scores, "b": scores}), {"a": scores, "c": scores}, outputs="a").passed


@pytest.mark.parametrize(
    ("outputs", "match"),
    [((), "compares nothing"), (("x",), "device has no 'x'"), (("b",), "reference has no 'b'")],
)
def test_named_outputs_must_exist(check: EdgeCheck, scores: Scores, make_run: Make, outputs: Any, match: Any) -> None:
    with pytest.raises(UsageError, match=match):
        check.close(make_run({"a": scores, "b": scores}), {"a": scores}, outputs=outputs)


def test_swapped_outputs_are_told(check: EdgeCheck, scores: Scores, make_run: Make) -> None:
    run = make_run({"a": scores, "b": scores[::-1].copy()})
    text = failure(check, run, {"a": scores[::-1], "b": scores})
    assert "device output 'a' has the values of reference 'b': the outputs may be swapped" in text
    assert "1 more output differs: 'b'" in text


def test_several_failures_name_the_gravest_and_count_the_others(
    check: EdgeCheck, scores: Scores, make_run: Make
) -> None:
    nan = scores.copy()
    nan[0, 0] = np.nan
    run = make_run({"a": scores + 1, "b": nan, "c": scores, "d": scores * [[2], [1], [1]]})
    text = failure(check, run, dict.fromkeys("abcd", scores))
    assert text.startswith("output 'b' holds NaN")
    assert text.endswith("2 more outputs differ: 'a', 'd'")


def test_many_names_are_cut(check: EdgeCheck, scores: Scores, make_run: Make) -> None:
    names = [f"out{i}" for i in range(12)]
    text = failure(check, make_run(dict.fromkeys(names, scores + 1)), dict.fromkeys(names, scores))
    assert "11 more outputs differ: 'out1', 'out2', 'out3', 'out4', 'out5', 'out6' and 5 more" in text


def test_another_number_of_samples_tells_both_counts(check: EdgeCheck, scores: Scores, make_run: Make) -> None:
    text = failure(check, make_run({"scores": scores}), {"scores": scores[:1]})
    assert "the device has 3 samples, the reference 1 sample" in text


def test_a_transposed_layout_is_told(check: EdgeCheck, make_run: Make) -> None:
    image = np.random.default_rng(0).standard_normal((2, 4, 5, 3))
    text = failure(check, make_run({"y": image.transpose(0, 3, 1, 2)}), {"y": image})
    assert "shapes differ: device (2, 3, 4, 5), reference (2, 4, 5, 3)" in text
    assert text.endswith("reference.transpose(0, 3, 1, 2) would match (NHWC to NCHW)")


def test_an_integer_output_is_not_dequantised_in_silence_but_told_how(
    check: EdgeCheck, scores: Scores, make_run: Make
) -> None:
    text = failure(check, make_run({"scores": np.ones((3, 4), np.int8)}), {"scores": scores})
    assert "dtypes differ in kind: device int8 (integer), reference float32 (float)" in text
    assert text.endswith("compare pytest_edgedevice.dequantized(run): (integer - -128) * 0.00390625")


def test_without_a_known_scale_dequantising_is_told_in_general(
    check: EdgeCheck, scores: Scores, make_run: Make
) -> None:
    text = failure(check, make_run({"y": np.ones((3, 4), np.int8)}), {"y": scores})
    assert text.endswith("dequantise first: (integer - zero_point) * scale")


def test_an_empty_output_is_a_failure_of_structure(check: EdgeCheck, make_run: Make) -> None:
    assert "nothing to compare" in failure(check, make_run({"y": np.zeros((2, 0))}), {"y": np.zeros((2, 0))})


def test_an_output_without_sample_axis_is_a_failure_of_structure(
    check: EdgeCheck, scores: Scores, make_run: Make
) -> None:
    run = make_run({"y": np.float32(1), "z": scores}, 3)
    assert "no sample axis" in failure(check, run, {"y": np.float32(1), "z": scores})


def test_ragged_outputs_are_compared(check: EdgeCheck, make_run: Make) -> None:
    ragged = [np.ones((n, 4)) * np.arange(4) for n in (2, 5)]
    assert check.close(make_run({"boxes": ragged}), {"boxes": ragged}).passed
    wrong = [ragged[0], ragged[1] + [[0, 1, 0, 0]]]
    assert "worst at sample 1 [0, 1]" in failure(check, make_run({"boxes": wrong}), {"boxes": ragged})


def test_text_outputs_are_a_failure_of_structure(check: EdgeCheck, make_run: Make) -> None:
    names = np.array(["a", "b"])
    assert "not numeric" in failure(check, make_run({"y": names}), {"y": names})


@pytest.mark.parametrize("reference", [np.zeros(3), None, 5])
def test_what_is_no_reference_is_misuse(check: EdgeCheck, scores: Scores, make_run: Make, reference: Any) -> None:
    with pytest.raises(UsageError, match="a reference is a golden or a mapping"):
        check.close(make_run({"scores": scores}), reference)


def test_an_empty_reference_is_misuse(check: EdgeCheck, scores: Scores, make_run: Make) -> None:
    with pytest.raises(UsageError, match="reference is empty"):
        check.close(make_run({"scores": scores}), {})


def test_a_reference_that_is_no_array_is_misuse(check: EdgeCheck, scores: Scores, make_run: Make) -> None:
    uneven: Any = [[1.0, [2.0]]]
    with pytest.raises(UsageError, match="the reference's 'scores' is not an array"):
        check.close(make_run({"scores": scores}), {"scores": uneven})


def test_evidence_of_complex_outputs_is_json(check: EdgeCheck, recorded: list[Evidence], make_run: Make) -> None:
    values = np.array([1 + 2j, 3], np.complex64)
    failure(check, make_run({"y": values * 2}), {"y": values})
    json.dumps(recorded[0].numbers, allow_nan=False)


def test_a_failure_survives_pickling_with_its_evidence(check: EdgeCheck, scores: Scores, make_run: Make) -> None:
    with pytest.raises(CheckFailed) as caught:
        check.close(make_run({"scores": scores + 1}), {"scores": scores})
    again = pickle.loads(pickle.dumps(caught.value))
    assert (str(again), again.evidence) == (str(caught.value), caught.value.evidence)


def test_a_name_with_a_line_break_does_not_break_the_text(check: EdgeCheck, scores: Scores, make_run: Make) -> None:
    failure(check, make_run({"a\nb\n\n\n\nc": scores + 1}), {"a\nb\n\n\n\nc": scores})
