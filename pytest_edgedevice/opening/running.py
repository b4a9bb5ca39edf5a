"""Which runner a device gets: the one that its table names, or the one that its link has by itself."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from pytest_edgedevice.errors import ConfigError
from pytest_edgedevice.inventory.running import Running
from pytest_edgedevice.runners.agents import AgentRunner
from pytest_edgedevice.runners.app.runner import AppRunner
from pytest_edgedevice.runners.benchmark_model.runner import BenchmarkModelRunner
from pytest_edgedevice.runners.command.runner import CommandRunner
from pytest_edgedevice.runners.native.program import NativeProgram

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_edgedevice.inventory import DeviceEntry
    from pytest_edgedevice.inventory.app import App
    from pytest_edgedevice.runners.backend import Runner

OWN = {"adb": "native", "ios": "app"}
"""What a link has by itself where that is not the Python agent: a phone has no Python."""


PROGRAMS: dict[str, type[BenchmarkModelRunner | CommandRunner]] = {
    "benchmark_model": BenchmarkModelRunner,
    "command": CommandRunner,
}
"""Runners that bring a program of the user."""


def runner_of(entry: DeviceEntry | None, kind: str) -> Callable[[], Runner]:
    """Makes what runs models on a device.

    Args:
        entry: Its table in the device file, if it has one.
        kind: What links to it: ``local``, ``ssh``, ``adb``, ``ios``.

    Raises:
        ConfigError: The runner that the table names is none of this version.
    """
    engine = (entry.engine or "") if entry else ""
    running = entry.running if entry else Running()
    chosen = running.runner or OWN.get(kind, "python")
    if not running.runner and chosen != "native" and (running.agent or running.runtime or running.environment):
        named = entry.name if entry else kind
        raise ConfigError(
            f"device {named!r} names an agent, a runtime or an environment, and Python runs models over {kind}",
            hint='write runner = "native", or leave them out',
        )
    if chosen == "app":
        return functools.partial(AppRunner, engine=engine, **_of_app(running.app))
    if chosen == "python":
        return lambda: AgentRunner(engine=engine)
    if chosen == "native":
        program = functools.partial(
            NativeProgram,
            program=running.agent,
            runtime=running.runtime,
            engine=engine,
            environment=running.environment,
        )
        return lambda: AgentRunner(program(), engine=engine)
    if chosen in PROGRAMS:
        assert running.program is not None  # the reader of the device file insists on it
        if engine:
            raise ConfigError(
                f"device {entry.name if entry else kind!r} names the engine {engine!r}, unknown to its program",
                hint=f'the runner {chosen!r} is an engine of its own: leave "engine" out',
            )
        return functools.partial(
            PROGRAMS[chosen],
            running.program,
            arguments=running.arguments,
            environment=running.environment,
            files=running.files,
            time_limit_s=running.time_limit_s,
        )
    raise ConfigError(f"the runner {chosen!r} cannot be used over {kind} by this version")


def _of_app(app: App) -> dict[str, Any]:
    """What a table says of the app; the rest is as usual."""
    told = {"port": app.port, "start": app.start, "bundle": app.bundle, "start_timeout_s": app.start_timeout_s}
    return {name: value for name, value in told.items() if value}
