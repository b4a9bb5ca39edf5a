"""Devices that could not be opened, and why: who cannot be opened is not waited for at every test."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from pytest_edgedevice.errors import EdgeDeviceError, InfraError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytest_edgedevice.inventory import DeviceEntry

TRIES = 2
"""How often a device that cannot be opened is tried; then its last error is told at once."""


class Failures:
    """Errors in a row, by the device's key."""

    def __init__(self) -> None:
        self._errors: dict[str, list[EdgeDeviceError]] = {}

    @contextlib.contextmanager
    def of(self, key: str) -> Iterator[None]:
        """Open a device in this block; an error is remembered, a success ends the row.

        Raises:
            InfraError: The last one again, where there were enough of them.
        """
        errors = self._errors.get(key, [])
        if len(errors) >= TRIES:
            again = f"{errors[-1].message} (not tried again after {len(errors)} errors in a row)"
            raise type(errors[-1])(again, hint=errors[-1].hint)
        try:
            yield
        except InfraError as error:
            self._errors[key] = [*errors, error]
            raise
        self._errors.pop(key, None)

    def note(self, key: str, error: EdgeDeviceError) -> None:
        """Remember an error, in the place of earlier ones."""
        self._errors[key] = [error]

    def last(self) -> dict[str, EdgeDeviceError]:
        """The last error of each device."""
        return {key: errors[-1] for key, errors in self._errors.items()}

    def of_kind(self, kind: str, entries: Sequence[DeviceEntry]) -> list[EdgeDeviceError]:
        """The last error of each device of one kind, and of those that the device file names."""
        names = {entry.name for entry in entries}
        return [error for key, error in self.last().items() if key in names or key.startswith(f"{kind}:")]
