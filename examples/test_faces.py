"""A real face detector: is it right, fast and small enough on the device?"""

import numpy as np
import pytest


@pytest.mark.edge_delegate("cpu", "xnnpack")
def test_face_detector(edge_model, edge_golden, edge_check):
    model = edge_model("face_detector.tflite")  # locked device, pushed by content hash, loaded with this delegate
    golden = edge_golden("faces")  # photos and the server's reference outputs
    run = model.run(golden.inputs)  # on the device
    edge_check.close(run, golden, atol=1e-3)  # asserts and records
    edge_check.latency(model, p95_ms=100)  # pass, fail or inconclusive, with the evidence
    edge_check.size(model, max_mb=0.25)


def test_faces_are_found_and_others_are_not(edge_model, edge_golden, edge_check):
    golden = edge_golden("faces")
    run = edge_model("face_detector.tflite").run(golden.inputs)
    logits = np.max(run.outputs["classificators"], axis=(1, 2))  # (n, 896, 1): the best of 896 anchors
    found = 1 / (1 + np.exp(-logits)) >= 0.5
    wanted = np.array(["face" in tags for tags in golden.tags])
    edge_check.metric("photos judged rightly", float(np.mean(found == wanted)), at_least=1.0, model=run)
