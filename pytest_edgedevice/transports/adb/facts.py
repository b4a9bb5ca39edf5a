"""What a device over adb is: one script's answer, read into facts and an identity. Pure but for the script's text.

Of Android, the system's properties tell; of another Linux, the same files as ``agent.conditions`` reads there.
"""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_edgedevice.values import Fact

MOST_TEXT = 300
MOST_PROPERTIES = 5000
SCRIPT = r"""
set -f
getprop 2>/dev/null
one() { X=; { IFS= read -r X <"$2"; } 2>/dev/null; [ -z "$X" ] || echo "edge.$1=$X"; }
some() { while IFS= read -r X; do case $X in $2:* | "$2	"*) echo "edge.$1=${X#*:}"; return ;; esac; done <"$3"; }
one kernel /proc/sys/kernel/osrelease
one host /proc/sys/kernel/hostname
one id /etc/machine-id
one dbus_id /var/lib/dbus/machine-id
one board /proc/device-tree/model
some cpus Cpus_allowed /proc/self/status 2>/dev/null
some memory MemTotal /proc/meminfo 2>/dev/null
some cpu 'model name' /proc/cpuinfo 2>/dev/null
some hardware Hardware /proc/cpuinfo 2>/dev/null
echo "edge.now=$(date +%s 2>/dev/null)"
echo "edge.machine=$(uname -m 2>/dev/null)"
X=$(dumpsys -t 3 SurfaceFlinger 2>/dev/null | grep -m 1 '^ *GLES: ' 2>/dev/null) && echo "edge.gles=$X"
"""
_PROPERTY = re.compile(r"\[([\w.:/@+-]{1,200})\]: \[(.*)\]?")
_ARCHITECTURES = {"arm64-v8a": "arm64", "armeabi-v7a": "armv7l", "armeabi": "armv7l", "x86": "i686"}
_MACHINES = {"aarch64": "arm64", "AMD64": "x86_64"}
_NO_SERIALS = {"", "unknown", "null", "0", "0123456789abcdef", "1234567890abcdef"}
"""What devices say whose maker gave them none, so that many say the same."""


def read(answer: str) -> dict[str, str]:
    """The script's answer as names and values; what is neither is left out, and a value that is too long is cut."""
    found: dict[str, str] = {}
    for line in answer.splitlines()[:MOST_PROPERTIES]:
        name, equals, value = line.partition("=")
        if line.startswith("edge.") and equals:
            found.setdefault(name, _clean(value))
        elif match := _PROPERTY.fullmatch(line.rstrip("\r")):
            found.setdefault(match[1], _clean(match[2].removesuffix("]")))
    return found


def identity(told: Mapping[str, str], link: str) -> str:
    """What tells the hardware from all other, whatever link it is reached by.

    Args:
        told: What ``read`` made of the answer.
        link: The link's name at the adb server; only for devices that have no number of their own.
    """
    if not is_android(told):
        number = told.get("edge.id") or told.get("edge.dbus_id")
        if number:  # as ``local`` says it on the machine itself: it is confidential (machine-id(5))
            return "local-" + hashlib.sha256(b"edgedevice" + number.encode()).hexdigest()[:16]
        return f"local-{told['edge.host']}" if told.get("edge.host") else f"adb-{link}"
    serial = told.get("ro.serialno") or told.get("ro.boot.serialno") or ""
    if serial.lower() in _NO_SERIALS:
        return f"android-{link}"
    return f"android-{serial}-{link}" if is_emulated(told) else f"android-{serial}"


def clock_s(told: Mapping[str, str]) -> float:
    """The device's clock when the script ran, seconds since the epoch; 0 where it did not tell."""
    now = told.get("edge.now", "")
    return float(now) if re.fullmatch(r"[0-9]{1,12}", now) else 0.0


def is_android(told: Mapping[str, str]) -> bool:
    """Whether it runs Android, not merely adbd."""
    return "ro.build.version.sdk" in told


