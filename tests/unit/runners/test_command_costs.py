"""What a user's own program tells besides its outputs: the times of its stages, and what it costs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_edgedevice.errors import ContractError, InputError
from tests.unit.runners.command_standin import loaded

if TYPE_CHECKING:
    from pathlib import Path

STAGED = """
def measure():
    time.sleep(0.02)
    around = {"before_ns": [300] * told["runs"], "after_ns": [0] * told["runs"]} if told["stages"] else {}
    reply(inference_ns=[1000] * told["runs"], **around)
"""
COSTLY = """
def measure():
    time.sleep(0.02)
    usage = {"peak_bytes": 9_000_000, "before_load_bytes": 4_000_000, "counter": "VmHWM", "cpu_ns": 500 * told["runs"]}
    reply(inference_ns=[1000] * told["runs"], usage=usage)
"""


def test_stages_are_those_that_the_program_times(tmp_path: Path) -> None:
    with loaded(tmp_path, STAGED) as model:
        found = model.stages(runs=5)
        assert (found.before_ns, found.inference_ns, found.after_ns) == ((300,) * 5, (1000,) * 5, (0,) * 5)
        assert found.p95_ms == {"before": 0.0003, "inference": 0.001, "after": 0.0, "total": 0.0013}
        assert model.measure(min_runs=5, max_runs=5).samples_ns == (1000,) * 5


def test_a_program_without_stages_is_told_how_to_have_some(tmp_path: Path) -> None:
    with (
        loaded(tmp_path) as model,
        pytest.raises(InputError, match="no times of what it does before and after") as raised,
    ):
        model.stages(runs=5)
    assert "before_ns" in raised.value.hint


def test_code_cannot_be_sent_to_a_program(tmp_path: Path) -> None:
    module = tmp_path / "stages.py"
    module.write_text("pass")
    with loaded(tmp_path) as model, pytest.raises(InputError, match="a program of your own runs this model"):
        model.stages(module, {})


@pytest.mark.parametrize(
    ("times", "why"),
    [
        ("before_ns=[1]", "has not one time for each"),
        ("after_ns=[-1] * told['runs']", "negative"),
        ("before_ns=[10**12] * told['runs']", "told times of .* in all, and ran for"),
        ("before_ns=7", "is malformed"),
    ],
)
def test_times_of_stages_that_cannot_be_are_refused(tmp_path: Path, times: str, why: str) -> None:
    lie = f"def measure():\n reply(inference_ns=[1000] * told['runs'], {times})"
    with loaded(tmp_path, lie) as model, pytest.raises(ContractError, match=why):
        model.stages(runs=5)


def test_the_cost_of_a_model_is_what_its_program_tells(tmp_path: Path) -> None:
    with loaded(tmp_path, COSTLY) as model:
        found = model.resources(seconds=0.001)
    assert (found.peak_bytes, found.model_share_bytes, found.memory_counter) == (9_000_000, 5_000_000, "VmHWM")
    assert (found.model_bytes, found.cpu_ms) == (5, 0.0005)
    assert "tells no energy" in found.problems["energy"]


def test_a_program_that_tells_nothing_is_watched_by_its_shell(tmp_path: Path) -> None:
    busy = """
def measure():
    for _ in range(told["warmup"] + told["runs"]):
        begin = time.process_time()
        while time.process_time() - begin < 0.005:
            pass
    reply(inference_ns=[5_000_000] * told["runs"])
"""
    with loaded(tmp_path, busy) as model:
        found = model.resources(seconds=0.3)
    assert found.cpu_ms is not None
    assert 4 < found.cpu_ms < 10
    assert "no peak of its memory" in found.problems["memory"]


def test_a_stream_takes_an_agent(tmp_path: Path) -> None:
    with loaded(tmp_path) as model, pytest.raises(InputError, match="that takes an agent"):
        model.stream()
