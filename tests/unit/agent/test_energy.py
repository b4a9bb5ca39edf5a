"""Which source of energy the Python agent finds on a device, and what it reads there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_edgedevice.agent.energy import find_meter
from tests.energy_devices import CASES, POWER, SECOND, driven, write

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_edgedevice.agent.energy import Meter


class Python:
    def __init__(self, meter: Meter) -> None:
        self._meter = meter
        self.start, self.tick, self.stop = meter.start, meter.tick, meter.stop

    def found(self) -> str:
        return self._meter.source


@pytest.mark.parametrize("name", CASES)
def test_a_device_tells_its_energy_or_why_it_does_not(tmp_path: Path, name: str) -> None:
    case = CASES[name]
    write(tmp_path, case.files)
    meter = Python(find_meter(str(tmp_path)))
    microjoules, problem = driven(tmp_path, case, meter)
    assert meter.found() == case.source
    assert microjoules == case.microjoules
    assert case.problem in problem
    assert bool(problem) == (microjoules is None)


def test_power_is_not_read_at_every_inference(tmp_path: Path) -> None:
    write(tmp_path, POWER)
    meter = find_meter(str(tmp_path))
    meter.start(0)
    for now in range(0, SECOND, SECOND // 1000):
        meter.tick(now)
    write(tmp_path, {"hwmon/hwmon0/power1_input": "gone"})
    meter.tick(SECOND - 1)
    write(tmp_path, POWER)
    assert meter.stop(SECOND) == (2_000_000, "")


def test_a_second_measurement_starts_anew(tmp_path: Path) -> None:
    case = CASES["a power sensor that goes away"]
    write(tmp_path, case.files)
    meter = find_meter(str(tmp_path))
    driven(tmp_path, case, Python(meter))
    write(tmp_path, case.files)
    assert driven(tmp_path, CASES["one power sensor"], Python(meter)) == (10_000_000, "")
