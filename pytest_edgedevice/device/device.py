"""The device itself: its link, its lease, and the models that are loaded on it."""

from __future__ import annotations

import contextlib
import os
import sys
import warnings
from typing import TYPE_CHECKING, Any

from pytest_edgedevice.device.leased import Leased
from pytest_edgedevice.device.loading import check_arguments, check_seconds, load_patience, model_file
from pytest_edgedevice.device.reconnecting import connected_again, taken_over
from pytest_edgedevice.errors import EdgeDeviceError, InputError
from pytest_edgedevice.runners.agents import AgentRunner
from pytest_edgedevice.runners.backend import LoadRequest, Runner, Site
from pytest_edgedevice.runners.care import Care, cores_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pytest_edgedevice.leases import Holder, Lease
    from pytest_edgedevice.runners.loaded import LoadedModel
    from pytest_edgedevice.transports.base import Pushed, Transport
    from pytest_edgedevice.values import Fact

TIMEOUT_S = 60.0


class Device(Leased):
    """One physical device, ours alone until ``close``.

    Attributes:
        name: For people: the name in ``edgedevice.toml``, or the spec.
        facts: What selection expressions and records know of it.
        identity: What tells the hardware from all other; the key of its lease.
        shared: Whether others may use it at the same time; nothing can be measured then.
        recovered: What had to be cleaned up after a holder that crashed, a clause each; mostly empty.
    """

    def __init__(
        self,
        transport: Transport,
        *,
        name: str,
        facts: Mapping[str, Fact] | None = None,
        lease: Lease | None = None,
        connect: Callable[[], Transport] | None = None,
        runner: Runner | None = None,
        timeout_s: float = TIMEOUT_S,
        care: Care | None = None,
    ) -> None:
        self.name = name
        self.facts = dict(transport.facts() if facts is None else facts)
        self.identity = transport.identity()
        self.shared = lease is not None and lease.shared
        self.recovered: tuple[str, ...] = transport.taken_over
        self._transport = transport
        self._lease = lease
        self._connect = connect
        self._runner = runner or AgentRunner()
        self._timeout_s = timeout_s
        self._care = care or Care(cores=cores_of(self.facts))
        self._models: list[LoadedModel] = []
        self._clean = True
        self._closed = False
        self._owner = os.getpid()

    def __repr__(self) -> str:
        return f"<Device {self.name} by {self._transport.kind}>"

    def push(self, path: str | os.PathLike[str], *, timeout_s: float | None = None) -> Pushed:
        """Bring a model's file or folder to the device; content that is there already is not sent again.

        Raises:
            ModelError: It is missing or empty, or a folder that is no model.
            DeviceFullError, DeviceLostError, DeadlineError: The world failed; nothing half-written stays.
        """
        self._check_open()
        source = model_file(path)
        timeout = self._timeout_s if timeout_s is None else timeout_s
        return self._runner.push(self._site(), source, timeout_s=timeout)

    def load(
        self,
        path: str | os.PathLike[str],
        *,
        delegate: str = "default",
        threads: int = 1,
        engine: str = "",
        fallback: str = "fail",
        delegate_options: Mapping[str, Any] | None = None,
        timeout_s: float | None = None,
    ) -> LoadedModel:
        """Push a model by content hash and load it, as a rule in an agent process of its own.

        Args:
            path: The model's file on this host; of Core ML's, the folder.
            delegate: ``default`` (the engine's own choice, XNNPACK, with whatever it leaves on
                built-in kernels), or one that must take the whole model: ``cpu`` (built-in
                kernels), ``xnnpack``, ``reference``, ``gpu``, ``npu``, ``nnapi``,
                ``external:PATH``; or what Core ML is asked to use, which nothing proves: ``cpu_only``,
                ``cpu_and_gpu``, ``cpu_and_ne``, ``all``, which is also called ``coreml``.
            threads: Threads for the engine's kernels.
            engine: ``litert``, ``tflite`` or ``coreml``; by default the first that the device has.
            fallback: ``fail`` or ``allow``: whether operators that the delegate leaves may run elsewhere.
            delegate_options: Options for an external delegate, or for ``npu``: ``{"openvino.device": "cpu"}``
                has Intel's OpenVINO compile for the processor, which the placement's evidence then says.
            timeout_s: Deadline for preparing the model, which accelerators may compile for minutes; by default
                twice the device's own for an exchange, and ten times for Core ML and where an app runs it.

        Raises:
            InputError: An argument has no such value.
            ModelError: The file is missing or broken, or the engine refuses it.
            DelegateError: The delegate is absent, or left operators over; they are listed. It is a
                DelegateImpossibleError where this device's runner can never offer it.
            AgentDiedError, DeviceFullError, DeviceLostError, DeadlineError: The world failed.
        """
        check_arguments(delegate, threads, fallback, engine=engine, options=delegate_options)
        if timeout_s is not None:
            check_seconds("timeout_s", timeout_s)
        self._check_open()
        source = model_file(path)
        patience = load_patience(source, delegate, engine, usual=self._runner.load_patience)
        request = LoadRequest(
            source,
            delegate=delegate,
            threads=threads,
            engine=engine,
            allow_fallback=fallback == "allow",
            options={str(key): str(value) for key, value in (delegate_options or {}).items()},
            timeout_s=max(self._timeout_s, 1.0) * patience if timeout_s is None else timeout_s,
        )
        model = self._runner.load(self._site(), request)
        model.delegate_options = request.options or {}
        self._models.append(model)
        return model

    def conditions(self) -> Mapping[str, Fact]:
        """What may disturb a measurement now, as far as the link itself can ask: battery, heat, free space.

        Raises:
            InfraError: The link failed.
        """
        self._check_open()
        return self._transport.conditions()

    def check_health(self) -> None:
        """Prove that models can be run there.

        Raises:
            InfraError: It cannot, and why.
        """
        self._check_open()
        self._runner.check(self._site())

    def recover(self, *crashed: Holder) -> None:
        """Clean up after holders that crashed, and check the device's health; see ``recovered``.

        Args:
            crashed: Who they were, as their records claim.

        Raises:
            InfraError: The device is not well.
        """
        self._clean = False
        done: list[str] = []
        for one in crashed:
            told = any(text.startswith(f"taken over from {one.user} (pid {one.pid}") for text in self.recovered)
            done += [] if told and one.pid else [taken_over(one)]  # the device's own lock knows who held it, too
            done += self._transport.clean(one.folder, timeout_s=self._timeout_s)
        self._is_well(tuple(done))

    def reconnect(self, *, wait_s: float) -> None:
        """Wait for a device that was lost, keep its lease, and connect to it again; its models are gone.

        Raises:
            DeviceLostError: It did not come back in time, or another piece of hardware did.
            InfraError: It came back and is not well.
        """
        self._check_open()
        left, self._clean = self._transport.folder, False
        self._end_link()
        self._runner.forget()
        self._transport = connected_again(self._connect, identity=self.identity, name=self.name, wait_s=wait_s)
        done = self._transport.clean(left, timeout_s=self._timeout_s)
        self._is_well(("lost and back", *self._transport.taken_over, *done))

    def _is_well(self, clauses: tuple[str, ...]) -> None:
        """Check the health of a device that was cleaned; from now on only our own things are on it."""
        self.check_health()
        self.recovered = (*self.recovered, *clauses)
        if self._lease:
            self._lease.update(folder=self._transport.folder)
        self._clean = True

    def _end_link(self) -> None:
        """Let go of a link that is dead already: nothing that fails here is news."""
        for model in list(self._models):
            with contextlib.suppress(EdgeDeviceError):
                model.lose()
        with contextlib.suppress(EdgeDeviceError):
            self._transport.close()

    def _site(self) -> Site:
        return Site(
            self._transport,
            self.name,
            self._timeout_s,
            alone=not self.shared,
            on_close=self._models_remove,
            care=self._care,
        )

    def _models_remove(self, model: LoadedModel) -> None:
        if model in self._models:
            self._models.remove(model)

    def _check_open(self) -> None:
        if os.getpid() != self._owner:
            raise InputError(f"device {self.name!r} was opened by another process", hint="open it in this one")
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
            self._runner.close(self._site())
        finally:
            try:
                self._transport.close()
            except BaseException:
                self._clean = False  # whoever is next must look for what we could not remove
                raise
            finally:
                if self._lease:
                    self._lease.release(clean=self._clean)

    def __del__(self) -> None:
        if not getattr(self, "_closed", True) and not sys.is_finalizing():
            warnings.warn(f"device {self.name!r} was never closed", ResourceWarning, stacklevel=1)
            self.close()
