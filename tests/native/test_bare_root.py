"""A device with almost nothing on it: no /proc, no tools, an unprivileged user who may write one folder."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from pytest_edgedevice.transports.pipes import ChildProcess
from tests.native.wire import FIELDS, Wire, load

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_edgedevice.runners.native.building import NativeAgent

SHELL_USER = 2000
HOME = "/data/local/tmp"

pytestmark = pytest.mark.skipif(os.getuid() != 0 or sys.platform != "linux", reason="changing the root needs root")


@pytest.fixture
def root(tmp_path: Path, native_agent: NativeAgent, runtimes: dict[str, Path]) -> Path:
    """The agent, its runtime and the libraries that these are linked to; nothing else, not even a shell."""
    folder = tmp_path / "root"
    home = folder / HOME[1:]
    (home / "session").mkdir(parents=True)
    shutil.copy(native_agent.path, home / "agent")
    shutil.copy(runtimes["tflite"], home / "libtensorflowlite_c.so")
    for program in (native_agent.path, runtimes["tflite"]):
        listed = subprocess.run(["ldd", str(program)], capture_output=True, text=True, check=True).stdout
        for library in re.findall(r"(/\S+) \(0x", listed):
            target = folder / library[1:]
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(library, target)
    for path in (home, *home.iterdir()):
        os.chown(path, SHELL_USER, SHELL_USER)
    return folder


def started(root: Path, *arguments: str) -> Wire:
    user = f"--userspec={SHELL_USER}:{SHELL_USER}"
    command = [f"{HOME}/agent", "--folder", f"{HOME}/session", "--wipe", *arguments]
    return Wire(ChildProcess(["chroot", user, str(root), *command]))


def test_it_finds_the_runtime_beside_it_and_knows_its_own_hash(root: Path, native_agent: NativeAgent) -> None:
    wire = started(root)
    assert wire.hello["engines"] == {"tflite": "2.17.1"}
    assert wire.hello["agent_sha256"] == native_agent.sha256
    assert load(wire, "no_batch")["placement"]["proven"] == "cpu"
    assert "cores" in wire.ask(3, "facts").header["facts"]
    wire.process.kill()


def test_a_default_without_xnnpack_is_shown(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(FIELDS, "delegate", "default")
    wire = started(root, "--runtime", f"{HOME}/libtensorflowlite_c.so")
    placement = load(wire, "no_batch")["placement"]
    assert (placement["proven"], placement["left_over"]) == ("cpu", {"NEG": 1})
    assert "the delegate was refused" in placement["evidence"]
    wire.process.kill()


def test_xnnpack_that_cannot_be_had_is_a_delegate_error(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(FIELDS, "delegate", "xnnpack")
    wire = started(root)
    reply = load(wire, "no_batch")
    assert (reply["kind"], "needs /proc/cpuinfo" in reply["message"]) == ("delegate", True)
    wire.process.kill()


def test_nothing_is_left_when_the_host_is_gone(root: Path) -> None:
    wire = started(root)
    load(wire, "no_batch")
    wire.process.stream.close()
    assert wire.process.wait(timeout_s=30) == 0
    wire.process.kill()
    assert not (root / HOME[1:] / "session").exists()
