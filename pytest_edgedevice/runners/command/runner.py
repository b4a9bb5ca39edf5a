"""Models that a user's own executable runs: ``runner = "command"``. The contract with it is COMMAND.md."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_edgedevice.errors import DelegateError, EdgeDeviceError, InputError, UnsupportedError
from pytest_edgedevice.runners.agent_loading import check_placement
from pytest_edgedevice.runners.backend import LoadRequest, Runner, Site
from pytest_edgedevice.runners.command.backend import CommandBackend
from pytest_edgedevice.runners.command.manifest import FORMATS, ArgumentTemplate, Order
from pytest_edgedevice.runners.command.process import CommandModel
from pytest_edgedevice.runners.command.result import Told
from pytest_edgedevice.runners.command.untyped import UntypedModel
from pytest_edgedevice.runners.describing import SUFFIXES, describe_here
from pytest_edgedevice.runners.device_program import DeviceProgram
from pytest_edgedevice.runners.loaded import LoadedModel
from pytest_edgedevice.runners.model_folders import one_file
from pytest_edgedevice.values import ModelInfo, Placement, TensorSpec

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from pytest_edgedevice.transports.base import Pushed

UNKNOWN = "unknown"
Tensors = tuple[tuple[TensorSpec, ...], tuple[TensorSpec, ...], str]


class CommandRunner(Runner):
    """Starts the user's program for each chunk of samples.

    Args:
        program: The executable on this host.
        arguments: Template of its arguments; see ``ArgumentTemplate``.
        environment: Variables of its processes.
        files: What lies beside it on the device.
        time_limit_s: Longest time of one process, seconds; 0 for the session's timeout.

    Raises:
        ConfigError: The template has an unknown placeholder, or two files have one name.
    """

    name = "command"

    def __init__(
        self,
        program: Path,
        *,
        arguments: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
        files: Sequence[Path] = (),
        time_limit_s: float = 0.0,
    ) -> None:
        self._template = ArgumentTemplate(arguments)
        self._program = DeviceProgram(program, files=files, environment=environment, time_limit_s=time_limit_s)

    def load(self, site: Site, request: LoadRequest) -> LoadedModel:
        """See ``Runner``; the program is asked to describe the model, which it may not be able to."""
        if request.engine:
            raise InputError(
                f"the runner 'command' has no engines to choose from, so {request.engine!r} is none",
                hint="leave engine out: the program is the engine",
            )
        source = one_file(request.source, "your program")
        self._program.place(site)
        pushed = self.push(site, source, timeout_s=site.timeout_s)
        model = CommandModel(self._program, self._template, site, request, pushed.sha256)
        try:
            return self._loaded(site, request, pushed, model)
        except BaseException:
            model.close()
            raise

    def _loaded(self, site: Site, request: LoadRequest, pushed: Pushed, model: CommandModel) -> LoadedModel:
        told = _described(model, request)
        model.format = told.format or FORMATS[0]
        placement = told.placement or _unproven(request)
        if not request.allow_fallback:
            _check_proof(placement, model.name, request)
        inputs, outputs, variant = _tensors(told, request)
        info = ModelInfo(
            name=request.source.name,
            sha256=pushed.sha256,
            size_bytes=pushed.size_bytes,
            variant=told.variant or variant,
            inputs=inputs,
            outputs=outputs,
            engine=told.engine or self.name,
            engine_version=told.engine_version or UNKNOWN,
            threads=request.threads,
        )
        backend = CommandBackend(
            model,
            info,
            placement,
            site=site,
            time_limit_s=self._program.time_limit_s,
            allow_fallback=request.allow_fallback,
            tick_ns=told.tick_ns,
            typed=bool(outputs),
        )
        load_ms = told.load_ns / 1e6 if told.load_ns is not None else float("nan")
        made = LoadedModel if outputs else UntypedModel
        return made(backend, info=info, placement=placement, site=site, load_ms=load_ms)

    def check(self, site: Site) -> None:
        """See ``Runner``: the program can be brought there; only a model would tell more."""
        self._program.place(site)

    def forget(self) -> None:
        """See ``Runner``."""
        self._program.forget()


def _described(model: CommandModel, request: LoadRequest) -> Told:
    try:
        return model.perform(Order("describe"), timeout_s=request.timeout_s).told
    except UnsupportedError:
        return Told()
    except EdgeDeviceError as error:
        hint = error.hint or "a program that cannot describe models says so with the error kind 'unsupported'"
        again = type(error)(f"model {request.source.name!r}: {error.message}", hint=hint)
        again.details = error.details
        raise again from None


def _unproven(request: LoadRequest) -> Placement:
    return Placement(request.delegate, UNKNOWN, 0, 0, 0, {}, "the program tells no placement")


def _check_proof(placement: Placement, program: str, request: LoadRequest) -> None:
    """Fail when a delegate that was asked for is not proven to run the whole model.

    Raises:
        DelegateError: It is not, and why.
    """
    if request.delegate != "default" and not placement.nodes:
        raise DelegateError(
            f"nothing proves that delegate {request.delegate!r} runs {request.source.name!r}: {program} told "
            + ("no placement" if placement.proven == UNKNOWN else "a placement of no operators"),
            hint='write "placement" to the result of "describe" (see COMMAND.md), or load with fallback="allow"',
        )
    check_placement(placement, request.source.name)


def _tensors(told: Told, request: LoadRequest) -> Tensors:
    """Inputs, outputs and variant: as the program tells them, else as this host reads a .tflite, else unknown."""
    if told.inputs is not None and told.output_specs is not None:
        first = told.inputs[0].dtype if told.inputs else UNKNOWN
        return told.inputs, told.output_specs, first
    if request.source.suffix.lower() in SUFFIXES:
        try:
            info = describe_here(request.source, timeout_s=request.timeout_s).info
        except EdgeDeviceError:
            return (), (), UNKNOWN  # what this host cannot read, the program may
        return info.inputs, info.outputs, info.variant
    return (), (), UNKNOWN
