"""What state the device is in: static facts, and conditions that move latency.

Reads ``/proc`` and ``/sys`` where they exist and leaves out what they do not
tell: an absent key means "not told", never zero. Standard library only, and
used by the host for its own machine too.
"""

from __future__ import annotations

import contextlib
import os
import platform
import shutil
import sys
from pathlib import Path
from typing import Dict, Optional, Union

Fact = Union[str, int, float, bool]
CPUFREQ = "/sys/devices/system/cpu/cpu0/cpufreq"
THROTTLED = "/sys/devices/platform/soc/soc:firmware/get_throttled"


def static_facts() -> Dict[str, Fact]:
    """Facts that do not change while the machine runs: OS, processor, memory."""
    system = {"darwin": "macos", "win32": "windows"}.get(sys.platform, sys.platform)
    facts: Dict[str, Fact] = {
        "os": system,
        system: True,
        "arch": {"aarch64": "arm64", "AMD64": "x86_64"}.get(platform.machine(), platform.machine()),
        "kernel": platform.release(),
        "cores": _cores(),
    }
    libc = " ".join(part for part in platform.libc_ver() if part)
    model = _device_tree_model() or _cpu_model()
    if libc:
        facts["libc"] = libc
    if model:
        facts["model"] = model
    memory = _kilobytes("/proc/meminfo", "MemTotal")
    if memory is not None:
        facts["memory_mb"] = memory * 1024 // 1_000_000
    if emulated():
        facts["emulated"] = True
    return facts


def emulated() -> bool:
    """Whether an emulator runs this program, so that no time taken here means anything for the real device.

    An emulator of programs (QEMU's user mode, for one) hides itself behind ``/proc/self``, but not in the thread's
    own entry, where the kernel names what it really runs.
    """
    try:
        return Path("/proc/thread-self/exe").readlink() != Path("/proc/self/exe").readlink()
    except OSError:
        return False


def conditions() -> Dict[str, Fact]:
    """What may disturb a measurement now: load, pressure, clocks, temperature, free memory."""
    found: Dict[str, Optional[Fact]] = {}
    with contextlib.suppress(OSError, AttributeError):  # not told everywhere
        found["load_1min"] = round(os.getloadavg()[0], 2)
    found["governor"] = _text(f"{CPUFREQ}/scaling_governor")
    found["clock_khz"] = _integer(f"{CPUFREQ}/scaling_cur_freq")
    limit, full = _integer(f"{CPUFREQ}/scaling_max_freq"), _integer(f"{CPUFREQ}/cpuinfo_max_freq")
    if limit is not None and full is not None:
        found["clock_limited"] = limit < full
    found["temperature_c"] = _temperature()
    found["throttled"] = _throttled()
    found["cpu_pressure_10s"] = _pressure()
    available = _kilobytes("/proc/meminfo", "MemAvailable")
    found["memory_free_mb"] = available * 1024 // 1_000_000 if available is not None else None
    found["emulated"] = emulated() or None
    return {name: value for name, value in found.items() if value is not None}


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _text(path: str) -> Optional[str]:
    try:
        with Path(path).open("rb") as file:
            text = file.read(4096).decode("utf-8", "replace").strip("\0\n ")
    except OSError:
        return None
    return text or None


def _integer(path: str) -> Optional[int]:
    text = _text(path)
    try:
        return int(text) if text else None
    except ValueError:
        return None


def _device_tree_model() -> Optional[str]:
    return _text("/proc/device-tree/model")


def _cpu_model() -> Optional[str]:
    try:
        with Path("/proc/cpuinfo").open(encoding="utf-8", errors="replace") as file:
            for line in file:
                key, _, value = line.partition(":")
                if key.strip() in ("model name", "Hardware"):
                    return value.strip()
    except OSError:
        return platform.processor() or None
    return None


def _kilobytes(path: str, key: str) -> Optional[int]:
    try:
        with Path(path).open(encoding="ascii", errors="replace") as file:
            for line in file:
                if line.startswith(key + ":"):
                    return int(line.split()[1])
    except (OSError, ValueError, IndexError):
        return None
    return None


def _temperature() -> Optional[float]:
    """The hottest thermal zone, in degrees Celsius."""
    values = [_integer(str(path)) for path in Path("/sys/class/thermal").glob("thermal_zone*/temp")]
    known = [value / 1000 for value in values if value is not None]
    return max(known) if known else None


def _throttled() -> Optional[str]:
    """A Raspberry Pi's own word for under-voltage and throttling, now and since it started, e.g. ``0x50005``."""
    told = _text(THROTTLED)
    if told is not None:
        return f"0x{told}" if not told.startswith("0x") else told
    program = shutil.which("vcgencmd")
    if program is None:
        return None
    import subprocess  # a tenth of a second on a small board, and only a Pi needs it

    nothing = subprocess.DEVNULL
    try:
        said = subprocess.run([program, "get_throttled"], check=False, capture_output=True, timeout=2, stdin=nothing)
    except (OSError, subprocess.TimeoutExpired):
        return None
    key, _, value = said.stdout.decode("ascii", "replace").strip().partition("=")
    return value[:20] if key == "throttled" and value else None


def _pressure() -> Optional[float]:
    """Share of the last ten seconds in which some task waited for a CPU, in percent."""
    line = (_text("/proc/pressure/cpu") or "").partition("\n")[0]
    for field in line.split():
        if field.startswith("avg10="):
            try:
                return float(field[6:])
            except ValueError:
                return None
    return None
