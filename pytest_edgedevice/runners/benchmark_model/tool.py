"""The tool on a device: its flags, and single processes whose logs are read."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from pytest_edgedevice.errors import ContractError, DelegateError, EdgeDeviceError, ModelError
from pytest_edgedevice.runners.benchmark_model.flags import Build, check_further, read_help
from pytest_edgedevice.runners.benchmark_model.log import read_log
from pytest_edgedevice.runners.usage import processor_ns, watched

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pytest_edgedevice.runners.backend import Site
    from pytest_edgedevice.runners.benchmark_model.report import Log, Statistics
    from pytest_edgedevice.runners.device_program import DeviceProgram
    from pytest_edgedevice.transports.base import Completed

HELP_S = 30.0
_DELEGATE_SIGNS = ("Failed to apply", "Disallowed CPU fallback", "delegate is not supported", "acceleration is unsup")
_MODEL_SIGNS = (
    *("Failed to load model", "Failed to mmap", "Failed to initialize the interpreter", "Failed to allocate tensors"),
    *("Failed to compile model", "unresolved custom op", "not a valid Flatbuffer", "could not be loaded"),
)


class Tool:
    """``benchmark_model``, placed on a device.

    Args:
        program: The executable; it must have been placed there.
        site: Where.
        arguments: Further flags of the user.

    Raises:
        ConfigError: A further flag is none of the build's.
        InfraError: It does not run there, or is no such tool.
    """

    def __init__(self, program: DeviceProgram, site: Site, arguments: Sequence[str]) -> None:
        self.name = f"{program.name!r} on {site.name}"
        self._program = program
        self._site = site
        self._arguments = tuple(arguments)
        said = program.run(site, ["--help"], operation="help", timeout_s=program.time_limit_s or HELP_S)
        self.build: Build = read_help(_text(said), tool=self.name)
        check_further(arguments, self.build, tool=self.name)

    def run(
        self,
        flags: Mapping[str, str],
        *,
        runs: int,
        operation: str,
        timeout_s: float,
        exactly: bool = True,
        watch: bool = False,
    ) -> tuple[Log, Statistics]:
        """One process with so many timed runs.

        Args:
            flags: What it is told, besides the user's flags; ours come first, and the first of each counts.
            runs: How many it was told to time.
            operation: What for, for messages.
            timeout_s: Deadline, seconds; the program's own time limit wins.
            exactly: Whether it must have made that many; old builds run for a second at least.
            watch: Whether to ask the device's shell what it took of the processors.

        Raises:
            ModelError, DelegateError: It failed, and its words tell at what.
            ContractError: It did something else than it was told, whatever its exit code.
            InfraError: It died, was late or failed.
        """
        unknown = [name for name in flags if name not in self.build.flags]
        if unknown:
            raise ContractError(f"{self.name} knows no flag --{unknown[0]}, which {operation!r} needs")
        arguments = [*(f"--{name}={value}" for name, value in flags.items()), *self._arguments]
        limit_s = self._program.time_limit_s or timeout_s
        around = watched if watch else list
        ended = self._program.run(self._site, arguments, operation=operation, timeout_s=limit_s, around=around)
        log = read_log(_text(ended))
        if watch:
            log = dataclasses.replace(log, processor_ns=processor_ns(ended.stdout))
        if ended.returncode:
            raise self._failure(ended, log, operation)
        if log.unconsumed:
            raise ContractError(f"{self.name} ignored {log.unconsumed[0][:120]!r}, which its help names")
        statistics = log.of_runs(runs) or (None if exactly else log.of_some_runs())
        if statistics is None:
            found = f"{log.series[-1].count} runs" if log.series else "no statistics"
            raise ContractError(
                f"{self.name} ended {operation!r} with exit code 0 and told {found} where {runs} were asked for"
                + "".join(f"\n  {line[:300]}" for line in log.errors[-3:])
            )
        return log, statistics

    def _failure(self, ended: Completed, log: Log, operation: str) -> EdgeDeviceError:
        """By its words where they tell: the model's fault, or the delegate's."""
        error = self._program.ended(ended, site=self._site, operation=operation)
        said = _text(ended)
        for kind, signs in ((DelegateError, _DELEGATE_SIGNS), (ModelError, _MODEL_SIGNS)):
            if any(sign in said for sign in signs):
                lines = "".join(f"\n  {line[:300]}" for line in log.errors[-4:])
                return kind(f"{self.name} failed in {operation!r}{lines or ': ' + error.message}")
        return error


def _text(ended: Completed) -> str:
    """Both streams: builds differ in which one they log to."""
    return "\n".join(part.decode("utf-8", "replace") for part in (ended.stderr, ended.stdout))
