"""A runtime that takes a wish and shows a plan: what counts as having got it, and what is believed of the plan."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import pytest

from pytest_edgedevice.checks.presets import family_of
from pytest_edgedevice.device.loading import load_patience
from pytest_edgedevice.errors import DelegateError, DelegateImpossibleError
from pytest_edgedevice.replay.plain import rebuild
from pytest_edgedevice.runners.agent_loading import check_offered, check_placement
from pytest_edgedevice.runners.replies import read_placement
from pytest_edgedevice.values import Placement, plan_text

if TYPE_CHECKING:
    from pathlib import Path


def placed(requested: str, proven: str = "", **plan: int) -> Placement:
    count = sum(plan.values())
    return Placement(requested, proven or requested, count, count, 0, {}, "told", requested_only=True, plan=plan)


@pytest.mark.parametrize(
    "placement",
    [
        placed("cpu_and_ne", neural_engine=1, cpu=200),
        placed("cpu_and_ne"),  # an older system tells no plan
        placed("cpu_and_gpu", gpu=3),
        placed("cpu_only", cpu=3),
        placed("all", cpu=3),
        placed("coreml", "all", cpu=3),
        placed("coreml", "coreml", gpu=1),
        placed("default", "all", cpu=3),
        placed("default", "default"),
    ],
)
def test_a_request_is_believed_that_its_plan_does_not_contradict(placement: Placement) -> None:
    check_placement(placement, "model.mlpackage")


@pytest.mark.parametrize(
    ("placement", "said"),
    [
        (
            placed("cpu_and_ne", cpu=12),
            "delegate 'cpu_and_ne': the engine's plan for 'm.mlpackage' leaves the neural engine without work: cpu 12",
        ),
        (placed("cpu_and_gpu", cpu=12), "leaves the gpu without work: cpu 12"),
        (placed("cpu_only", cpu=1, gpu=12), "goes beyond it: gpu 12, cpu 1"),
        (placed("cpu_and_ne", neural_engine=3, gpu=1), "goes beyond it: neural engine 3, gpu 1"),
        (
            placed("cpu_and_ne", "all", neural_engine=3),
            "delegate 'cpu_and_ne' did not reach the engine: for 'm.mlpackage' it was told 'all'",
        ),
        (placed("gpu", "all"), "delegate 'gpu' did not reach the engine"),
    ],
)
def test_a_plan_that_contradicts_the_request_fails(placement: Placement, said: str) -> None:
    with pytest.raises(DelegateError) as caught:
        check_placement(placement, "m.mlpackage")
    assert said in caught.value.message


def test_what_is_proven_is_held_to_its_proof_as_before() -> None:
    proven = dataclasses.replace(placed("gpu"), requested_only=False, left_over={"ADD": 1}, nodes=1)
    with pytest.raises(DelegateError, match="left over: ADD x1"):
        check_placement(proven, "m.tflite")


def test_people_are_told_that_it_was_only_requested() -> None:
    found = placed("cpu_and_ne", cpu=4, neural_engine=212)
    assert (found.shown, plan_text(found.plan)) == ("cpu_and_ne (requested)", "neural engine 212, cpu 4")
    assert dataclasses.replace(found, requested_only=False).shown == "cpu_and_ne"


TOLD: dict[str, Any] = {
    "proven": "cpu_and_ne", "nodes": 3, "delegated": 3, "partitions": 0, "left_over": {}, "evidence": "e",
    "requested_only": True, "plan": {"neural_engine": 2, "cpu": 1},
}  # fmt: skip


def test_a_plan_comes_over_the_wire() -> None:
    found = read_placement(TOLD, "cpu_and_ne")
    assert (found.requested_only, dict(found.plan)) == (True, {"neural_engine": 2, "cpu": 1})


def test_an_agent_that_tells_of_no_request_has_proven_it() -> None:
    told = {key: value for key, value in TOLD.items() if key not in ("requested_only", "plan")}
    found = read_placement(told, "cpu_and_ne")
    assert (found.requested_only, dict(found.plan)) == (False, {})


@pytest.mark.parametrize(
    "changes",
    [
        {"requested_only": 1},
        {"requested_only": False},  # with a plan
        {"plan": {"Neural Engine": 1}},
        {"plan": {"x\x1b": 1}},
        {"plan": {"x" * 25: 1}},
        {"plan": {"cpu": -1}},
        {"plan": {"cpu": True}},
        {"plan": {"cpu": 1.0}},
        {"plan": {chr(97 + at): 1 for at in range(9)}},
        {"plan": ["cpu"]},
        {"plan": []},
        {"plan": 3},
        {"plan": None},
    ],
)
def test_a_malformed_plan_is_not_believed(changes: dict[str, Any]) -> None:
    with pytest.raises((ValueError, TypeError, AttributeError)):  # what makes a reply a malformed one
        read_placement({**TOLD, **changes}, "cpu_and_ne")


@pytest.mark.parametrize(
    ("name", "delegate", "engine", "patience"),
    [
        ("m.tflite", "default", "", 2),
        ("m.mlmodel", "default", "", 10),
        ("m.tflite", "default", "coreml", 10),
        ("m.bin", "cpu_and_ne", "", 10),
        ("", "default", "", 10),  # a folder
    ],
)
def test_a_model_of_core_ml_may_compile_for_long(
    name: str, delegate: str, engine: str, patience: int, tmp_path: Path
) -> None:
    assert load_patience(tmp_path / name, delegate, engine, usual=2) == patience


def test_a_plan_is_in_recordings_which_older_ones_have_not() -> None:
    found = placed("cpu_and_ne", neural_engine=2)
    told = dataclasses.asdict(found)
    assert rebuild(Placement, told) == found
    older = {key: value for key, value in told.items() if key not in ("requested_only", "plan")}
    assert not rebuild(Placement, older).requested_only


@pytest.mark.parametrize(
    ("delegate", "family"), [("cpu_only", "cpu"), ("cpu_and_gpu", "gpu"), ("cpu_and_ne", "npu"), ("all", "npu")]
)
def test_a_preset_goes_by_the_most_that_was_requested(delegate: str, family: str) -> None:
    assert family_of(placed(delegate)) == family


def test_who_asks_for_core_ml_elsewhere_is_told_where_it_is() -> None:
    hello = {"engines": {"litert": "2.3.0"}, "delegates": ["default", "cpu"]}
    with pytest.raises(DelegateImpossibleError) as caught:
        check_offered(hello, "cpu_and_ne", name="desk")
    assert caught.value.hint.startswith("Core ML is on Macs, with pip install 'pytest-edgedevice[coreml]'")
