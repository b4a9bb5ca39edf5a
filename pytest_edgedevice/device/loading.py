"""What is asked when a model is loaded, checked before anything starts."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pytest_edgedevice.agent.engines.coreml_here import DELEGATES as CORE_ML
from pytest_edgedevice.errors import DelegateError, InputError, ModelError
from pytest_edgedevice.given import is_number, shown
from pytest_edgedevice.runners.model_content import is_model_folder, look_into

DELEGATES = ("default", "cpu", "xnnpack", "reference", "gpu", "npu", "nnapi", *CORE_ML)
CORE_ML_PATIENCE = 10
"""The Neural Engine's compiler may take minutes: in deadlines of an exchange."""


def model_file(path: str | os.PathLike[str]) -> Path:
    """Find a model: a file, or a folder of the kinds that are models.

    Raises:
        ModelError: It is missing or empty, a folder of another kind, or one that cannot be sent.
        InputError: That is no path.
    """
    if not isinstance(path, str | os.PathLike):
        raise InputError(f"a model is named by its path, not by {type(path).__name__}")
    source = Path(path)
    if is_model_folder(source):
        look_into(source)
        return source
    if not source.is_file():
        what = "is a folder" if source.is_dir() else "is no regular file" if source.exists() else "does not exist"
        hint = f"paths are relative to {Path.cwd()}"
        if source.is_dir():
            hint = "name the .tflite file in it; folders that are models end in .mlpackage or .mlmodelc"
        raise ModelError(f"model {str(source)!r} {what}", hint=hint)
    if source.stat().st_size == 0:
        raise ModelError(f"model {str(source)!r} is empty")
    return source


def load_patience(source: Path, delegate: str, engine: str, *, usual: int) -> int:
    """How many deadlines of an exchange a load may take where nobody says otherwise.

    Args:
        source: The model.
        delegate: As asked for.
        engine: As asked for; may be empty.
        usual: The runner's own patience.
    """
    is_core_ml = engine == "coreml" or delegate in CORE_ML or source.suffix == ".mlmodel" or source.is_dir()
    return max(usual, CORE_ML_PATIENCE) if is_core_ml else usual


def check_seconds(name: str, value: Any, *, zero: bool = False) -> None:
    """Refuse what is no finite span of time.

    Raises:
        InputError: It is none; the message names the argument.
    """
    if not is_number(value) or value < 0 or (value == 0 and not zero):
        raise InputError(f"{name} must be a {'' if zero else 'positive '}number of seconds, not {shown(value)}")


def check_arguments(delegate: Any, threads: Any, fallback: str, *, engine: Any, options: Any) -> None:
    """Refuse arguments of ``Device.load`` that cannot be, before anything starts.

    Raises:
        InputError, DelegateError: Which, and what it may be.
    """
    if not isinstance(delegate, str) or not isinstance(engine, str):
        raise InputError(f"delegate and engine are names, e.g. 'cpu' and 'litert', not {delegate!r} and {engine!r}")
    library = delegate.removeprefix("external:")
    if options is not None and not isinstance(options, Mapping):
        raise InputError(f"delegate_options is a mapping of option to value, not {options!r:.60}")
    if options and library == delegate and delegate != "npu":
        raise InputError(f"delegate_options are for npu and external:PATH delegates; {delegate!r} takes none")
    if delegate not in DELEGATES and (library == delegate or not library):
        known = ", ".join(DELEGATES)
        raise DelegateError(f"delegate {delegate!r} is unknown; known are {known}, external:PATH")
    if type(threads) is not int or not 1 <= threads <= 1024:
        raise InputError(f"threads must be a whole number from 1 to 1024, not {shown(threads)}")
    if fallback not in ("fail", "allow"):
        raise InputError(f"fallback must be 'fail' or 'allow', not {fallback!r}")
