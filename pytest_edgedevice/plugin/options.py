"""What pytest is told of us at start: options, ini keys, markers, hooks.

What their values add up to is in ``settings``, which most runs never import.
"""

from __future__ import annotations

import contextlib
import itertools
import os
from typing import TYPE_CHECKING, Any, Literal

import pytest

from pytest_edgedevice.plugin import evidence_options

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from pytest_edgedevice.plugin.settings import Settings

ENVIRONMENT = "PYTEST_EDGE_DEVICE"
LONG_FORM, SHORT_FORM = "--edge-device", "--device"
PARSER = pytest.StashKey[pytest.Parser]()
"""The parser that ``--device`` was added to; absent where somebody else owns that option."""
SETTINGS = pytest.StashKey["Settings"]()
DEFAULT_DEVICE = "local"
WAIT_S, WAIT_CI_S, TIMEOUT_S, RECONNECT_S = 60.0, 600.0, 60.0, 60.0
DELEGATES = ("default", "cpu", "xnnpack", "reference", "gpu", "npu", "nnapi",
             "cpu_only", "cpu_and_gpu", "cpu_and_ne", "all", "coreml")  # fmt: skip
"""The same as ``device.DELEGATES``, which start-up must not import; a test compares them."""


INI_KEYS: dict[str, tuple[Literal["linelist", "string", "paths"], str]] = {
    "edge_device": ("linelist", "device specs, one a line. Example: edge_device = local"),
    "edge_delegate": ("linelist", "delegates, as --edge-delegate, one a line"),
    "edge_engine": ("string", "inference runtime, as --edge-engine"),
    "edge_threads": ("string", "threads for kernels, as --edge-threads"),
    "edge_wait": ("string", "seconds to wait for a device, as --edge-wait"),
    "edge_hold": ("string", "session or test, as --edge-hold"),
    "edge_reconnect": ("string", "seconds to wait for a lost device, as --edge-reconnect"),
    "edge_timeout": ("string", "seconds for each exchange, as --edge-timeout"),
    "edge_report": ("linelist", "reports to write, as --edge-report, one a line"),
    "edge_config": ("string", "device file, as --edge-config; relative to the ini file"),
    "edge_inconclusive": ("string", "fail, warn or xfail, as --edge-inconclusive"),
    "edge_baseline": ("string", "file of earlier latencies, as --edge-baseline; relative to the ini file"),
    "edge_history": ("string", "off, or the folder of the history, as --edge-history; relative to the ini file"),
    "edge_history_runs": ("string", "runs that the history keeps. Example: edge_history_runs = 500"),
    "edge_history_days": ("string", "days that the history keeps. Example: edge_history_days = 90"),
    "edge_regression": ("string", "warn, fail or off, as --edge-regression"),
    "edge_verdict": ("string", "verdict file, as --edge-verdict; relative to the ini file"),
    "edge_models": ("paths", "folders with model files. Example: edge_models = models"),
    "edge_goldens": ("paths", "folders with golden sets. Example: edge_goldens = tests/goldens"),
    "edge_inputs": ("paths", "folders with inputs that goldens know by their hash only. Example: edge_inputs = /data"),
    **evidence_options.INI_KEYS,
}
DELEGATE_MARKER = (
    'edge_delegate(name, ..., fallback="fail", options=None): run the test once with each delegate, e.g. '
    '@pytest.mark.edge_delegate("cpu", "xnnpack"). fallback="allow" accepts operators that run elsewhere; '
    "options is a mapping for an external delegate."
)
REQUIRES_MARKER = (
    "edge_requires(expression): run the test on a device of the pool that fits, skip it where none does, e.g. "
    '@pytest.mark.edge_requires("linux and cores>=2").'
)
SHARED_MARKER = (
    "edge_shared: numeric only: this machine may be used at the same time by other tests that say so too, and "
    "nothing can be measured then, e.g. @pytest.mark.edge_shared."
)
MARKERS = (DELEGATE_MARKER, REQUIRES_MARKER, SHARED_MARKER)


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    """Declare our own hooks."""
    from pytest_edgedevice import hookspecs

    pluginmanager.add_hookspecs(hookspecs)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Offer ``--edge-*`` and the ini keys; ``--device`` follows when it is known to be free."""
    group = parser.getgroup("edgedevice", "edge devices (pytest-edgedevice)")
    group.addoption(
        "--edge-device",
        **_device_option(f"run device tests on SPEC (environment: {ENVIRONMENT}; default: {DEFAULT_DEVICE})"),
    )
    group.addoption(
        "--edge-delegate",
        action="append",
        metavar="NAME",
        help="use this delegate instead of those that tests mark; repeat it for several: "
        f"{', '.join(DELEGATES)}, external:PATH. Example: --edge-delegate cpu --edge-delegate gpu",
    )
    group.addoption(
        "--edge-engine",
        metavar="NAME",
        help="inference runtime: litert, tflite or coreml. Example: --edge-engine tflite",
    )
    group.addoption("--edge-threads", metavar="N", help="threads for the engine's kernels. Example: --edge-threads 4")
    group.addoption(
        "--edge-wait",
        metavar="SECONDS",
        help=f"wait this long for a device that somebody else holds (default: {WAIT_S:g}, in CI {WAIT_CI_S:g}). "
        "Example: --edge-wait 300",
    )
    group.addoption(
        "--edge-hold",
        metavar="HOW",
        help="how long to keep a device: session (default), or test: hand it over between two tests when somebody "
        "waits for it. Example: --edge-hold test",
    )
    group.addoption(
        "--edge-reconnect",
        metavar="SECONDS",
        help="wait this long for a device that was lost, and repeat the test once when it is back; 0 does neither "
        f"(default: {RECONNECT_S:g}). Example: --edge-reconnect 180",
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
        help="write a report: html (one page), json (every record, one a line), junit, csv, pytest-benchmark, "
        "bencher or github; repeat it for several. Example: --edge-report html=report.html",
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
        help="what a latency that can be shown neither within nor over its budget does: fail (default), warn or "
        "xfail. "
        "Example: --edge-inconclusive warn",
    )
    group.addoption(
        "--edge-baseline",
        metavar="PATH",
        help="compare latencies with those of earlier runs in this file: a regression fails where their noise is known "
        "(ten runs), and warns before. Example: --edge-baseline pixel8.jsonl",
    )
    group.addoption(
        "--edge-update-baseline",
        action="store_true",
        default=None,
        help="add the latencies of tests that passed to the file of --edge-baseline. "
        "Example: --edge-baseline pixel8.jsonl --edge-update-baseline",
    )
    evidence_options.add_options(group)
    group.addoption(
        "--edge-history",
        metavar="FOLDER",
        help="folder of the history, which every run of device tests is added to; off for none "
        "(default: .edgedevice in pytest's root folder). Example: --edge-history off",
    )
    group.addoption(
        "--edge-regression",
        metavar="POLICY",
        help="what a latency does that is worse than the median of the last runs in the history, beyond their noise: "
        "warn (default), fail or off; from ten runs on. Example: --edge-regression fail",
    )
    group.addoption(
        "--edge-verdict",
        metavar="PATH",
        help="write what a release job reads: whether the run passed, and the best variant of each "
        "edge_check.variants. Example: --edge-verdict edge-verdict.json",
    )
    for key, (kind, text) in INI_KEYS.items():
        parser.addini(key, text, type=kind)


def _device_option(text: str) -> dict[str, Any]:
    return {
        "action": "append",
        "dest": "edge_device",
        "metavar": "SPEC",
        "help": f"{text}: local, a name from edgedevice.toml, or an expression over facts. Repeat it for a matrix. "
        'Example: --device "linux and cores>=2"',
    }


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_load_initial_conftests(
    early_config: pytest.Config, parser: pytest.Parser, args: list[str]
) -> Generator[None, Any, Any]:
    """Offer ``--device`` once every plugin and conftest had the chance to claim it; many do."""
    _forget_specs(early_config, args)
    _forget_verdict(early_config)
    result = yield
    try:
        _, unknown = parser.parse_known_and_unknown_args([SHORT_FORM, "x"])
    except (SystemExit, pytest.UsageError, ValueError):
        return result  # somebody's own --device, which does not take "x"
    if SHORT_FORM in unknown:
        parser.getgroup("edgedevice").addoption(SHORT_FORM, **_device_option("short form of --edge-device"))
        early_config.stash[PARSER] = parser
    return result


def _forget_verdict(config: pytest.Config) -> None:
    """Take an old verdict away before a conftest or an option can end the run: nobody shall read it as this run's."""
    known = config.known_args_namespace
    if known.help or known.version or "PYTEST_XDIST_WORKER" in os.environ:
        return
    given, ini = getattr(known, "edge_verdict", None), str(config.getini("edge_verdict") or "")
    if given or ini:
        from pytest_edgedevice.plugin.verdict import take_away

        folder = config.invocation_params.dir if given else (config.inipath or config.rootpath / "ini").parent
        with contextlib.suppress(pytest.UsageError):  # told when the session starts
            take_away(folder / str(given or ini))


