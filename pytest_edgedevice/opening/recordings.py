"""Recordings as devices that could be opened: no lease, no link."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from pytest_edgedevice.opening.candidates import Candidate, contributed

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pytest_edgedevice.interfaces import DeviceLike
    from pytest_edgedevice.inventory import DeviceEntry
    from pytest_edgedevice.spec import DeviceSpec


def opener(spec: DeviceSpec, entry: DeviceEntry | None = None, *, base: Path | None = None) -> Callable[[], DeviceLike]:
    """Opens the recording that a spec names.

    Args:
        spec: Its kind is ``replay``.
        entry: Its table in the device file, if it has one; its facts are added.
        base: Folder of the device file, to which a path in it is relative.
    """
    address = str(base / spec.address) if entry and base else spec.address

    def opened() -> DeviceLike:
        from pytest_edgedevice.replay import open_replay

        device = open_replay(address)
        if entry:
            own = {name: value for name, value in entry.known_facts().items() if name != spec.kind}
            device.facts = {**device.facts, **own}
        return cast("DeviceLike", device)

    return opened


def replayed(name: str, opened: Callable[[], DeviceLike]) -> Candidate:
    """A recording, opened and asked what it is.

    Raises:
        UsageError: There is none, or it is broken.
    """
    return contributed(name, opened(), opened)
