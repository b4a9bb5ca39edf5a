"""Which device tests run how often, devices times delegates, and what their markers say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from pytest_edgedevice.plugin.options import settings_of

DELEGATE_FORM = '@pytest.mark.edge_delegate("cpu", "gpu", fallback="allow", options={"key": "value"})'
SHARED_FORM = "@pytest.mark.edge_shared"
REQUIRES_FORM = '@pytest.mark.edge_requires("linux and cores>=2")'


@dataclass(frozen=True, slots=True)
class DelegateMark:
    """What the closest ``edge_delegate`` marker says."""

    names: tuple[str, ...] = ()
    fallback: str = "fail"
    options: Mapping[str, Any] = field(default_factory=dict)


def generate(metafunc: pytest.Metafunc) -> None:
    """Repeat a device test for every device and delegate; ids are their names."""
    settings = settings_of(metafunc.config)
    required_expressions(metafunc.definition)
    is_shared(metafunc.definition)
    taken = _parametrized(metafunc.definition)
    if "edge_device" in metafunc.fixturenames and len(settings.devices) > 1 and "edge_device" not in taken:
        metafunc.parametrize("edge_device", settings.devices, indirect=True, ids=settings.devices, scope="session")
    if "edge_delegate" in metafunc.fixturenames and "edge_delegate" not in taken:
        marked = delegate_mark(metafunc.definition).names
        names = settings.delegates or marked
        if marked or len(names) > 1:
            metafunc.parametrize("edge_delegate", names, indirect=True, ids=[_short(name) for name in names])


def delegate_mark(node: Any) -> DelegateMark:
    """The closest ``edge_delegate`` marker; its misuse fails with the right form."""
    mark = node.get_closest_marker("edge_delegate")
    if mark is None:
        return DelegateMark()
    fallback, options = mark.kwargs.get("fallback", "fail"), mark.kwargs.get("options") or {}
    names_fit = bool(mark.args) and all(isinstance(name, str) and name for name in mark.args)
    words_fit = set(mark.kwargs) <= {"fallback", "options"} and fallback in ("fail", "allow")
    if not names_fit or not words_fit or not isinstance(options, Mapping):
        _misused(node, mark, DELEGATE_FORM)
    return DelegateMark(tuple(dict.fromkeys(mark.args)), fallback, options)


def required_expressions(node: Any) -> list[str]:
    """Expressions of all ``edge_requires`` markers; their misuse fails with the right form."""
    found = []
    for mark in node.iter_markers("edge_requires"):
        if len(mark.args) != 1 or mark.kwargs or not isinstance(mark.args[0], str):
            _misused(node, mark, REQUIRES_FORM)
        _check_expression(node, mark.args[0])
        found.append(mark.args[0])
    return found


def is_shared(node: Any) -> bool:
    """Whether a test has the marker ``edge_shared``; its misuse fails with the right form."""
    marks = list(node.iter_markers("edge_shared"))
    for mark in marks:
        if mark.args or mark.kwargs:
            _misused(node, mark, SHARED_FORM)
    return bool(marks)


def _check_expression(node: Any, text: str) -> None:
    from pytest_edgedevice.errors import ConfigError, SpecError
    from pytest_edgedevice.plugin.catalog import expression_of

    try:
        expression_of(node.config, text)
    except SpecError as error:
        said = pytest.fail.Exception(f"{node.nodeid}: edge_requires({text!r}): {error}", pytrace=False)
        raise said from None  # or pytest would tell both
    except ConfigError:
        return  # the device file is wrong, which is told once, when all tests are collected


def _misused(node: Any, mark: pytest.Mark, form: str) -> None:
    given = ", ".join([*map(repr, mark.args), *(f"{key}={value!r}" for key, value in mark.kwargs.items())])
    pytest.fail(f"{node.nodeid}: {mark.name}({given}) is misused; its form is {form}", pytrace=False)


def _parametrized(node: Any) -> set[str]:
    """Names that the test's own ``parametrize`` marks give values to."""
    names: set[str] = set()
    for mark in node.iter_markers("parametrize"):
        spoken = mark.args[0] if mark.args else mark.kwargs.get("argnames", ())
        names.update(part.strip() for part in (spoken.split(",") if isinstance(spoken, str) else spoken))
    return names


def _short(delegate: str) -> str:
    """A delegate in a test id: of a library only its file name."""
    kind, colon, path = delegate.partition(":")
    return f"{kind}:{path.rpartition('/')[2]}" if colon else delegate
