"""ONNX Runtime running the ONNX twin of a model, on the processor of this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_edgedevice.errors import MissingExtraError, ModelError
from pytest_edgedevice.goldens.hashing import file_sha256
from pytest_edgedevice.goldens.servers.server import Origin, Server
from pytest_edgedevice.values import TensorSpec

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

DTYPES = {
    "float": "float32",
    "double": "float64",
    **{name: name for name in ("float16", "bool")},
    **{f"{sign}int{bits}": f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)},
}
QUIET = 3  # errors only: what it says of graphs that it mends is no trouble of the user's
SHOWN = 300


class OnnxTwin(Server):
    """A model in ONNX's format.

    Args:
        file: The ``.onnx`` file.

    Raises:
        MissingExtraError: ONNX Runtime is not installed.
        ModelError: It does not take the file.
    """

    def __init__(self, file: Path) -> None:
        try:
            import onnxruntime
        except ImportError as error:
            raise MissingExtraError(
                "recording from an .onnx file needs ONNX Runtime",
                hint="pip install 'pytest-edgedevice[onnx]'",
            ) from error
        self._file = file
        self._version: str = onnxruntime.__version__
        self._sha256 = file_sha256(file)
        options = onnxruntime.SessionOptions()
        options.log_severity_level = QUIET
        try:
            self._session = onnxruntime.InferenceSession(
                str(file), sess_options=options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:
            raise ModelError(f"{file.name} is not taken by ONNX Runtime {self._version}: {_brief(error)}") from error
        self.inputs = [self._spec(one) for one in self._session.get_inputs()]
        self.outputs = [self._spec(one) for one in self._session.get_outputs()]

    def answer(self, inputs: Mapping[str, Any], outputs: Sequence[str]) -> Mapping[str, Any]:
        """See ``Server``."""
        names = list(outputs) or [spec.name for spec in self.outputs]
        try:
            values = self._session.run(names, dict(inputs))
        except Exception as error:
            raise ModelError(
                f"{self._file.name} failed under ONNX Runtime {self._version}: {_brief(error)}",
                hint="if its batch is fixed inside the graph, record with --batch 1",
            ) from error
        return dict(zip(names, values, strict=True))

    def origin(self) -> Origin:
        """See ``Server``."""
        source = {"kind": "onnx", "file": self._file.name, "sha256": self._sha256, "providers": self._providers()}
        return Origin("onnxruntime", self._version, self._sha256, source)

    def _providers(self) -> str:
        return ", ".join(self._session.get_providers())

    def _spec(self, one: Any) -> TensorSpec:
        kind = str(one.type).removeprefix("tensor(").removesuffix(")")
        shape = tuple(size if isinstance(size, int) else -1 for size in one.shape or ())
        return TensorSpec(one.name, DTYPES.get(kind, kind), shape)


def _brief(error: Exception) -> str:
    words = " ".join(str(error).split())
    return words if len(words) <= SHOWN else f"{words[: SHOWN - 3]}..."
