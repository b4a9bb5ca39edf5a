"""The few functions of libLiteRt.so that profile a model; its Python package wraps none of them.

The parts of the ABI that are relied on are those of 2.2 and later, as in the
native agent. Runs in a process of its own, see ``profiling``: a library of
another build may crash, and must not take the agent with it.

Source:
    litert/c/litert_profiler.h and its neighbours in the public LiteRT repository (Apache-2.0).
"""

from __future__ import annotations

import ctypes
from pathlib import Path
from typing import Any, Dict, List

DIMENSIONS = 8
READ, WRITE = 0, 1
MOST_SUMMARY_BYTES = 4 << 20
Handle = ctypes.c_void_p


class Layout(ctypes.Structure):
    """LiteRtLayout."""

    _fields_ = [
        ("rank", ctypes.c_uint32, 7),
        ("has_strides", ctypes.c_uint32, 1),
        ("dimensions", ctypes.c_int32 * DIMENSIONS),
        ("strides", ctypes.c_uint32 * DIMENSIONS),
    ]


class TensorType(ctypes.Structure):
    """LiteRtRankedTensorType."""

    _fields_ = [("element_type", ctypes.c_int), ("layout", Layout)]


class LiteRtError(Exception):
    """A function said no."""


class ProfiledModel:
    """A model compiled with its profiler on.

    Args:
        library: Path of libLiteRt.so.
        model: Content of the model's file.
        kernels: ``delegate`` (XNNPACK) or ``builtin``.
        accelerators: 1 for the CPU, 2 for the GPU, 4 for an NPU.
        threads: For the CPU's kernels.

    Raises:
        LiteRtError: The library refuses; the message names the function.
    """

    def __init__(self, library: str, model: bytes, *, kernels: str, accelerators: int, threads: int) -> None:
        self._library = ctypes.CDLL(library)
        self._content = model  # must outlive the model
        self._signature = ctypes.c_size_t(0)
        self._environment, self._model, self._compiled, self._profiler = Handle(), Handle(), Handle(), Handle()
        self._call("CreateEnvironment", ctypes.c_int(0), None, ctypes.byref(self._environment))
        size = ctypes.c_size_t(len(model))
        self._call("CreateModelFromBuffer", self._environment, model, size, ctypes.byref(self._model))
        options = Handle()
        self._call("CreateOptions", ctypes.byref(options))
        self._call("SetOptionsHardwareAccelerators", options, ctypes.c_int(accelerators))
        self._add(options, "xnnpack", f'kernel_mode = "{kernels}"\nnum_threads = {threads}\n')
        self._add(options, "runtime_options_string", "enable_profiling = true\n")
        self._call("CreateCompiledModel", self._environment, self._model, options, ctypes.byref(self._compiled))
        self._call("CompiledModelGetProfiler", self._compiled, ctypes.byref(self._profiler))
        if self._profiler.value is None:
            raise LiteRtError("LiteRT gives no profiler")

    def _call(self, name: str, *arguments: Any) -> None:
        try:
            function = self._library[f"LiteRt{name}"]
        except AttributeError:
            raise LiteRtError(f"this LiteRT has no function LiteRt{name}; 2.2 or later is needed") from None
        function.restype = ctypes.c_int
        status = function(*arguments)
        if status:
            raise LiteRtError(f"LiteRt{name} failed with status {status}")

    def _add(self, options: Handle, name: str, text: str) -> None:
        """Give it one set of options as TOML; the text is the library's to free."""
        c = ctypes.CDLL(None)
        c.strdup.restype, c.strdup.argtypes = Handle, [ctypes.c_char_p]
        free, opaque = ctypes.cast(c.free, Handle), Handle()
        copy = Handle(c.strdup(text.encode()))
        self._call("CreateOpaqueOptions", ctypes.c_char_p(name.encode()), copy, free, ctypes.byref(opaque))
        self._call("AddOpaqueOptions", options, opaque)

    def prepare(self, inputs: Dict[int, bytes], *, key: str) -> None:
        """Make the buffers and fill the inputs, by the tensor's index in the graph.

        Args:
            inputs: One sample.
            key: Name of the signature that runs the main graph; empty for a model without any.
        """
        signature = self._find(key.encode())
        self._inputs = self._buffers(signature, "Input", inputs)
        self._outputs = self._buffers(signature, "Output", {})

    def _find(self, key: bytes) -> Handle:
        count, signature, name = ctypes.c_size_t(), Handle(), ctypes.c_char_p()
        self._call("GetNumModelSignatures", self._model, ctypes.byref(count))
        for at in range(count.value):
            self._signature = ctypes.c_size_t(at)
            self._call("GetModelSignature", self._model, self._signature, ctypes.byref(signature))
            self._call("GetSignatureKey", signature, ctypes.byref(name))
            if not key or name.value == key:
                return signature
        raise LiteRtError("no signature of the model runs its main graph, and LiteRT runs signatures only")

    def _buffers(self, signature: Handle, kind: str, contents: Dict[int, bytes]) -> Any:
        count = ctypes.c_size_t()
        self._call(f"GetNumSignature{kind}s", signature, ctypes.byref(count))
        buffers: List[Handle] = []
        for at in range(count.value):
            position = ctypes.c_size_t(at)
            tensor, needs, buffer = Handle(), Handle(), Handle()
            index, kind_of, room = ctypes.c_uint32(), TensorType(), ctypes.c_size_t()
            self._call(f"GetSignature{kind}TensorByIndex", signature, position, ctypes.byref(tensor))
            self._call("GetTensorIndex", tensor, ctypes.byref(index))
            self._call("GetRankedTensorType", tensor, ctypes.byref(kind_of))
            requirements = f"GetCompiledModel{kind}BufferRequirements"
            self._call(requirements, self._compiled, self._signature, position, ctypes.byref(needs))
            made = "CreateManagedTensorBufferFromRequirements"
            self._call(made, self._environment, ctypes.byref(kind_of), needs, ctypes.byref(buffer))
            self._call("GetTensorBufferSize", buffer, ctypes.byref(room))
            content = contents.get(index.value)
            if content is not None:
                if len(content) > room.value:
                    raise LiteRtError(f"LiteRT has room for {room.value} bytes where an input has {len(content)}")
                self._copy(buffer, content)
            elif kind == "Input":
                raise LiteRtError("LiteRT names an input that the main graph does not have")
            buffers.append(buffer)
        return (Handle * len(buffers))(*buffers)

    def _copy(self, buffer: Handle, content: bytes) -> None:
        memory = Handle()
        self._call("LockTensorBuffer", buffer, ctypes.byref(memory), ctypes.c_int(WRITE))
        ctypes.memmove(memory, content, len(content))
        self._call("UnlockTensorBuffer", buffer)

    def run(self) -> None:
        """One inference, until its outputs could be read."""
        inputs, outputs = self._inputs, self._outputs
        given, got = ctypes.c_size_t(len(inputs)), ctypes.c_size_t(len(outputs))
        self._call("RunCompiledModel", self._compiled, self._signature, given, inputs, got, outputs)
        for buffer in outputs:  # accelerators return before the work is done
            memory = Handle()
            self._call("LockTensorBuffer", Handle(buffer), ctypes.byref(memory), ctypes.c_int(READ))
            self._call("UnlockTensorBuffer", Handle(buffer))

    def start(self) -> None:
        """Begin to take times."""
        self._call("StartProfiler", self._profiler)

    def summary(self) -> bytes:
        """What the profiler found since ``start``, as text in the library's own layout."""
        self._call("StopProfiler", self._profiler)
        text = ctypes.c_char_p()
        self._call("GetProfileSummary", self._profiler, self._compiled, ctypes.byref(text))
        return (text.value or b"")[:MOST_SUMMARY_BYTES]


def library_path() -> str:
    """libLiteRt.so of the package that is installed.

    Raises:
        LiteRtError: It has none.
    """
    import ai_edge_litert

    for folder in ai_edge_litert.__path__:
        for name in ("libLiteRt.so", "libLiteRt.dylib"):
            path = Path(folder) / name
            if path.is_file():
                return str(path)
    raise LiteRtError("the package ai_edge_litert holds no libLiteRt.so")
