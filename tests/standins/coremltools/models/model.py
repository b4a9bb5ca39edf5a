"""As in coremltools, without what converts models."""

from __future__ import annotations

import copy
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from coremltools import ComputeUnit
from coremltools.libcoremlpython import NEWEST_SPECIFICATION, _MLModelProxy
from coremltools.specification import Specification, content_of, macos_version
from PIL import Image


class MLState:
    """As in coremltools."""

    def __init__(self, proxy: Any) -> None:
        self.__proxy__ = proxy


class MLModel:
    """As in coremltools."""

    def __init__(
        self,
        model: Any,
        is_temp_package: bool = False,
        mil_program: Any = None,
        skip_model_load: bool = False,
        compute_units: ComputeUnit = ComputeUnit.ALL,
        weights_dir: Any = None,
        function_name: Any = None,
        optimization_hints: dict[str, Any] | None = None,
    ) -> None:
        del is_temp_package, mil_program, skip_model_load, weights_dir, optimization_hints
        if not isinstance(compute_units, ComputeUnit):
            raise TypeError('"compute_units" parameter must be of type: coremltools.ComputeUnit')
        if compute_units == ComputeUnit.CPU_AND_NE and macos_version() < (13, 0):
            raise ValueError("coremltools.ComputeUnit.CPU_AND_NE is only available on macOS >= 13.0")
        if not isinstance(model, str):
            raise TypeError("Expected model to be a .mlmodel file, .mlpackage file or a Model_pb2 object")
        path = str(Path(model).absolute())
        content = content_of(path)
        self._spec = Specification(content)
        self._framework_error: RuntimeError | None = None
        self.__proxy__: Any = None
        self.function_name = function_name
        self._load(path, content, compute_units)

    def _load(self, path: str, content: dict[str, Any], compute_units: ComputeUnit) -> None:
        if self._spec.specificationVersion > NEWEST_SPECIFICATION:
            return
        try:
            self.__proxy__ = _MLModelProxy(path, compute_units.name, self.function_name or "", {}, None)
        except RuntimeError as error:
            warnings.warn(
                "You will not be able to run predict() on this Core ML model."
                " Underlying exception message was: " + str(error),
                RuntimeWarning,
                stacklevel=2,
            )
            self._framework_error = error

    def get_compiled_model_path(self) -> str:
        """As in coremltools."""
        if self.__proxy__ is None:
            raise Exception("This model was not loaded or compiled with the Core ML Framework.")  # noqa: TRY002
        return str(self.__proxy__.get_compiled_model_path())

    def get_spec(self) -> Any:
        """As in coremltools."""
        return copy.deepcopy(self._spec)

    def predict(self, data: Any, state: MLState | None = None) -> Any:
        """As in coremltools."""
        check_predict_data(data)
        if self.__proxy__ is None:
            if self._spec.specificationVersion > NEWEST_SPECIFICATION:
                raise Exception(  # noqa: TRY002 - as there
                    f"The specification has version {self._spec.specificationVersion} but the Core ML framework version"
                    f" installed only supports Core ML model specification version {NEWEST_SPECIFICATION} or older."
                )
            raise self._framework_error or Exception("Unable to load CoreML.framework. Cannot make predictions.")
        for name in data:
            if name not in {one.name for one in self._spec.description.input}:
                raise KeyError(
                    f'Provided key "{name}", in the input dict, does not match any of the model input name(s)'
                )
        self._check_images(data)
        widen(data)
        return self.__proxy__.predict(data, None if state is None else state.__proxy__)

    def _check_images(self, data: dict[str, Any]) -> None:
        for one in self._spec.description.input:
            if one.type.WhichOneof("Type") != "imageType":
                continue
            mode = {10: "L", 20: "RGB", 30: "RGB", 40: "F"}[one.type.imageType.colorSpace]
            if not isinstance(data.get(one.name), Image.Image) or data[one.name].mode != mode:
                raise TypeError(f"image input, '{one.name}', must be of type PIL.Image.Image with mode=='{mode}'")

    def make_state(self) -> MLState:
        """As in coremltools."""
        return MLState(new_state(self.__proxy__))


def check_predict_data(data: Any) -> None:
    """As ``_check_predict_data`` there."""
    if type(data) not in (list, dict):
        raise TypeError(f'"data" parameter must be either a dict or list of dict, but got {type(data)}.')


def widen(data: dict[str, Any]) -> None:
    """As ``_update_float16_multiarray_input_to_float32`` there: in the caller's own dictionary."""
    for name, value in data.items():
        if isinstance(value, np.ndarray) and value.dtype == np.float16:
            data[name] = value.astype(np.float32)


def new_state(proxy: Any) -> Any:
    """State, which needs macOS 15."""
    if macos_version() < (15, 0):
        raise Exception("State functionality is only supported on macOS 15+")  # noqa: TRY002 - as there
    return proxy.newState()
