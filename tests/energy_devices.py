"""Folders like ``/sys`` of devices that tell their energy in different ways; both agents read the same ones."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

SECOND = 1_000_000_000
Files = dict[str, str]


class Driven(Protocol):
    """A meter of either agent."""

    def found(self) -> str:
        """Its source, or "" and why there is none."""

    def start(self, now_ns: int) -> None: ...

    def tick(self, now_ns: int) -> None: ...

    def stop(self, now_ns: int) -> tuple[int | None, str]: ...


@dataclass(frozen=True)
class Case:
    """A device at the start and after each second that follows, and what is told of it.

    Attributes:
        files: Path below ``/sys/class`` to content.
        later: What changes in each second.
        source: Name of the source; empty for none.
        microjoules: Of all seconds; None for a reason.
        problem: A part of that reason.
    """

    files: Mapping[str, str]
    later: tuple[Mapping[str, str], ...] = ({},)
    source: str = ""
    microjoules: int | None = None
    problem: str = ""
    removed: tuple[str, ...] = field(default=())


def _rapl(number: int, name: str, energy: str, *, wrap: str = "1000000") -> Files:
    zone = f"powercap/intel-rapl:{number}"
    return {f"{zone}/name": name, f"{zone}/energy_uj": energy, f"{zone}/max_energy_range_uj": wrap}


def _battery(**values: str) -> Files:
    return {f"power_supply/BAT0/{name}": value for name, value in {"type": "Battery", **values}.items()}


def _ina(name: str, *rails: tuple[str, str, str]) -> Files:
    files = {"hwmon/hwmon1/name": name}
    for number, (label, current, voltage) in enumerate(rails, 1):
        files |= {f"hwmon/hwmon1/in{number}_label": label, f"hwmon/hwmon1/curr{number}_input": current,
                  f"hwmon/hwmon1/in{number}_input": voltage}  # fmt: skip
    return files


POWER = {"hwmon/hwmon0/name": "ina226", "hwmon/hwmon0/power1_input": "2000000"}
SECONDS: tuple[Files, ...] = ({},) * 5
DISCHARGING = _battery(status="Discharging", current_now="-500000", voltage_now="4000000")

CASES: dict[str, Case] = {
    "nothing at all": Case({}, problem="no RAPL, no power sensor, no battery"),
    "one package": Case(
        _rapl(0, "package-0", "1000"), ({"powercap/intel-rapl:0/energy_uj": "3500\n"},), "RAPL package-0", 2500
    ),
    "two packages and their cores": Case(
        _rapl(0, "package-0", "10") | _rapl(1, "package-1", "20") | {"powercap/intel-rapl:0:0/name": "core"},
        ({"powercap/intel-rapl:0/energy_uj": "15", "powercap/intel-rapl:1/energy_uj": "27"},),
        "RAPL package-0, package-1",
        12,
    ),
    "the whole platform": Case(
        _rapl(0, "package-0", "10") | _rapl(1, "psys", "20"),
        ({"powercap/intel-rapl:0/energy_uj": "11", "powercap/intel-rapl:1/energy_uj": "27"},),
        "RAPL psys",
        7,
    ),
    "a counter that starts over": Case(
        _rapl(0, "package-0", "999000"), ({"powercap/intel-rapl:0/energy_uj": "500"},), "RAPL package-0", 1500
    ),
    "a counter that starts over nobody knows where": Case(
        _rapl(0, "package-0", "999000", wrap=""),
        ({"powercap/intel-rapl:0/energy_uj": "500"},),
        "RAPL package-0",
        problem="went backwards",
    ),
    "a counter that stands still": Case(
        _rapl(0, "package-0", "5"), ({},), "RAPL package-0", problem="did not move in that time"
    ),
    "a counter that only root may read": Case(
        {"powercap/intel-rapl:0/name": "package-0"}, problem="only root may read it"
    ),
    "a counter that goes away": Case(
        _rapl(0, "package-0", "5"),
        ({"powercap/intel-rapl:0/energy_uj": "gone"},),
        "RAPL package-0",
        problem="could not be read",
    ),
    "a counter of words": Case(_rapl(0, "package-0", "much"), problem="only root may read it"),
    "locked RAPL beside a sensor": Case(
        {"powercap/intel-rapl:0/name": "package-0", **POWER}, SECONDS, "hwmon ina226", 10_000_000
    ),
    "one energy sensor": Case(
        {"hwmon/hwmon0/name": "pmbus", "hwmon/hwmon0/energy1_input": "100", "hwmon/hwmon0/energy1_label": "board"},
        ({"hwmon/hwmon0/energy1_input": "160"},),
        "hwmon pmbus board",
        60,
    ),
    "sockets among cores": Case(
        {
            "hwmon/hwmon0/name": "amd_energy",
            "hwmon/hwmon0/energy1_input": "1",
            "hwmon/hwmon0/energy1_label": "Ecore000",
            "hwmon/hwmon0/energy2_input": "100",
            "hwmon/hwmon0/energy2_label": "Esocket0",
        },
        ({"hwmon/hwmon0/energy1_input": "31", "hwmon/hwmon0/energy2_input": "150"},),
        "hwmon amd_energy, all sockets",
        50,
    ),
    "energy sensors of parts": Case(
        {"hwmon/hwmon0/name": "x", "hwmon/hwmon0/energy1_input": "1", "hwmon/hwmon0/energy2_input": "1"},
        problem="2 energy sensors, and none says that it is of the whole device",
    ),
    "one power sensor": Case(POWER, SECONDS, "hwmon ina226", 10_000_000),
    "a power sensor that moves": Case(
        POWER,
        tuple({"hwmon/hwmon0/power1_input": str(2_000_000 + 1_000_000 * at)} for at in range(1, 6)),
        "hwmon ina226",
        22_500_000,
    ),
    "power for too short a time": Case(POWER, ({},), "hwmon ina226", problem="only 2 readings"),
    "a power sensor that goes away": Case(
        POWER,
        ({}, {"hwmon/hwmon0/power1_input": ""}, {}, {}, {}),
        "hwmon ina226",
        problem="could not be read",
    ),
    "no power at all": Case(
        {**POWER, "hwmon/hwmon0/power1_input": "0"}, SECONDS, "hwmon ina226", problem="shows no power"
    ),
    "rails of a board that is fed by one": Case(
        _ina("ina3221", ("VDD_IN", "1000", "5000"), ("VDD_CPU_GPU_CV", "300", "5000"), ("VDD_SOC", "300", "5000")),
        SECONDS,
        "hwmon ina3221 VDD_IN",
        25_000_000,
    ),
    "rails without a common one": Case(
        _ina("ina3221", ("VDD_GPU", "1000", "5000"), ("VDD_CPU", "300", "5000")),
        problem="2 power sensors, and none says that it is of the whole device",
    ),
    "a graphics card alone": Case(
        {"hwmon/hwmon0/name": "amdgpu", "hwmon/hwmon0/power1_average": "9000000"}, problem="no power sensor"
    ),
    "a mean power": Case(
        {"hwmon/hwmon0/name": "power_meter", "hwmon/hwmon0/power1_average": "3000000"},
        SECONDS,
        "hwmon power_meter",
        15_000_000,
    ),
    "a battery with a current below zero": Case(DISCHARGING, SECONDS, "battery BAT0", 10_000_000),
    "a battery that tells its power": Case(
        _battery(status="Discharging", power_now="1500000"), SECONDS, "battery BAT0", 7_500_000
    ),
    "a battery on its charger": Case(
        {**DISCHARGING, "power_supply/BAT0/status": "Charging"}, problem="the battery is charging"
    ),
    "a battery that says nothing of its state": Case(
        _battery(current_now="1", voltage_now="1"), problem="the battery is of unknown state"
    ),
    "a battery without a gauge": Case(
        _battery(status="Discharging"), problem="the battery BAT0 tells neither its power nor its current"
    ),
    "the battery of a mouse": Case({**DISCHARGING, "power_supply/BAT0/scope": "Device"}, problem="no battery"),
    "a charger": Case({"power_supply/AC/type": "Mains"}, problem="no battery"),
    "a name that steers terminals": Case(
        {"hwmon/hwmon0/name": "in\x1b[2Ja", "hwmon/hwmon0/power1_input": "2000000"},
        SECONDS,
        "hwmon in?[2Ja",
        10_000_000,
    ),
}


def write(root: Path, files: Mapping[str, str]) -> None:
    """Make or change files below ``class``."""
    (root / "class").mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        path = root / "class" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)


def driven(root: Path, case: Case, meter: Driven) -> tuple[int | None, str]:
    """Run a case: a tick a second, the last one is the stop."""
    now = 7 * SECOND
    meter.start(now)
    for change in case.later[:-1]:
        write(root, change)
        now += SECOND
        meter.tick(now)
    write(root, case.later[-1])
    return meter.stop(now + SECOND)
