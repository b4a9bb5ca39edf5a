"""LiteRT's ``CompiledModel``: the delegates ``gpu`` and ``npu``.

The accelerator is requested without the CPU bit: only then does the runtime
refuse a model that it would otherwise run elsewhere without a word. Runs are
asynchronous, so an inference ends when every output was read.
"""

from __future__ import annotations

import re
from typing import Any, Dict, List, Sequence

import numpy as np

from pytest_edgedevice.agent.engines.base import Engine, EngineError, LoadOptions, Profiled
from pytest_edgedevice.agent.engines.npu_options import check_options, grouped, shown
from pytest_edgedevice.agent.engines.profiling import check_profilable, profile

TAKEN = frozenset({"bool", "float16", "float32", "int8", "int32", "uint8"})
"""Element types that LiteRT's TensorBuffer reads and writes; the names of its private table."""


class CompiledEngine(Engine):
    """One model compiled for an accelerator."""

    name = "litert"

    def __init__(self, path: str, options: LoadOptions, version: str) -> None:
        self.version = version
        self._options = options
        self._path = path
        check_options(options.delegate, options.delegate_options)
        self._describe_tensors(path)
        self._compile(path)
        known = self._model.get_signature_list()
        # the first one may be of another graph than the one that the interpreter runs
        key = self._main_signature if self._main_signature in known else next(iter(known))
        position = self._model.get_signature_index(key)
        self._signature = position
        self._input_buffers = self._model.create_input_buffers(position)
        self._output_buffers = self._model.create_output_buffers(position)
        self._results: List[Any] = []

    def _describe_tensors(self, path: str) -> None:
        """Names, shapes and quantisation come from the interpreter, so that they are the same under every delegate."""
        from pytest_edgedevice.agent.engines.interpreter import InterpreterEngine

        plain = InterpreterEngine(path, LoadOptions(delegate="cpu"), self.name, self.version)
        self.inputs, self.outputs, self.variant = plain.inputs, plain.outputs, plain.variant
        self._nodes = plain.placement()["nodes"]
        self._indices, self._main_signature = plain.input_indices, plain.main_signature
        if plain.has_resources:
            raise EngineError(
                "delegate",
                f"{self._options.delegate}: the model keeps state in resource variables, "
                "which CompiledModel cannot reset between samples",
            )
        for tensor in [*self.inputs, *self.outputs]:
            if tensor["dtype"] not in TAKEN or -1 in tensor["shape"]:
                odd_dtype = tensor["dtype"] not in TAKEN
                what = f"has dtype {tensor['dtype']}" if odd_dtype else "has a shape that varies"
                raise EngineError(
                    "delegate",
                    f"{self._options.delegate}: tensor {tensor['name']!r} {what}, which CompiledModel cannot take",
                )

    def _compile(self, path: str) -> None:
        try:
            from ai_edge_litert.compiled_model import CompiledModel
            from ai_edge_litert.hardware_accelerator import HardwareAccelerator
        except (ImportError, OSError) as error:
            what = f"{self._options.delegate} needs CompiledModel, which {self.name} {self.version} does not load"
            raise EngineError("delegate", f"{what}: {_one_line(error)}") from error

        wanted = {"gpu": HardwareAccelerator.GPU, "npu": HardwareAccelerator.NPU}[self._options.delegate]
        self._whole = True
        try:
            self._model = CompiledModel.from_file(path, **self._wishes(wanted))
            return
        except (RuntimeError, ValueError, OSError) as error:
            if not self._options.allow_fallback:
                what = f"{self._options.delegate} is not usable here, or did not take the whole model"
                raise EngineError("delegate", f"{what}: {_one_line(error)}") from error
        self._whole = False
        try:
            self._model = CompiledModel.from_file(path, **self._wishes(wanted | HardwareAccelerator.CPU))
        except (RuntimeError, ValueError, OSError) as error:
            raise EngineError("delegate", f"{self._options.delegate} is not usable here: {_one_line(error)}") from error

    def _wishes(self, accelerators: Any) -> Dict[str, Any]:
        """Arguments for LiteRT; versions before 2.3 know no grouped options, and need none for what they offer."""
        told = self._options.delegate_options
        return {"options": grouped(accelerators, told)} if told else {"hardware_accel": accelerators}

    def placement(self) -> Dict[str, Any]:
        """See the base class. Which operators a fallback ran is not told by this interface, and so not claimed."""
        if self._whole:
            taken, left, proven = self._nodes, {}, self._options.delegate
            evidence = "compiled without the CPU accelerator"
        else:
            taken, left, proven = 0, {"unknown": self._nodes}, "unknown"
            evidence = "compiled with the CPU accelerator as well; the share of each is not told"
        evidence += shown(self._options.delegate_options)
        return {
            "proven": proven,
            "nodes": self._nodes,
            "delegated": taken,
            "partitions": int(self._whole),
            "left_over": left,
            "evidence": evidence,
        }

    def set_inputs(self, arrays: Sequence[Any]) -> None:
        """See the base class."""
        for spec, buffer, array in zip(self.inputs, self._input_buffers, arrays):
            try:
                buffer.write(np.ascontiguousarray(array))
            except (RuntimeError, ValueError, TypeError) as error:
                what = f"{self._options.delegate} does not take input {spec['name']!r}"
                raise EngineError("model", f"{what}: {_one_line(error)}") from error

    def invoke(self) -> None:
        """See the base class."""
        self._model.run_by_index(self._signature, self._input_buffers, self._output_buffers)
        self._results = [self._read(buffer, spec) for buffer, spec in zip(self._output_buffers, self.outputs)]

    def _read(self, buffer: Any, spec: Dict[str, Any]) -> Any:
        count = int(np.prod(spec["shape"], dtype=np.int64))
        try:
            return buffer.read(count, np.dtype(spec["dtype"]).type)
        except (RuntimeError, ValueError, TypeError) as error:
            what = f"{self._options.delegate} does not give output {spec['name']!r}"
            raise EngineError("model", f"{what}: {_one_line(error)}") from error

    def output(self, position: int) -> Any:
        """See the base class."""
        return np.asarray(self._results[position]).reshape(self.outputs[position]["shape"])

    def profile(self, arrays: Sequence[Any], *, runs: int, max_ns: int) -> Profiled:
        """See the base class."""
        check_profilable(self.name, self.version, self._options.delegate)
        inputs = {index: array.tobytes() for index, array in zip(self._indices, arrays)}
        return profile(self._path, inputs, self._options, signature=self._main_signature, runs=runs, max_ns=max_ns)

    def reset(self) -> None:
        """See the base class: models with resource variables were refused, the runtime refuses variable tensors."""


def _one_line(error: Exception) -> str:
    """The runtime's own words without its source locations, and without advice for who calls it in C++."""
    text = re.sub(r"(ERROR: )?\[\S+:\d+\]|Add kLiteRtHwAcceleratorCpu [^.]*\.|[\u2514\s]+", " ", str(error))
    return " ".join(text.split()) or "it gives no reason"
