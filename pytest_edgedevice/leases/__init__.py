"""Exclusive use of a physical device, across processes and users of one host.

Owns the lock folder, the queue of waiters and the holder records. The kernel's
``flock`` is the truth: it goes with its process, however that ends. Everything
that is written beside it is information for people and may be garbage. Knows
nothing of models or pytest; a device is a key, its hardware's identity.
"""

from __future__ import annotations

from pytest_edgedevice.leases.folder import lock_folder
from pytest_edgedevice.leases.holder import Holder
from pytest_edgedevice.leases.lease import Lease, Waiting, acquire, who

__all__ = ["Holder", "Lease", "Waiting", "acquire", "lock_folder", "who"]
