"""From what is known of a board to what doctor says of it, a finding each, with the command that mends it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_edgedevice.cli.boards.needs import ARCHITECTURES, TABLE, dotted, fitting, lacks
from pytest_edgedevice.cli.checks.finding import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_edgedevice.cli.boards.looks import Look

FREE_LEAST_BYTES = 200_000_000
PACED = ("performance",)
NEWER = "install a newer system there (Debian 12, Ubuntu 22.04 or later)"
THROTTLES = {0: "voltage is too low", 1: "clock is capped", 2: "is throttled", 3: "is near its heat limit"}


def judged(look: Look, *, name: str) -> Iterator[Finding]:
    """Everything but the connection and Python, in the order in which one thing rests on another."""
    yield _board(look)
    yield from _libraries(look, name)
    if look.python:
        yield from _engines(look, name)
    yield _disk(look)
    yield _xnnpack(look)
    yield from _clock(look)
    if look.python:
        yield _locks(look)


def python_finding(look: Look) -> Finding:
    """The interpreter that the agent runs under."""
    text = f"{look.python} at {look.executable}"
    if look.implementation != "cpython":
        hint = "on the board: sudo apt install python3; then name it with 'python' in edgedevice.toml"
        return Finding("python", "wrong", f"{text} is {look.implementation}, for which there are no engines", hint)
    return Finding("python", "ok", f"{text}, {look.kind}")


def _board(look: Look) -> Finding:
    model = look.facts.get("model")
    text = f"{model}, {look.machine}" if model else look.machine or "it does not say what it is"
    text += f", Linux {look.kernel}" if look.kernel else ""
    text += ", emulated: no time taken there means anything" if look.facts.get("emulated") is True else ""
    if look.machine not in ARCHITECTURES:
        hint = f"there are engines for {', '.join(ARCHITECTURES)}"
        return Finding("board", "wrong", f"{text}: no engine is built for it", hint)
    return Finding("board", "ok", text)


def _libraries(look: Look, name: str) -> Iterator[Finding]:
    """The C and the C++ library, against what the wheels' libraries really ask for."""
    fit = fitting(look)
    remedy = f"edgedevice setup {name} --engine {fit[0]}" if fit and look.python else NEWER
    loads = any(one.loads for one in look.engines.values())
    for about, has, part in (("libc", look.glibc, "glibc"), ("libstdc++", look.cxx, "cxx")):
        asked = [
            (engine, getattr(needs, part)) for (engine, machine), needs in TABLE.items() if machine == look.machine
        ]
        shown = dotted(has) if has else look.libc if about == "libc" and look.libc else "not found"
        if about == "libc" and look.libc and not has:
            yield Finding(about, "wrong", f"{look.libc}: the engines need glibc", NEWER)
            continue
        says = [f"{engine} needs {dotted(least)}" for engine, least in asked if least]
        label = "glibc" if about == "libc" else "GLIBCXX"
        where = f" at {look.cxx_path}" if about == "libstdc++" and look.cxx_path else ""
        text = f"{label} {shown}{where}" + (f"; {', '.join(says)}" if says else "")
        short = any(least and (not has or has < least) for engine, least in asked if engine == "litert")
        if not short or loads:
            yield Finding(about, "ok", text)
        elif fit:
            yield Finding(about, "missing", f"{text}: {fit[0]} fits, litert does not", remedy)
        else:
            yield Finding(about, "wrong", text, remedy)


