"""The near side: a device and its models that stand in for those behind another host's lease."""

from __future__ import annotations

import contextlib
import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from pytest_edgedevice.device import check_seconds
from pytest_edgedevice.device.loading import model_file
from pytest_edgedevice.errors import AgentDiedError, DeviceLostError, InputError
from pytest_edgedevice.evaluation.evaluated import Evaluated
from pytest_edgedevice.findings import Profile, Resources, Stages, Stream
from pytest_edgedevice.leases import Quarantine
from pytest_edgedevice.runners.model_folders import one_file
from pytest_edgedevice.runners.samples import Batch, batches, has_batch_axis
from pytest_edgedevice.runners.staged import module_content, raw_sample
from pytest_edgedevice.values import Run, Timing
from tests.contract.proxy.line import Line
from tests.contract.proxy.plain import Loaded, Opened, Tensors, arrays_of, read

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence

    from pytest_edgedevice.agent.wire import Frame
    from pytest_edgedevice.values import Array

CHUNK_BYTES = 1 << 20
LOAD_TIMEOUT_S = 120.0


class ProxyDevice:
    """A device that a server has opened for us where it is; see ``DeviceLike``.

    Args:
        command: Starts the server.
        wait_s: How long it may wait there for another holder, seconds.
        timeout_s: Deadline for each exchange with the device, seconds.
        name: What it is called here; by default as it is called there.
    """

    def __init__(self, command: Sequence[str], *, wait_s: float = 0.0, timeout_s: float = 60.0, name: str = "") -> None:
        self._line = Line(command)
        self._timeout_s = timeout_s
        self._closed = False
        self.recovered: tuple[str, ...] = ()
        try:
            fields = {"wait_s": wait_s, "timeout_s": timeout_s}
            told = read(Opened, self._ask("open", fields, timeout_s=wait_s + timeout_s).header["result"])
        except BaseException:
            self._line.end()
            raise
        self.name, self.identity, self.shared = name or told.name, told.identity, told.shared
        self.facts = dict(told.facts)

    def _ask(self, operation: str, fields: dict[str, Any], tensors: Tensors | None = None, **rest: Any) -> Frame:
        frame = self._line.ask(operation, fields, tensors or Tensors(), **rest)
        self.recovered = tuple(str(one) for one in frame.header.get("recovered", ()))
        return frame

    def load(self, path: str | os.PathLike[str], *, timeout_s: float | None = None, **given: Any) -> ProxyModel:
        """See ``Device.load``; the file's content travels, if it is not there yet."""
        timeout_s = LOAD_TIMEOUT_S if timeout_s is None else timeout_s
        check_seconds("timeout_s", timeout_s)
        self._line.check_owner(f"device {self.name!r}")
        if self._closed:
            raise InputError(f"device {self.name!r} is closed; open it again")
        source = one_file(model_file(path), "this proxy")
        content = source.read_bytes()
        sha256 = hashlib.sha256(content).hexdigest()
        if not self._ask("have", {"sha256": sha256}, timeout_s=self._timeout_s).header["result"]:
            for at in range(0, len(content), CHUNK_BYTES):
                place = {"sha256": sha256, "offset": at, "total": len(content)}
                self._line.ask("put", place, content[at : at + CHUNK_BYTES], timeout_s=self._timeout_s)
        fields = {"sha256": sha256, "name": source.name, "timeout_s": timeout_s, **given}
        told = self._ask("load", fields, timeout_s=timeout_s + self._timeout_s).header["result"]
        return ProxyModel(self._line, self.name, read(Loaded, told), timeout_s=self._timeout_s)

    def _call(self, name: str, *, timeout_s: float = 0.0, **given: Any) -> Any:
        fields = {"name": name, "given": given}
        return self._ask("call", fields, timeout_s=timeout_s + self._timeout_s).header["result"]

    def reconnect(self, *, wait_s: float) -> None:
        """See ``Device``."""
        self._call("reconnect", timeout_s=wait_s, wait_s=wait_s)

    def waiters(self) -> int:
        """See ``Device``."""
        return int(self._call("waiters"))

    def tell_waiters(self, test: str) -> None:
        """See ``Device``."""
        self._call("tell_waiters", test=test)

    def note_fault(self, reason: str) -> Quarantine | None:
        """See ``Device``."""
        found = self._call("note_fault", reason=reason)
        return None if found is None else read(Quarantine, found)

    def note_health(self) -> None:
        """See ``Device``."""
        self._call("note_health")

    def close(self) -> None:
        """See ``Device``; ends the server."""
        if self._closed or not self._line.is_ours:
            return
        self._closed = True
        try:
            if not self._line.ended:
                with contextlib.suppress(DeviceLostError):  # then its lease is free, and its agents are gone
                    self._call("close")
        finally:
            self._line.end(by_us=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class ProxyModel(Evaluated):
    """A model on such a device; see ``LoadedModelLike``."""

    def __init__(self, line: Line, device_name: str, told: Loaded, *, timeout_s: float) -> None:
        self.info, self.placement, self.load_ms = told.info, told.placement, told.load_ms
        self.device_name = device_name
        self._line = line
        self._number = told.number
        self._timeout_s = timeout_s

    def run(self, inputs: Any, *, allow_nan: bool = False, timeout_s: float | None = None) -> Run:
        """See ``LoadedModel``; names, shapes and dtypes are checked here, before anything travels."""
        parts = batches(inputs, self.info.inputs)
        samples = sum(part.samples for part in parts)
        longest_s = (self._timeout_s if timeout_s is None else timeout_s) * (samples + 1)
        fields = {"allow_nan": allow_nan, "timeout_s": timeout_s}
        frame = self._ask("run", fields, parts, timeout_s=longest_s)
        outputs: dict[str, Any] = {str(name): [] for name in frame.header["names"]}
        times: tuple[int, ...] = ()
        for role, name, array in arrays_of(frame):
            if role == "timing":
                times = tuple(int(value) for value in array)
            elif role == "sample":
                outputs[name].append(array)
            else:
                outputs[name] = array
        return Run(outputs, frame.header["result"], times, self.info, self.placement, self.device_name)

    def measure(self, inputs: Any = None, *, max_s: float = 30.0, **given: Any) -> Timing:
        """See ``LoadedModel``."""
        parts = None if inputs is None else batches(inputs, self.info.inputs)[:1]
        frame = self._ask("measure", {"max_s": max_s, **given}, parts, timeout_s=max_s + 2 * self._timeout_s)
        return read(Timing, frame.header["result"])

    def resources(self, inputs: Any = None, *, seconds: float = 2.0) -> Resources:
        """See ``LoadedModel``."""
        return read(Resources, self._watch("resources", inputs, seconds=seconds))

    def stream(self, frames: Any = None, *, fps: float = 30.0, seconds: float = 10.0) -> Stream:
        """See ``LoadedModel``."""
        return read(Stream, self._watch("stream", frames, fps=fps, seconds=seconds))

    def profile(self, inputs: Any = None, *, runs: int = 50, seconds: float = 10.0) -> Profile:
        """See ``LoadedModel``."""
        return read(Profile, self._watch("profile", inputs, runs=runs, seconds=seconds))

    def stages(self, module: Any = None, sample: Any = None, *, runs: int = 200, seconds: float = 10.0) -> Stages:
        """See ``LoadedModel``; the content of the module travels, and the sample as it is."""
        limits = {"runs": runs, "seconds": seconds}
        if module is None:
            return read(Stages, self._watch("stages", sample, **limits))
        tensors = Tensors()
        for name, array in raw_sample(sample).items():
            tensors.add(name, array)
        fields = {"model": self._number, "module": module_content(Path(module)).decode("latin-1"), **limits}
        self._line.check_owner(f"model {self.info.name!r}")
        timeout_s = 8 * seconds + 2 * self._timeout_s
        return read(Stages, self._line.ask("stages", fields, tensors, timeout_s=timeout_s).header["result"])

    def _watch(self, operation: str, inputs: Any, *, seconds: float, **given: Any) -> Any:
        parts = None if inputs is None else batches(inputs, self.info.inputs)
        fields = {"operation": operation, "seconds": seconds, **given}
        return self._ask("watch", fields, parts, timeout_s=8 * seconds + 2 * self._timeout_s).header["result"]

    def _ask(self, operation: str, fields: dict[str, Any], parts: list[Batch] | None, *, timeout_s: float) -> Frame:
        self._line.check_owner(f"model {self.info.name!r}")
        tensors, counts = Tensors(), None if parts is None else [len(part.arrays) for part in parts]
        for part in parts or ():
            for spec in self.info.inputs:  # as a user gives it: the model's own batch dimension is the sample axis
                array: Array = part.arrays[spec.name]
                tensors.add(spec.name, array[:, 0] if has_batch_axis(spec) else array)
        if self._line.ended_by_us:
            raise AgentDiedError(f"the agent on {self.device_name} has ended; load the model again")
        fields = {"model": self._number, "counts": counts, **fields}
        return self._line.ask(operation, fields, tensors, timeout_s=timeout_s)

    def close(self) -> None:
        """See ``LoadedModel``."""
        if self._line.is_ours and not self._line.ended:
            with contextlib.suppress(DeviceLostError):
                self._line.ask("close_model", {"model": self._number}, Tensors(), timeout_s=self._timeout_s)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
