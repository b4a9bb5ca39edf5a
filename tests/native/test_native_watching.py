"""The native agent's own profile, cost and stream, through the model that the host has loaded in it."""

from __future__ import annotations

import os
import signal
import threading
from typing import TYPE_CHECKING

import numpy as np
import pytest

from tests.native.agents import MODELS, TINY
from tests.peers.test_profiling import PATIENCE_S, alive, children, eventually, suppressed

if TYPE_CHECKING:
    from tests.native.agents import Agents


def test_a_models_operators_are_timed(agents: Agents) -> None:
    with agents.load(MODELS / "face_detector.tflite", "litert") as model:
        found = model.profile(runs=5)
    assert (found.problem, found.runs, found.total_ms > 0) == ("", 5, True)
    assert any("Convolution" in one.name for one in found.operators)
    assert {one.delegate for one in found.operators} == {"xnnpack"}


def test_built_in_kernels_have_the_names_of_the_file(agents: Agents) -> None:
    with agents.load(TINY / "partial.tflite", "litert", delegate="cpu") as model:
        assert {one.name for one in model.profile(runs=3).operators} == {"NEG", "CUMSUM"}


@pytest.mark.parametrize(
    ("runtime", "model", "why"),
    [("tflite", "add_float32", "has no profiler; 'litert' has"), ("litert", "invoke_fails", "cannot run this model")],
)
def test_a_model_without_a_profile_says_why(agents: Agents, runtime: str, model: str, why: str) -> None:
    with agents.load(TINY / f"{model}.tflite", runtime, delegate="cpu") as loaded:
        found = loaded.profile(runs=2)
        assert (found.operators, why in found.problem) == ((), True)
        assert loaded.conditions() is not None


def test_a_model_that_kills_the_profiler_leaves_the_agent_alive(agents: Agents) -> None:
    deadly = {"a": np.full((1, 4), -(2**31), np.int32), "b": np.full((1, 4), -1, np.int32)}
    with agents.load(TINY / "crash.tflite", "litert", delegate="cpu") as model:
        found = model.profile(deadly, runs=2)
        assert not found.problem or "the profiler's process ended with signal" in found.problem
        assert model.run({"a": np.full((1, 4), 7, np.int32), "b": np.full((1, 4), 4, np.int32)}).samples == 1


def test_the_profilers_memory_is_not_the_agents(agents: Agents) -> None:
    with agents.load(MODELS / "face_detector.tflite", "litert") as model:
        before = model.resources(seconds=0.05)
        assert model.profile(runs=2).problem == ""
        after = model.resources(seconds=0.05)
    assert before.peak_bytes is not None
    assert after.peak_bytes is not None
    assert after.peak_bytes < before.peak_bytes + 3_000_000


def test_a_large_model_costs_more_memory_than_a_small_one(agents: Agents) -> None:
    shares = []
    for path in (TINY / "add_float32.tflite", MODELS / "face_detector.tflite"):
        with agents.load(path, delegate="cpu") as model:
            found = model.resources(seconds=0.05)
        assert found.model_share_bytes is not None
        shares.append(found.model_share_bytes)
    assert shares[1] > shares[0] + 500_000


def test_a_sanitized_agent_bears_streams_and_costs(sanitized: Agents) -> None:
    frames = np.arange(12, dtype=np.float32).reshape(3, 4)
    with sanitized.load(TINY / "copy_float32.tflite", delegate="cpu") as model:
        found = model.stream(frames, fps=500, seconds=0.1)
        assert (found.offered, found.frames[-1]) == (50, 49)
        assert model.resources(seconds=0.05).inferences > 0


def test_the_profilers_process_ends_with_its_agent(agents: Agents) -> None:
    """However the agent ends: one that counts to two thousand million is killed in the middle of it."""
    steps = {"steps": np.array([2**31 - 1], np.int32)}
    with agents.load(TINY / "slow.tflite", "litert", delegate="cpu") as model:
        agent = model._backend.client.hello["pid"]  # type: ignore[attr-defined]
        asking = threading.Thread(target=lambda: suppressed(model.profile, steps), daemon=True)
        asking.start()
        (child,) = eventually(lambda: children(agent))
        os.kill(agent, signal.SIGKILL)
        assert eventually(lambda: not alive(child))
        asking.join(PATIENCE_S)
