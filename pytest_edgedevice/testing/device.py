"""What every open device must keep, on this host or behind another's lease; see ``DeviceContract``."""

from __future__ import annotations

import os
import select
import signal
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from pytest_edgedevice.errors import AgentDiedError, DeviceBusyError, DeviceQuarantinedError, InputError
from pytest_edgedevice.interfaces import DeviceLike
from pytest_edgedevice.testing.failing import FailingContract
from pytest_edgedevice.testing.patience import PATIENCE_S
from pytest_edgedevice.testing.running import RunningContract, listed, rows
from pytest_edgedevice.testing.surroundings import DeviceSurroundings
from pytest_edgedevice.testing.watching import WatchingContract

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pytest_edgedevice.testing.surroundings import Agents, OpenDevice

NEGATED = (-rows(1)).tolist()
CLOSED = (InputError, AgentDiedError)
"""What a closed model may say: that it was closed, or that nothing runs it any more."""


class LeasingContract(DeviceSurroundings):
    """Opening, leases, connections, the end."""

    def test_a_device_is_told_in_plain_values(self, device: DeviceLike) -> None:
        """Name, identity, facts; ours alone, and nothing to clean up."""
        assert isinstance(device, DeviceLike)
        assert all(type(text) is str for text in (device.name, device.identity))
        assert device.name
        assert device.identity
        assert device.facts
        assert {type(name) for name in device.facts} == {str}
        assert {type(value) for value in device.facts.values()} <= {str, int, float, bool}
        assert (device.shared, device.recovered) == (False, ())

    def test_a_device_is_the_same_when_it_is_opened_again(self, open_device: OpenDevice) -> None:
        """A quarantine and a selection rest on it."""
        told = []
        for _ in range(2):
            with open_device() as device:
                told.append((device.name, device.identity, dict(device.facts)))
        assert told[0] == told[1]

    def test_nobody_else_has_it_until_it_is_closed(self, device: DeviceLike, open_device: OpenDevice) -> None:
        """Others are told what it is used for."""
        device.tell_waiters("test_something[that takes long]")
        with pytest.raises(DeviceBusyError, match=r"test_something\[that takes long\]"):
            open_device()
        device.close()
        open_device().close()

    def test_who_waits_is_counted_and_gets_it_next(self, device: DeviceLike, open_device: OpenDevice) -> None:
        """Once it is closed."""
        assert device.waiters() == 0
        with ThreadPoolExecutor(1) as other:
            opened = other.submit(open_device, wait_s=PATIENCE_S)
            try:
                until(lambda: device.waiters() == 1)
            finally:
                device.close()
            opened.result(PATIENCE_S).close()

    def test_the_second_fault_in_a_row_sets_the_device_aside(self, device: DeviceLike, open_device: OpenDevice) -> None:
        """Until it is well; a success in between starts the count anew."""
        counts = []
        for _ in range(2):
            found = device.note_fault("the cable is loose")
            counts.append((found.count, found.reason, found.active) if found else None)
            if len(counts) == 1:
                device.note_health()
        again = device.note_fault("and again")
        device.close()
        assert counts == [(1, "the cable is loose", False)] * 2
        assert again is not None
        assert (again.count, again.active) == (2, True)
        with pytest.raises(DeviceQuarantinedError, match="and again"):
            open_device()

    def test_a_device_can_be_connected_to_again(
        self, device: DeviceLike, models: Path, agents: Agents, open_device: OpenDevice
    ) -> None:
        """It says so, stays leased, and has none of its old models."""
        old = device.load(models / "no_batch.tflite")
        device.reconnect(wait_s=PATIENCE_S)
        assert device.recovered[0] == "lost and back"
        assert agents.count() == 0
        with pytest.raises(AgentDiedError):
            old.run(rows(1))
        with pytest.raises(DeviceBusyError):
            open_device()
        with device.load(models / "no_batch.tflite") as model:
            assert listed(model.run(rows(1)), model.info.outputs[0].name) == NEGATED

    def test_several_models_are_loaded_at_once(self, device: DeviceLike, models: Path, agents: Agents) -> None:
        """Each answers for itself, also the same one twice and in threads."""
        names = ("no_batch", "copy_float32", "no_batch")
        loaded = [device.load(models / f"{name}.tflite") for name in names]
        assert agents.count() == len(names)
        with ThreadPoolExecutor(len(names)) as threads:
            runs = list(threads.map(lambda at: loaded[at % 3].run(rows(1, start=at)), range(12)))
        for at, run in enumerate(runs):
            (name,) = run.outputs
            assert listed(run, name) == (rows(1, start=at) * (1 if at % 3 == 1 else -1)).tolist()
        loaded[0].close()
        assert listed(loaded[2].run(rows(1)), loaded[2].info.outputs[0].name) == NEGATED

    def test_a_model_ends_with_its_block(self, device: DeviceLike, models: Path, agents: Agents) -> None:
        """Closing it again is no error, running it is."""
        with device.load(models / "no_batch.tflite") as model:
            assert agents.count() == 1
        assert agents.count() == 0
        model.close()
        with pytest.raises(CLOSED):
            model.run(rows(1))

    def test_a_closed_device_has_ended_all_and_does_nothing_more(
        self, open_device: OpenDevice, models: Path, agents: Agents
    ) -> None:
        """It says so; closing twice is no error, nor closing a model of it."""
        with open_device() as device:
            model = device.load(models / "no_batch.tflite")
        assert agents.count() == 0
        device.close()
        model.close()
        with pytest.raises(InputError, match=f"device '{device.name}' is closed; open it again"):
            device.load(models / "no_batch.tflite")
        with pytest.raises(CLOSED):
            model.run(rows(1))

    def test_a_device_is_closed_by_an_error_in_its_block(self, open_device: OpenDevice) -> None:
        """The error goes on."""
        with pytest.raises(ZeroDivisionError), open_device():
            raise ZeroDivisionError
        open_device().close()

    def test_a_forked_child_neither_uses_nor_ends_it(self, device: DeviceLike, models: Path) -> None:
        """It shares the link, not the conversation."""
        model = device.load(models / "no_batch.tflite")

        def child() -> bool:
            refused = 0
            for use in (lambda: model.run(rows(1)), model.measure, lambda: device.load(models / "no_batch.tflite")):
                try:
                    use()
                except InputError:
                    refused += 1
            model.close()
            device.close()
            return refused == 3

        assert in_forked_child(child)
        assert listed(model.run(rows(1)), model.info.outputs[0].name) == NEGATED


class DeviceContract(LeasingContract, RunningContract, WatchingContract, FailingContract):
    """Subclass as ``Test...`` and provide the fixtures of ``DeviceSurroundings``."""


def until(true: Callable[[], bool]) -> None:
    """Wait for something that will be so; fails where it never is."""
    deadline = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.01)


def in_forked_child(does: Callable[[], bool]) -> bool:
    """Whether something is true in a child that ``os.fork`` made."""
    source, sink = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # that we have threads is the point of the test
        pid = os.fork()
    if pid == 0:
        true = False
        try:
            true = does()
        finally:
            os.write(sink, b"y" if true else b"n")
            os._exit(0)
    try:
        ready, _, _ = select.select([source], [], [], PATIENCE_S)
        return bool(ready) and os.read(source, 1) == b"y"
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        os.close(source)
        os.close(sink)
