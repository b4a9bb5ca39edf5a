"""``edgedevice doctor``: does this host have what device tests need, and what is the remedy?"""

from __future__ import annotations

import dataclasses
import json
import os
import platform
import shutil
import signal
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pytest_edgedevice import __version__
from pytest_edgedevice.agent.engines import DISTRIBUTIONS, installed
from pytest_edgedevice.cli.devices import printable
from pytest_edgedevice.errors import EdgeDeviceError
from pytest_edgedevice.inventory import Inventory, load_inventory
from pytest_edgedevice.leases.folder import ready_folder
from pytest_edgedevice.transports.local import LocalTransport

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Status = Literal["ok", "note", "wrong"]
SCHEMA = 1
PYTEST_LEAST = (8, 2)
FREE_LEAST_BYTES = 200_000_000
PROBE_S = 60.0
ENGINE_MODULES = {"litert": "ai_edge_litert.interpreter", "tflite": "tflite_runtime.interpreter"}
PROBE = (
    "import sys; sys.path[:] = [p for p in sys.path if p]; import {module}, numpy; print('numpy', numpy.__version__)"
)
XNNPACK_READS = ("/proc/cpuinfo", "/sys/devices/system/cpu")
FUTURE_EXTRAS = {"adb": "adbutils", "ios": "pymobiledevice3", "onnx": "onnxruntime", "report": "jinja2"}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        about: One word.
        status: ``ok``, ``note`` (nothing is broken by it) or ``wrong``.
        text: What was found.
        hint: What to do about it; empty when there is nothing to do.
    """

    about: str
    status: Status
    text: str
    hint: str = ""


def doctor(config: Path | None, *, as_json: bool) -> bool:
    """Print what was found; whether anything is wrong."""
    findings = list(examine(config))
    wrong = sum(one.status == "wrong" for one in findings)
    if as_json:
        content = [dataclasses.asdict(one) for one in findings]
        print(json.dumps({"schema": SCHEMA, "version": __version__, "wrong": wrong, "findings": content}))
        return bool(wrong)
    for one in findings:
        print(f"{one.status:5}  {one.about:11}  {printable(one.text)}")
        if one.hint:
            print(f"{'':20}hint: {printable(one.hint)}")
    things = "1 thing is" if wrong == 1 else f"{wrong} things are"
    print(f"\n{things} wrong" if wrong else "\nnothing is wrong")
    return bool(wrong)


def examine(config: Path | None) -> Iterator[Finding]:
    """Look at everything, cheap things first; none of it raises."""
    yield _python()
    yield _pytest()
    yield from _engines()
    yield _xnnpack()
    yield from _extras()
    yield _guarded("locks", lambda: f"{ready_folder()} can be used")
    inventory = Inventory()
    try:
        inventory = load_inventory(Path.cwd(), explicit=config)
        yield Finding("devices", "ok", _described(inventory))
    except EdgeDeviceError as error:
        yield Finding("devices", "wrong", error.message, error.hint)
    yield from _folder("temp folder", None)
    for entry in inventory.devices.values():
        if entry.spec.kind != "local":
            yield Finding(entry.name, "note", f"{entry.spec}: version {__version__} drives local devices only")
        if entry.spec.kind == "local" and entry.folder:
            yield from _folder(entry.name, Path(entry.folder))
        if entry.spec.kind == "local" and entry.python:
            yield _foreign_python(entry.name, entry.python)


def _guarded(about: str, look: Callable[[], str]) -> Finding:
    try:
        return Finding(about, "ok", look())
    except EdgeDeviceError as error:
        return Finding(about, "wrong", error.message, error.hint)


def _python() -> Finding:
    system, machine = platform.system(), platform.machine()
    text = f"{platform.python_version()} on {system} {machine}"
    if (system, machine) == ("Linux", "x86_64"):
        return Finding("python", "ok", text)
    return Finding("python", "note", f"{text}: not tested there; version {__version__} was tested on Linux x86_64")


def _pytest() -> Finding:
    try:
        version = metadata.version("pytest")
    except metadata.PackageNotFoundError:
        return Finding("pytest", "wrong", "is not installed", "pip install 'pytest>=8.2'")
    numbers = tuple(int(part) for part in version.split(".")[:2] if part.isdecimal())
    if numbers < PYTEST_LEAST:
        return Finding("pytest", "wrong", f"{version} is older than 8.2", "pip install -U pytest")
    if not any(point.name == "edgedevice" for point in metadata.entry_points(group="pytest11")):
        hint = "pip install pytest-edgedevice (or -e . in a checkout)"
        return Finding("pytest", "wrong", f"{version} does not know the plugin 'edgedevice'", hint)
    if os.environ.get("PYTEST_DISABLE_PLUGIN_AUTOLOAD"):
        text = f"{version} loads no plugins by itself: PYTEST_DISABLE_PLUGIN_AUTOLOAD is set"
        return Finding("pytest", "wrong", text, "unset it, or run: pytest -p edgedevice")
    return Finding("pytest", "ok", f"{version} with the plugin edgedevice {__version__}")


def _engines() -> Iterator[Finding]:
    here = installed()
    if not here:
        yield Finding("engine", "wrong", "no inference runtime is installed", "pip install ai-edge-litert")
    for engine, version in here.items():
        failure, seen = _probe(sys.executable, ENGINE_MODULES[engine])
        if failure:
            name = DISTRIBUTIONS[engine][0]
            yield Finding(engine, "wrong", f"{version} does not load: {failure}", _engine_hint(failure, name))
        else:
            yield Finding(engine, "ok", f"{version} loads in a process of its own, with {seen}")


def _engine_hint(failure: str, distribution: str) -> str:
    if "GLIBC" in failure:  # GLIBCXX likewise
        return "this system's C or C++ library is too old for the wheel: use Debian 12, Ubuntu 22.04 or newer"
    if "numpy" in failure.lower():
        return "its wheel and numpy do not fit: tflite-runtime needs 'numpy<2'"
    return f"pip install --force-reinstall {distribution}"


def _probe(python: str, module: str) -> tuple[str, str]:
    """Import a module in another process: what went wrong, and what it printed."""
    try:
        command = [python, "-c", PROBE.format(module=module)]
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=PROBE_S,
            check=False,
            stdin=subprocess.DEVNULL,
        )
    except subprocess.TimeoutExpired:
        return f"importing {module} did not end in {PROBE_S:g} s", ""
    except OSError as error:
        return f"{python} cannot be started: {error.strerror}", ""
    if done.returncode == 0:
        return "", done.stdout.strip()
    if done.returncode < 0:
        return f"importing {module} was killed by {_signal(-done.returncode)}", ""
    return done.stderr.strip().rpartition("\n")[2] or f"importing {module} ended with {done.returncode}", ""


def _signal(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _foreign_python(name: str, python: str) -> Finding:
    """An interpreter that the device file names needs one of the engines, not all."""
    failures = []
    for engine, module in ENGINE_MODULES.items():
        failure, seen = _probe(python, module)
        if not failure:
            return Finding(name, "ok", f"{python} loads {engine}, with {seen}")
        failures.append(f"{engine}: {failure}")
    text = f"{python} loads no engine; {'; '.join(dict.fromkeys(failures))}"
    return Finding(name, "wrong", text, f"{python} -m pip install ai-edge-litert numpy")


def _xnnpack() -> Finding:
    missing = [path for path in XNNPACK_READS if not Path(path).exists()]
    if sys.platform.startswith("linux") and missing:
        text = f"{' and '.join(missing)} cannot be read, without which runtimes leave XNNPACK out and run slower"
        return Finding("xnnpack", "wrong", text, "mount /proc and /sys into this container")
    return Finding("xnnpack", "ok", "nothing here keeps it from being used; tests prove it for each model")


def _extras() -> Iterator[Finding]:
    absent = [f"{extra} ({module})" for extra, module in FUTURE_EXTRAS.items() if find_spec(module) is None]
    if "tflite" not in installed():
        hint = "pip install 'pytest-edgedevice[tflite]'" if sys.version_info < (3, 12) else ""
        text = "extra not installed: the engine 'tflite' (tflite-runtime 2.14; Python 3.11 at most, numpy below 2)"
        yield Finding("tflite", "note", text, hint)
    if absent:
        names = ",".join(one.partition(" ")[0] for one in absent)
        text = f"not installed: {', '.join(absent)}; version {__version__} makes no use of them yet"
        yield Finding("extras", "note", text, f"to have them all the same: pip install 'pytest-edgedevice[{names}]'")


def _described(inventory: Inventory) -> str:
    if inventory.path is None:
        return "no edgedevice.toml in this folder or above it, so there is one device: local"
    return f"{inventory.path} is valid and names {len(inventory.devices)}: {', '.join(inventory.devices) or 'none'}"


def _folder(about: str, base: Path | None) -> Iterator[Finding]:
    """Do what a session does: make a folder there, and remove it."""
    try:
        root = base or Path(tempfile.gettempdir())
    except OSError as error:
        yield Finding(about, "wrong", str(error), "set TMPDIR to a folder that you may write to")
        return
    opened = _guarded(about, lambda: _opened(base))
    if opened.status != "ok":
        yield opened
        return
    free_bytes = shutil.disk_usage(root).free
    text = f"{root} is writable and has {free_bytes / 1e9:.1f} GB free"
    if free_bytes >= FREE_LEAST_BYTES:
        yield Finding(about, "ok", text)
    else:
        hint = "models are copied there: free space, set TMPDIR, or set 'folder' in edgedevice.toml"
        yield Finding(about, "wrong", f"{root} has only {free_bytes / 1e6:.0f} MB free", hint)


def _opened(base: Path | None) -> str:
    with LocalTransport(base=base):
        return ""
