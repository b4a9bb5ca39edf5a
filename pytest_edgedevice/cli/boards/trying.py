"""Try an engine on a board, on the board: in a process of its own, since a library that does not fit may kill it.

Python 3.9, standard library only, nothing of ours.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys

PROBE_S = 120.0
ENGINES = {
    "litert": ("ai_edge_litert.interpreter", ("ai-edge-litert", "ai-edge-litert-nightly")),
    "tflite": ("tflite_runtime.interpreter", ("tflite-runtime", "tflite-runtime-nightly")),
}
PROBE = """
import importlib, importlib.metadata, json, sys
sys.path[:] = json.loads(sys.argv[1]) + [folder for folder in sys.path if folder]
versions = []
for name in json.loads(sys.argv[3]):
    try:
        versions.append(importlib.metadata.version(name))
    except importlib.metadata.PackageNotFoundError:
        pass
print(json.dumps({"version": versions[0] if versions else ""}), flush=True)
if versions and sys.argv[4] == "load":
    importlib.import_module(sys.argv[2])
    import numpy
    print(json.dumps({"numpy": numpy.__version__}), flush=True)
"""


def probe(engine: str, folders: list[str], *, load: bool = True) -> dict[str, str]:
    """Try an engine in a process of its own, with the packages that the agent would find.

    Args:
        engine: Its name.
        folders: Go before this Python's own.
        load: Load its libraries; else only its version is told.
    """
    module, names = ENGINES[engine]
    words = [sys.executable, "-c", PROBE, json.dumps(folders), module, json.dumps(names), "load" if load else "tell"]
    found = {"version": "", "numpy": "", "failure": ""}
    child = subprocess.Popen(
        words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
    )
    try:
        out, errors = child.communicate(timeout=PROBE_S)
    except subprocess.TimeoutExpired:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        out, errors = child.communicate()
        found["failure"] = f"importing {module} did not end in {PROBE_S:g} s"
    for line in out.decode("utf-8", "replace").splitlines()[-2:]:
        with contextlib.suppress(ValueError):
            found.update(json.loads(line))
    if child.returncode and not found["failure"]:
        found["failure"] = _death(module, child.returncode, errors.decode("utf-8", "replace"))
    return found


def _death(module: str, code: int, errors: str) -> str:
    if code > 0:
        return errors.strip().rpartition("\n")[2][:400] or f"importing {module} ended with {code}"
    try:
        return f"importing {module} was killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"importing {module} was killed by signal {-code}"
