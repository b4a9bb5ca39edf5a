"""A model under ``benchmark_model``: one process a sample, and a few timed runs a process."""

from __future__ import annotations

import contextlib
import math
import re
import secrets
from typing import TYPE_CHECKING

import numpy as np

from pytest_edgedevice.agent.wire import ITEM_BYTES
from pytest_edgedevice.errors import AgentDiedError, ConfigError, ContractError, ModelError
from pytest_edgedevice.runners.backend import Backend
from pytest_edgedevice.runners.benchmark_model.flags import runs_flags
from pytest_edgedevice.runners.benchmark_model.series import BenchmarkSeries, nanoseconds
from pytest_edgedevice.runners.benchmark_model.watching import profile, watch
from pytest_edgedevice.runners.device_files import DeviceFolder
from pytest_edgedevice.runners.exchange import Exchanged
from pytest_edgedevice.runners.host_view import conditions_there, is_emulated
from pytest_edgedevice.runners.measure import measure
from pytest_edgedevice.runners.samples import refuse_nan

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pytest_edgedevice.findings import Profile, Resources
    from pytest_edgedevice.runners.backend import Question, Site
    from pytest_edgedevice.runners.benchmark_model.report import Log
    from pytest_edgedevice.runners.benchmark_model.tool import Tool
    from pytest_edgedevice.runners.samples import Batch
    from pytest_edgedevice.values import Array, Fact, ModelInfo, TensorSpec, Timing

OUTPUT = "outputs.raw"
_PLAIN = re.compile(r"[A-Za-z0-9_./-]{1,200}")


class BenchmarkBackend(Backend):
    """See ``Backend``.

    Args:
        tool: The tool on its device.
        flags: Flags that every process gets: model, threads, delegate.
        info: The model.
        site: Where.
        log: Of the process that tried the model out.

    """

    why_not = "benchmark_model runs this model, and takes neither frames nor code"

    def __init__(self, tool: Tool, flags: Mapping[str, str], info: ModelInfo, *, site: Site, log: Log) -> None:
        self.emulated = is_emulated(site.link)
        self._tool = tool
        self._flags = dict(flags)
        self._info = info
        self._site = site
        self._memory = log.memory_mb
        self._closed = False

    def run(self, parts: Sequence[Batch], *, timeout_s: float, allow_nan: bool) -> Exchanged:
        """See ``Backend``; a process for each sample, as the tool writes the outputs of its last run only."""
        self._check_open()
        if not self._tool.build.has_outputs:
            raise ModelError(
                f"{self._tool.name} runs on random inputs and writes no outputs, so that nothing can be compared",
                hint="it can be measured; for outputs use TensorFlow Lite's benchmark_model of 2.9 or later, "
                'or runner = "native"',
            )
        outputs: dict[str, list[Array]] = {spec.name: [] for spec in self._info.outputs}
        times: list[int] = []
        for part in parts:
            if not allow_nan:
                refuse_nan(part.arrays, self._info.inputs, first=len(times))
            for at in range(part.samples):
                sample = {name: array[at] for name, array in part.arrays.items()}
                pieces, time_ns = self._one(sample, timeout_s=timeout_s)
                times.append(time_ns)
                for name, piece in pieces.items():
                    outputs[name].append(piece[np.newaxis])
        return Exchanged({name: _merged(pieces) for name, pieces in outputs.items()}, tuple(times))

    def _one(self, sample: Mapping[str, Array], *, timeout_s: float) -> tuple[dict[str, Array], int]:
        folder = self._folder()
        try:
            flags = {**self._flags, **self.inputs(folder, sample), "output_filepath": f"{folder.path}/{OUTPUT}"}
            flags |= runs_flags(self._tool.build, runs=1, warmup_runs=0, warmup_s=0)
            _, statistics = self._tool.run(flags, runs=1, operation="run", timeout_s=timeout_s)
            size = folder.sizes([OUTPUT]).get(OUTPUT)
            if size is None:
                raise ContractError(f"{self._tool.name} ended 'run' with exit code 0 and wrote no outputs")
            shapes = _shapes(self._info.outputs, size, self._tool.name)
            return _split(self._info.outputs, shapes, folder.read({OUTPUT: size})[OUTPUT]), nanoseconds(statistics.last)
        finally:
            folder.remove()

    def _folder(self) -> DeviceFolder:
        path = f"{self._site.link.folder}/benchmark-{secrets.token_hex(4)}"
        if any(sign in path for sign in ",:"):
            raise ConfigError(f"the tool's flags cannot name files below {path!r}, for its comma or colon")
        return DeviceFolder(self._site.link, path, timeout_s=self._site.timeout_s)

    def inputs(self, folder: DeviceFolder, sample: Mapping[str, Array]) -> dict[str, str]:
        """Put one sample there; the flags that name it.

        The tool goes by position and warns where it knows a tensor by another name than a signature does; names that
        its flags cannot say are replaced.
        """
        folder.make()
        arrays = [sample[spec.name] for spec in self._info.inputs]
        if not arrays:
            return {}
        if any(not array.shape for array in arrays):
            why = "benchmark_model cannot be given an input without dimensions"
            raise ModelError(why, hint='use runner = "native"')
        names = [spec.name for spec in self._info.inputs]
        if not all(_PLAIN.fullmatch(name) for name in names):
            names = [f"input{position}" for position in range(len(arrays))]
        files = [f"input{position}.raw" for position in range(len(arrays))]
        folder.put({file: np.ascontiguousarray(array).tobytes() for file, array in zip(files, arrays, strict=True)})
        return {
            "input_layer": ",".join(names),
            "input_layer_shape": ":".join(",".join(str(size) for size in array.shape) for array in arrays),
            "input_layer_value_files": ",".join(
                f"{name}:{folder.path}/{file}" for name, file in zip(names, files, strict=True)
            ),
        }

    def measure(self, sample: Batch, question: Question, *, load_ms: float) -> Timing:
        """See ``Backend``. ``samples_ns`` are real times, three a process, each process warmed up by the tool."""
        with self._given(sample) as flags:
            series = BenchmarkSeries(self._tool, flags, timeout_s=self._site.timeout_s, conditions=self.conditions)
            return measure(series, sample, load_ms=load_ms, **question)

    @contextlib.contextmanager
    def _given(self, sample: Batch) -> Iterator[dict[str, str]]:
        """The flags for runs on a sample, as long as it is there."""
        self._check_open()
        folder = self._folder()
        flags = dict(self._flags)
        try:
            if self._tool.build.has_outputs:
                flags |= self.inputs(folder, {name: array[0] for name, array in sample.arrays.items()})
            yield flags
        finally:
            folder.remove()

    def resources(self, sample: Batch, *, seconds: float) -> Resources:
        """See ``Backend``; two processes, so that the cost of starting one can be left out."""
        with self._given(sample) as flags:
            return watch(
                self._tool, flags, seconds=seconds, timeout_s=self._site.timeout_s, cores=self._site.care.cores
            )

    def profile(self, sample: Batch, *, runs: int, seconds: float, delegate: str) -> Profile:
        """See ``Backend``: the tool's own profile."""
        with self._given(sample) as flags:
            limit_s = self._site.timeout_s
            return profile(self._tool, flags, runs=runs, seconds=seconds, timeout_s=limit_s, delegate=delegate)

    def conditions(self) -> dict[str, Fact]:
        """See ``Backend``: what the host sees of the device, and what the tool told of its memory and inputs."""
        found: dict[str, Fact] = {f"benchmark_{name}_mb": value for name, value in self._memory.items()}
        if not self._tool.build.has_outputs:
            found["benchmark_inputs"] = "random"
        return {**conditions_there(self._site.link, timeout_s=self._site.timeout_s), **found}

    def _check_open(self) -> None:
        if self._closed:
            raise AgentDiedError(f"model {self._info.name!r} was closed; load it again")

    def close(self) -> None:
        """See ``Backend``; nothing of it stays between processes."""
        self._closed = True


