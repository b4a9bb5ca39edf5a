"""This machine, opened and leased as a user does, under the contract of devices."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import pytest_edgedevice
from pytest_edgedevice.testing.device import LeasingContract
from pytest_edgedevice.testing.failing import FailingContract
from pytest_edgedevice.testing.running import RunningContract
from pytest_edgedevice.testing.surroundings import DeviceSurroundings
from pytest_edgedevice.testing.watching import WatchingContract
from tests.contract.processes import DescendantAgents
from tests.peers.forked_agents import forked_agents

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_edgedevice.interfaces import DeviceLike
    from pytest_edgedevice.testing import OpenDevice

TINY = Path(__file__).parents[2] / "fixtures" / "tiny"


class _Local(DeviceSurroundings):
    @pytest.fixture
    def models(self) -> Path:
        return TINY


class TestLocalDevice(_Local, LeasingContract, FailingContract):
    """Agents start as they do for users."""

    @pytest.fixture
    def open_device(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> OpenDevice:
        monkeypatch.setenv("EDGEDEVICE_LOCKS", str(tmp_path / "locks"))

        def opened(*, wait_s: float = 0.0) -> DeviceLike:
            return pytest_edgedevice.open_device("local", wait_s=wait_s)

        return opened

    @pytest.fixture
    def agents(self) -> DescendantAgents:
        return DescendantAgents(os.getpid())


@pytest.fixture(scope="class")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DeviceLike]:
    """A device for tests that neither close nor lose one, whose agents are forked."""
    folder = tmp_path_factory.mktemp("local")
    with pytest.MonkeyPatch.context() as patch, forked_agents(folder):
        patch.setenv("EDGEDEVICE_LOCKS", str(folder / "locks"))
        with pytest_edgedevice.open_device("local") as opened:
            yield opened


class TestLocalModels(_Local, RunningContract, WatchingContract):
    """What a model does in an agent does not depend on how that was started."""

    @pytest.fixture
    def device(self, shared: DeviceLike) -> DeviceLike:
        return shared
