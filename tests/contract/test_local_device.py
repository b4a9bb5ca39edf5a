"""This machine, opened and leased as a user does, under the contract of devices."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import pytest_edgedevice
from pytest_edgedevice.testing import DeviceContract, OpenDevice
from tests.contract.processes import DescendantAgents

if TYPE_CHECKING:
    from pytest_edgedevice.interfaces import DeviceLike

TINY = Path(__file__).parents[2] / "fixtures" / "tiny"


class TestLocalDevice(DeviceContract):
    @pytest.fixture
    def open_device(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> OpenDevice:
        monkeypatch.setenv("EDGEDEVICE_LOCKS", str(tmp_path / "locks"))

        def opened(*, wait_s: float = 0.0) -> DeviceLike:
            return pytest_edgedevice.open_device("local", wait_s=wait_s)

        return opened

    @pytest.fixture
    def models(self) -> Path:
        return TINY

    @pytest.fixture
    def agents(self) -> DescendantAgents:
        return DescendantAgents(os.getpid())
