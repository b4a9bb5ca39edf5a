"""Hooks that conftests and other plugins may implement: the only way to extend this one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pytest_edgedevice.transports.base import Transport


@pytest.hookspec
def pytest_edgedevice_devices(config: pytest.Config) -> Mapping[str, Callable[[], Transport]]:  # type: ignore[empty-body]
    """Contribute devices by name, for ``--device NAME``.

    Return a mapping of name to a function that opens the link: an object of
    ``pytest_edgedevice.transports.base.Transport``. Called once, before the first
    device is opened. A name may be claimed once.

    Example::

        def pytest_edgedevice_devices(config):
            return {"rack7": lambda: RackTransport("rack7.lab")}
    """


@pytest.hookspec
def pytest_edgedevice_record(config: pytest.Config, record: Mapping[str, Any]) -> None:
    """Receive each record when its test has ended; called in the controlling process, not in workers.

    Example::

        def pytest_edgedevice_record(config, record):
            tracker.log(record["test"], record["verdict"], record["numbers"])
    """
