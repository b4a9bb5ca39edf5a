"""From a spec to an open device: find what fits, lease it, connect.

The one place where specs, the inventory, leases and transports meet.
"""

from __future__ import annotations

from pytest_edgedevice.opening.candidates import Candidate, Factory
from pytest_edgedevice.opening.catalog import Catalog
from pytest_edgedevice.opening.leasing import NoneFitsError, counts, open_device

__all__ = ["Candidate", "Catalog", "Factory", "NoneFitsError", "counts", "open_device"]
