"""A vendor's own engine, compared with the server like any other: scikit-learn's classifier gave the references."""

import numpy as np
import pytest

pytestmark = pytest.mark.edge_delegate("cpu")


def test_the_engine_agrees_with_the_server(edge_model, edge_golden, edge_check):
    model = edge_model("digits.vend")
    golden = edge_golden("../goldens/digits")
    run = model.run(golden.inputs)
    edge_check.close(run, golden, atol=1e-5)
    same = np.argmax(run.outputs["probabilities"], axis=1) == np.argmax(golden.references["probabilities"], axis=1)
    edge_check.metric("same digit as the server", float(np.mean(same)), at_least=1.0, model=run)
    edge_check.size(model, max_mb=0.01)


def test_the_engine_is_fast(edge_model, edge_check):
    edge_check.latency(edge_model("digits.vend"), p99_ms=5)
