"""Programs for the runner ``command`` that really compute (y = -x), and others that misbehave in one way each."""

from __future__ import annotations

import contextlib
import sys
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_edgedevice.runners.backend import LoadRequest, Site
from pytest_edgedevice.runners.command.runner import CommandRunner
from pytest_edgedevice.transports.local import LocalTransport

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pytest_edgedevice.runners.loaded import LoadedModel
    from pytest_edgedevice.values import Array

PATIENCE_S = 60.0
HEAD = """
import array, json, os, signal, sys, time
told = json.load(open(sys.argv[1]))
PROOF = {"proven": told["delegate"], "nodes": 1, "delegated": 1, "partitions": 1, "left_over": {}, "evidence": "asked"}
SPEC = {"dtype": "float32", "shape": [1, 4]}
T = [1] * told["samples"]
def reply(**fields):
    with open(told["result"], "w") as file:
        json.dump({"contract": 1, "nonce": told["nonce"], **fields}, file)
def error(kind, message):
    reply(error={"kind": kind, "message": message})
def x():
    values = array.array("f")
    with open(told["inputs"][0]["file"], "rb") as file:
        values.frombytes(file.read())
    return values
def write(name, content):
    with open(os.path.join(told["outputs"], name), "wb") as file:
        file.write(content)
def negated():
    return array.array("f", [-value for value in x()]).tobytes()
def output(**changes):
    return {"name": "y", "file": "y.raw", "dtype": "float32", "shape": [told["samples"], 1, 4], **changes}
def describe():
    reply(model={"inputs": [{"name": "x", **SPEC}], "outputs": [{"name": "y", **SPEC}]}, load_ns=1000, engine="minus",
          engine_version="7", format="raw", placement=PROOF)
def run():
    write("y.raw", negated())
    reply(outputs=[output()], inference_ns=[1000] * told["samples"])
def measure():
    time.sleep(told["runs"] * told["batch"] * 1e-6)
    reply(inference_ns=[1000] * told["runs"])
"""
TAIL = """
{"describe": describe, "run": run, "measure": measure}[told["op"]]()
"""


def rows(count: int) -> Array:
    """(count, 4) float32 whose every value is another."""
    return np.arange(4 * count, dtype=np.float32).reshape(count, 4)


def program(folder: Path, changes: str = "") -> Path:
    """An executable; ``changes`` are Python lines that come last and may define anything anew."""
    path = folder / "minus"
    path.write_text(f"#!{sys.executable} -SE\n{HEAD}\n{changes}\n{TAIL}", encoding="utf-8")
    path.chmod(0o644)  # it is the runner that makes it executable
    return path


@contextlib.contextmanager
def site(folder: Path, *, timeout_s: float = PATIENCE_S) -> Iterator[Site]:
    """This machine; afterwards nothing must be left of anything."""
    base = folder / "device"
    base.mkdir(exist_ok=True)
    with LocalTransport(base=base) as link:
        yield Site(link, "desk", timeout_s)
    assert [path.name for path in base.iterdir() if not path.name.endswith(".lock")] == []


@contextlib.contextmanager
def loaded(
    folder: Path,
    changes: str = "",
    *,
    timeout_s: float = PATIENCE_S,
    request: dict[str, Any] | None = None,
    **options: Any,
) -> Iterator[LoadedModel]:
    """The stand-in's model on this machine."""
    source = folder / "minus.bin"
    if not source.exists():
        source.write_bytes(b"minus")
    runner = CommandRunner(program(folder, changes), **options)
    with site(folder, timeout_s=timeout_s) as where:
        model = runner.load(where, LoadRequest(source, **(request or {})))
        try:
            yield model
        finally:
            model.close()
