"""Inference runtimes: installed, loadable, and able to compute, each tried in a process of its own."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from pytest_edgedevice.agent.engines import DISTRIBUTIONS, installed
from pytest_edgedevice.cli.checks.extras import found_module
from pytest_edgedevice.cli.checks.finding import Finding
from pytest_edgedevice.cli.checks.programs import ended

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_edgedevice.inventory import Inventory

PROBE_S = 60.0
ENGINE_MODULES = {
    "litert": "ai_edge_litert.interpreter",
    "tflite": "tflite_runtime.interpreter",
    "coreml": "coremltools.libcoremlpython",
}
"""Engine to the module that computes; coremltools itself loads on any system."""
PROBE = (
    "import sys; sys.path[:] = [p for p in sys.path if p]; import {module}, numpy; print('numpy', numpy.__version__)"
)


def check_engines(_: Inventory) -> Iterator[Finding]:
    """Each runtime of this environment, and those that are left out."""
    here = installed()
    if not here:
        yield Finding("engine", "wrong", "no inference runtime is installed", "pip install ai-edge-litert")
    for engine, version in here.items():
        failure, seen = probe(sys.executable, ENGINE_MODULES[engine])
        if failure:
            hint = _hint(failure, DISTRIBUTIONS[engine][0])
            yield Finding(engine, "wrong", f"{version} does not load: {failure}", hint)
        else:
            yield Finding(engine, "ok", f"{version} loads in a process of its own, with {seen}")
    if "tflite" not in here:
        text = "not installed: the engine 'tflite' (tflite-runtime 2.14; Python 3.11 at most, numpy below 2)"
        hint = "pip install 'pytest-edgedevice[tflite]'" if sys.version_info < (3, 12) else ""
        yield Finding("tflite", "missing", text, hint)
    if "coreml" not in here:
        yield _coreml()


def _coreml() -> Finding:
    """Why there is no Core ML."""
    if sys.platform == "darwin":
        return Finding("coreml", "missing", "coremltools is not installed", "pip install 'pytest-edgedevice[coreml]'")
    beside = "; coremltools is here, but runs models on macOS only" if found_module("coremltools") else ""
    return Finding("coreml", "missing", f"Core ML needs macOS, or an app on an iPhone{beside}")


def foreign_python(name: str, python: str) -> Finding:
    """An interpreter that the device file names needs one of the engines, not all."""
    failures = []
    for engine, module in ENGINE_MODULES.items():
        if engine == "coreml" and sys.platform != "darwin":
            continue
        failure, seen = probe(python, module)
        if not failure:
            return Finding(name, "ok", f"{python} loads {engine}, with {seen}")
        failures.append(f"{engine}: {failure}")
    text = f"{python} loads no engine; {'; '.join(dict.fromkeys(failures))}"
    return Finding(name, "wrong", text, f"{python} -m pip install ai-edge-litert numpy")


def probe(python: str, module: str) -> tuple[str, str]:
    """Import a module in another process: what went wrong, and what it printed."""
    done = ended([python, "-c", PROBE.format(module=module)], timeout_s=PROBE_S)
    if not done.failure:
        return "", done.stdout.strip()[:80]
    if done.failure.startswith("cannot be started"):
        return f"{python} {done.failure}", ""
    last = done.stderr.strip().rpartition("\n")[2]
    if done.failure.startswith("ended") and last:
        return last[:400], ""
    return f"importing {module} {done.failure}", ""


def _hint(failure: str, distribution: str) -> str:
    if "GLIBC" in failure:  # GLIBCXX likewise
        return "this system's C or C++ library is too old for the wheel: use Debian 12, Ubuntu 22.04 or newer"
    if "numpy" in failure.lower():
        return "its wheel and numpy do not fit: tflite-runtime needs 'numpy<2'"
    return f"pip install --force-reinstall {distribution}"
