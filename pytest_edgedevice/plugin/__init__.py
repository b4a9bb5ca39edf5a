"""pytest's side: hooks, options, markers and fixtures.

Loaded in every pytest run of every project that has the package installed, so
this room imports the standard library and pytest only, and of itself no more
than options and fixtures. The hooks below ask whether a run has to do with
devices at all, and only then wake the modules that do the work.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import pytest

from pytest_edgedevice.plugin.fixtures import (
    edge_check,
    edge_delegate,
    edge_device,
    edge_golden,
    edge_model,
    edge_variants,
    is_device_test,
)
from pytest_edgedevice.plugin.options import (
    MARKERS,
    SETTINGS,
    is_configured,
    pytest_addhooks,
    pytest_addoption,
    pytest_load_initial_conftests,
    release_short_form,
    settings_of,
)

if TYPE_CHECKING:
    from collections.abc import Generator

__all__ = [
    "edge_check",
    "edge_delegate",
    "edge_device",
    "edge_golden",
    "edge_model",
    "edge_variants",
    "pytest_addhooks",
    "pytest_addoption",
    "pytest_load_initial_conftests",
]


class _Reports:
    """A hook that needs the run's configuration, which pytest does not pass to it."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        # the other is pytest-xdist's word for a test whose worker crashed
        crashed = str(report.when) == "???" and is_configured(self._config)
        if crashed or hasattr(report, "edgedevice"):
            from pytest_edgedevice.plugin.collecting import collector_of

            settings_of(self._config)
            collector = collector_of(self._config)
            (collector.take_crash if crashed else collector.take)(report)


def pytest_configure(config: pytest.Config) -> None:
    """Check the options before anything runs."""
    release_short_form(config)
    for marker in MARKERS:
        config.addinivalue_line("markers", marker)
    if is_configured(config):
        settings_of(config)
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(_Reports(config), "edgedevice-reports")


@pytest.hookimpl(tryfirst=True)
def pytest_sessionstart(session: pytest.Session) -> None:
    """Take an old verdict away. With pytest-xdist, check device specs before workers start, not in a traceback."""
    if SETTINGS in session.config.stash and not hasattr(session.config, "workerinput"):
        path = settings_of(session.config).verdict
        if path is not None:
            from pytest_edgedevice.plugin.verdict import take_away

            take_away(path)
    if session.config.pluginmanager.hasplugin("dsession"):
        _check_devices(session.config)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Repeat device tests for every device and delegate."""
    if is_device_test(metafunc):
        from pytest_edgedevice.plugin.parametrize import generate

        generate(metafunc)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """In a worker of ``--dist loadgroup``, make sure that device tests stay in their groups."""
    if getattr(config.option, "loadgroup", False) and any(is_device_test(item) for item in items):
        from pytest_edgedevice.plugin.crowd import keep_groups

        keep_groups(items)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_finish(session: pytest.Session) -> None:
    """Check device specs once, before the first test, and only where a test needs a device."""
    config = session.config
    if hasattr(config, "workerinput") or config.pluginmanager.hasplugin("dsession"):
        return
    if any("edge_device" in getattr(item, "fixturenames", ()) for item in session.items):
        _check_devices(config)


def _check_devices(config: pytest.Config) -> None:
    from pytest_edgedevice.plugin.catalog import check_devices

    check_devices(config)


@pytest.hookimpl(wrapper=True, trylast=True)
def pytest_runtest_setup(item: pytest.Item) -> Generator[None, Any, Any]:
    """Let go of a device that does not suit a test, note which one it uses, and skip it where that does not fit."""
    if not is_device_test(item):
        return (yield)
    from pytest_edgedevice.plugin.repeating import setup

    return (yield from setup(item))


@pytest.hookimpl(wrapper=True, trylast=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, Any, Any]:
    """Repeat a test once whose device was lost and came back."""
    if not is_device_test(item):
        return (yield)
    from pytest_edgedevice.plugin.repeating import call

    return (yield from call(item))


@pytest.hookimpl(wrapper=True, trylast=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> Generator[None, Any, Any]:
    """Say how the device did in a test, and hand it back where that is due."""
    if not is_device_test(item):
        return (yield)
    from pytest_edgedevice.plugin.repeating import teardown

    return (yield from teardown(item, nextitem))


@pytest.hookimpl(optionalhook=True, tryfirst=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int | None:
    """With ``-n auto``, as many workers as there are devices, where devices were named."""
    from pytest_edgedevice.plugin.crowd import auto_workers

    return auto_workers(config) if is_configured(config) else None


def pytest_report_header(config: pytest.Config) -> list[str]:
    """With workers, name the devices now, as nothing is collected here; say that workers will wait for each other."""
    if not (config.pluginmanager.hasplugin("dsession") and getattr(config.option, "tx", None)):
        return []
    if not is_configured(config) or not settings_of(config).origin:
        return []
    from pytest_edgedevice.plugin.crowd import crowd_warning

    return list(filter(None, [_named_devices(config), crowd_warning(config)]))


def pytest_report_collectionfinish(config: pytest.Config, items: list[pytest.Item]) -> str | None:
    """Name the devices of the tests that need one; a quiet run names none."""
    if config.option.verbose >= 0 and any("edge_device" in getattr(item, "fixturenames", ()) for item in items):
        return _named_devices(config)
    return None


def _named_devices(config: pytest.Config) -> str:
    named = ", ".join(settings_of(config).devices)
    return "edge devices: " + "".join(sign if sign.isprintable() else "?" for sign in named)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Put the blame where it belongs, in device tests and wherever an error of ours was raised."""
    # nothing of ours can have been raised before its module was imported
    if not is_device_test(item) and "pytest_edgedevice.errors" not in sys.modules:
        return (yield)
    from pytest_edgedevice.plugin.outcomes import report_of

    return (yield from report_of(item, call))


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Write the reports; in CI a run that tested nothing is not green."""
    if SETTINGS in session.config.stash and not hasattr(session.config, "workerinput"):
        from pytest_edgedevice.plugin.reporting import finish

        finish(session)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print the table; nothing in runs without device tests."""
    if SETTINGS in config.stash and not hasattr(config, "workerinput"):
        from pytest_edgedevice.plugin.closing import summarize

        summarize(terminalreporter, config)
