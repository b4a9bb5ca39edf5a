"""Every way to run a model in turn: which there are, what each is compared with, and what ends a sweep."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from pytest_edgedevice.cli.running_sweep import ALL, Wishes, sweep
from pytest_edgedevice.errors import (
    AgentDiedError,
    DeadlineError,
    DelegateError,
    DelegateImpossibleError,
    DeviceLostError,
    EdgeDeviceError,
    InputError,
    ModelError,
    ProtocolError,
)
from tests.unit.cli.swept import FakeDevice, FakeModel, gives

if TYPE_CHECKING:
    from pytest_edgedevice.cli.running_sweep import Row

MODEL = Path("a.tflite")


def rows(device: FakeDevice, *delegates: str, threads: tuple[int, ...] = (1,)) -> list[Row]:
    wishes = Wishes(delegates=delegates or ("all",), threads=threads)
    return list(sweep(device.like(), MODEL, wishes, begins=lambda _: None))


def test_all_are_the_delegates_that_devices_know_with_the_reference_first() -> None:
    assert [name for name, _ in Wishes().ways()] == list(ALL)
    assert ALL[0] == "cpu"


def test_the_reference_runs_first_also_where_nobody_asked_for_it() -> None:
    assert Wishes(delegates=["xnnpack"], threads=[2, 4]).ways() == [("cpu", 1), ("xnnpack", 2), ("xnnpack", 4)]


def test_accelerators_that_know_no_threads_run_once() -> None:
    assert Wishes(delegates=["gpu", "npu"], threads=[1, 2]).ways() == [("cpu", 1), ("gpu", None), ("npu", None)]


def test_a_way_that_is_named_twice_runs_once() -> None:
    assert Wishes(delegates=["cpu", "xnnpack", "all"]).ways()[:3] == [("cpu", 1), ("xnnpack", 1), ("default", 1)]


def test_what_is_asked_of_the_device_is_what_the_user_asked_for() -> None:
    device, fast = FakeDevice(cpu=gives(1), xnnpack=gives(1)), gives(1)
    device._planned["xnnpack"] = fast
    wishes = Wishes(delegates=["xnnpack"], threads=[4], engine="tflite", runs=7, inputs={"x": 3})
    list(sweep(device.like(), MODEL, wishes, begins=lambda _: None))
    assert device.loads == [("cpu", 1, "tflite"), ("xnnpack", 4, "tflite")]
    assert (fast.ran, fast.closed) == ([{"x": 3}], True)
    assert {name: fast.measured[0][name] for name in ("min_runs", "max_runs")} == {"min_runs": 7, "max_runs": 7}


def test_core_ml_models_have_delegates_of_their_own_and_no_threads() -> None:
    every = [(name, None) for name in ("cpu_only", "cpu_and_gpu", "cpu_and_ne", "all")]
    assert Wishes(threads=[1, 2], core_ml=True).ways() == every
    some = Wishes(delegates=["default", "coreml"], threads=[4], core_ml=True).ways()
    assert some == [("cpu_only", None), ("default", None), ("coreml", None)]


def test_random_inputs_are_the_same_for_every_way() -> None:
    one, other = gives(1), gives(1)
    rows(FakeDevice(cpu=one, xnnpack=other), "xnnpack")
    assert one.ran[0]["x"].shape == (1, 4)
    assert np.array_equal(one.ran[0]["x"], other.ran[0]["x"])


def test_speed_and_error_are_against_the_first_way_that_ran() -> None:
    first, second = rows(FakeDevice(cpu=gives(1, 4, p50_ms=6.0), xnnpack=gives(1, 5, p50_ms=2.0)), "xnnpack")
    assert (first.speed_up, first.deviation) == (1.0, None)
    assert second.deviation is not None
    assert (second.speed_up, second.deviation.absolute, second.deviation.relative) == (3.0, 1.0, 0.25)


def test_without_a_reference_the_next_one_takes_its_place() -> None:
    found = rows(FakeDevice(cpu=ModelError("model 'a.tflite': no"), xnnpack=gives(1)), "xnnpack")
    assert [(one.state, one.speed_up) for one in found] == [("failed", None), ("ran", 1.0)]
    assert found[0].sentence == "no"


def test_a_clock_that_saw_no_time_pass_gives_no_factor() -> None:
    assert rows(FakeDevice(cpu=gives(1), xnnpack=gives(1, p50_ms=0.0)), "xnnpack")[1].speed_up is None


def test_a_delegate_that_can_never_be_had_is_asked_for_once() -> None:
    device = FakeDevice(cpu=gives(1), nnapi=DelegateImpossibleError("cannot be had"), xnnpack=gives(1))
    found = rows(device, "nnapi", "xnnpack", threads=(1, 2))
    assert [(one.delegate, one.threads, one.state) for one in found] == [
        ("cpu", 1, "ran"),
        ("nnapi", None, "impossible"),
        ("xnnpack", 1, "ran"),
        ("xnnpack", 2, "ran"),
    ]


@pytest.mark.parametrize("error", [ModelError, DelegateError, InputError, AgentDiedError, DeadlineError, ProtocolError])
def test_a_way_that_fails_is_a_row_and_the_next_one_runs(error: type[EdgeDeviceError]) -> None:
    found = rows(FakeDevice(cpu=gives(1), gpu=error("so it was", hint="do that"), xnnpack=gives(1)), "gpu", "xnnpack")
    assert [one.state for one in found] == ["ran", "failed", "ran"]
    assert (found[1].sentence, found[1].hint) == ("so it was", "do that")


def test_a_model_that_kills_its_process_every_time_ends_no_sweep() -> None:
    assert [one.state for one in rows(FakeDevice(others=AgentDiedError("killed")))] == ["failed"] * len(ALL)


@pytest.mark.parametrize("error", [DeadlineError, ProtocolError])
def test_a_device_that_does_not_answer_twice_in_a_row_ends_it(error: type[EdgeDeviceError]) -> None:
    found: list[Row] = []
    with pytest.raises(error):
        found.extend(
            sweep(FakeDevice(cpu=gives(1), others=error("hangs")).like(), MODEL, Wishes(), begins=lambda _: None)
        )
    device = FakeDevice(cpu=gives(1), default=error("hangs"), xnnpack=gives(1), gpu=error("hangs"), others=gives(1))
    assert [one.state for one in rows(device)][:4] == ["ran", "failed", "ran", "failed"]


def test_a_device_that_is_lost_ends_it_at_once_with_the_rows_so_far() -> None:
    device = FakeDevice(cpu=gives(1), others=DeviceLostError("gone"))
    swept = sweep(device.like(), MODEL, Wishes(), begins=lambda _: None)
    assert next(swept).delegate == "cpu"
    with pytest.raises(DeviceLostError):
        next(swept)


def test_memory_that_is_not_told_costs_nothing_else() -> None:
    (only,) = rows(FakeDevice(cpu=gives(1, resources=ModelError("cannot"))), "cpu")
    assert (only.state, only.resources) == ("ran", None)


def test_a_device_that_is_known_to_be_emulated_says_so_in_every_row() -> None:
    device = FakeDevice(cpu=gives(1))
    device.facts["emulated"] = True
    assert rows(device, "cpu")[0].emulated


def test_a_model_that_an_emulator_runs_says_so() -> None:
    model = gives(1)
    model.emulated = True
    assert rows(FakeDevice(cpu=model), "cpu")[0].emulated


def test_what_is_done_now_is_told() -> None:
    told: list[str] = []
    list(sweep(FakeDevice(others=gives(1)).like(), MODEL, Wishes(delegates=["gpu"], threads=[2]), begins=told.append))
    assert told == ["cpu, 1 thread", "gpu"]


def test_a_model_that_fails_after_it_was_loaded_is_closed() -> None:
    model = FakeModel({}, resources=DeviceLostError("gone"))
    with pytest.raises(DeviceLostError):
        rows(FakeDevice(cpu=model), "cpu")
    assert model.closed
