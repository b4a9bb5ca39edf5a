"""Which device tests run how often: devices times delegates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from pytest_edgedevice.plugin.options import SETTINGS

DELEGATE_FORM = '@pytest.mark.edge_delegate("cpu", "gpu", fallback="allow", options={"key": "value"})'
REQUIRES_FORM = '@pytest.mark.edge_requires("linux and cores>=2")'
FIXTURES = frozenset({"edge_device", "edge_model", "edge_delegate", "edge_check", "edge_golden"})


@dataclass(frozen=True, slots=True)
class DelegateMark:
    """What the closest ``edge_delegate`` marker says."""

    names: tuple[str, ...] = ()
    fallback: str = "fail"
    options: Mapping[str, Any] = field(default_factory=dict)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Repeat device tests for every device and delegate; ids are their names."""
    if FIXTURES.isdisjoint(metafunc.fixturenames):
        return
    settings = metafunc.config.stash[SETTINGS]
    if "edge_device" in metafunc.fixturenames and len(settings.devices) > 1:
        metafunc.parametrize("edge_device", settings.devices, indirect=True, ids=settings.devices, scope="session")
    if "edge_delegate" in metafunc.fixturenames:
        marked = delegate_mark(metafunc.definition).names
        names = settings.delegates or marked
        if marked or len(names) > 1:
            metafunc.parametrize("edge_delegate", names, indirect=True, ids=[_short(name) for name in names])


def is_device_test(item: pytest.Item) -> bool:
    """Whether an item uses one of our fixtures."""
    return not FIXTURES.isdisjoint(getattr(item, "fixturenames", ()))


def delegate_mark(node: pytest.Item | pytest.Function | Any) -> DelegateMark:
    """The closest ``edge_delegate`` marker.

    Raises:
        pytest.UsageError: It is misused; the message shows the form.
    """
    mark = node.get_closest_marker("edge_delegate")
    if mark is None:
        return DelegateMark()
    fallback, options = mark.kwargs.get("fallback", "fail"), mark.kwargs.get("options") or {}
    names_fit = bool(mark.args) and all(isinstance(name, str) and name for name in mark.args)
    words_fit = set(mark.kwargs) <= {"fallback", "options"} and fallback in ("fail", "allow")
    if not names_fit or not words_fit or not isinstance(options, Mapping):
        raise pytest.UsageError(f"{node.nodeid}: edge_delegate is misused; its form is {DELEGATE_FORM}")
    return DelegateMark(tuple(dict.fromkeys(mark.args)), fallback, options)


def required_expressions(item: Any) -> list[str]:
    """Expressions of all ``edge_requires`` markers.

    Raises:
        pytest.UsageError: One is misused; the message shows the form.
    """
    found = []
    for mark in item.iter_markers("edge_requires"):
        if len(mark.args) != 1 or mark.kwargs or not isinstance(mark.args[0], str):
            raise pytest.UsageError(f"{item.nodeid}: edge_requires is misused; its form is {REQUIRES_FORM}")
        found.append(mark.args[0])
    return found


def _short(delegate: str) -> str:
    """A delegate in a test id: of a library only its file name."""
    kind, colon, path = delegate.partition(":")
    return f"{kind}:{path.rpartition('/')[2]}" if colon else delegate
