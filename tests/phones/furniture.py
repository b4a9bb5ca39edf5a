"""The files that make a file system this phone: properties, accounts, clocks, temperatures.

Texts only; ``phone`` decides and ``init`` puts them in place.
"""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

ABIS = {"x86_64": "x86_64", "aarch64": "arm64-v8a"}
RELEASES = {29: "10", 30: "11", 31: "12", 32: "12", 33: "13", 34: "14", 35: "15", 36: "16"}

CPUS = "sys/devices/system/cpu"
CLOCKS = {
    "cpuinfo_max_freq": 1704000,
    "cpuinfo_min_freq": 324000,
    "scaling_available_governors": "sched_pixel performance powersave",
    "scaling_cur_freq": 1197000,
    "scaling_governor": "sched_pixel",
    "scaling_max_freq": 1704000,
    "scaling_min_freq": 324000,
}
"""Of a Pixel 8's small cores, kHz."""
ZONES = {"BIG": 36000, "MID": 35000, "LITTLE": 35000, "G3D": 34000, "TPU": 34000, "battery": 27300}
"""A Pixel 8's thermal zones, some of them, thousandths of a degree."""

PASSWD = """root:*:0:0:root:/:/bin/sh
system:*:1000:1000:system:/:/bin/sh
shell:*:2000:2000:shell:/:/bin/sh
nobody:*:9999:9999:nobody:/:/bin/sh
"""
GROUP = """root:*:0:
system:*:1000:
input:*:1004:
log:*:1007:
adb:*:1011:
sdcard_rw:*:1015:
sdcard_r:*:1028:
shell:*:2000:
net_bt_admin:*:3001:
net_bt:*:3002:
inet:*:3003:
net_bw_stats:*:3006:
readproc:*:3009:
uhid:*:3011:
nobody:*:9999:
"""
"""Android names its users in its C library; this machine's C library reads files."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What may differ between two phones.

    Attributes:
        serial: ``ro.serialno``. Two phones with the same one are one phone reached over two links.
        model: ``ro.product.model``.
        manufacturer: Of the phone.
        device: ``ro.product.device`` and ``.name``; adb shows them in ``devices -l``.
        soc: ``ro.soc.model``.
        soc_manufacturer: ``ro.soc.manufacturer``.
        gles: Vendor, GPU and driver, as SurfaceFlinger names them.
        sdk: API level: 29 for Android 10 to 36 for Android 16.
        abi: First of ``ro.product.cpu.abilist``; what this machine runs when empty.
        secure: Whether it demands a key that it knows: ``unauthorized`` until ``Phone.authorize``.
        tools: ``android`` for mksh and toybox, ``busybox`` for a device with next to nothing.
        data_mb: Size of /data, MiB, and of /sdcard; kept in memory, gone with the phone.
        properties: Further system properties, or other values.
        files: Further files, path below the root to content; written before the phone starts.
    """

    serial: str = "R58M1"
    model: str = "Pixel 8"
    manufacturer: str = "Google"
    device: str = "shiba"
    soc: str = "Tensor G3"
    soc_manufacturer: str = "Google"
    gles: str = "ARM, Mali-G715, OpenGL ES 3.2 v1.r44p0-01eac0.2dcf26a6ac50a0a3ba2fbde3fcbb5b85"
    sdk: int = 34
    abi: str = ""
    secure: bool = False
    tools: str = "android"
    data_mb: int = 256
    properties: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)


def properties(options: Options) -> dict[str, str]:
    """System properties as a Pixel 8 with Android 14 has them, with the options' values."""
    brand, device = options.manufacturer.lower(), options.device
    release = RELEASES.get(options.sdk, str(options.sdk - 20))
    abi = options.abi or ABIS.get(platform.machine(), platform.machine())
    build = "AP1A.240505.004"
    found = {
        "init.svc.adbd": "running",
        "persist.sys.timezone": "UTC",
        "ro.adb.secure": str(int(options.secure)),
        "ro.board.platform": "zuma",
        "ro.boot.hardware": device,
        "ro.boot.serialno": options.serial,
        "ro.bootloader": "ripcurrent-14.5-11604050",
        "ro.build.characteristics": "nosdcard",
        "ro.build.display.id": build,
        "ro.build.fingerprint": f"{brand}/{device}/{device}:{release}/{build}/11583682:user/release-keys",
        "ro.build.id": build,
        "ro.build.type": "user",
        "ro.build.version.incremental": "11583682",
        "ro.build.version.release": release,
        "ro.build.version.sdk": str(options.sdk),
        "ro.build.version.security_patch": "2024-05-05",
        "ro.debuggable": "0",
        "ro.hardware": device,
        "ro.hardware.egl": "mali",
        "ro.hardware.vulkan": "mali",
        "ro.opengles.version": "196610",
        "ro.product.board": device,
        "ro.product.brand": brand,
        "ro.product.cpu.abi": abi,
        "ro.product.cpu.abilist": abi,
        "ro.product.cpu.abilist64": abi,
        "ro.product.device": device,
        "ro.product.manufacturer": options.manufacturer,
        "ro.product.model": options.model,
        "ro.product.name": device,
        "ro.secure": "1",
        "ro.serialno": options.serial,
        "ro.soc.manufacturer": options.soc_manufacturer,
        "ro.soc.model": options.soc,
        "sys.boot_completed": "1",
    }
    return {**found, **options.properties}


def files(options: Options) -> dict[str, str]:
    """Path under the phone's root to content; sysfs is plain files, as far as a phone's shell may read them."""
    cores = os.cpu_count() or 1
    found = {"system/etc/passwd": PASSWD, "system/etc/group": GROUP}
    for name in ("possible", "present", "online"):
        found[f"{CPUS}/{name}"] = f"0-{cores - 1}\n"
    for number in range(cores):
        for folder in (f"{CPUS}/cpu{number}/cpufreq", f"{CPUS}/cpufreq/policy{number}"):
            found |= {f"{folder}/{name}": f"{value}\n" for name, value in CLOCKS.items()}
    for number, (name, value) in enumerate(ZONES.items()):
        zone = f"sys/class/thermal/thermal_zone{number}"
        found |= {f"{zone}/type": f"{name}\n", f"{zone}/temp": f"{value}\n"}
    return {**found, **options.files}
