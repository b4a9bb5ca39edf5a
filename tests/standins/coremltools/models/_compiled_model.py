"""As in coremltools."""

from __future__ import annotations

from typing import Any

from coremltools import ComputeUnit
from coremltools.libcoremlpython import _MLModelProxy
from coremltools.models.model import MLState, check_predict_data, new_state, widen


class CompiledMLModel:
    """As in coremltools; it has no specification to ask."""

    def __init__(
        self,
        path: str,
        compute_units: ComputeUnit = ComputeUnit.ALL,
        function_name: str | None = None,
        optimization_hints: dict[str, Any] | None = None,
        asset: Any = None,
    ) -> None:
        del optimization_hints, asset
        if not isinstance(path, str):
            raise TypeError('The "path" parameter must be of type "str".')
        if not isinstance(compute_units, ComputeUnit):
            raise TypeError('The "compute_units" parameter must be of type: "coremltools.ComputeUnit".')
        self.function_name = function_name or ""
        self._proxy = _MLModelProxy(path, compute_units.name, self.function_name, {}, None)

    def predict(self, data: Any, state: MLState | None = None) -> Any:
        """As in coremltools."""
        check_predict_data(data)
        widen(data)
        return self._proxy.predict(data, None if state is None else state.__proxy__)

    def make_state(self) -> MLState:
        """As in coremltools."""
        return MLState(new_state(self._proxy))
