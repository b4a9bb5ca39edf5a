"""Inference runtimes behind one interface, each in a file of its own.

``litert`` and ``tflite`` share the ``Interpreter`` API; ``gpu`` and ``npu`` go
through LiteRT's ``CompiledModel``; ``coreml`` is coremltools on a Mac. Modules are imported when they are chosen:
a device has one of the runtimes, rarely both.
"""

from __future__ import annotations

import contextlib
import importlib
import os
from typing import Dict, List

from pytest_edgedevice.agent.engines import coreml_here
from pytest_edgedevice.agent.engines.base import Engine, EngineError, LoadOptions
from pytest_edgedevice.agent.engines.versions import version_of

DISTRIBUTIONS = {
    "litert": ["ai-edge-litert", "ai-edge-litert-nightly"],
    "tflite": ["tflite-runtime", "tflite-runtime-nightly"],
    "coreml": ["coremltools"],
}

MODULES = {"litert": "ai_edge_litert.interpreter", "tflite": "tflite_runtime.interpreter", "coreml": "coremltools"}

INSTALL = {
    "litert": "pip install ai-edge-litert",
    "tflite": "pip install 'pytest-edgedevice[tflite]' (on a board: pip install tflite-runtime==2.14.0 'numpy<2')",
    "coreml": coreml_here.needed(),
}


def installed() -> Dict[str, str]:
    """Engine name to version, for those whose distribution is installed here, and can run here."""
    found = {}
    for engine, names in DISTRIBUTIONS.items():
        version = next(filter(None, map(version_of, names)), "")
        if version and (engine != "coreml" or coreml_here.usable()):
            found[engine] = version
    return found


def delegates() -> List[str]:
    """Names of the delegates that some engine here may have; whether the device has the hardware is seen at a load."""
    here = installed()
    if list(here) == ["coreml"]:
        return ["default", *coreml_here.DELEGATES]
    accelerators = ["gpu", "npu"] if "litert" in here or not here else []  # without any, that is what is told
    more = coreml_here.DELEGATES if "coreml" in here else ()
    return ["default", "cpu", "xnnpack", "reference", *accelerators, *more, "external"]


def warm(options: LoadOptions, path: str = "") -> None:
    """Import what an engine needs, so that this counts neither as the model's time nor as its memory.

    What fails here fails again in ``load``, which says why.

    Args:
        options: As for ``load``.
        path: The model, which may decide on the engine.
    """
    with contextlib.suppress(Exception):
        name = _chosen(path, options, installed())
        importlib.import_module(f"pytest_edgedevice.agent.engines.{'coreml' if name == 'coreml' else 'interpreter'}")
        importlib.import_module(MODULES[name])
        if options.delegate in ("gpu", "npu"):
            importlib.import_module("ai_edge_litert.compiled_model")


def load(path: str, options: LoadOptions) -> Engine:
    """Load a model with the engine that was asked for, or with the first that is here and takes such models.

    Raises:
        EngineError: No such engine here, or it refuses the model or the delegate.
    """
    here = installed()
    name = _chosen(path, options, here)
    if name not in DISTRIBUTIONS:
        raise EngineError("input", f"engine {name!r} is unknown; engines are {', '.join(DISTRIBUTIONS)}")
    if name not in here:
        raise EngineError("engine", f"engine {name!r} is not installed on the device: {INSTALL[name]}")
    if name == "coreml":
        from pytest_edgedevice.agent.engines.coreml import CoreMLEngine

        return CoreMLEngine(path, options, here[name])
    if os.path.isdir(path):
        raise EngineError("model", f"the engine {name!r} takes no model that is a folder; 'coreml' does")
    if options.delegate in ("gpu", "npu"):
        if name != "litert":
            raise EngineError("delegate", f"delegate {options.delegate!r} needs the engine 'litert', not {name!r}")
        from pytest_edgedevice.agent.engines.compiled import CompiledEngine

        return CompiledEngine(path, options, here[name])
    from pytest_edgedevice.agent.engines.interpreter import InterpreterEngine

    return InterpreterEngine(path, options, name, here[name])


def _chosen(path: str, options: LoadOptions, here: Dict[str, str]) -> str:
    """The engine that was asked for; else Core ML for what only it takes, and the first other one for the rest."""
    if options.engine:
        return options.engine
    if options.delegate in coreml_here.DELEGATES or (path and coreml_here.is_model(path)):
        return "coreml"
    return next((name for name in here if name != "coreml"), "litert")
