"""The native agent, built once a session, and the runtimes that it opens."""

from __future__ import annotations

import hashlib
import platform
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.native.agents import Agents
from tests.native.builds import BUILD, agent_of, alone

if TYPE_CHECKING:
    from pytest_edgedevice.runners.native.building import NativeAgent

SANITIZED = ("-g", "-O1", "-fno-omit-frame-pointer", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
# the library apps ship, for Linux: inside a wheel on PyPI, Apache-2.0
WHEEL = "pymicro-wakeword==2.5.0"
WHEELS = {
    "x86_64": "3869f536402b1254e3be3549d3a462ecd6ed21ce2c3e77ec8eb501c3c700417c",
    "aarch64": "6c75b77c936efd19b8c35a094cb7e3fdbd4ebcd0f63635a0851ce591990829f2",
}


def tflite_library(machine: str) -> Path:
    """``libtensorflowlite_c.so`` for a machine; downloaded once, and only what has the right hash."""
    sha256 = WHEELS[machine]
    library = BUILD / f"libtensorflowlite_c-{sha256[:12]}.so"
    with alone("library"):
        if not library.exists():
            _download(machine, sha256, library)
    return library


def _download(machine: str, sha256: str, library: Path) -> None:
    with tempfile.TemporaryDirectory(dir=BUILD) as work:
        platforms = ["--platform", f"manylinux_2_35_{machine}", "--only-binary", ":all:"]
        command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", work, *platforms, WHEEL]
        subprocess.run(command, check=True, timeout=300)
        (wheel,) = Path(work).glob("*.whl")
        assert hashlib.sha256(wheel.read_bytes()).hexdigest() == sha256
        with zipfile.ZipFile(wheel) as archive:
            content = archive.read("pymicro_wakeword/lib/libtensorflowlite_c.so")
        part = Path(work) / "library"
        part.write_bytes(content)
        part.replace(library)


def litert_library() -> Path:
    """``libLiteRt.so`` of the wheel that is installed."""
    import ai_edge_litert

    return Path(str(ai_edge_litert.__file__)).parent / "libLiteRt.so"


@pytest.fixture(scope="session")
def native_agent() -> NativeAgent:
    return agent_of()


@pytest.fixture(scope="session")
def sanitized_agent() -> NativeAgent:
    """Every overrun, every undefined operation ends it with a report."""
    return agent_of(flags=SANITIZED)


@pytest.fixture(scope="session")
def runtimes() -> dict[str, Path]:
    return {"tflite": tflite_library(platform.machine()), "litert": litert_library()}


@pytest.fixture
def agents(native_agent: NativeAgent, runtimes: dict[str, Path], tmp_path: Path) -> Agents:
    return Agents(native_agent, runtimes, tmp_path)


@pytest.fixture
def sanitized(
    sanitized_agent: NativeAgent, runtimes: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Agents:
    # what a runtime keeps until the end of its process is not ours to free, and its C++ is not instrumented
    monkeypatch.setenv("ASAN_OPTIONS", "detect_leaks=0:detect_odr_violation=0:abort_on_error=1")
    monkeypatch.setenv("UBSAN_OPTIONS", "print_stacktrace=1")
    return Agents(sanitized_agent, runtimes, tmp_path)
