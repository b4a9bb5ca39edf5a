"""Command line, ini keys, environment and markers, and what they add up to.

Precedence: command line, environment, ini file, default.
"""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

ENVIRONMENT = "PYTEST_EDGE_DEVICE"
DEFAULT_DEVICE = "local"
WAIT_S, WAIT_CI_S, TIMEOUT_S = 60.0, 600.0, 60.0

DELEGATE_MARKER = (
    'edge_delegate(name, ..., fallback="fail", options=None): run the test once with each delegate, e.g. '
    '@pytest.mark.edge_delegate("cpu", "xnnpack"). fallback="allow" accepts operators that run elsewhere; '
    "options is a mapping for an external delegate."
)
REQUIRES_MARKER = (
    "edge_requires(expression): skip the test on devices that do not fit, e.g. "
    '@pytest.mark.edge_requires("linux and cores>=2").'
)
MARKERS = (DELEGATE_MARKER, REQUIRES_MARKER)


@dataclass(frozen=True, slots=True)
class Settings:
    """What the user asked for, checked.

    Attributes:
        devices: Device specs; more than one make a matrix.
        named: Whether they were named on the command line or in the environment.
        delegates: Delegates that override the markers; empty leaves the choice to them.
        engine: Engine; empty for the device's own choice.
        threads: Threads for the engine's kernels.
        wait_s: How long to wait for a device that somebody else holds.
        timeout_s: Deadline of each exchange with the device.
        reports: Files to write records to.
        update_goldens: Write references from the tests' ``reference`` callables.
        config: Device file; None searches for ``edgedevice.toml``.
        on_inconclusive: ``fail`` or ``warn``.
        models, goldens: Folders to search for model files and golden sets.
        ci: Whether this is a CI run.
    """

    devices: tuple[str, ...]
    named: bool
    delegates: tuple[str, ...]
    engine: str
    threads: int
    wait_s: float
    timeout_s: float
    reports: tuple[Path, ...]
    update_goldens: bool
    config: Path | None
    on_inconclusive: str
    models: tuple[Path, ...]
    goldens: tuple[Path, ...]
    ci: bool


