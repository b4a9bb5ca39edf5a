"""The ``Interpreter`` API, shared by ai-edge-litert and tflite-runtime.

Serves the delegates ``default``, ``xnnpack``, ``cpu``, ``reference`` and
``external:PATH``. Placement is read off the graph after it was prepared.
"""

from __future__ import annotations

import ctypes
import warnings
from typing import Any, Dict, List, Sequence, Tuple

import numpy as np

from pytest_edgedevice.agent.engines.base import Engine, EngineError, LoadOptions, Profiled
from pytest_edgedevice.agent.engines.description import described_tensor, unique
from pytest_edgedevice.agent.engines.placement import DELEGATE, account
from pytest_edgedevice.agent.engines.profiling import check_profilable, profile
from pytest_edgedevice.agent.engines.variant import label

RESOURCES = frozenset({"VAR_HANDLE", "CALL_ONCE", "HASHTABLE"})


class InterpreterEngine(Engine):
    """One model in a TFLite interpreter."""

    def __init__(self, path: str, options: LoadOptions, name: str, version: str) -> None:
        self.name = name
        self.version = version
        self._path = path
        self._options = options
        self._module = _module(name)
        self._build()
        self.has_resources = bool(RESOURCES & {node["op_name"] for node in self._nodes})
        self._dirty = False
        try:
            self._read_tensors()
        except (RuntimeError, ValueError, TypeError) as error:
            raise EngineError("model", f"the runtime cannot describe the model's tensors: {error}") from error

    def _read_tensors(self) -> None:
        inputs, outputs = self._interpreter.get_input_details(), self._interpreter.get_output_details()
        names = self._names([int(d["index"]) for d in inputs], [int(d["index"]) for d in outputs])
        self._inputs = inputs
        self._output_indices = [int(d["index"]) for d in outputs]
        self.inputs = [described_tensor(d, name) for d, name in zip(inputs, names[0])]
        self.outputs = [described_tensor(d, name) for d, name in zip(outputs, names[1])]
        for described, index in zip(self.outputs, self._output_indices):
            if not self._is_placed(index):
                described["shape"] = [-1] * len(described["shape"])
        self._shapes = [tuple(int(size) for size in d["shape"]) for d in inputs]
        self.variant = label(self._interpreter.get_tensor_details(), self._nodes, inputs, outputs)

    def _build(self) -> None:
        interpreter = self._create()
        before = _graph(interpreter)
        try:
            interpreter.allocate_tensors()
        except (RuntimeError, ValueError) as error:
            raise EngineError("model", str(error)) from error
        self._interpreter = interpreter
        self._first_of_engine = len(before)
        self._read_graph()

    def _read_graph(self) -> None:
        external = self._options.delegate.startswith("external:")
        self._nodes = _graph(self._interpreter)
        self._delegate_nodes = [
            at
            for at, node in enumerate(self._nodes)
            if node["op_name"] == DELEGATE and (at < self._first_of_engine) == external
        ]

    def _create(self) -> Any:
        resolvers = self._module.OpResolverType
        resolver = {"cpu": resolvers.BUILTIN_WITHOUT_DEFAULT_DELEGATES, "reference": resolvers.BUILTIN_REF}
        delegate = self._options.delegate
        known = delegate in ("default", "xnnpack", "cpu", "reference") or delegate.startswith("external:")
        if not known:
            raise EngineError("delegate", f"delegate {delegate!r} is unknown to the engine {self.name!r}")
        delegates = [self._external()] if delegate.startswith("external:") else None
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # tflite-runtime announces its own retirement at every start
                return self._module.Interpreter(
                    model_path=self._path,
                    num_threads=self._options.threads,
                    experimental_delegates=delegates,
                    experimental_op_resolver_type=resolver.get(delegate, resolvers.AUTO),
                )
        except (RuntimeError, ValueError) as error:
            raise EngineError("delegate" if delegates else "model", str(error)) from error

    def _external(self) -> Any:
        library = self._options.delegate[len("external:") :]
        try:
            ctypes.CDLL(library)  # first, because load_delegate leaves a broken object behind when this fails
            return self._module.load_delegate(library, self._options.delegate_options)
        except (AttributeError, OSError, ValueError, RuntimeError) as error:
            raise EngineError("delegate", f"delegate library {library!r} cannot be loaded: {error}") from error

    def _names(self, inputs: List[int], outputs: List[int]) -> Tuple[List[str], List[str]]:
        """Signature names where the primary graph has a signature, tensor names otherwise; unique in either case."""
        by_input: Dict[int, str] = {}
        by_output: Dict[int, str] = {}
        for signature in _signatures(self._interpreter).values():
            if set(signature["outputs"].values()) <= set(outputs):
                by_input = {int(index): name for name, index in signature["inputs"].items()}
                by_output = {int(index): name for name, index in signature["outputs"].items()}
                break
        details = {int(d["index"]): str(d["name"]) for d in self._interpreter.get_tensor_details()}
        return unique(inputs, by_input, details, "input"), unique(outputs, by_output, details, "output")

    def _is_placed(self, index: int) -> bool:
        """Whether a tensor has memory before the first run; one without it gets its shape from the values."""
        try:
            self._interpreter.get_tensor(index)
        except ValueError:
            return False
        return True

    def placement(self) -> Dict[str, Any]:
        """See the base class. Built-in and reference kernels take every operator by construction."""
        delegate = self._options.delegate
        counted = account(self._nodes, self._output_indices, self._delegate_nodes)
        if delegate in ("cpu", "reference"):
            taken = [node for node in self._nodes if node["op_name"] == DELEGATE]
            counted.update(
                delegated=0 if taken else counted["nodes"], left_over={DELEGATE: len(taken)} if taken else {}
            )
            return dict(counted, partitions=0, proven=delegate, evidence="no delegate node in the prepared graph")
        proven = "xnnpack" if delegate == "default" else delegate
        evidence = f"{len(self._delegate_nodes)} delegate nodes in the prepared graph"
        return dict(counted, proven=proven if self._delegate_nodes else "cpu", evidence=evidence)

    def set_inputs(self, arrays: Sequence[Any]) -> None:
        """See the base class; a shape other than the last one prepares the graph anew."""
        shapes = [array.shape for array in arrays]
        if shapes != self._shapes:
            self._resize(shapes)
        for position, array in enumerate(arrays):
            try:
                self._interpreter.set_tensor(self._inputs[position]["index"], array)
            except ValueError as error:  # tflite-runtime 2.14 cannot take uint16, for one
                name = self.inputs[position]["name"]
                raise EngineError("model", f"the engine {self.name!r} does not take input {name!r}: {error}") from error

    def _resize(self, shapes: List[Tuple[int, ...]]) -> None:
        try:
            for detail, shape, old in zip(self._inputs, shapes, self._shapes):
                if shape != old:
                    self._interpreter.resize_tensor_input(detail["index"], list(shape))
            self._interpreter.allocate_tensors()
        except (RuntimeError, ValueError) as error:
            self._start_over()  # a half-prepared graph cannot be used again
            raise EngineError("input", f"the model does not take inputs of shape {shapes}: {error}") from error
        self._shapes = shapes
        if not self._options.allow_fallback and self._options.delegate.startswith(("xnnpack", "external:")):
            self._prove_again()

    def _prove_again(self) -> None:
        """A delegate may leave operators over at one shape that it takes at another.

        Raises:
            EngineError: It does; the interpreter is back at the model's own shapes.
        """
        self._read_graph()
        placement = self.placement()
        if placement["left_over"] or placement["proven"] != self._options.delegate:
            shapes = self._shapes
            self._start_over()
            left = ", ".join(f"{name} x{count}" for name, count in placement["left_over"].items()) or "all"
            took = f"took {placement['delegated']} of {placement['nodes']} operators"
            raise EngineError(
                "delegate", f"delegate {self._options.delegate!r} {took} at input shapes {shapes}; left over: {left}"
            )

    def _start_over(self) -> None:
        self._build()
        self._shapes = [tuple(int(size) for size in d["shape"]) for d in self._interpreter.get_input_details()]

    def invoke(self) -> None:
        """See the base class."""
        self._interpreter.invoke()

    def output(self, position: int) -> Any:
        """See the base class; a copy, because a view would forbid the interpreter its next step."""
        index = self._output_indices[position]
        try:
            return self._interpreter.get_tensor(index)
        except ValueError:
            # the API cannot hand out a tensor without elements, which is a result like any other
            detail = self._interpreter.get_output_details()[position]
            if 0 not in detail["shape"]:
                raise
            return np.empty([int(size) for size in detail["shape"]], detail["dtype"])

    @property
    def main_signature(self) -> str:
        """Name of the signature of the primary graph; empty without one."""
        outputs = set(self._output_indices)
        found = _signatures(self._interpreter).items()
        return next((key for key, one in found if set(one["outputs"].values()) <= outputs), "")

    @property
    def input_indices(self) -> List[int]:
        """Of the input tensors in the graph, in their order."""
        return [int(detail["index"]) for detail in self._inputs]

    def profile(self, arrays: Sequence[Any], *, runs: int, max_ns: int) -> Profiled:
        """See the base class."""
        check_profilable(self.name, self.version, self._options.delegate)
        inputs = {index: array.tobytes() for index, array in zip(self.input_indices, arrays)}
        return profile(self._path, inputs, self._options, signature=self.main_signature, runs=runs, max_ns=max_ns)

    def reset(self) -> None:
        """See the base class. Resource variables outlive ``reset_all_variables``: those need a new interpreter."""
        if self.has_resources:
            if self._dirty:
                self._start_over()
            self._dirty = True
        else:
            self._interpreter.reset_all_variables()


def _module(name: str) -> Any:
    try:
        if name == "litert":
            from ai_edge_litert import interpreter
        else:
            from tflite_runtime import interpreter
    except (ImportError, OSError, AttributeError) as error:
        raise EngineError("engine", f"engine {name!r} is installed but does not load: {error}") from error
    return interpreter


def _graph(interpreter: Any) -> List[Dict[str, Any]]:
    # private, but the only place where the truth about delegation can be read
    return list(interpreter._get_ops_details())  # noqa: SLF001


def _signatures(interpreter: Any) -> Dict[str, Dict[str, Dict[str, int]]]:
    """Signatures of the primary graph; those of other graphs use the same indices for other tensors."""
    wrapper = interpreter._interpreter  # noqa: SLF001 - no public call tells which graph a signature is for
    full: Dict[str, Any] = getattr(interpreter, "_get_full_signature_list", dict)() or {}
    return {key: entry for key, entry in full.items() if wrapper.GetSubgraphIndexFromSignature(key) == 0}
