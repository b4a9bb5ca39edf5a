"""What led to a run: found for that very run, and for nothing that only looks like it."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from pytest_edgedevice.plugin.asked import Memory, mark_of
from pytest_edgedevice.plugin.investigating import of_other_kinds
from pytest_edgedevice.values import ModelInfo, Placement, Run

INFO = ModelInfo("m.tflite", "ab" * 32, 1, "float32", (), (), "litert", "2", 1)
PLACEMENT = Placement("cpu", "cpu", 1, 0, 0, {}, "counted")


def answer(inputs: Any) -> Run:
    """What runs a model and tells no times: all its runs look alike."""
    return Run({"y": inputs["x"]}, 2, tuple(0 for _ in range(2)), INFO, PLACEMENT, "board")


@pytest.fixture
def memory() -> Memory:
    return Memory()


@pytest.fixture
def model(memory: Memory) -> Any:
    device: Any = SimpleNamespace(load=lambda *_, **__: SimpleNamespace(run=answer))
    memory.watch(device)
    return device.load("m.tflite")


def test_of_runs_that_took_the_same_time_each_has_its_own_inputs(memory: Memory, model: Any) -> None:
    asked = [np.full((2, 3), number) for number in range(3)]
    runs = [model.run({"x": one}) for one in asked]
    for run, inputs in zip(runs, asked, strict=True):
        found = memory.of(replace(run, device="derived"))
        assert found is not None
        assert found.inputs["x"] is inputs
    assert memory.of(answer({"x": asked[0]})) is None


def test_inputs_that_were_changed_after_the_run_led_to_nothing(memory: Memory, model: Any) -> None:
    inputs = np.zeros((2, 3))
    run = model.run({"x": inputs})
    assert memory.of(run) is not None
    inputs[1, 2] = 1
    assert memory.of(run) is None


@pytest.mark.parametrize("inputs", [[{"x": np.ones(3)}], np.ones((2, 3)), {"x": [1, 2]}, {"x": np.array(["a"])}])
def test_a_mark_is_made_of_inputs_in_every_form(inputs: Any) -> None:
    assert mark_of(inputs) == mark_of(inputs)
    assert mark_of(inputs) != mark_of({"x": np.zeros(3)})
    assert mark_of(np.array([object()])) == mark_of(np.array([object()]))


@pytest.mark.parametrize(("dtype", "other"), [("int8", True), ("float64", False), ("bool", True)])
def test_a_reference_of_another_kind_is_nobody_s_fault(dtype: str, other: bool) -> None:
    found: Any = SimpleNamespace(run=answer({"x": np.ones((2, 3))}), references={"y": np.ones((2, 3), dtype)})
    assert of_other_kinds(found) == other