def _shapes(specs: Sequence[TensorSpec], size: int, tool: str) -> list[tuple[int, ...]]:
    """Each output's shape; one that varies follows from the size of the file, if it is the only one that does.

    Raises:
        ContractError: The file has another size than the outputs.
        ModelError: Where one output ends and the next begins cannot be told.
    """
    shapes = [spec.shape for spec in specs]
    unknown = sum(shape.count(-1) for shape in shapes)
    if unknown > 1:
        raise ModelError(
            "the model's outputs vary in more than one dimension, and benchmark_model writes their bytes alone",
            hint='use runner = "native"',
        )
    fixed = sum(_bytes(spec, spec.shape) for spec in specs if -1 not in spec.shape)
    if unknown:
        at, spec = next((at, spec) for at, spec in enumerate(specs) if -1 in spec.shape)
        step = _bytes(spec, tuple(size for size in spec.shape if size != -1))
        count, rest = divmod(size - fixed, step) if step else (0, size - fixed)
        if rest or count < 0:
            raise ContractError(f"{tool} wrote {size} bytes of outputs, which the model's outputs never have")
        shapes[at] = tuple(count if one == -1 else one for one in spec.shape)
    elif size != fixed:
        raise ContractError(f"{tool} wrote {size} bytes of outputs where the model has {fixed}")
    return shapes


def _bytes(spec: TensorSpec, shape: tuple[int, ...]) -> int:
    return math.prod(shape) * ITEM_BYTES[spec.dtype]


def _split(specs: Sequence[TensorSpec], shapes: Sequence[tuple[int, ...]], content: bytes) -> dict[str, Array]:
    found: dict[str, Array] = {}
    at = 0
    for spec, shape in zip(specs, shapes, strict=True):
        size = _bytes(spec, shape)
        found[spec.name] = np.frombuffer(content[at : at + size], spec.dtype).reshape(shape)
        at += size
    return found


def _merged(pieces: Sequence[Array]) -> list[Array]:
    """One piece where all have one shape."""
    return [np.concatenate(pieces)] if len({piece.shape for piece in pieces}) == 1 else list(pieces)