def _engines(look: Look, name: str) -> Iterator[Finding]:
    fit = fitting(look)
    setup = f"edgedevice setup {name}" + (f" --engine {fit[0]}" if fit and fit[0] != "litert" else "")
    brought = {site.engine: site.folder for site in look.sites if site.there and site.engine}
    loads = [engine for engine, one in look.engines.items() if one.loads]
    there = [engine for engine, one in look.engines.items() if one.version]
    for engine in there:
        one = look.engines[engine]
        where = f", from {brought[engine]}" if engine in brought else ""
        if one.loads:
            yield Finding(engine, "ok", f"{one.version} loads{where}, with numpy {one.numpy}")
        elif look.holder:
            yield Finding(engine, "ok", f"{one.version} is there{where}; not tried while held by {look.holder}")
        else:
            why = one.failure or "it did not say why"
            status, hint = ("missing", "") if loads else ("wrong", _mending(look, engine, why, setup if fit else NEWER))
            yield Finding(engine, status, f"{one.version}{where} does not load: {why}", hint)  # type: ignore[arg-type]
    if not there:
        need = TABLE.get(("litert", look.machine))
        short = lacks(look, need) if need else []
        text = "no inference runtime is installed there" + (f"; litert lacks {', '.join(short)}" if short else "")
        yield Finding("engine", "wrong", text, setup if fit else NEWER)


def _mending(look: Look, engine: str, why: str, setup: str) -> str:
    """What to do about an engine that is installed and does not load."""
    if "numpy" in why.lower():
        wanted = "numpy<2" if engine == "tflite" else "numpy"
        pip = f"on the board: {look.executable} -m pip install '{wanted}'"
        return f"{setup}; or {pip}" if setup != NEWER else pip
    return setup


def _disk(look: Look) -> Finding:
    free = look.base_free_bytes
    hint = "free space there, or name a folder on a larger disk with 'folder' in edgedevice.toml"
    if free is None:
        return Finding("disk", "missing", "it does not tell how much is free", "on the board: df -h")
    if free < FREE_LEAST_BYTES:
        return Finding("disk", "wrong", f"only {free / 1e6:.0f} MB are free for models and inputs", hint)
    return Finding("disk", "ok", f"{free / 1e9:.1f} GB free for models and inputs")


def _xnnpack(look: Look) -> Finding:
    if look.unread:
        text = f"{' and '.join(look.unread)} cannot be read, without which runtimes leave XNNPACK out and run slower"
        hint = "on the board: sudo mount -t proc proc /proc; sudo mount -t sysfs sysfs /sys"
        return Finding("xnnpack", "wrong", text, hint)
    return Finding("xnnpack", "ok", "nothing there keeps it from being used; tests prove it for each model")


def _clock(look: Look) -> Iterator[Finding]:
    """What makes latency differ from run to run; nothing is broken by it."""
    slow = [one for one in look.governors if one not in PACED]
    if slow:
        hint = "on the board: echo performance | sudo tee /sys/devices/system/cpu/cpu*/cpufreq/scaling_governor"
        yield Finding("clock", "missing", f"the governor {' and '.join(slow)} changes the clock with the load", hint)
    elif look.governors:
        yield Finding("clock", "ok", f"the governor {' and '.join(look.governors)} keeps the clock")
    if look.facts.get("clock_limited") is True:
        text = "the clock is limited below what the processor can do"
        yield Finding(
            "clock", "missing", text, "on the board: cat /sys/devices/system/cpu/cpu*/cpufreq/scaling_max_freq"
        )
    bits = _bits(look.throttled)
    now = [said for bit, said in THROTTLES.items() if bits >> bit & 1]
    before = [said for bit, said in THROTTLES.items() if bits >> (bit + 16) & 1]
    if now or before:
        when = f"now: {', '.join(now)}" if now else f"since it was started: {', '.join(before)}"
        hint = "give it a stronger power supply and cooling; then restart it: sudo reboot"
        yield Finding("throttling", "missing", f"vcgencmd says {look.throttled}; {when}", hint)


def _bits(throttled: str) -> int:
    try:
        return int(throttled, 16)
    except ValueError:
        return 0


def _locks(look: Look) -> Finding:
    if look.locks_fault:
        hint = look.locks_hint.removeprefix("run: ")
        return Finding(
            "locks", "wrong", f"{look.locks or 'the lock folder'}: {look.locks_fault}", f"on the board: {hint}"
        )
    held = f"; the board is held by {look.holder}" if look.holder else ""
    return Finding("locks", "ok", f"{look.locks} can be used{held}")
