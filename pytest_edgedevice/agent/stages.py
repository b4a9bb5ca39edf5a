"""The user's own code around an inference, timed apart: what comes before it, itself, what comes after.

The code is one module that was sent by its hash, with ``preprocess``, ``postprocess`` or both. It runs in
this process, as it would in an app; whatever it raises is told as its own fault.
"""

from __future__ import annotations

import sys
import time
import types
from array import array
from typing import TYPE_CHECKING, Any, Callable, Dict, List, Optional, Tuple

from pytest_edgedevice.agent.tensors import RequestError

if TYPE_CHECKING:
    from pytest_edgedevice.agent.engines.base import Engine

NAME = "edgedevice_stages"
MOST_SAID = 500
Named = Dict[str, Any]
Series = Tuple["array[int]", "array[int]", "array[int]"]


class Stages:
    """Both functions of a module.

    Args:
        path: The module's file.

    Raises:
        RequestError: It cannot be imported, or has neither function.
    """

    def __init__(self, path: str) -> None:
        module = types.ModuleType(NAME)
        sys.modules[NAME] = module  # dataclasses and the like look their own module up
        with open(path, "rb") as file:
            source = file.read()
        _guarded("the module", lambda: exec(compile(source, f"<{NAME}>", "exec"), module.__dict__))  # noqa: S102
        self._before, self._after = _function(module, "preprocess"), _function(module, "postprocess")
        if self._before is None and self._after is None:
            raise RequestError("input", "the module has neither preprocess(inputs) nor postprocess(outputs)")

    def before(self, given: Named) -> Named:
        """The model's inputs, made of what was given; the same where there is nothing to do."""
        if self._before is None:
            return given
        made = _guarded("preprocess", lambda: self._before(given))  # type: ignore[misc]
        if not isinstance(made, dict):
            raise RequestError("input", f"preprocess must return a dict of name to array, not {type(made).__name__}")
        return made

    def after(self, outputs: Named) -> None:
        """Whatever is done with the outputs."""
        if self._after is not None:
            _guarded("postprocess", lambda: self._after(outputs))  # type: ignore[misc]


def _function(module: types.ModuleType, name: str) -> Optional[Callable[[Named], Any]]:
    found = getattr(module, name, None)
    if found is not None and not callable(found):
        raise RequestError("input", f"{name} of the module is no function")
    return found


def _guarded(what: str, call: Callable[[], Any]) -> Any:
    """Call the user's code; its errors are the user's.

    Raises:
        RequestError: It raised.
    """
    try:
        return call()
    except (Exception, SystemExit) as error:  # the agent goes on, whatever the code wants
        line = ""
        trace = error.__traceback__
        while trace is not None:
            if trace.tb_frame.f_code.co_filename == f"<{NAME}>":
                line = f" (line {trace.tb_lineno})"
            trace = trace.tb_next
        said = " ".join(str(error).split())  # its own lines would be taken for lines of ours
        raise RequestError("input", f"{what} failed{line}: {type(error).__name__}: {said}"[:MOST_SAID]) from error


def run_stages(
    engine: Engine,
    stages: Stages,
    given: Named,
    *,
    runs: int,
    settle: int,
    max_ns: int,
    invoke: Callable[[], Any],
    clock: Callable[[], int] = time.perf_counter_ns,
) -> Series:
    """Run all stages again and again on what was given.

    Args:
        engine: The model.
        stages: The code around it.
        given: One sample, raw: name to array.
        runs: Entries wanted.
        settle: Runs before the first entry.
        max_ns: No run is started later than this after the first.
        invoke: Runs the engine once.
        clock: Monotonic, nanoseconds.

    Returns:
        Nanoseconds of each stage: before; the inference with its inputs given and its outputs read; after.
    """
    import numpy as np

    before, middle, after = array("q"), array("q"), array("q")
    begin: Optional[int] = None
    while len(before) < runs:
        engine.reset()
        own = {name: np.array(one) for name, one in given.items()}  # code that changes it in place meets it once
        start = clock()
        if settle == 0 and begin is None:
            begin = start
        made = stages.before(own)
        ready = clock()
        engine.set_inputs(checked(engine, made))
        invoke()
        outputs = {spec["name"]: engine.output(at) for at, spec in enumerate(engine.outputs)}
        done = clock()
        stages.after(outputs)
        end = clock()
        if begin is None:
            settle -= 1
            continue
        before.append(ready - start)
        middle.append(done - ready)
        after.append(end - done)
        if end - begin > max_ns:
            break
    return before, middle, after


def checked(engine: Engine, made: Named) -> List[Any]:
    """Arrays in the engine's order; dtype and shape must be the model's own.

    Raises:
        RequestError: They do not fit.
    """
    import numpy as np

    names = [spec["name"] for spec in engine.inputs]
    if sorted(map(str, made)) != sorted(names):
        raise RequestError("input", f"the model's inputs are {names}, preprocess made {sorted(map(str, made))}")
    arrays = []
    for spec in engine.inputs:
        one = np.ascontiguousarray(made[spec["name"]])
        fits = len(one.shape) == len(spec["shape"]) and all(
            want in (-1, size) for size, want in zip(one.shape, spec["shape"])
        )
        if one.dtype.name != spec["dtype"] or not fits:
            wanted = f"{spec['dtype']} of shape {spec['shape']}"
            raise RequestError(
                "input", f"input {spec['name']!r} needs {wanted}, preprocess made {one.dtype} {list(one.shape)}"
            )
        arrays.append(one)
    return arrays
