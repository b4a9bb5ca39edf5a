"""The keys of a device's table that choose how models are run there."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pytest_edgedevice.inventory.app import KEYS as APP_KEYS
from pytest_edgedevice.inventory.app import App, AppReader
from pytest_edgedevice.inventory.tables import TableReader, kind_of
from pytest_edgedevice.spec import closest_first

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

KEYS = ("runner", "agent", "runtime", "program", "arguments", "environment", "files", "time_limit_s", *APP_KEYS)
RUNNERS = ("python", "native", "benchmark_model", "command", "app")
ON_DEVICE = "device:"
"""What a runtime begins with that is on the device already."""
MOST_SECONDS = 86_400
_NEEDS = {"agent": ("native",), "runtime": ("native",), "program": ("benchmark_model", "command")}
_NEEDS |= dict.fromkeys(("arguments", "files", "time_limit_s"), _NEEDS["program"])
_NEEDS["environment"] = ("native", *_NEEDS["program"])
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")


@dataclass(frozen=True, slots=True)
class Running:
    """How models are run on a device.

    Attributes:
        runner: ``python`` or ``native`` (our agents), ``benchmark_model`` (the official tool) or ``command`` (the
            user's own executable) or ``app`` (the user's own on a phone); empty for what the link has by itself.
        agent: A native agent that was built for the device.
        runtime: Inference library for the native agent: a file of this host (``.so``, or an ``.aar``, ``.apk``,
            ``.whl`` or ``.zip`` that holds one), or ``device:`` and a path on the device; empty to look for one.
        program: Executable of this host that is brought to the device.
        arguments: Arguments of the program, each one argument, without a shell.
        environment: Variables of the process on the device.
        files: Files that lie beside the program there.
        time_limit_s: Longest time that one process may take, seconds; 0 for the session's.
        app: The user's own app, on a phone that runs nothing else.
    """

    runner: str = ""
    agent: Path | None = None
    runtime: str = ""
    program: Path | None = None
    arguments: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    files: tuple[Path, ...] = ()
    time_limit_s: float = 0.0
    app: App = field(default_factory=App)


class RunningReader(TableReader):
    """Reads these keys of a device's table.

    Args:
        where: File and table path, the beginning of every error text.
        table: The device's whole table.
        base: The device file's folder; paths of this host are relative to it.
        kind: What links to the device.
    """

    def __init__(self, where: str, table: Mapping[str, Any], *, base: Path, kind: str) -> None:
        super().__init__(where, table)
        self._base = base
        self._kind = kind

    def read(self) -> Running:
        """Check everything.

        Raises:
            ConfigError: A value is wrong, or a key means nothing to the runner that was chosen.
        """
        runner = self._runner()
        program = self._text("program")
        if runner in _NEEDS["program"] and program is None:
            self._fail(f"has the runner {runner!r} and no program", 'write program = "path/of/the/executable"')
        agent = self._text("agent")
        return Running(
            runner=runner,
            agent=self._base / agent if agent else None,
            runtime=self._runtime(),
            program=self._base / program if program else None,
            arguments=self._texts("arguments"),
            environment=self._environment(),
            files=tuple(self._base / file for file in self._texts("files")),
            time_limit_s=self._time_limit_s(),
            app=AppReader(self._where, self._table, kind=self._kind).read(),
        )

    def _runner(self) -> str:
        runner = self._text("runner") or ""
        if runner and runner not in RUNNERS:
            nearest = ", ".join(closest_first(runner, RUNNERS))
            self._fail(f"runner {runner!r} is unknown", f"runners, closest first: {nearest}")
        for key, runners in _NEEDS.items():
            # the link's own runner may be the native agent
            if key in self._table and runner not in (*runners, *([""] if "native" in runners else [])):
                named = " or ".join(f'runner = "{one}"' for one in runners)
                self._fail(f"has {key!r}, which its runner does not know", f"write {named}, or leave {key} out")
        return runner

    def _runtime(self) -> str:
        runtime = self._text("runtime") or ""
        if not runtime.startswith(ON_DEVICE):
            return str(self._base / runtime) if runtime else ""
        path = runtime.removeprefix(ON_DEVICE)
        if not path.startswith("/") or ".." in path.split("/"):
            self._fail(
                f"runtime {runtime!r} is no absolute path without '..' on the device",
                'write runtime = "device:/vendor/lib64/libtensorflowlite_c.so"',
            )
        return runtime

    def _environment(self) -> dict[str, str]:
        variables = self._table.get("environment", {})
        if not isinstance(variables, dict):
            self._fail(
                f"environment must be a table, not {kind_of(variables)}", 'write environment = { LOG_LEVEL = "2" }'
            )
        for name, value in variables.items():
            if not _VARIABLE.fullmatch(name):
                self._fail(
                    f"{name[:80]!r} cannot be a variable of the environment",
                    "use letters, digits and '_', the first no digit",
                )
            if not isinstance(value, str) or "\0" in value:
                self._fail(f"the variable {name} is {kind_of(value)}, not plain text", f'write {name} = "..."')
        return dict(variables)

    def _time_limit_s(self) -> float:
        limit = self._table.get("time_limit_s", 0.0)
        sound = type(limit) in (int, float) and math.isfinite(limit)
        if "time_limit_s" in self._table and not (sound and 0 < limit <= MOST_SECONDS):
            shown = repr(limit) if type(limit) in (int, float) else kind_of(limit)
            self._fail(
                f"time_limit_s is {shown:.80}, not a number of seconds up to {MOST_SECONDS}", "write time_limit_s = 60"
            )
        return float(limit)
