"""``edge_check.close`` with metrics, patterns and presets: what is judged by what, and what is said."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from pytest_edgedevice.checks import CheckFailed, EdgeCheck
from pytest_edgedevice.errors import UsageError
from pytest_edgedevice.metrics import Metric, boxes, cosine, kl, masks, mse, psnr, ssim, steps, topk, within
from pytest_edgedevice.metrics.noise import Mse
from pytest_edgedevice.values import Quantization, TensorSpec

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    from pytest_edgedevice.values import Evidence

    Make = Callable[..., Any]

RANDOM = np.random.default_rng(11)
VALUES = RANDOM.standard_normal((4, 50)).astype(np.float32)
NOISY = VALUES + RANDOM.normal(0, 0.1, VALUES.shape).astype(np.float32)


def failure(check: EdgeCheck, run: Any, reference: Any, **options: Any) -> str:
    with pytest.raises(CheckFailed) as caught:
        check.close(run, reference, **options)
    text = str(caught.value)
    assert len(text.splitlines()) <= 4
    return text


def of_model(run: Any, variant: str, proven: str = "cpu", outputs: tuple[TensorSpec, ...] = ()) -> Any:
    model = replace(run.model, variant=variant, outputs=outputs)
    return replace(run, model=model, placement=replace(run.placement, proven=proven))


def test_a_metric_by_name_with_its_bound(check: EdgeCheck, make_run: Make) -> None:
    assert check.close(make_run({"y": NOISY}), {"y": VALUES}, metric="cosine", at_least=0.98).passed
    text = failure(check, make_run({"y": NOISY}), {"y": VALUES}, metric="cosine", at_least=0.9999)
    assert text.startswith("output 'y' differs from its reference: cosine 0.99")
    assert "at least 0.9999 asked; 4 of 4 samples" in text


def test_a_failure_of_a_metric_says_what_where_and_what_would_pass(check: EdgeCheck, make_run: Make) -> None:
    run = make_run({"y": NOISY})
    lines = failure(check, run, {"y": VALUES}, metric=psnr(at_least=60)).splitlines()
    assert lines[1].startswith("  worst at sample ")
    assert lines[1].endswith("(psnr at least 60 dB (peak range))")
    needed = lines[2].removeprefix("  would pass with ").partition(";")[0]
    bound = float(needed.removeprefix("psnr(at_least=").removesuffix(")"))
    assert check.close(run, {"y": VALUES}, metric=psnr(at_least=bound)).passed


@pytest.mark.parametrize("metric", [cosine, "cosine", cosine(), [cosine()], {"*": cosine}, {"y": ["cosine"]}])
def test_a_metric_is_named_in_any_of_these_ways(check: EdgeCheck, make_run: Make, metric: Any) -> None:
    result = check.close(make_run({"y": VALUES}), {"y": VALUES}, metric=metric)
    assert result.outputs["y"].bounds == ("cosine at least 0.999, scale within 0.1 of the reference's",)
    assert result.outputs["y"].preset == ""


def test_several_metrics_are_judged_at_once(check: EdgeCheck, make_run: Make) -> None:
    both = [cosine(at_least=0.9), psnr(at_least=70), mse(at_most=1e-9)]
    text = failure(check, make_run({"y": NOISY}), {"y": VALUES}, metric=both)
    assert text.startswith("output 'y' differs from its reference: psnr")
    assert "also mse" in text


def test_a_tolerance_is_judged_besides_a_metric(check: EdgeCheck, make_run: Make) -> None:
    text = failure(check, make_run({"y": NOISY}), {"y": VALUES}, atol=1e-3, metric=cosine(at_least=0.9))
    assert "of 200 elements" in text.splitlines()[0]


def test_the_first_pattern_that_fits_decides_and_the_rest_is_left_to_the_preset(
    check: EdgeCheck, make_run: Make
) -> None:
    outputs = {"scores": VALUES, "scores_raw": VALUES, "other": VALUES}
    wanted = {"scores_*": within(atol=1.0), "scores*": cosine(at_least=0.9)}
    result = check.close(of_model(make_run(outputs), "float32"), outputs, metric=wanted)
    shown = {name: (part.bounds, part.preset) for name, part in result.outputs.items()}
    usual = "error at most 0.0001 of the largest |reference|"
    assert shown == {
        "scores": (("cosine at least 0.9, scale within 0.1 of the reference's",), ""),
        "scores_raw": (("atol 1 + rtol 0",), ""),
        "other": ((usual,), f"float32 on cpu: {usual}"),
    }


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"metric": "cosin"}, "no metric 'cosin'"),
        ({"metric": 5}, "metric must be a metric"),
        ({"metric": []}, "metric must be a metric"),
        ({"metric": 10**5000}, "metric must be a metric, .* not a whole number of 16610 bits"),
        ({"metric": Metric}, "metric 'Metric': .*abstract"),
        ({"preset": ["int8"]}, r"there is no preset \['int8'\]"),
        ({"preset": 10**5000}, "there is no preset a whole number of 16610 bits"),
        ({"outputs": 10**5000}, "outputs must name outputs"),
        ({"atol": Decimal("sNaN")}, "atol must be a finite number"),
        ({"metric": [5]}, "5 is no metric"),
        ({"metric": {}}, "judges nothing"),
        ({"metric": {3: "cosine"}}, "3 is no pattern"),
        ({"metric": {"z*": "cosine"}}, "no output fits 'z\\*'"),
        ({"metric": "cosine", "at_most": 3}, "metric 'cosine'"),
        ({"metric": "mse"}, "metric 'mse'"),
        ({"metric": "cosine", "at_least": 3}, "at_least must be a finite number from -1 to 1"),
        ({"metric": cosine(), "at_least": 0.5}, "goes with a metric that is given by its name"),
        ({"at_least": 0.5}, "goes with a metric that is given by its name"),
        ({"metric": ssim()}, "metric 'ssim' cannot judge output 'y'"),
        ({"metric": steps()}, "steps of a float output need its scale"),
        ({"metric": boxes(boxes="nowhere")}, "no output 'nowhere'"),
        ({"metric": [boxes(boxes="y"), boxes(boxes="y")]}, "judged by another metric already"),
        ({"metric": boxes(boxes="y")}, "boxes must have shape"),
        ({"preset": "int4"}, "no preset 'int4'"),
        ({"preset": "int8", "atol": 1}, "exclude each other"),
    ],
)
def test_misuse_is_told_and_is_no_verdict(
    check: EdgeCheck, recorded: list[Evidence], make_run: Make, options: Any, match: str
) -> None:
    with pytest.raises(UsageError, match=match):
        check.close(of_model(make_run({"y": VALUES}), "float32"), {"y": VALUES}, **options)
    assert recorded == []


def test_structure_nan_and_dead_outputs_come_before_any_metric(check: EdgeCheck, make_run: Make) -> None:
    loose = cosine(at_least=-1, gain=None)
    nan = VALUES.copy()
    nan[2, 7] = np.nan
    assert "holds NaN" in failure(check, make_run({"y": nan}), {"y": VALUES}, metric=loose)
    assert "is dead" in failure(check, make_run({"y": VALUES * 0}), {"y": VALUES}, metric=loose)
    stuck = np.repeat(VALUES[:1], 4, axis=0)
    assert "all 4 samples gave the same" in failure(check, make_run({"y": stuck}), {"y": VALUES}, metric=loose)
    assert "shapes differ" in failure(check, make_run({"y": VALUES[:, :3]}), {"y": VALUES}, metric=loose)


def test_a_constant_reference_is_no_reference_for_a_metric_that_needs_it_to_vary(
    check: EdgeCheck, make_run: Make
) -> None:
    flat = np.full((3, 4), 2.0)
    with pytest.raises(UsageError, match="the same value everywhere: cosine can tell nothing"):
        check.close(make_run({"y": flat * np.linspace(1, 2, 4)}), {"y": flat}, metric=cosine())
    assert check.close(make_run({"y": flat}), {"y": flat}, atol=0).passed


def test_a_wrong_scale_does_not_hide_behind_the_cosine(check: EdgeCheck, make_run: Make) -> None:
    text = failure(check, make_run({"y": VALUES / 255}), {"y": VALUES}, metric=cosine())
    assert "its scale is 0.003922 of the reference's; within 0.1 asked" in text
    assert text.endswith("device = reference * 1/255 would match everywhere: a step of pre- or post-processing differs")
    assert check.close(make_run({"y": VALUES / 255}), {"y": VALUES}, metric=cosine(gain=None)).passed


@pytest.mark.parametrize(
    ("variant", "proven", "shown"),
    [
        ("float32", "xnnpack", "float32 on xnnpack: error at most 0.0001"),
        ("float32", "gpu", "float32 on gpu: error at most 0.005"),
        ("float16", "reference", "float16 on cpu: error at most 0.002"),
        ("dynamic_int8", "cpu", "dynamic_int8 on cpu: error at most 0.1"),
        ("weight_int8", "npu", "dynamic_int8 on npu: error at most 0.1"),
        ("int8", "external:/x.so", "int8 on npu: error at most 0.1"),
        ("odd", "cpu", "float32 (the variant 'odd' has no preset) on cpu: error at most 0.0001"),
    ],
)
def test_a_preset_is_chosen_by_variant_and_proven_delegate(
    check: EdgeCheck, recorded: list[Evidence], make_run: Make, variant: str, proven: str, shown: str
) -> None:
    run = of_model(make_run({"y": VALUES}), variant, proven)
    result = check.close(run, {"y": VALUES})
    assert result.outputs["y"].preset.startswith(shown)
    (output,) = recorded[0].numbers["outputs"]
    assert output["preset"] == output["tolerance"]["preset"] == result.outputs["y"].preset


def test_a_metric_of_ones_own_may_be_given_as_a_class(check: EdgeCheck, make_run: Make) -> None:
    class Own(Mse):
        def __init__(self) -> None:
            super().__init__(at_most=1.0)

    assert check.close(make_run({"y": VALUES}), {"y": VALUES}, metric=Own).passed


def test_a_reference_without_a_name_of_its_own_is_misuse(check: EdgeCheck, make_run: Make) -> None:
    unnamed: Any = {1: VALUES}
    with pytest.raises(UsageError, match="a reference is named by a text, not by 1"):
        check.close(make_run({"y": VALUES}), unnamed)


def test_a_tolerance_that_every_element_keeps_gives_no_hint(check: EdgeCheck, make_run: Make) -> None:
    text = failure(check, make_run({"y": VALUES[:, ::-1]}), {"y": VALUES}, atol=100, metric=cosine())
    assert "sigmoid" not in text
    assert "np.flip(reference, 1) would match" in text


def test_both_faults_of_a_cosine_are_told_with_their_bounds(check: EdgeCheck, make_run: Make) -> None:
    text = failure(check, make_run({"y": VALUES[:, ::-1] * 2}), {"y": VALUES}, metric=cosine())
    assert re.search(r"cosine [-0-9.e]+, at least 0.999 asked, and its scale is 2 of the reference's", text), text


def test_a_reference_of_zeros_leaves_a_preset_nothing_and_that_is_said(check: EdgeCheck, make_run: Make) -> None:
    run = of_model(make_run({"y": VALUES}), "float32")
    text = failure(check, run, {"y": VALUES * 0})
    assert "of the largest |reference| = 0, as it is zero everywhere: name an atol)" in text
    assert check.close(of_model(make_run({"y": VALUES * 0}), "float32"), {"y": VALUES * 0}).passed


def test_a_preset_can_be_named(check: EdgeCheck, make_run: Make) -> None:
    run = of_model(make_run({"y": VALUES * np.float32(1.001)}), "float32")
    assert "preset float32 on cpu" in failure(check, run, {"y": VALUES})
    assert check.close(run, {"y": VALUES}, preset="float16").passed


def test_real_numbers_of_a_quantised_tensor_are_judged_in_its_steps_where_the_reference_is_too(
    check: EdgeCheck, make_run: Make
) -> None:
    spec = TensorSpec("y", "int8", (1, 50), Quantization((0.05,), (3,)))
    lattice = (RANDOM.integers(-100, 100, (4, 50)) * 0.05).astype(np.float32)
    run = of_model(make_run({"y": lattice + np.float32(0.1)}), "int8", outputs=(spec,))
    result = check.close(run, {"y": lattice})
    assert result.outputs["y"].preset == "int8 on cpu: at most 3 steps"
    far = of_model(make_run({"y": lattice + np.float32(0.2)}), "int8", outputs=(spec,))
    assert "4 steps and 200 of 200 elements off (100 %), at most 3 steps asked" in failure(check, far, {"y": lattice})
    other = check.close(run, {"y": lattice + np.float32(0.013)})
    assert other.outputs["y"].preset.startswith("int8 on cpu: error at most 0.1")


def test_a_run_is_a_reference_and_integers_must_mean_the_same(check: EdgeCheck, make_run: Make) -> None:
    values = RANDOM.integers(-100, 100, (3, 4)).astype(np.int8)
    specs = [TensorSpec("y", "int8", (1, 4), Quantization((scale,), (0,))) for scale in (0.5, 0.25)]
    runs = [of_model(make_run({"y": values}), "int8", outputs=(spec,)) for spec in specs]
    assert check.close(runs[0], runs[0]).passed
    text = failure(check, runs[0], runs[1])
    assert "an integer does not mean the same on both sides: scale 0.5 and zero point 0 on the device" in text


def test_the_record_has_metrics_tolerance_and_histogram(
    check: EdgeCheck, recorded: list[Evidence], make_run: Make, make_golden: Make
) -> None:
    golden = make_golden({"y": VALUES}, ids=("a", "b", "c", "d"))
    check.close(make_run({"y": NOISY}), golden, metric=[cosine(at_least=0.9), topk(k=3, at_least=0)])
    (output,) = recorded[0].numbers["outputs"]
    assert {"cosine", "norm_ratio", "mse", "snr", "max_abs_error", "topk", "topk_worst"} <= set(output["metrics"])
    assert len(output["tolerance"]["bounds"]) == 2
    assert output["worst_samples"][0]["id"] in {"a", "b", "c", "d"}
    counts, edges = output["histogram"]["counts"], output["histogram"]["edges"]
    assert (sum(counts), len(edges), edges[0]) == (200, len(counts) + 1, 0.0)
    assert edges[-2] <= output["max_abs_error"] < edges[-1]
    assert len(counts) <= 32
    assert len(json.dumps(recorded[0].numbers, allow_nan=False)) < 4000


def detector(shuffle: bool = False, **changes: Any) -> dict[str, npt.NDArray[Any]]:
    random = np.random.default_rng(2)
    corners = random.random((3, 6, 2))
    found = {
        "boxes": np.concatenate([corners, corners + 0.2 + random.random((3, 6, 2))], axis=2).astype(np.float32),
        "scores": np.sort(random.random((3, 6)).astype(np.float32))[:, ::-1],
        "classes": random.integers(0, 3, (3, 6)).astype(np.float32),
        "count": np.full((3, 1), 6, np.float32),
    }
    if shuffle:
        order = random.permutation(6)
        found |= {name: found[name][:, order] for name in ("boxes", "scores", "classes")}
    return {**found, **changes}


WHOLE = boxes(boxes="boxes", scores="scores", classes="classes", count="count", score_difference=0.1)


def test_reordered_boxes_raise_no_alarm(check: EdgeCheck, recorded: list[Evidence], make_run: Make) -> None:
    result = check.close(make_run(detector(shuffle=True)), detector(), metric=WHOLE)
    assert (result.passed, result.outputs["boxes"].group) == (True, "boxes")
    (group,) = recorded[0].numbers["groups"]
    assert group["metrics"] == {
        "recall": 1.0,
        "precision": 1.0,
        "mean_iou": 1.0,
        "score_difference": 0.0,
        "mean_ap": pytest.approx(1.0),
    }


def test_a_moved_box_is_told_with_counts(check: EdgeCheck, make_run: Make) -> None:
    moved = detector()["boxes"].copy()
    moved[1, 3] += 5
    text = failure(check, make_run(detector(boxes=moved)), detector(), metric=WHOLE)
    names = "'boxes', 'scores', 'classes', 'count'"
    counts = "recall 0.9444, precision 0.9444: 17 pairs of 18 boxes and 18 in the reference; 1 of 3 samples"
    assert text.splitlines() == [
        f"outputs {names} differ from their references: {counts}",
        "  worst at sample 1 (boxes at IoU 0.5: recall at least 1, precision at least 1, scores within 0.1)",
        "  would pass with boxes('boxes', ..., recall=0.9444, precision=0.9444)",
    ]


def test_another_number_of_boxes_is_judged_not_refused(check: EdgeCheck, make_run: Make) -> None:
    fewer = {name: list(values[:, :5]) for name, values in detector().items() if name != "count"}
    fewer["scores"] = fewer["scores"]
    wanted = {name: values for name, values in detector().items() if name != "count"}
    found = boxes(boxes="boxes", scores="scores", classes="classes", recall=0.8)
    assert check.close(make_run(fewer), wanted, metric=found).passed
    text = failure(check, make_run(fewer), wanted, metric=replace(found, recall=0.9))
    assert "recall 0.8333: 15 pairs of 15 boxes and 18 in the reference" in text


@pytest.mark.parametrize("place", [(0, 0), (2, 5)])
def test_nan_in_one_of_several_outputs_comes_first(check: EdgeCheck, make_run: Make, place: tuple[int, int]) -> None:
    scores = detector()["scores"].copy()
    scores[place] = np.nan
    assert "output 'scores' holds NaN" in failure(check, make_run(detector(scores=scores)), detector(), metric=WHOLE)
    short = {name: list(values[:, :5]) for name, values in detector(scores=scores).items() if name != "count"}
    wanted = {name: values for name, values in detector().items() if name != "count"}
    if place == (0, 0):
        text = failure(check, make_run(short), wanted, metric=replace(WHOLE, count=None))
        assert "output 'scores' holds NaN or Inf: 1 on the device, 0 in the reference" in text


def test_boxes_of_which_none_is_right_are_not_advised_to_ask_for_nothing(check: EdgeCheck, make_run: Make) -> None:
    elsewhere = detector(boxes=detector()["boxes"] + 1000)
    assert "no bound would pass" in failure(check, make_run(elsewhere), detector(), metric=WHOLE)


def test_a_detector_that_gives_zeros_is_dead(check: EdgeCheck, make_run: Make) -> None:
    dead = detector(boxes=detector()["boxes"] * 0)
    assert "output 'boxes' is dead" in failure(check, make_run(dead), detector(), metric=WHOLE)
    short = {name: list(values[:, :5]) for name, values in dead.items() if name != "count"}
    wanted = {name: values for name, values in detector().items() if name != "count"}
    found = replace(WHOLE, count=None)
    assert "output 'boxes' is dead: it is all zeros" in failure(check, make_run(short), wanted, metric=found)


def test_a_device_without_probabilities_fails_and_is_no_misuse(check: EdgeCheck, make_run: Make) -> None:
    probabilities = np.exp(VALUES) / np.exp(VALUES).sum(axis=1, keepdims=True)
    text = failure(check, make_run({"y": VALUES}), {"y": probabilities}, metric=kl())
    assert "the device's values are no probabilities" in text
    assert text.endswith("the device's softmax would match: the reference has one and the device has none")


def test_masks_are_judged_by_overlap(check: EdgeCheck, make_run: Make) -> None:
    reference = np.zeros((2, 20, 20), np.uint8)
    reference[:, 5:15, 5:15] = 1
    shifted = np.roll(reference, 1, axis=1)
    text = failure(check, make_run({"mask": shifted}), {"mask": reference}, metric=masks(at_least=0.95))
    assert "masks 0.8" in text
    assert check.close(make_run({"mask": shifted}), {"mask": reference}, metric=masks(at_least=0.8)).passed


def test_one_wrong_element_in_a_million_is_found_by_the_preset(check: EdgeCheck, make_run: Make) -> None:
    large = np.random.default_rng(0).standard_normal((4, 250_000)).astype(np.float32)
    wrong = large.copy()
    wrong[3, 77] += 1
    text = failure(check, of_model(make_run({"y": wrong}), "float32"), {"y": large})
    assert "1 of 1000000 elements" in text
    assert "worst at sample 3 [77]" in text


def test_half_precision_is_noticed_where_the_model_is_float32_on_a_processor(check: EdgeCheck, make_run: Make) -> None:
    half = VALUES.astype(np.float16).astype(np.float32)
    assert "preset float32 on cpu" in failure(check, of_model(make_run({"y": half}), "float32"), {"y": VALUES})
    assert check.close(of_model(make_run({"y": half}), "float32", "gpu"), {"y": VALUES}).passed


def test_what_processors_differ_by_raises_no_alarm(check: EdgeCheck, make_run: Make) -> None:
    peak = float(np.abs(VALUES).max())
    other = VALUES + np.float32(7e-6 * peak) * np.where(RANDOM.random(VALUES.shape) < 0.5, 1, -1).astype(np.float32)
    assert check.close(of_model(make_run({"y": other}), "float32"), {"y": VALUES}).passed


def test_a_metric_that_there_is_not_cannot_be_imported() -> None:
    from pytest_edgedevice import metrics

    with pytest.raises(AttributeError, match="no attribute 'cosines'"):
        metrics.cosines  # noqa: B018


def test_a_value_over_the_whole_set_has_no_worst_sample(check: EdgeCheck, make_run: Make) -> None:
    text = failure(check, make_run({"y": NOISY}), {"y": VALUES}, metric=cosine(at_least=0.9999, over="set"))
    assert "over all samples together (cosine at least 0.9999" in text


def test_an_output_without_samples_has_no_preset_and_fails_in_structure(check: EdgeCheck, make_run: Make) -> None:
    assert "nothing to compare" in failure(check, make_run({"y": [], "z": VALUES}, 0), {"y": [], "z": VALUES})


def test_detectors_of_other_kinds_of_numbers_cannot_be_compared(check: EdgeCheck, make_run: Make) -> None:
    whole = detector(boxes=(detector()["boxes"] * 100).astype(np.int32))
    assert "dtypes differ in kind" in failure(check, make_run(whole), detector(), metric=WHOLE)


def test_a_kl_that_fails_says_what_would_pass(check: EdgeCheck, make_run: Make) -> None:
    wanted = np.exp(VALUES) / np.exp(VALUES).sum(axis=1, keepdims=True)
    given = np.exp(NOISY) / np.exp(NOISY).sum(axis=1, keepdims=True)
    text = failure(check, make_run({"y": given}), {"y": wanted}, metric=kl(at_most=1e-6, floor=1e-9))
    assert ", floor=1e-09)" in text
