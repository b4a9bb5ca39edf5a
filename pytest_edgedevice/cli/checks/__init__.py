"""What ``edgedevice doctor`` looks at, a subject a file.

A check looks and changes nothing: it starts no server, mends no folder and ends
no process. Whatever answers it is bounded in time and size.
"""

from __future__ import annotations

from pytest_edgedevice.cli.checks.adb import check_adb_server
from pytest_edgedevice.cli.checks.devices import check_named_devices, check_quarantines
from pytest_edgedevice.cli.checks.engines import check_engines
from pytest_edgedevice.cli.checks.extras import check_extras
from pytest_edgedevice.cli.checks.finding import Check, Finding, guarded
from pytest_edgedevice.cli.checks.host import check_plugin, check_python, check_xnnpack
from pytest_edgedevice.cli.checks.leftovers import check_leftovers
from pytest_edgedevice.cli.checks.locks import check_lock_files, check_locks
from pytest_edgedevice.cli.checks.phones import check_adb_program, check_phones
from pytest_edgedevice.cli.checks.ssh import check_ssh_client
from pytest_edgedevice.cli.checks.storage import check_storage
from pytest_edgedevice.cli.checks.usbmux import check_iphones, check_usbmux

CHECKS: tuple[Check, ...] = (
    check_python,
    check_plugin,
    check_engines,
    check_xnnpack,
    check_locks,
    check_lock_files,
    check_storage,
    check_leftovers,
    check_quarantines,
    check_named_devices,
    check_extras,
    check_adb_program,
    check_adb_server,
    check_phones,
    check_ssh_client,
    check_usbmux,
    check_iphones,
)

__all__ = ["CHECKS", "Finding", "guarded"]
