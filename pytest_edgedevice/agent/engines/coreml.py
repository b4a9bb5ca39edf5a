"""Core ML through coremltools, on a Mac.

Compute units are a wish: Core ML takes it and does not tell what it made of it. So the placement says
``requested_only``, and shows the plan where macOS has one. A model is compiled when it is loaded, by Core ML, into
a folder of its own that goes with the model.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import tempfile
import warnings
from dataclasses import replace
from typing import Any, Dict, Iterator, List, Sequence

import numpy as np

from pytest_edgedevice.agent.engines.base import Engine, EngineError, LoadOptions, Profiled
from pytest_edgedevice.agent.engines.coreml_features import Feature, Features, features_of_metadata, features_of_spec
from pytest_edgedevice.agent.engines.coreml_here import DELEGATES, UNITS, needed
from pytest_edgedevice.agent.engines.coreml_plan import plan_of
from pytest_edgedevice.agent.engines.coreml_values import given, taken, zeros

COMPILED, IN_ONE_FILE = ".mlmodelc", ".mlmodel"
BACKGROUND = re.compile(r"from background|BackgroundExecution")
MOST_SAID = 2000


class CoreMLEngine(Engine):
    """One model in Core ML."""

    name = "coreml"

    def __init__(self, path: str, options: LoadOptions, version: str) -> None:
        if options.delegate not in UNITS:
            known = ", ".join(("default", *DELEGATES))
            raise EngineError(
                "delegate", f"delegate {options.delegate!r} is none of the engine 'coreml', which has {known}"
            )
        self.version = version
        self._delegate = options.delegate
        self._coremltools = _coremltools()
        self._unit = getattr(self._coremltools.ComputeUnit, UNITS[options.delegate])
        self._data: Dict[str, Any] = {}
        self._results: Dict[str, Any] = {}
        self._state: List[Any] = []
        features = self._open(path)
        self._features = features
        self._data = {feature.name: zeros(feature) for feature in features.inputs}
        self.reset()
        self._outputs = [self._known(feature) for feature in features.outputs]
        self.inputs = [feature.described() for feature in features.inputs]
        self.outputs = [feature.described() for feature in self._outputs]
        self.variant = features.variant

    def _open(self, path: str) -> Features:
        """Load the model; its description."""
        models = self._coremltools.models
        try:
            with _named(path) as model, warnings.catch_warnings(record=True) as said:
                warnings.simplefilter("always")
                if model.endswith(COMPILED):
                    features = features_of_metadata(model)
                    self._model = models.CompiledMLModel(model, self._unit)
                    self._compiled = model
                    return features
                self._model = models.MLModel(model, compute_units=self._unit)
                features = features_of_spec(self._model.get_spec())
                self._compiled = self._path_of_compiled([str(one.message) for one in said])
                return features
        except EngineError:
            raise
        except Exception as error:  # coremltools and protobuf raise whatever they like
            raise _refusal("Core ML does not take the model", error) from error

    def _path_of_compiled(self, said: Sequence[str]) -> str:
        """Where the compiled model is; a model that Core ML refused only warns, and has none."""
        try:
            return str(self._model.get_compiled_model_path())
        except Exception as error:
            reason = next((text for text in said if "Underlying exception" in text), "")
            if reason:
                raise RuntimeError(reason.partition("was: ")[2] or reason) from error
            self._model.predict({})  # says why: a specification that is too new, for one
            raise

    def _known(self, output: Feature) -> Feature:
        """An output whose dimensions the model does not tell is looked at once, with inputs of zeros."""
        if output.shape is not None:
            return output
        if not self._results:
            self.invoke()
        dimensions = np.ndim(self._results.get(output.name, 0.0))
        return replace(output, shape=(-1,) * dimensions)

    def placement(self) -> Dict[str, Any]:
        """See the base class."""
        plan, why = plan_of(self._compiled, self._unit, str(getattr(self._model, "function_name", None) or ""))
        units = f"compute units {self._unit.name}, as requested; Core ML does not tell what ran where"
        count = sum(plan.values())
        return {
            "proven": "all" if self._delegate in ("default", "coreml") else self._delegate,
            "nodes": count,
            "delegated": count,
            "partitions": 0,
            "left_over": {},
            "evidence": f"{units}; no plan: {why}" if why else f"{units}; planned, not proven",
            "requested_only": True,
            "plan": plan,
        }

    def set_inputs(self, arrays: Sequence[Any]) -> None:
        """See the base class."""
        self._data = {feature.name: given(feature, array) for feature, array in zip(self._features.inputs, arrays)}

    def invoke(self) -> None:
        """See the base class."""
        try:
            self._results = self._model.predict(self._data, *self._state)
        except RuntimeError as error:
            raise _refusal("inference failed", error) from error

    def output(self, position: int) -> Any:
        """See the base class."""
        feature = self._outputs[position]
        if feature.name not in self._results:
            raise EngineError("model", f"Core ML gave no output {feature.name!r}, only {sorted(self._results)}")
        return taken(feature, self._results[feature.name])

    def reset(self) -> None:
        """See the base class: state is an object of its own, made anew."""
        if self._features.stateful:
            try:
                self._state = [self._model.make_state()]
            except Exception as error:  # a bare one where macOS is older than 15
                raise _refusal("Core ML cannot make the model's state", error) from error

    def profile(self, arrays: Sequence[Any], *, runs: int, max_ns: int) -> Profiled:  # noqa: ARG002 - there is none
        """See the base class."""
        raise EngineError("model", "coremltools has no profiler; Xcode's performance report of the model has one")


def _coremltools() -> Any:
    try:
        import coremltools
    except (ImportError, OSError, AttributeError) as error:
        raise EngineError("engine", f"coremltools does not load ({error}): {needed()}") from error
    return coremltools


@contextlib.contextmanager
def _named(path: str) -> Iterator[str]:
    """The model under a name that ends as Core ML wants it; folders are named so already, a blob by its hash."""
    if os.path.isdir(path) or path.endswith(IN_ONE_FILE):
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="edgedevice-") as folder:
        model = os.path.join(folder, "model" + IN_ONE_FILE)
        shutil.copyfile(path, model)
        yield model


def _refusal(what: str, error: Exception) -> EngineError:
    """An error of Core ML in one line, as the error of whoever is to blame."""
    said = " ".join(str(error).split())[:MOST_SAID] or type(error).__name__
    if BACKGROUND.search(said):
        return EngineError("background", f"{what}: {said}")
    if "CPU_AND_NE" in said:
        return EngineError("delegate", f"the Neural Engine cannot be asked for here: {said}")
    return EngineError("model", f"{what}: {said}")
