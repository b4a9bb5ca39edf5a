"""How many workers of pytest-xdist there should be: one a device, in the process that starts them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from pytest_edgedevice.errors import EdgeDeviceError
from pytest_edgedevice.leases import quarantine_of
from pytest_edgedevice.plugin.catalog import catalog, forget_devices
from pytest_edgedevice.plugin.options import settings_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pytest

XDIST_VARIABLE = "PYTEST_XDIST_AUTO_NUM_WORKERS"


def auto_workers(config: pytest.Config) -> int | None:
    """One worker for each healthy device that fits what was named; None leaves the number to pytest-xdist."""
    if not settings_of(config).origin or os.environ.get(XDIST_VARIABLE):
        return None
    try:
        return max(1, _healthy_devices(config))
    except EdgeDeviceError:
        return 1  # what is wrong is told when specs are checked, or by the first test
    finally:
        forget_devices(config)  # plugins that are configured later may contribute more


def crowd_warning(config: pytest.Config) -> str | None:
    """What to say of more workers than devices; None where there is nothing to say."""
    workers = len(config.option.tx)
    if not settings_of(config).origin:
        return None
    try:
        devices = max(1, _healthy_devices(config))
    except EdgeDeviceError:
        return None
    if workers <= devices:
        return None
    share = f"{workers} workers share {devices} device{'s' * (devices > 1)}"
    waiting = workers - devices
    return f"edgedevice: {share}: {waiting} wait{'s' * (waiting == 1)} in line at any time; use -n auto"


def keep_groups(items: Sequence[pytest.Item]) -> None:
    """With ``--dist loadgroup``, give pytest-xdist's groups to the names by which tests are handed out.

    pytest-xdist (to 3.8 at least) writes them into a place that pytest 9.2 does not read any more,
    and tests that need one kind of device would change workers, and workers their devices.
    """
    try:
        from _pytest.nodeid import NodeId
    except ImportError:  # an older pytest, which reads them
        return
    for item in items:
        grouped = vars(item).get("_nodeid")
        if isinstance(grouped, str) and grouped != item.nodeid:
            item._id = NodeId.parse(grouped)  # noqa: SLF001 - there is no other way to rename a test


def _healthy_devices(config: pytest.Config) -> int:
    """Pieces of hardware, whatever they are called."""
    known = catalog(config)
    found = {one.identity for spec in settings_of(config).devices for one in known.candidates(known.parse(spec))}
    return sum(not _is_sick(identity) for identity in found)


def _is_sick(identity: str) -> bool:
    quarantine = quarantine_of(identity)
    return quarantine is not None and quarantine.active
