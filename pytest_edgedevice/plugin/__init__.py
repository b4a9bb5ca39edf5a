"""pytest's side: hooks, options, markers and fixtures.

Loaded in every pytest run of every project that has the package installed, so
this room imports the standard library and pytest only; the rest of the house
is imported by the first device test.
"""

from __future__ import annotations

from pytest_edgedevice.plugin.fixtures import (
    edge_check,
    edge_delegate,
    edge_device,
    edge_golden,
    edge_model,
)
from pytest_edgedevice.plugin.options import pytest_addhooks, pytest_addoption, pytest_load_initial_conftests
from pytest_edgedevice.plugin.outcomes import pytest_runtest_makereport, pytest_runtest_setup
from pytest_edgedevice.plugin.parametrize import pytest_collection_finish, pytest_generate_tests, pytest_sessionstart
from pytest_edgedevice.plugin.reporting import (
    pytest_configure,
    pytest_sessionfinish,
    pytest_terminal_summary,
)

__all__ = [
    "edge_check",
    "edge_delegate",
    "edge_device",
    "edge_golden",
    "edge_model",
    "pytest_addhooks",
    "pytest_addoption",
    "pytest_collection_finish",
    "pytest_configure",
    "pytest_generate_tests",
    "pytest_load_initial_conftests",
    "pytest_runtest_makereport",
    "pytest_runtest_setup",
    "pytest_sessionfinish",
    "pytest_sessionstart",
    "pytest_terminal_summary",
]
