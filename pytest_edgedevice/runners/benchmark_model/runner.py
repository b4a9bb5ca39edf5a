"""Models under the official ``benchmark_model``, TensorFlow Lite's or LiteRT's: ``runner = "benchmark_model"``."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from pytest_edgedevice.errors import DelegateError, InputError
from pytest_edgedevice.runners.agent_loading import check_placement
from pytest_edgedevice.runners.backend import LoadRequest, Runner, Site
from pytest_edgedevice.runners.benchmark_model.backend import BenchmarkBackend
from pytest_edgedevice.runners.benchmark_model.flags import delegate_flags, runs_flags
from pytest_edgedevice.runners.benchmark_model.placement import placement_of
from pytest_edgedevice.runners.benchmark_model.tool import Tool
from pytest_edgedevice.runners.describing import Described, describe_here
from pytest_edgedevice.runners.device_program import DeviceProgram
from pytest_edgedevice.runners.loaded import LoadedModel
from pytest_edgedevice.runners.model_folders import one_file

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from pytest_edgedevice.values import Placement

UNKNOWN = "unknown"


class BenchmarkModelRunner(Runner):
    """Starts the tool for each sample and for each few timed runs.

    Args:
        program: The tool on this host, built for the device.
        arguments: Further flags, e.g. ``--gpu_precision_loss_allowed=false``.
        environment: Variables of its processes.
        files: What lies beside it on the device, a delegate's library for one.
        time_limit_s: Longest time of one process, seconds; 0 for the session's timeout.
    """

    name = "benchmark_model"

    def __init__(
        self,
        program: Path,
        *,
        arguments: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
        files: Sequence[Path] = (),
        time_limit_s: float = 0.0,
    ) -> None:
        self._program = DeviceProgram(program, files=files, environment=environment, time_limit_s=time_limit_s)
        self._arguments = tuple(arguments)
        self._tool: Tool | None = None
        self._described: dict[str, Described] = {}

    def load(self, site: Site, request: LoadRequest) -> LoadedModel:
        """See ``Runner``; one process tries the model out, and tells where it ran."""
        if request.engine:
            raise InputError(
                f"the runner 'benchmark_model' has no engines to choose from, so {request.engine!r} is none",
                hint="leave engine out",
            )
        source = one_file(request.source, "benchmark_model")
        tool = self._tool_there(site)
        flags = delegate_flags(request, tool.build, tool=tool.name)
        pushed = self.push(site, source, timeout_s=site.timeout_s)
        if pushed.sha256 not in self._described:
            self._described[pushed.sha256] = describe_here(request.source, timeout_s=request.timeout_s)
        described = self._described[pushed.sha256]
        path = f"{site.link.folder}/{pushed.sha256}"
        flags = {"graph": path, **tool.build.known({"num_threads": str(request.threads)}), **flags}
        tried = {**flags, **runs_flags(tool.build, runs=1, warmup_runs=0, warmup_s=0)}
        tried |= tool.build.known({"enable_op_profiling": "true", "report_peak_memory_footprint": "true"})
        log, _ = tool.run(tried, runs=1, operation="load", timeout_s=request.timeout_s, exactly=False)
        placement = placement_of(log, request, tool.build, nodes=described.nodes)
        if not request.allow_fallback:
            _check_proof(placement, request, tool.name)
        info = dataclasses.replace(
            described.info,
            name=request.source.name,
            sha256=pushed.sha256,
            size_bytes=pushed.size_bytes,
            engine=tool.build.flavour,
            engine_version=log.version or UNKNOWN,
            threads=request.threads,
        )
        load_ms = log.init_us / 1000 if log.init_us is not None else float("nan")
        backend = BenchmarkBackend(tool, flags, info, site=site, log=log)
        return LoadedModel(backend, info=info, placement=placement, site=site, load_ms=load_ms)

    def _tool_there(self, site: Site) -> Tool:
        if self._tool is None:
            self._program.place(site)
            self._tool = Tool(self._program, site, self._arguments)
        return self._tool

    def check(self, site: Site) -> None:
        """See ``Runner``: it runs there, and names its flags."""
        self._tool_there(site)

    def forget(self) -> None:
        """See ``Runner``."""
        self._program.forget()
        self._tool = None


def _check_proof(placement: Placement, request: LoadRequest, tool: str) -> None:
    """Fail when a delegate that was asked for is not proven to run the whole model.

    Raises:
        DelegateError: It is not, and why.
    """
    if request.delegate != "default" and not placement.nodes:
        raise DelegateError(
            f"nothing proves that delegate {request.delegate!r} runs {request.source.name!r}: {placement.evidence} "
            f"({tool})",
            hint='a build of TensorFlow Lite 2.4 or later counts them; fallback="allow" runs it all the same',
        )
    check_placement(placement, request.source.name)
