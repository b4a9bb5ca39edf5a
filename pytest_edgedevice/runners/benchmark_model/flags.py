"""Which flags a build of ``benchmark_model`` knows, by its own help, and the flags for what it shall do.

Builds ignore flags that they do not know, and say at most so: whatever matters is looked up in the help first.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from pytest_edgedevice.errors import ConfigError, DelegateError, InfraError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pytest_edgedevice.runners.backend import LoadRequest

_FLAG = re.compile(r"^(?:[A-Z]+: )?\s*--([A-Za-z0-9_]{1,80})=", re.MULTILINE)
OURS = frozenset(
    {
        *("graph", "num_threads", "num_runs", "warmup_runs", "min_secs", "max_secs", "warmup_min_secs"),
        *("input_layer", "input_layer_shape", "input_layer_value_files", "output_filepath", "help"),
        *(
            "use_xnnpack",
            "use_gpu",
            "use_nnapi",
            "use_npu",
            "use_cpu",
            "require_full_delegation",
            "enable_op_profiling",
        ),
        *("external_delegate_path", "external_delegate_options", "report_peak_memory_footprint"),
    }
)
"""Flags that this runner sets itself."""
INPUT_FLAGS = ("input_layer", "input_layer_shape", "input_layer_value_files", "output_filepath")
MOST_SECONDS = 10_000_000


@dataclass(frozen=True, slots=True)
class Build:
    """One build of the tool.

    Attributes:
        flags: Names of the flags that it knows.
    """

    flags: frozenset[str]

    @property
    def flavour(self) -> Literal["tflite", "litert"]:
        """TensorFlow Lite's tool, or LiteRT's newer one, which chooses hardware and takes no inputs."""
        return "litert" if {"use_cpu", "use_npu"} <= self.flags and "input_layer" not in self.flags else "tflite"

    @property
    def has_outputs(self) -> bool:
        """Whether it can be given inputs and asked for outputs."""
        return self.flags.issuperset(INPUT_FLAGS)

    def known(self, wanted: Mapping[str, str]) -> dict[str, str]:
        """Those of the flags that it knows."""
        return {name: value for name, value in wanted.items() if name in self.flags}


def read_help(text: str, *, tool: str) -> Build:
    """Read which flags there are.

    Raises:
        InfraError: It lists none that every build has.
    """
    flags = frozenset(_FLAG.findall(text))
    if not {"graph", "num_runs"} <= flags:
        raise InfraError(
            f"{tool} does not list its flags when it is asked for --help",
            hint="is it TensorFlow Lite's or LiteRT's benchmark_model?",
        )
    return Build(flags)


def check_further(arguments: Sequence[str], build: Build, *, tool: str) -> None:
    """Refuse flags of the user that the tool would ignore, or that this runner sets.

    Raises:
        ConfigError: Which.
    """
    for argument in arguments:
        name, equals, _ = argument.removeprefix("--").partition("=")
        if not argument.startswith("--") or not equals:
            raise ConfigError(f"the argument {argument[:80]!r} is no flag", hint="write --name=value")
        if name in OURS:
            raise ConfigError(f"the flag --{name} is set by the runner 'benchmark_model'", hint="leave it out")
        if name not in build.flags:
            raise ConfigError(f"{tool} does not know the flag --{name}, and would ignore it", hint="see its --help")


def runs_flags(build: Build, *, runs: int, warmup_runs: int, warmup_s: float) -> dict[str, str]:
    """Flags for exactly so many timed runs.

    Raises:
        InfraError: The build cannot be held to a number of runs.
    """
    wanted = {
        "num_runs": str(runs),
        "min_secs": "0",
        "max_secs": str(MOST_SECONDS),  # the process's own deadline ends it
        "warmup_runs": str(warmup_runs),
        "warmup_min_secs": f"{warmup_s:g}",
    }
    return build.known(wanted)


def delegate_flags(request: LoadRequest, build: Build, *, tool: str) -> dict[str, str]:
    """Flags that choose the delegate.

    Raises:
        DelegateError: This build has no such delegate, or no way to ask for it.
    """
    wanted = _litert(request) if build.flavour == "litert" else _tflite(request)
    if wanted is None:
        raise DelegateError(f"{tool} has no delegate {request.delegate!r}", hint=_hint(build))
    missing = [name for name in wanted if name not in build.flags]
    if request.delegate == "cpu" and missing == ["use_xnnpack"]:
        return {}  # a build from before XNNPACK
    if missing:
        raise DelegateError(f"{tool} knows no flag --{missing[0]} to choose {request.delegate!r} by", hint=_hint(build))
    return wanted


def _tflite(request: LoadRequest) -> dict[str, str] | None:
    delegate = request.delegate
    if delegate.startswith("external:"):
        options = ";".join(f"{name}:{value}" for name, value in (request.options or {}).items())
        flags = {"external_delegate_path": delegate.removeprefix("external:")}
        return {**flags, "external_delegate_options": options} if options else flags
    simple: dict[str, dict[str, str]] = {
        "default": {},
        "cpu": {"use_xnnpack": "false"},
        "xnnpack": {"use_xnnpack": "true"},
        "gpu": {"use_gpu": "true"},
        "nnapi": {"use_nnapi": "true"},
    }
    return simple.get(delegate)


def _litert(request: LoadRequest) -> dict[str, str] | None:
    """Without its flag for the processor, whatever an accelerator cannot take is an error: that is the proof."""
    if request.delegate in ("default", "xnnpack"):
        return {}
    if request.delegate not in ("gpu", "npu"):
        return None
    alone = {} if request.allow_fallback else {"use_cpu": "false", "require_full_delegation": "true"}
    return {f"use_{request.delegate}": "true", **alone}


def _hint(build: Build) -> str:
    if build.flavour == "litert":
        return "LiteRT's tool has default, xnnpack, gpu and npu"
    return "TensorFlow Lite's tool has default, cpu, xnnpack, gpu, nnapi and external:PATH, as its build has them"
