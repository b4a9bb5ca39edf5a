"""Ranks, divergences, masks and images: against plain loops, scipy and scikit-image's figures."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import scipy
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from pytest_edgedevice.metrics import js, kl, masks, ssim, topk
from pytest_edgedevice.metrics.distributions import js_by_sample, kl_by_sample
from pytest_edgedevice.metrics.images import ssim_by_sample
from pytest_edgedevice.metrics.ranking import ranks
from pytest_edgedevice.metrics.segmentation import mask_scores

FEW = settings(max_examples=30, deadline=None)
RANDOM = np.random.default_rng(1)


def plain_overlap(d: Any, r: Any, k: int) -> float:
    top = min(k, len(r))
    last = sorted(r, reverse=True)[top - 1]
    chosen = sorted(range(len(d)), key=lambda at: (-d[at], -r[at]))[:top]
    return float(sum(r[at] >= last for at in chosen) / top)


@given(hnp.arrays(np.int8, (3, 6)), hnp.arrays(np.int8, (3, 6)), st.integers(1, 8))
@FEW
def test_overlap_is_that_of_a_plain_loop(d: Any, r: Any, k: int) -> None:
    wanted = [plain_overlap(ours.tolist(), theirs.tolist(), k) for ours, theirs in zip(d, r, strict=True)]
    assert ranks(d, r, k=k).overlap.tolist() == pytest.approx(wanted)


@given(hnp.arrays(np.int8, (2, 5), unique=True), st.permutations(range(5)))
@FEW
def test_without_ties_the_move_is_the_difference_of_ranks(r: Any, order: list[int]) -> None:
    d = r[:, order]
    rank = [{value: place for place, value in enumerate(sorted(side, reverse=True))} for side in r.tolist()]
    moved = [max(abs(rank[s][d[s, at]] - rank[s][r[s, at]]) for at in range(5)) for s in range(2)]
    assert ranks(d, r, k=5).moved.tolist() == moved


def test_equal_ties_raise_no_alarm_whichever_comes_first() -> None:
    reference = np.array([[0.5, 0.2, 0.2, 0.1]])
    for actual in ([[0.5, 0.2, 0.19, 0.1]], [[0.5, 0.19, 0.2, 0.1]]):
        found = ranks(np.array(actual), reference, k=2)
        assert (found.overlap[0], found.moved[0]) == (1.0, 0)
    near = ranks(np.array([[0.30, 0.31, 0.1]]), np.array([[0.31, 0.30, 0.1]]), k=1, ties=0.02)
    assert (near.overlap[0], near.moved[0]) == (1.0, 0)


def test_samples_of_small_margin_are_reported_apart() -> None:
    reference = np.array([[0.9, 0.1, 0.0], [0.50, 0.49, 0.01]])
    actual = np.array([[0.9, 0.1, 0.0], [0.49, 0.50, 0.01]])
    assert not topk(k=1).judge(actual, reference).passed
    found = topk(k=1, margin=0.05).judge(actual, reference)
    assert (found.passed, found.values["topk_small_margin"]) == (True, 1.0)
    assert "no sample is left" in topk(k=1, margin=2).judge(actual, reference).saw


def test_topk_says_what_would_pass() -> None:
    reference = RANDOM.standard_normal((20, 10))
    actual = reference + RANDOM.normal(0, 1, reference.shape)
    found = topk(k=3, moved=0).judge(actual, reference)
    assert not found.passed
    assert eval(found.needed, {"topk": topk}).judge(actual, reference).passed


def test_topk_reads_ragged_samples_and_refuses_nonsense() -> None:
    ragged = (np.array([1.0, 2.0]), np.array([3.0, 2.0, 1.0]))
    assert ranks(ragged, ragged, k=2).overlap.tolist() == [1.0, 1.0]
    odd: list[Any] = [0, True, 1.5]
    for k in odd:
        with pytest.raises(ValueError, match="k must be a whole number"):
            topk(k=k)


@st.composite
def distributions(draw: st.DrawFn) -> npt.NDArray[np.float64]:
    raw = draw(hnp.arrays(np.float64, (2, 3, 4), elements=st.floats(0.0078125, 1)))
    return np.asarray(raw / raw.sum(axis=-1, keepdims=True))


@given(distributions(), distributions())
@FEW
def test_divergences_are_scipys(d: Any, r: Any) -> None:
    assert kl_by_sample(d, r).tolist() == pytest.approx(scipy.stats.entropy(r, d, axis=-1).mean(axis=1), abs=1e-12)
    distance = scipy.spatial.distance.jensenshannon(d, r, axis=-1)
    assert js_by_sample(d, r).tolist() == pytest.approx((distance**2).mean(axis=1), abs=1e-9)


def test_a_zero_where_something_is_possible_is_infinite_unless_there_is_a_floor() -> None:
    r, d = np.array([[0.5, 0.5]]), np.array([[1.0, 0.0]])
    assert kl_by_sample(d, r)[0] == math.inf
    assert kl_by_sample(r, d)[0] == pytest.approx(math.log(2))
    assert 0 < kl_by_sample(d, r, floor=1 / 512)[0] < 3
    assert js_by_sample(np.array([[0.0, 1.0]]), d)[0] == pytest.approx(math.log(2))


def test_logits_are_softmaxed_on_request_and_refused_otherwise() -> None:
    logits = RANDOM.standard_normal((2, 5))
    assert kl_by_sample(logits + 3, logits, logits=True).tolist() == pytest.approx([0, 0], abs=1e-12)
    with pytest.raises(ValueError, match="the reference holds no probabilities but a value of"):
        kl_by_sample(logits, logits)
    with pytest.raises(ValueError, match="no two or more probabilities"):
        js_by_sample(np.ones((2, 1)), np.ones((2, 1)))


def test_a_device_without_probabilities_is_out_of_every_bound() -> None:
    r = np.full((2, 4), 0.25)
    for found in (kl(1e9).judge(r * 3, r), js(1e9).judge(-r, r)):
        assert not found.passed
        assert "no probabilities" in found.saw


@given(
    hnp.arrays(np.int64, (2, 4, 4), elements=st.integers(0, 3)),
    hnp.arrays(np.int64, (2, 4, 4), elements=st.integers(0, 3)),
)
@FEW
def test_masks_are_sklearns(d: Any, r: Any) -> None:
    from sklearn import metrics as sklearn_metrics

    found = mask_scores(d, r)
    for at, (ours, theirs) in enumerate(zip(d, r, strict=True)):
        left, right = ours.ravel(), theirs.ravel()
        assert found.agreement[at] == pytest.approx(sklearn_metrics.accuracy_score(right, left))
        present = np.union1d(left, right)
        score = sklearn_metrics.jaccard_score(right, left, labels=present, average="macro")
        assert found.iou[at] == pytest.approx(score)
    whole = sklearn_metrics.jaccard_score(r.ravel(), d.ravel(), labels=list(found.class_iou), average=None)
    assert list(found.class_iou.values()) == pytest.approx(list(whole))


def test_masks_are_read_from_classes_scores_and_thresholds() -> None:
    classes = RANDOM.integers(0, 3, (2, 4, 4))
    scores = np.eye(3)[classes]
    assert mask_scores(scores, scores, axis=-1).class_iou == {0: 1.0, 1: 1.0, 2: 1.0}
    assert mask_scores(scores.transpose(0, 3, 1, 2), scores.transpose(0, 3, 1, 2), axis=0).iou.tolist() == [1.0, 1.0]
    assert mask_scores(np.array([[0.4, 0.6]]), np.array([[0.1, 0.9]])).iou.tolist() == [1.0]
    with pytest.raises(ValueError, match="no classes along axis 5"):
        mask_scores(scores, scores, axis=5)


def test_ignored_pixels_count_for_nothing() -> None:
    r = np.array([[0, 1, 255, 255]])
    d = np.array([[0, 1, 1, 0]])
    assert mask_scores(d, r, ignore=255).iou.tolist() == [1.0]
    assert mask_scores(d[:, 2:], r[:, 2:], ignore=255).iou.tolist() == [1.0]
    assert masks(over="set", ignore=255).judge(d[:, 2:], r[:, 2:]).passed


def test_pixel_agreement_can_be_asked_for() -> None:
    r = np.zeros((1, 10, 10), np.uint8)
    r[0, 0, :9] = 1
    d = r.copy()
    d[0, 0, 0] = 0
    found = masks(at_least=0.5, agreement=0.999).judge(d, r)
    assert (found.passed, found.needed) == (False, "masks(at_least=0.5, agreement=0.99)")
    assert masks(at_least=0.5, agreement=0.99).judge(d, r).passed


def test_ssim_is_scikit_images() -> None:
    """Figures of scikit-image 0.26: gaussian_weights, sigma=1.5, use_sample_covariance=False, data_range=peak."""
    y, x = np.mgrid[0:40, 0:50]
    images = np.stack([np.sin(x / 5) + np.cos(y / 7), np.sin(x * y / 200)])
    noisy = images + 0.1 * np.cos(x * 3 + y * 2)
    assert ssim_by_sample(noisy, images, peak=2).tolist() == pytest.approx([0.949839806025207, 0.8444319095327442])
    assert ssim_by_sample(noisy, images, peak=4).tolist() == pytest.approx([0.9567816012336279, 0.8957530557637764])


def test_ssim_is_its_formula_with_scipys_filter() -> None:
    r, d = RANDOM.random((2, 1, 30, 25))
    sides = [d[0], r[0], d[0] ** 2, r[0] ** 2, d[0] * r[0]]
    m_d, m_r, dd, rr, dr = (scipy.ndimage.gaussian_filter(side, 1.5, radius=5)[5:-5, 5:-5] for side in sides)
    span = np.ptp(r)
    one, two = (0.01 * span) ** 2, (0.03 * span) ** 2
    above = (2 * m_d * m_r + one) * (2 * (dr - m_d * m_r) + two)
    below = (m_d**2 + m_r**2 + one) * (dd - m_d**2 + rr - m_r**2 + two)
    assert ssim_by_sample(d, r)[0] == pytest.approx(np.mean(above / below))


def test_ssim_averages_channels_and_needs_an_image() -> None:
    image = RANDOM.random((1, 16, 16, 3))
    other = image + RANDOM.normal(0, 0.05, image.shape)
    planes = [ssim_by_sample(other[..., at], image[..., at], peak=1)[0] for at in range(3)]
    assert ssim_by_sample(other, image, peak=1)[0] == pytest.approx(np.mean(planes))
    assert ssim_by_sample(image, image).tolist() == pytest.approx([1.0])
    assert not ssim(0.999).judge(other, image).passed
    for wrong in (image[:, :8], image[0]):
        with pytest.raises(ValueError, match="no image of at least 11 by 11"):
            ssim_by_sample(wrong, wrong)
    with pytest.raises(ValueError, match="no scale to go by"):
        ssim_by_sample(image * 0, image * 0)
