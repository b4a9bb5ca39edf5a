"""What a phone's framework says when it is asked: ``dumpsys``'s texts and ``logcat``'s lines.

Word for word as the services of Android 10 to 14 print them: BatteryService.java, ThermalManagerService.java and
SurfaceFlinger.cpp of AOSP's frameworks, whose dumps differ by release where it is said here. Much shortened where
nobody reads a real one for more (SurfaceFlinger's).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

KINDS = dict.fromkeys(("cpu", "big", "mid", "little"), 0) | dict.fromkeys(("gpu", "g3d"), 1)
KINDS |= {"battery": 2, "skin": 3, "usb": 4, "npu": 9, "tpu": 9}
"""By what a sensor's name has in it: Temperature.java's TYPE_CPU and so on; TYPE_UNKNOWN for others."""
CHARGING, DISCHARGING, FULL = 2, 3, 5
"""BatteryManager.BATTERY_STATUS_..."""


def battery(sdk: int, *, level: int, temperature_c: float, charging: bool) -> str:
    """``dumpsys battery``; temperature in tenths of a degree, as phones have it."""
    status = DISCHARGING if not charging else FULL if level == 100 else CHARGING
    lines = ["Current Battery Service state:", "  AC powered: false", f"  USB powered: {str(charging).lower()}"]
    lines.append("  Wireless powered: false")
    if sdk >= 33:
        lines.append("  Dock powered: false")
    lines += [
        f"  Max charging current: {500000 if charging else 0}",
        f"  Max charging voltage: {5000000 if charging else 0}",
        f"  Charge counter: {level * 43000}",
        f"  status: {status}",
        "  health: 2",
        "  present: true",
        f"  level: {level}",
        "  scale: 100",
        "  voltage: 4132",
        f"  temperature: {round(temperature_c * 10)}",
        "  technology: Li-ion",
    ]
    if sdk >= 34:
        lines += ["  Charging state: 0", "  Charging policy: 0"]
    return "\n".join(lines) + "\n"


def thermal(sdk: int, *, status: int, temperatures_c: Mapping[str, float]) -> str:
    """``dumpsys thermalservice``, which Android has since version 10."""
    values = "".join(
        f"\tTemperature{{mValue={value}, mType={_kind(name)}, mName={name}, mStatus={status}}}\n"
        for name, value in temperatures_c.items()
    )
    hal = "ThermalHAL AIDL 1  connected: yes" if sdk >= 34 else "ThermalHAL 2.0 connected: yes"
    text = (
        "IsStatusOverride: false\nThermalEventListeners:\n\tcallbacks: 2\n\tkilled: false\n\tbroadcasts count: -1\n"
        "ThermalStatusListeners:\n\tcallbacks: 4\n\tkilled: false\n\tbroadcasts count: -1\n"
        f"Thermal Status: {status}\nCached temperatures:\n{values}HAL Ready: true\nHAL connection:\n\t{hal}\n"
        f"Current temperatures from HAL:\n{values}Current cooling devices from HAL:\n"
        "\tCoolingDevice{mValue=0, mType=2, mName=thermal-cpufreq-0}\n"
    )
    hot = "[NaN, 39.0, 43.0, 45.0, 46.5, 52.0, 55.0]"
    if sdk >= 34:
        threshold = f"TemperatureThreshold{{type: SKIN, name: VIRTUAL-SKIN, hotThrottlingThresholds: {hot}}}"
        text += f"Temperature static thresholds from HAL:\n\t{threshold}\n"
    elif sdk >= 30:
        threshold = f"{{.type = SKIN, .name = VIRTUAL-SKIN, .hotThrottlingThresholds = {hot}}}"
        text += f"Temperature static thresholds from HAL:\n\t{threshold}\n"
    return text


def surface_flinger(gles: str) -> str:
    """The few lines of ``dumpsys SurfaceFlinger`` that name the GPU and its driver, among others."""
    return (
        "Build configuration: [sf HAS_CONTEXT_PRIORITY=0 MAX_FRAME_BUFFER_ACQUIRED_BUFFERS=3]\n\n"
        "Scheduler:\n  FrameRateOverrides: {}\n\n------------RE GLES------------\n"
        "EGL implementation : 1.5 Android META-EGL\n"
        f"GLES: {gles}\n"
        "GL_EXT_debug_marker GL_ARM_rgba8 GL_ARM_mali_shader_binary GL_OES_depth24\n"
        "RenderEngine supports protected context: 1\n"
    )


def log_line(text: str, *, pid: int, tid: int, user: int, level: str, tag: str, buffer: str, at_s: float) -> str:
    """A line of the log as the stand-in for ``logcat`` reads it; newlines become lines of their own, as in Android."""
    seconds, milliseconds = divmod(int(at_s * 1000), 1000)
    fields = f"{seconds}\t{milliseconds:03}\t{buffer}\t{user}\t{pid}\t{tid or pid}\t{level}\t{tag}\t"
    return "".join(f"{fields}{line}\n" for line in text.replace("\t", "    ").split("\n"))


def _kind(name: str) -> int:
    return next((kind for word, kind in KINDS.items() if word in name.lower()), -1)