SETTINGS = pytest.StashKey[Settings]()


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    """Declare our own hooks."""
    from pytest_edgedevice import hookspecs

    pluginmanager.add_hookspecs(hookspecs)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Offer ``--edge-*`` and the ini keys; ``--device`` follows when it is known to be free."""
    group = parser.getgroup("edgedevice", "edge devices (pytest-edgedevice)")
    group.addoption("--edge-device", **_device_option(f"run device tests on SPEC (default: {DEFAULT_DEVICE})"))
    group.addoption(
        "--edge-delegate",
        action="append",
        metavar="NAME",
        help="use this delegate instead of those that tests mark; repeat it for several. default, cpu, xnnpack, "
        "reference, gpu, npu, external:PATH. Example: --edge-delegate cpu --edge-delegate gpu",
    )
    group.addoption(
        "--edge-engine",
        metavar="NAME",
        help="inference runtime: litert or tflite. Example: --edge-engine tflite",
    )
    group.addoption("--edge-threads", metavar="N", help="threads for the engine's kernels. Example: --edge-threads 4")
    group.addoption(
        "--edge-wait",
        metavar="SECONDS",
        help=f"wait this long for a device that somebody else holds (default: {WAIT_S:g}, in CI {WAIT_CI_S:g}). "
        "Example: --edge-wait 300",
    )
    group.addoption(
        "--edge-timeout",
        metavar="SECONDS",
        help=f"deadline for each exchange with the device (default: {TIMEOUT_S:g}). Example: --edge-timeout 10",
    )
    group.addoption(
        "--edge-report",
        action="append",
        metavar="FORMAT=PATH",
        help="write a record of every check; format json (one line each). Example: --edge-report json=edge.jsonl",
    )
    group.addoption(
        "--edge-update-goldens",
        action="store_true",
        default=None,
        help="write golden references from the tests' reference callables, and fail those tests once. "
        "Example: pytest --edge-update-goldens -k digits",
    )
    group.addoption("--edge-config", metavar="PATH", help="device file. Example: --edge-config lab/edgedevice.toml")
    group.addoption(
        "--edge-inconclusive",
        metavar="POLICY",
        help="what a latency that can be shown neither within nor over its budget does: fail (default) or warn. "
        "Example: --edge-inconclusive warn",
    )
    parser.addini("edge_device", "device specs, one a line. Example: edge_device = local", type="linelist")
    parser.addini("edge_delegate", "delegates, as --edge-delegate, one a line", type="linelist")
    parser.addini("edge_engine", "inference runtime, as --edge-engine")
    parser.addini("edge_threads", "threads for kernels, as --edge-threads")
    parser.addini("edge_wait", "seconds to wait for a device, as --edge-wait")
    parser.addini("edge_timeout", "seconds for each exchange, as --edge-timeout")
    parser.addini("edge_report", "reports to write, as --edge-report, one a line", type="linelist")
    parser.addini("edge_config", "device file, as --edge-config; relative to the ini file")
    parser.addini("edge_inconclusive", "fail or warn, as --edge-inconclusive")
    parser.addini("edge_models", "folders with model files. Example: edge_models = models", type="paths")
    parser.addini("edge_goldens", "folders with golden sets. Example: edge_goldens = tests/goldens", type="paths")


def _device_option(text: str) -> dict[str, Any]:
    return {
        "action": "append",
        "dest": "edge_device",
        "metavar": "SPEC",
        "help": f"{text}: local, a name from edgedevice.toml, or an expression over facts. Repeat it for a matrix. "
        'Example: --device "linux and cores>=2"',
    }


@pytest.hookimpl(wrapper=True)
def pytest_load_initial_conftests(parser: pytest.Parser) -> Generator[None, Any, Any]:
    """Offer ``--device`` once every plugin and conftest had the chance to claim it; many do."""
    result = yield
    try:
        _, unknown = parser.parse_known_and_unknown_args(["--device", "x"])
    except (SystemExit, pytest.UsageError, ValueError):
        return result  # somebody's own --device, which does not take "x"
    if "--device" in unknown:
        parser.getgroup("edgedevice").addoption("--device", **_device_option("short form of --edge-device"))
    return result


def read_settings(config: pytest.Config) -> Settings:
    """Add up options, environment and ini.

    Raises:
        pytest.UsageError: A value cannot be used; the message names it and what it may be.
    """
    option, environment = config.getoption("edge_device"), os.environ.get(ENVIRONMENT, "")
    from_environment = [part.strip() for part in environment.split(",") if part.strip()]
    named = option or from_environment
    ci = os.environ.get("CI", "").lower() not in ("", "0", "false", "no")
    return Settings(
        devices=tuple(dict.fromkeys(named or config.getini("edge_device") or [DEFAULT_DEVICE])),
        named=bool(named),
        delegates=tuple(dict.fromkeys(config.getoption("edge_delegate") or config.getini("edge_delegate"))),
        engine=_choice(config, "edge_engine", ("", "litert", "tflite")),
        threads=_whole(config, "edge_threads", 1),
        wait_s=_seconds(config, "edge_wait", WAIT_CI_S if ci else WAIT_S, least=0),
        timeout_s=_seconds(config, "edge_timeout", TIMEOUT_S, least=0.001),
        reports=tuple(
            _report(config, text) for text in config.getoption("edge_report") or config.getini("edge_report")
        ),
        update_goldens=bool(config.getoption("edge_update_goldens")),
        config=_config_file(config),
        on_inconclusive=_choice(config, "edge_inconclusive", ("fail", "warn")),
        models=tuple(config.getini("edge_models")),
        goldens=tuple(config.getini("edge_goldens")),
        ci=ci,
    )


def _text(config: pytest.Config, name: str) -> str:
    return str(config.getoption(name) or config.getini(name) or "").strip()


def _option(name: str) -> str:
    return "--" + name.replace("_", "-")


def _choice(config: pytest.Config, name: str, known: tuple[str, ...]) -> str:
    text = _text(config, name) or known[0]
    if text not in known:
        raise pytest.UsageError(f"{_option(name)}: {text!r} is not one of {', '.join(filter(None, known))}")
    return text


def _whole(config: pytest.Config, name: str, default: int) -> int:
    text = _text(config, name) or str(default)
    if not text.isdecimal() or not 1 <= int(text) <= 1024:
        raise pytest.UsageError(f"{_option(name)}: {text!r} is not a whole number from 1 to 1024")
    return int(text)


def _seconds(config: pytest.Config, name: str, default: float, *, least: float) -> float:
    text = _text(config, name) or str(default)
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not least <= value < 1e9:
        raise pytest.UsageError(f"{_option(name)}: {text!r} is not a number of seconds of at least {least:g}")
    return value


def _report(config: pytest.Config, text: str) -> Path:
    form, equals, path = text.partition("=")
    if form.strip() != "json" or not equals or not path.strip():
        raise pytest.UsageError(f"--edge-report: {text!r} is not of the form json=PATH")
    return config.invocation_params.dir / path.strip()


def _config_file(config: pytest.Config) -> Path | None:
    option, ini = config.getoption("edge_config"), str(config.getini("edge_config") or "")
    if option:
        return config.invocation_params.dir / str(option)
    return (config.inipath.parent if config.inipath else config.rootpath) / ini if ini else None
