"""``evaluate`` of 1,797 digits against a loop that runs batches and scores them, and what resuming costs.

python -m benchmarks.evaluate [--rounds 15]
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits

from benchmarks.pairs import interleave, ratio, row
from pytest_edgedevice import open_device

MODEL = Path(__file__).parents[1] / "fixtures" / "models" / "digits_float32.tflite"
BATCH = 256
GOAL = 1.1


def main() -> bool:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    rounds = parser.parse_known_args()[0].rounds
    digits = load_digits()
    images, labels = (digits.images / 16).astype(np.float32), digits.target
    dataset = {"image": images, "labels": labels}

    with open_device("local", wait_s=600) as device, tempfile.TemporaryDirectory() as folder:
        model = device.load(MODEL)

        def loop(batch: int) -> float:
            right = 0
            for first in range(0, len(images), batch):
                run = model.run({"image": images[first : first + batch]})
                best = np.argmax(run.outputs["probabilities"], axis=1)
                right += int((best == labels[first : first + batch]).sum())
            return right / len(images)

        def called(output: np.ndarray, label: int) -> bool:
            return bool(output.argmax() == label)

        assert loop(BATCH) == model.evaluate(dataset).value == model.evaluate(dataset, called).value
        ours, whole, own, kept, batched, at_once = interleave(
            [
                lambda: model.evaluate(dataset, batch=BATCH),
                lambda: model.evaluate(dataset, batch=len(images)),
                lambda: model.evaluate(dataset, called, batch=BATCH),
                lambda: model.evaluate(dataset, batch=BATCH, resume=Path(folder) / "state.jsonl"),
                lambda: loop(BATCH),
                lambda: loop(len(images)),
            ],
            rounds,
        )
    pairs = (
        (f"`evaluate` of 1,797 digits / a loop of `run` and the metric, {BATCH} at a time", ours, batched, True),
        ("the same with a metric of one's own, called for each sample", own, batched, True),
        ("the same with every score kept on disk from the first, to be resumed", kept, batched, False),
        ("`evaluate` of 1,797 digits / one `run` of all and the metric", whole, at_once, False),
    )
    met = []
    for what, left, right, binding in pairs:
        found = ratio(left, right)
        met.append(
            row(what, f"{found:.2f}", f"at most {GOAL}" if binding else "none", met=found <= GOAL or not binding)
        )
    return all(met)


if __name__ == "__main__":
    raise SystemExit(not main())
