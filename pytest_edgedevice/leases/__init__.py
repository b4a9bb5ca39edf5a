"""Exclusive or shared use of a physical device, across processes and users of one host.

Owns the lock folder, the queue of waiters, the holder records and the quarantine.
The kernel's ``flock`` is the truth: it goes with its process, however that ends.
Everything that is written beside it is information for people and may be garbage.
Knows nothing of models or pytest; a device is a key, its hardware's identity.
"""

from __future__ import annotations

from pytest_edgedevice.leases.folder import lock_folder
from pytest_edgedevice.leases.holder import Holder
from pytest_edgedevice.leases.lease import Lease
from pytest_edgedevice.leases.looking import holders, recorded, waiters, who
from pytest_edgedevice.leases.notice import Waiting
from pytest_edgedevice.leases.quarantine import Quarantine, lift, note_fault, note_health, quarantine_of
from pytest_edgedevice.leases.taking import ask_holder, holder_pid
from pytest_edgedevice.leases.waiting import acquire

__all__ = [
    "Holder",
    "Lease",
    "Quarantine",
    "Waiting",
    "acquire",
    "ask_holder",
    "holder_pid",
    "holders",
    "lift",
    "lock_folder",
    "note_fault",
    "note_health",
    "quarantine_of",
    "recorded",
    "waiters",
    "who",
]
