"""What a device under a contract comes with: how to open it, models to load, and its agents as seen from outside."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pytest_edgedevice.interfaces import DeviceLike


class OpenDevice(Protocol):
    """Opens the device under test as a user would."""

    def __call__(self, *, wait_s: float = 0.0) -> DeviceLike:
        """Lease it, waiting no longer than this for another holder, and connect."""


class Agents(Protocol):
    """The processes that hold models on the device, by another way than the device's own."""

    def count(self) -> int:
        """How many live."""

    def kill(self) -> None:
        """End all at once, as the system does for lack of memory; they are gone when this returns."""


class DeviceSurroundings:
    """Fixtures of ``DeviceContract``: give ``open_device``, ``models`` and ``agents``."""

    @pytest.fixture
    def open_device(self) -> OpenDevice:
        """A function that opens the device; one that nobody else uses meanwhile."""
        raise NotImplementedError

    @pytest.fixture
    def models(self) -> Path:
        """The folder of small models that ``fixtures/recipes/tiny.py`` of our repository writes."""
        raise NotImplementedError

    @pytest.fixture
    def agents(self) -> Agents:
        """Agents of the device under test, and only those."""
        raise NotImplementedError

    @pytest.fixture
    def death(self) -> str:
        """What is told of an agent that a signal ended, as a pattern; to be replaced where no exit status is known."""
        return "died by SIGSEGV"

    @pytest.fixture
    def device(self, open_device: OpenDevice) -> Iterator[DeviceLike]:
        """The open device."""
        with open_device() as opened:
            yield opened
