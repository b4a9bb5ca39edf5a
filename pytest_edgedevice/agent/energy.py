"""Energy that a device tells of itself: RAPL, energy and power sensors, its battery.

A meter reads one source before, during and after some work. All of them are of the
device or of one of its rails, never of one process; the source's name says which.
What cannot be read gives a reason. Standard library only.

Source:
    Documentation/power/powercap/powercap.rst, hwmon/sysfs-interface.rst and
    ABI/testing/sysfs-class-power of the Linux kernel, for names and units.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import List, Optional, Tuple

SYSFS = "/sys"
POWER_STEP_NS = 100_000_000
"""Power is read so often while the model runs, nanoseconds."""
LEAST_READINGS = 5
PACKAGE = re.compile(r"intel-rapl:\d+$")
WHOLE = frozenset({"in", "vin", "input", "total", "system", "psys"})
"""Words in the label of a rail that feeds all others."""
PARTS = ("amdgpu", "nouveau", "nvidia", "i915", "xe", "nvme", "drivetemp", "coretemp", "k10temp")
"""Chips whose sensors are of a part that may not even run the model."""


class Meter:
    """Nothing to read: every answer is the reason why.

    Attributes:
        source: What it reads, for people; empty without a source.
    """

    source = ""

    def __init__(self, problem: str = "") -> None:
        self._problem = problem

    def start(self, _now_ns: int) -> None:
        """The work begins."""

    def tick(self, _now_ns: int) -> None:
        """The work goes on; called as often as one likes."""

    def stop(self, _now_ns: int) -> Tuple[Optional[int], str]:
        """Microjoules since ``start``, or None and the reason."""
        return None, self._problem


class CounterMeter(Meter):
    """Counters of energy that only rise, or wrap around.

    Args:
        source: For people.
        counters: Files with microjoules, and the value after which each starts over (0 where it does not).
    """

    def __init__(self, source: str, counters: List[Tuple[Path, int]]) -> None:
        super().__init__()
        self.source = source
        self._counters = counters
        self._before: List[Optional[int]] = []

    def start(self, _now_ns: int) -> None:
        """See ``Meter``."""
        self._before = [_integer(path) for path, _ in self._counters]

    def stop(self, _now_ns: int) -> Tuple[Optional[int], str]:
        """See ``Meter``."""
        total = 0
        for (path, wrap), before in zip(self._counters, self._before):
            after = _integer(path)
            if before is None or after is None:
                return None, f"{self.source}: {path.name} could not be read"
            if after < before and not wrap:
                return None, f"{self.source}: its counter went backwards"
            total += after - before if after >= before else after - before + wrap
        if total <= 0:
            return None, f"{self.source}: its counter did not move in that time; measure for longer"
        return total, ""


class PowerMeter(Meter):
    """A sensor of power, read again and again and summed up over the time.

    Args:
        source: For people.
        factors: Files whose values are multiplied.
        scale: Microwatts are their product times this.
    """

    def __init__(self, source: str, factors: List[Path], scale: float = 1.0) -> None:
        super().__init__()
        self.source = source
        self._factors = factors
        self._scale = scale
        self._readings: List[Tuple[int, float]] = []
        self._failed = False

    def start(self, now_ns: int) -> None:
        """See ``Meter``."""
        self._readings, self._failed = [], False
        self._read(now_ns)

    def tick(self, now_ns: int) -> None:
        """See ``Meter``."""
        if self._readings and now_ns - self._readings[-1][0] >= POWER_STEP_NS:
            self._read(now_ns)

    def _read(self, now_ns: int) -> None:
        value = self._scale
        for path in self._factors:
            reading = _integer(path)
            if reading is None:
                self._failed = True
                return
            value *= abs(reading)  # some gauges count a discharge below zero
        self._readings.append((now_ns, value))

    def stop(self, now_ns: int) -> Tuple[Optional[int], str]:
        """See ``Meter``: the area below straight lines from reading to reading."""
        if self._readings and now_ns > self._readings[-1][0]:
            self._read(now_ns)
        if self._failed or not self._readings:
            return None, f"{self.source}: the sensor could not be read"
        if len(self._readings) < LEAST_READINGS:
            return None, f"{self.source}: only {len(self._readings)} readings in that time; measure for longer"
        steps = zip(self._readings, self._readings[1:])
        area = sum((after - before) * (low + high) / 2 for (before, low), (after, high) in steps)
        if area <= 0:
            return None, f"{self.source}: the sensor shows no power"
        return max(round(area / 1e9), 1), ""


def find_meter(root: str = SYSFS) -> Meter:
    """The best source that this device has: counters of energy before sensors of power, wires before the battery."""
    problems: List[str] = []
    classes = Path(root) / "class"
    for find in (_rapl, _energy_sensors, _power_sensors, _battery):
        found = find(classes, problems)
        if found is not None:
            return found
    return Meter("; ".join(problems[:4]) or "this device tells no energy: no RAPL, no power sensor, no battery")


def _rapl(classes: Path, problems: List[str]) -> Optional[Meter]:
    zones = [zone for zone in _listed(classes / "powercap") if PACKAGE.match(zone.name)]
    names = [_text(zone / "name") for zone in zones]
    whole = [zone for zone, name in zip(zones, names) if name == "psys"]
    chosen = whole or [zone for zone, name in zip(zones, names) if name.startswith("package")]
    if not chosen:
        return None
    if any(_integer(zone / "energy_uj") is None for zone in chosen):
        problems.append("RAPL is there, and only root may read it (/sys/class/powercap/*/energy_uj)")
        return None
    shown = "psys" if whole else ", ".join(_text(zone / "name") for zone in chosen)
    return CounterMeter(
        f"RAPL {shown}", [(zone / "energy_uj", _integer(zone / "max_energy_range_uj") or 0) for zone in chosen]
    )


def _chips(classes: Path) -> List[Tuple[Path, str]]:
    chips = [(chip, _text(chip / "name")) for chip in _listed(classes / "hwmon")]
    return [(chip, name) for chip, name in chips if not name.startswith(PARTS)]


def _energy_sensors(classes: Path, problems: List[str]) -> Optional[Meter]:
    found: List[Tuple[Path, str, str]] = []
    for chip, name in _chips(classes):
        paths = [path for path in sorted(chip.glob("energy*_input")) if _integer(path) is not None]
        found += [(path, name, _text(chip / path.name.replace("_input", "_label"))) for path in paths]
    sockets = [one for one in found if one[2].lower().startswith(("esocket", "package"))]
    if sockets:
        return CounterMeter(f"hwmon {sockets[0][1]}, all sockets", [(path, 0) for path, _, _ in sockets])
    if len(found) == 1:
        path, name, label = found[0]
        return CounterMeter(f"hwmon {name} {label or path.name}", [(path, 0)])
    if found:
        problems.append(f"{len(found)} energy sensors, and none says that it is of the whole device")
    return None


def _power_sensors(classes: Path, problems: List[str]) -> Optional[Meter]:
    found: List[Tuple[str, List[Path], float]] = []
    for chip, name in _chips(classes):
        powers = {
            path.name.split("_")[0]: path for kind in ("average", "input") for path in chip.glob(f"power*_{kind}")
        }
        for key, path in sorted(powers.items()):
            found.append((f"{name} {_text(chip / f'{key}_label')}".strip(), [path], 1.0))
        if powers or not name.startswith("ina"):
            continue
        for current in sorted(chip.glob("curr*_input")):  # milliamperes, and millivolts of the same number
            number = current.name[len("curr") : -len("_input")]
            voltage = chip / f"in{number}_input"
            label = _text(chip / f"in{number}_label") or _text(chip / f"curr{number}_label")
            found.append((f"{name} {label}".strip(), [current, voltage], 1.0))
    found = [one for one in found if all(_integer(path) is not None for path in one[1])]
    chosen = [one for one in found if WHOLE & set(re.split("[ _]", one[0].partition(" ")[2].lower()))] or found
    if len(chosen) == 1:
        return PowerMeter(f"hwmon {chosen[0][0]}", chosen[0][1], chosen[0][2])
    if chosen:
        problems.append(f"{len(chosen)} power sensors, and none says that it is of the whole device")
    return None


def _battery(classes: Path, problems: List[str]) -> Optional[Meter]:
    for supply in _listed(classes / "power_supply"):
        if _text(supply / "type") != "Battery" or _text(supply / "scope") == "Device":
            continue
        status = _text(supply / "status") or "of unknown state"
        if status != "Discharging":
            problems.append(f"the battery is {status.lower()}: what flows from it says nothing; unplug the charger")
            continue
        power, current, voltage = (supply / f"{name}_now" for name in ("power", "current", "voltage"))
        if _integer(power):
            return PowerMeter(f"battery {supply.name}", [power])
        if _integer(current) and _integer(voltage):
            return PowerMeter(f"battery {supply.name}", [current, voltage], 1e-6)
        problems.append(f"the battery {supply.name} tells neither its power nor its current")
    return None


def _listed(folder: Path) -> List[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError:
        return []


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return "".join(
                sign if sign.isprintable() else "?" for sign in file.read(80).decode("utf-8", "replace").strip()
            )
    except OSError:
        return ""


def _integer(path: Path) -> Optional[int]:
    try:
        with path.open("rb") as file:
            return int(file.read(40))
    except (OSError, ValueError):
        return None
