"""What may disturb a measurement on a device over adb, as one script tells it, by the names of ``agent.conditions``.

Pure but for the script's text. What a phone's shell may not read is not told.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pytest_edgedevice.transports.adb import dumpsys as adb_dumpsys

if TYPE_CHECKING:
    from pytest_edgedevice.values import Fact

SCRIPT = r"""
part() { echo; echo "$T $1"; }
get() { X=; { IFS= read -r X <"$1"; } 2>/dev/null; echo "${X:--}"; }
T=$1
part load; get /proc/loadavg
part memory
while IFS= read -r X; do case $X in MemAvailable:*) echo "$X"; break ;; esac; done </proc/meminfo 2>/dev/null
part clocks
for C in /sys/devices/system/cpu/cpu[0-9]*/cpufreq; do
    echo $(get $C/scaling_governor) $(get $C/scaling_cur_freq) $(get $C/scaling_max_freq) $(get $C/cpuinfo_max_freq)
done
part zones
for C in /sys/class/thermal/thermal_zone*/temp; do get $C; done
part space; df -k "$2" 2>/dev/null
part battery; dumpsys -t 3 battery 2>/dev/null
part thermal; dumpsys -t 3 thermalservice 2>/dev/null
part end
"""
_MOST_ZONES = 200
_MOST_CLOCKS = 1024


def read(answer: str, token: str) -> dict[str, Fact]:
    """The script's answer as facts; see ``agent.conditions.conditions`` for those that a Linux has too.

    Args:
        answer: What the script said.
        token: Its first argument, which begins each part.
    """
    parts: dict[str, list[str]] = {}
    lines: list[str] = []
    for line in answer.splitlines():
        if line.startswith(token + " "):
            lines = parts.setdefault(line[len(token) + 1 :].strip(), [])
        else:
            lines.append(line)

    def text(name: str) -> str:
        return "\n".join(parts.get(name, ()))

    found: dict[str, Fact | None] = {
        "load_1min": _load(text("load")),
        "memory_free_mb": _memory(text("memory")),
        "space_free_mb": _space(text("space")),
        **_clocks(parts.get("clocks", [])),
        "temperature_c": _hottest(parts.get("zones", [])),
    }
    told = {name: value for name, value in found.items() if value is not None}
    # processors by name, where Android names them: zones are of batteries and antennas too
    return told | adb_dumpsys.battery(text("battery")) | adb_dumpsys.thermal(text("thermal"))


def _load(text: str) -> float | None:
    match = re.match(r"\s*(\d{1,6}\.\d{1,4}) ", text)
    return float(match[1]) if match else None


def _memory(text: str) -> int | None:
    match = re.search(r"^MemAvailable:\s+(\d{1,15}) kB", text, re.MULTILINE | re.ASCII)
    return int(match[1]) * 1024 // 1_000_000 if match else None


def _space(text: str) -> int | None:
    """The number before the percentage in the last line: a disk with a long name has a line of its own."""
    match = re.search(r"\s(\d{1,18})\s+\d{1,3}%\s[^\n]*\s*\Z", text, re.ASCII)
    return int(match[1]) * 1024 // 1_000_000 if match else None


def _clocks(lines: list[str]) -> dict[str, Fact | None]:
    """Governor and clock of the first processor, the clock of the fastest kind, and whether any is held down."""
    found = [line.split() for line in lines[:_MOST_CLOCKS] if len(line.split()) == 4]
    if not found:
        return {}
    numbers = [[int(word) if re.fullmatch(r"[0-9]{1,9}", word) else None for word in words[1:]] for words in found]
    limited = [limit < full for _, limit, full in numbers if limit is not None and full is not None]
    fastest = max(range(len(numbers)), key=lambda index: numbers[index][2] or 0)
    governor = found[0][0]
    return {
        "governor": governor[:50] if governor != "-" and governor.isprintable() else None,
        "clock_khz": numbers[0][0],
        "fastest_clock_khz": numbers[fastest][0] if numbers[fastest][2] != numbers[0][2] else None,
        "clock_limited": any(limited) if limited else None,
    }


def _hottest(lines: list[str]) -> float | None:
    values = [int(line) / 1000 for line in lines[:_MOST_ZONES] if re.fullmatch(r"-?[0-9]{1,7}", line)]
    sane = [value for value in values if adb_dumpsys.COLDEST_C <= value <= adb_dumpsys.HOTTEST_C]
    return max(sane) if sane else None
