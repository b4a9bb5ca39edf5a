"""The golden sets of the examples are sound and speak for the models in the tree."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest

from pytest_edgedevice.goldens import load_golden

ROOT = Path(__file__).parents[3]
MODELS = "fixtures/models"
VENDOR = "examples/vendor_engine"
GOLDENS = ROOT / "examples" / "goldens"


@pytest.mark.parametrize(
    ("name", "models"),
    [
        ("faces", [f"{MODELS}/face_detector.tflite"]),
        ("digits", [*(f"{MODELS}/digits_{kind}.tflite" for kind in ("float32", "int8")), f"{VENDOR}/digits.vend"]),
    ],
)
def test_they_can_detect_something_and_know_their_models(name: str, models: list[str]) -> None:
    golden = load_golden(GOLDENS / name)
    golden.check()
    hashes = [hashlib.sha256((ROOT / model).read_bytes()).hexdigest() for model in models]
    assert list(golden.provenance.model_sha256) == hashes


def test_faces_are_told_from_other_pictures_by_their_references() -> None:
    golden = load_golden(GOLDENS / "faces")
    best = {tag: golden.select(tag).references["classificators"] for tag in ("face", "no-face")}
    assert np.max(best["face"], axis=(1, 2)).min() > 0 > np.max(best["no-face"], axis=(1, 2)).max()


def test_references_of_the_digits_are_probabilities() -> None:
    probabilities = np.asarray(load_golden(GOLDENS / "digits").references["probabilities"])
    assert np.allclose(probabilities.sum(axis=1), 1, atol=1e-6)


def test_the_sets_stay_small() -> None:
    assert sum(file.stat().st_size for file in GOLDENS.rglob("*") if file.is_file()) < 1_000_000
