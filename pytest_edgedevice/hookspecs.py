"""Hooks that conftests and other plugins may implement: the only way to extend this one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pytest_edgedevice.interfaces import DeviceLike
    from pytest_edgedevice.transports.base import Transport


@pytest.hookspec
def pytest_edgedevice_devices(  # type: ignore[empty-body]
    config: pytest.Config,
) -> Mapping[str, Callable[[], Transport | DeviceLike]]:
    """Contribute devices by name, for ``--device NAME``.

    Return a mapping of name to a function that opens the link: an object of
    ``pytest_edgedevice.transports.base.Transport``, which we lease here. Or one that opens
    the device itself where another host leases it: an object that offers all of
    ``pytest_edgedevice.interfaces.DeviceLike`` and lives by
    ``pytest_edgedevice.testing.DeviceContract``; it is used as it is and closed at the end.
    The hook is called once, before the first device is opened. A name may be claimed once.

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
