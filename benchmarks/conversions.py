"""The table of conversions in the README: size, latency, accuracy, error and loss of both real models on this machine.

python -m benchmarks.conversions
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.datasets import load_digits

from benchmarks.evaluate import MODEL
from fixtures.recipes.face_variants import calibration
from pytest_edgedevice import open_device
from pytest_edgedevice.evaluation import compare_variants

if TYPE_CHECKING:
    from pytest_edgedevice.evaluation import VariantTable

FACE = 0.5
"""Score from which BlazeFace's best anchor is a face."""
FILES = {
    "digits": ("digits_float32", "digits_float16", "digits_dynamic_int8", "digits_int8"),
    "BlazeFace": ("face_detector_float32", "face_detector", "face_detector_dynamic_int8", "face_detector_int8"),
}


def finds_the_face(outputs: dict[str, Any], is_face: bool) -> bool:
    """Whether the best of 896 anchors says what is on the photo."""
    score = 1 / (1 + np.exp(-np.clip(outputs["classificators"].max(), -80, 80)))
    return bool((score >= FACE) == is_face)


def datasets() -> dict[str, tuple[Any, Any]]:
    """Data set and metric of each model."""
    digits = load_digits()
    views = calibration()  # of each photo ten, the astronaut's first
    faces = [(view["input"][0], at < len(views) // 4) for at, view in enumerate(views)]
    return {
        "digits": ({"image": (digits.images / 16).astype(np.float32), "labels": digits.target}, "accuracy"),
        "BlazeFace": (faces, finds_the_face),
    }


def rows(name: str, table: VariantTable) -> None:
    for row in table.rows():
        accuracy = f"{row['accuracy'] * 100:.2f} % [{row['lower'] * 100:.1f}, {row['upper'] * 100:.1f}]"
        times = f"{_ms(row['p50_ms'])} / {_ms(row['p95_ms'])} | {row['speed_up']:.2f}"
        loss = f"{row['loss'] * 100:+.2f}"
        front = "yes" if row["pareto"] else ""
        size, error = f"{row['size_bytes'] / 1000:.1f} kB", f"{row['max_abs_error']:.2g}"
        print(f"| {name} | {row['variant']} | {size} | {times} | {accuracy} | {loss} | {error} | {front} |")


def _ms(value: float) -> str:
    return f"{value:.2f} ms" if value >= 0.1 else f"{value * 1000:.1f} us"


def main() -> None:
    print(
        "| model | variant | size | p50 / p95 | speed-up | accuracy, 95 % bounds | loss, points | max error | front |"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    with open_device("local", wait_s=600) as device:
        for name, (dataset, metric) in datasets().items():
            models = [device.load(MODEL.with_name(f"{file}.tflite")) for file in FILES[name]]
            rows(name, compare_variants({one.info.variant: one for one in models}, dataset, metric))
            for model in models:
                model.close()


if __name__ == "__main__":
    main()
