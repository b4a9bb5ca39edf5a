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


def test_the_whole_way_of_an_image_is_fast(edge_model, edge_check):
    """The engine times what it does before and after an inference itself; see COMMAND.md."""
    edge_check.stages(edge_model("digits.vend"), total_ms=10, before_ms=5, quantile=0.9)


def test_the_engine_is_small(edge_model, edge_check):
    edge_check.memory(edge_model("digits.vend"), max_mb=64, of="process")
