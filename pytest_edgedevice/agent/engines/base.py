"""What an inference engine must offer the agent."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Any, Dict, List, Sequence

from pytest_edgedevice.agent.wire import ITEM_BYTES, MAX_NAME_CHARS

DTYPES = frozenset(ITEM_BYTES)


class EngineError(Exception):
    """The engine refuses; ``kind`` is the protocol's error kind (model, delegate, input, engine: see PROTOCOL.md)."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


@dataclass(frozen=True)
class Profiled:
    """What an engine's profiler said in its own layout, and of how many inferences."""

    summary: bytes
    runs: int


@dataclass(frozen=True)
class LoadOptions:
    """How a model is to be loaded.

    Attributes:
        engine: Engine name, or empty for the first that is here.
        delegate: ``default``, ``cpu``, ``xnnpack``, ``reference``, ``gpu``, ``npu`` or ``external:PATH``; of Core ML
            ``cpu_only``, ``cpu_and_gpu``, ``cpu_and_ne``, ``all``, ``coreml``.
        delegate_options: Options of ``npu`` or of an external delegate, as strings.
        threads: Threads for the engine's kernels, at least 1.
        allow_fallback: Whether operators that the delegate leaves may run elsewhere.
    """

    engine: str = ""
    delegate: str = "default"
    delegate_options: Dict[str, str] = field(default_factory=dict)
    threads: int = 1
    allow_fallback: bool = False


class Engine(ABC):
    """One loaded model.

    Attributes:
        name, version: The runtime.
        inputs, outputs: Tensor descriptions as they go over the wire: ``name``,
            ``dtype``, ``shape`` (-1 where it varies) and ``quantization``.
        variant: Label for how the model is quantised.
    """

    name: str
    version: str
    variant: str
    inputs: List[Dict[str, Any]]
    outputs: List[Dict[str, Any]]

    @abstractmethod
    def placement(self) -> Dict[str, Any]:
        """Which operators the delegate runs: the fields of ``values.Placement`` but ``requested``."""

    @abstractmethod
    def set_inputs(self, arrays: Sequence[Any]) -> None:
        """Give one sample's arrays in the order of ``inputs``, each of the tensor's full shape."""

    @abstractmethod
    def invoke(self) -> None:
        """Run once; returns when the outputs can be read at no further cost."""

    @abstractmethod
    def output(self, position: int) -> Any:
        """The array of an output; the caller's own, whatever the engine does next."""

    @abstractmethod
    def reset(self) -> None:
        """Forget state between samples."""

    @abstractmethod
    def profile(self, arrays: Sequence[Any], *, runs: int, max_ns: int) -> Profiled:
        """Where the time goes, by operator.

        Args:
            arrays: One sample, as for ``set_inputs``.
            runs: Inferences at most.
            max_ns: No inference is started later than this after the first, nanoseconds.

        Raises:
            EngineError: It cannot be told, and why.
        """


def check_name(name: str) -> str:
    """Refuse a name that is too long to be one.

    Raises:
        EngineError: How long it is.
    """
    if len(name) > MAX_NAME_CHARS:
        raise EngineError(
            "model", f"the name of tensor {name[:40]!r}... has {len(name)} characters; {MAX_NAME_CHARS} are the most"
        )
    return name


def check_dtype(name: str, dtype: str) -> str:
    """Refuse tensors that cannot be sent as plain bytes.

    Raises:
        EngineError: Strings, resources, packed types.
    """
    if dtype not in DTYPES:
        shown = "string" if dtype in ("bytes", "bytes_", "str", "object", "object_") else dtype
        raise EngineError(
            "model",
            f"tensor {name!r} has dtype {shown}, which cannot be sent; wrap the model so that it takes numbers",
        )
    return dtype
