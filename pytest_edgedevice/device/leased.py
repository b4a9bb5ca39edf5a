"""A device's side towards those who wait for it: what its lease tells them, and what is counted against it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from pytest_edgedevice.leases import note_fault, note_health, waiters

if TYPE_CHECKING:
    from types import TracebackType

    from pytest_edgedevice.leases import Lease, Quarantine


class Leased:
    """Something with a name and an identity that may be leased; without a lease all of this does nothing."""

    name: str
    identity: str
    _lease: Lease | None

    def tell_waiters(self, test: str) -> None:
        """Say in the holder's record what the device is used for now.

        Raises:
            LeaseError: The lock was removed by somebody, so that we may not be alone any more.
        """
        if self._lease:
            self._lease.check()
            self._lease.update(test=test)

    def waiters(self) -> int:
        """How many others wait for this device now."""
        return waiters(self.identity) if self._lease else 0

    def note_fault(self, reason: str) -> Quarantine | None:
        """Count an infrastructure error against the device; the second in a row quarantines it."""
        return note_fault(self.identity, name=self.name, reason=reason) if self._lease else None

    def note_health(self) -> None:
        """Say that it works: the count of errors in a row starts anew."""
        if self._lease:
            note_health(self.identity)

    def close(self) -> None:
        """Hand it back."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