def is_emulated(told: Mapping[str, str]) -> bool:
    """Whether it is Android's emulator; all of them have one serial number."""
    hardware = told.get("ro.hardware", "") or told.get("ro.boot.hardware", "")
    flags = (told.get("ro.kernel.qemu"), told.get("ro.boot.qemu"))
    return "1" in flags or hardware in {"goldfish", "ranchu", "cutf_cvm"} or hardware.startswith("cutf")


def facts(told: Mapping[str, str], link: str) -> dict[str, Fact]:
    """Facts by the names that selection expressions use; what is not told is not there."""
    found: dict[str, Fact | None] = {"adb": True, "link": link}
    found |= _of_android(told) if is_android(told) else _of_linux(told)
    found["kernel"] = told.get("edge.kernel")
    found["cores"] = _bits(told.get("edge.cpus", "")) or None
    found["memory_mb"] = _megabytes(told.get("edge.memory", ""))
    return {name: value for name, value in found.items() if value is not None and value != ""}


def _of_android(told: Mapping[str, str]) -> dict[str, Fact | None]:
    abi = told.get("ro.product.cpu.abi") or told.get("ro.product.cpu.abilist", "").partition(",")[0]
    sdk = told["ro.build.version.sdk"]
    gpu, driver = _gles(told.get("edge.gles", ""))
    return {
        "os": "android",
        "android": True,
        "sdk": int(sdk) if sdk.isascii() and sdk.isdecimal() and len(sdk) < 6 else None,
        "release": told.get("ro.build.version.release"),
        "build": told.get("ro.build.fingerprint"),
        "model": told.get("ro.product.model"),
        "manufacturer": told.get("ro.product.manufacturer"),
        "soc": told.get("ro.soc.model") or told.get("ro.board.platform"),
        "soc_manufacturer": told.get("ro.soc.manufacturer"),
        "abi": abi,
        "abis": told.get("ro.product.cpu.abilist") if "," in told.get("ro.product.cpu.abilist", "") else None,
        "arch": _ARCHITECTURES.get(abi, abi) or _machine(told),
        "serial": told.get("ro.serialno") or told.get("ro.boot.serialno"),
        "gpu": gpu or told.get("ro.hardware.vulkan") or told.get("ro.hardware.egl"),
        "gpu_driver": driver,
        "emulated": True if is_emulated(told) else None,
    }


def _of_linux(told: Mapping[str, str]) -> dict[str, Fact | None]:
    return {
        "os": "linux",
        "linux": True,
        "host": told.get("edge.host"),
        "arch": _machine(told),
        "model": told.get("edge.board") or told.get("edge.cpu") or told.get("edge.hardware"),
    }


def _machine(told: Mapping[str, str]) -> str | None:
    named = told.get("edge.machine", "")
    return _MACHINES.get(named, named) or None


def _gles(line: str) -> tuple[str, str]:
    """GPU and driver out of ``GLES: ARM, Mali-G715, OpenGL ES 3.2 v1.r38p1``."""
    parts = [part.strip() for part in line.strip().removeprefix("GLES:").split(",", 2)]
    return (parts[1], parts[2]) if len(parts) == 3 else ("", "")


def _bits(mask: str) -> int:
    """How many processors a mask of the kernel's names, such as ``ff`` or ``1,ffffffff``."""
    digits = mask.strip().replace(",", "")
    return int(digits, 16).bit_count() if re.fullmatch(r"[0-9a-fA-F]{1,1024}", digits) else 0


def _megabytes(text: str) -> int | None:
    match = re.fullmatch(r"\s*([0-9]{1,15}) kB\s*", text)
    return int(match[1]) * 1024 // 1_000_000 if match else None


def _clean(value: str) -> str:
    return "".join(char if char.isprintable() else " " for char in value[:MOST_TEXT]).strip()
