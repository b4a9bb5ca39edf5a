"""A leased device: load models on it.

The public API outside pytest, and what the plugin's fixtures are made of.
``Device`` and ``LoadedModel`` speak in plain values, so that a proxy for a
device on another host can stand in for them.
"""

from __future__ import annotations

import math
import os
import sys
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from pytest_edgedevice.errors import DelegateError, EdgeDeviceError, InputError, ModelError
from pytest_edgedevice.runners.bundle import agent_bundle
from pytest_edgedevice.runners.client import AgentClient
from pytest_edgedevice.runners.loaded import LoadedModel
from pytest_edgedevice.runners.replies import read_load

if TYPE_CHECKING:
    from types import TracebackType

    from pytest_edgedevice.leases import Lease
    from pytest_edgedevice.transports.base import Process, Pushed, Transport
    from pytest_edgedevice.values import Fact, Placement

DELEGATES = ("default", "cpu", "xnnpack", "reference", "gpu", "npu")
TIMEOUT_S = 60.0
LOAD_TIMEOUT_S = 120.0


class Device:
    """One physical device, ours alone until ``close``.

    Attributes:
        name: For people: the name in ``edgedevice.toml``, or the spec.
        facts: What selection expressions and records know of it.
        identity: What tells the hardware from all other.
    """

    def __init__(
        self,
        transport: Transport,
        *,
        name: str,
        facts: Mapping[str, Fact] | None = None,
        lease: Lease | None = None,
        engine: str = "",
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        self.name = name
        self.facts = dict(transport.facts() if facts is None else facts)
        self.identity = transport.identity()
        self._transport = transport
        self._lease = lease
        self._engine = engine
        self._timeout_s = timeout_s
        self._models: list[LoadedModel] = []
        self._closed = False
        self._owner = os.getpid()

    def __repr__(self) -> str:
        return f"<Device {self.name} by {self._transport.kind}>"

    def push(self, path: str | os.PathLike[str], *, timeout_s: float | None = None) -> Pushed:
        """Bring a model file to the device; content that is there already is not sent again.

        Raises:
            ModelError: The file is missing, a folder or empty.
            DeviceFullError, DeviceLostError, DeadlineError: The world failed; nothing half-written stays.
        """
        self._check_open()
        source = _model_file(path)
        return self._transport.push(source, timeout_s=self._timeout_s if timeout_s is None else timeout_s)

    def load(
        self,
        path: str | os.PathLike[str],
        *,
        delegate: str = "default",
        threads: int = 1,
        engine: str = "",
        fallback: str = "fail",
        delegate_options: Mapping[str, Any] | None = None,
        timeout_s: float = LOAD_TIMEOUT_S,
    ) -> LoadedModel:
        """Push a model by content hash and load it in an agent process of its own.

        Args:
            path: The model's file on this host.
            delegate: ``default`` (the engine's own choice, XNNPACK, with whatever it leaves on
                built-in kernels), or one that must take the whole model: ``cpu`` (built-in
                kernels), ``xnnpack``, ``reference``, ``gpu``, ``npu``, ``external:PATH``.
            threads: Threads for the engine's kernels.
            engine: ``litert`` or ``tflite``; by default the first that the device has.
            fallback: ``fail`` or ``allow``: whether operators that the delegate leaves may run elsewhere.
            delegate_options: Options for an external delegate.
            timeout_s: Deadline for preparing the model; accelerators may compile for minutes.

        Raises:
            InputError: An argument has no such value.
            ModelError: The file is missing or broken, or the engine refuses it.
            DelegateError: The delegate is absent, or left operators over; they are listed.
            AgentDiedError, DeviceFullError, DeviceLostError, DeadlineError: The world failed.
        """
        _check_arguments(delegate, threads, fallback, engine=engine, options=delegate_options)
        check_seconds("timeout_s", timeout_s)
        self._check_open()
        source = _model_file(path)
        process = self._start_agent()
        try:  # the file travels while the agent starts
            pushed = self._transport.push(source, timeout_s=self._timeout_s)
        except BaseException:
            process.kill()
            raise
        client = AgentClient(process, where=self.name, sha256=agent_bundle().sha256, timeout_s=self._timeout_s)
        try:
            fields = {
                "sha256": pushed.sha256,
                "delegate": delegate,
                "delegate_options": {str(key): str(value) for key, value in (delegate_options or {}).items()},
                "threads": threads,
                "engine": engine or self._engine,
                "allow_fallback": fallback == "allow",
            }
            reply = _named(client, source, fields, timeout_s)
            loaded = read_load(client, reply, requested=delegate)
            if fallback == "fail":
                check_placement(loaded.placement, Path(path).name)
            model = LoadedModel(
                client,
                info=loaded.info(Path(path).name, pushed, threads),
                placement=loaded.placement,
                device_name=self.name,
                load_ms=loaded.load_ms,
                timeout_s=self._timeout_s,
                on_close=self._models_remove,
            )
        except BaseException:
            client.close()
            raise
        self._models.append(model)
        return model

    def _start_agent(self) -> Process:
        path = self._transport.place(agent_bundle().content, timeout_s=self._timeout_s)
        return self._transport.start(self._transport.agent_command(path))

    def _models_remove(self, model: LoadedModel) -> None:
        if model in self._models:
            self._models.remove(model)

    def tell_waiters(self, test: str) -> None:
        """Say in the holder's record what the device is used for now."""
        if self._lease:
            self._lease.update(test=test)

    def _check_open(self) -> None:
        if self._closed:
            raise InputError(f"device {self.name!r} is closed; open it again")

    def close(self) -> None:
        """End every model, remove our files from the device, hand it back; idempotent."""
        if self._closed or os.getpid() != self._owner:
            return  # a forked child must not end what its parent uses
        self._closed = True
        try:
            for model in list(self._models):
                model.close()
        finally:
            try:
                self._transport.close()
            finally:
                if self._lease:
                    self._lease.release()

    def __del__(self) -> None:
        if not getattr(self, "_closed", True) and not sys.is_finalizing():
            warnings.warn(f"device {self.name!r} was never closed", ResourceWarning, stacklevel=1)
            self.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _model_file(path: str | os.PathLike[str]) -> Path:
    if not isinstance(path, str | os.PathLike):
        raise InputError(f"a model is named by its path, not by {type(path).__name__}")
    source = Path(path)
    if not source.is_file():
        what = "is a folder" if source.is_dir() else "is no regular file" if source.exists() else "does not exist"
        hint = "name the .tflite file in it" if source.is_dir() else f"paths are relative to {Path.cwd()}"
        raise ModelError(f"model {str(source)!r} {what}", hint=hint)
    if source.stat().st_size == 0:
        raise ModelError(f"model {str(source)!r} is empty")
    return source


def check_seconds(name: str, value: Any, *, zero: bool = False) -> None:
    """Refuse what is no finite span of time.

    Raises:
        InputError: It is none; the message names the argument.
    """
    sound = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    if not sound or value < 0 or (value == 0 and not zero):
        raise InputError(f"{name} must be a {'' if zero else 'positive '}number of seconds, not {value!r:.60}")


def _check_arguments(delegate: Any, threads: Any, fallback: str, *, engine: Any, options: Any) -> None:
    if not isinstance(delegate, str) or not isinstance(engine, str):
        raise InputError(f"delegate and engine are names, e.g. 'cpu' and 'litert', not {delegate!r} and {engine!r}")
    library = delegate.removeprefix("external:")
    if options is not None and not isinstance(options, Mapping):
        raise InputError(f"delegate_options is a mapping of option to value, not {options!r:.60}")
    if options and library == delegate:
        raise InputError(f"delegate_options are for external:PATH delegates; {delegate!r} takes none")
    if delegate not in DELEGATES and (library == delegate or not library):
        known = ", ".join(DELEGATES)
        raise DelegateError(f"delegate {delegate!r} is unknown; known are {known}, external:PATH")
    if type(threads) is not int or not 1 <= threads <= 1024:
        raise InputError(f"threads must be a whole number from 1 to 1024, not {threads!r}")
    if fallback not in ("fail", "allow"):
        raise InputError(f"fallback must be 'fail' or 'allow', not {fallback!r}")


def _named(client: AgentClient, source: Path, fields: dict[str, Any], timeout_s: float) -> dict[str, Any]:
    """Ask for the load; a refusal is told with the model's name."""
    try:
        return client.request("load", fields, timeout_s=timeout_s).header
    except EdgeDeviceError as error:
        hint = error.hint or _load_hint(error, source)
        raise type(error)(f"model {source.name!r}: {error.message}", hint=hint) from None


def _load_hint(error: EdgeDeviceError, source: Path) -> str:
    if "custom op" in error.message:
        return "the runtime lacks this operator; convert the model without it, or use a runtime that has it"
    if "Flatbuffer" in error.message:
        with source.open("rb") as file:
            start = file.read(24)
        if start.startswith(b"version https://git-lfs"):
            return "it is a Git LFS pointer, not the model: git lfs pull"
        return f"the file has {source.stat().st_size} bytes and begins with {start[:8]!r}: is it whole, and a .tflite?"
    return ""


def check_placement(placement: Placement, model: str) -> None:
    """Fail when a delegate that was asked for did not take the whole model.

    Raises:
        DelegateError: With the operators left over.
    """
    if placement.requested == "default" or (placement.complete and placement.proven == placement.requested):
        return
    left = ", ".join(
        f"{name} x{count}" for name, count in sorted(placement.left_over.items(), key=lambda item: -item[1])[:12]
    )
    taken = f"took {placement.delegated} of {placement.nodes} operators"
    raise DelegateError(
        f"delegate {placement.requested!r} {taken} of {model!r}; left over: {left or 'all'}",
        hint='fallback="allow" runs those elsewhere and says so',
    )
