"""A real digit classifier in two variants, compared with the scikit-learn model it was converted from."""

import numpy as np

from pytest_edgedevice import dequantized


def test_float32_agrees_with_the_server(edge_model, edge_golden, edge_check):
    model = edge_model("digits_float32.tflite")
    golden = edge_golden("digits")
    edge_check.close(model.run(golden.inputs), golden, atol=1e-5)
    edge_check.latency(model, p99_ms=5)


def test_int8_stays_near_the_server(edge_model, edge_golden, edge_check):
    model = edge_model("digits_int8.tflite")
    golden = edge_golden("digits")
    run = dequantized(model.run(golden.inputs_for(model.info)))  # int8 in and out, by the model's own scales
    edge_check.close(run, golden, atol=0.1)
    same = np.argmax(run.outputs["probabilities"], axis=1) == np.argmax(golden.references["probabilities"], axis=1)
    edge_check.metric("same digit as the server", float(np.mean(same)), at_least=0.95, model=run)
    edge_check.size(model, max_mb=0.005)
    edge_check.latency(model, p99_ms=5)