def _forget_specs(config: pytest.Config, args: Sequence[str]) -> None:
    """Take specs out of the paths that conftests are searched in.

    As long as nobody knows ``--device``, its value looks like a path, and pytest
    would not read the conftests of ``testpaths``, one of which may own the option.
    """
    paths = getattr(config.known_args_namespace, "file_or_dir", None) or []
    for option, value in itertools.pairwise(args):
        if option == SHORT_FORM and value in paths and not _is_path(config, value):
            paths.remove(value)


def _is_path(config: pytest.Config, text: str) -> bool:
    try:
        return (config.invocation_params.dir / text).exists()
    except OSError:  # longer than any file's name
        return False


def release_short_form(config: pytest.Config) -> None:
    """Forget ``--device`` after the command line was read.

    A conftest that is found while tests are collected may still declare it, to no
    effect; pytest 9 refuses that if it knows the option already.
    """
    parser = config.stash.get(PARSER, None)
    getattr(getattr(parser, "optparser", None), "_option_string_actions", {}).pop(SHORT_FORM, None)


def is_configured(config: pytest.Config) -> bool:
    """Whether anything of ours was asked for; all of it is checked then, device tests or not."""
    given = any(value is not None for name, value in vars(config.option).items() if name.startswith("edge_"))
    return (
        given
        or ENVIRONMENT in os.environ
        or any(
            config.getini(key)
            for key, (kind, _) in INI_KEYS.items()
            if kind != "paths"  # there is nothing to check about those
        )
    )


def settings_of(config: pytest.Config) -> Settings:
    """What the user asked for; read and checked once, and not before somebody wants to know.

    Raises:
        pytest.UsageError: A value cannot be used; the message names it and what it may be.
    """
    if SETTINGS not in config.stash:
        from pytest_edgedevice.plugin.settings import read_settings

        config.stash[SETTINGS] = read_settings(config)
    return config.stash[SETTINGS]
