"""Inference runtimes behind one interface, each in a file of its own.

``litert`` and ``tflite`` share the ``Interpreter`` API; ``gpu`` and ``npu`` go
through LiteRT's ``CompiledModel``. Modules are imported when they are chosen:
a device has one of the runtimes, rarely both.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.metadata
from typing import Any, Dict, List, Optional

from pytest_edgedevice.agent.engines.base import Engine, EngineError, LoadOptions

DISTRIBUTIONS = {
    "litert": ["ai-edge-litert", "ai-edge-litert-nightly"],
    "tflite": ["tflite-runtime", "tflite-runtime-nightly"],
}

MODULES = {"litert": "ai_edge_litert.interpreter", "tflite": "tflite_runtime.interpreter"}

INSTALL = {
    "litert": "pip install ai-edge-litert",
    "tflite": "pip install 'pytest-edgedevice[tflite]' (on a board: pip install tflite-runtime==2.14.0 'numpy<2')",
}


def installed() -> Dict[str, str]:
    """Engine name to version, for those whose distribution is installed here."""
    found = {}
    for engine, names in DISTRIBUTIONS.items():
        version = _version(names)
        if version:
            found[engine] = version
    return found


def delegates() -> List[str]:
    """Names of the delegates that some engine here may have; whether the device has the hardware is seen at a load."""
    here = installed()
    accelerators = ["gpu", "npu"] if "litert" in here or not here else []  # without any, that is what is told
    return ["default", "cpu", "xnnpack", "reference", *accelerators, "external"]


def warm(options: LoadOptions) -> None:
    """Import what an engine needs, so that this counts neither as the model's time nor as its memory.

    What fails here fails again in ``load``, which says why.
    """
    here = installed()
    module = MODULES.get(options.engine or next(iter(here), ""))
    with contextlib.suppress(Exception):
        importlib.import_module("pytest_edgedevice.agent.engines.interpreter")
        if module:
            importlib.import_module(module)
        if options.delegate in ("gpu", "npu"):
            importlib.import_module("ai_edge_litert.compiled_model")


def load(path: str, options: LoadOptions) -> Engine:
    """Load a model with the engine that was asked for, or with the first that is here.

    Raises:
        EngineError: No such engine here, or it refuses the model or the delegate.
    """
    here = installed()
    name = options.engine or next(iter(here), "litert")
    if name not in DISTRIBUTIONS:
        raise EngineError("input", f"engine {name!r} is unknown; engines are {', '.join(DISTRIBUTIONS)}")
    if name not in here:
        raise EngineError("engine", f"engine {name!r} is not installed on the device: {INSTALL[name]}")
    if options.delegate in ("gpu", "npu"):
        if name != "litert":
            raise EngineError("delegate", f"delegate {options.delegate!r} needs the engine 'litert', not {name!r}")
        from pytest_edgedevice.agent.engines.compiled import CompiledEngine

        return CompiledEngine(path, options, here[name])
    from pytest_edgedevice.agent.engines.interpreter import InterpreterEngine

    return InterpreterEngine(path, options, name, here[name])


def _version(names: List[str]) -> Optional[str]:
    for name in names:
        try:
            version: Any = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
        return str(version)
    return None
