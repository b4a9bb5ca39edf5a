"""Phones: which adb there is, and every device that the adb server lists, with the remedy for those it cannot use."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_edgedevice.cli.checks.extras import found_module
from pytest_edgedevice.cli.checks.finding import Finding
from pytest_edgedevice.cli.checks.programs import ended
from pytest_edgedevice.errors import TransportError
from pytest_edgedevice.transports.adb.attached import attached, on_network, remedy

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_edgedevice.inventory import Inventory
    from pytest_edgedevice.transports.adb.states import AdbDevice

ANSWER_S = 10.0
HONEST = 36
"""First major version of adb whose exit code was seen to tell that a shell lost its device; 29 was seen to say 0."""
_VERSION = re.compile(r"^Version ((\d{1,4})\S{0,60})", re.MULTILINE)


def check_adb_program(_: Inventory) -> Iterator[Finding]:
    """Which adb program would start a server, and its version; it is asked for nothing else."""
    try:
        program = _program()
    except TransportError as error:
        yield Finding("adb program", "missing", error.message, error.hint)
        return
    told = ended([program, "version"], timeout_s=ANSWER_S)
    version = _VERSION.search(told.stdout)
    if told.failure or version is None:
        said = (told.stderr or told.stdout).strip().partition("\n")[0][:80]
        text = f"{program} {told.failure or 'tells no version'}" + (f": {said}" if said else "")
        yield Finding("adb program", "wrong", text, f"mend it, then try: {program} version")
        return
    lies = int(version[2]) < HONEST
    text = f"adb {version[1]} at {program}"
    text += "; its 'adb shell' may end with 0 when its device is lost: do not trust that in scripts" if lies else ""
    yield Finding("adb program", "ok", text)


def check_phones(inventory: Inventory) -> Iterator[Finding]:
    """Each device that a running adb server lists; no server is started, and no device is asked."""
    names = {entry.spec.address: entry.name for entry in inventory.devices.values() if entry.spec.kind == "adb"}
    for device in attached(start=False):
        state = device.said if device.said.startswith(device.state) else device.state
        told = f"adb:{device.serial}{_model(device)}"
        if device.state == "device":
            link = "the network" if on_network(device.serial) else "USB"
            link = "an emulator's port" if device.serial.startswith("emulator-") else link
            name = names.get(device.serial, f"adb:{device.serial}")
            yield Finding("phone", "ok", f"{told} can be used, over {link}", f"edgedevice doctor {name}")
        else:
            yield Finding("phone", "wrong", f"{told} is {state}", remedy(device))


def _program() -> str:
    """The one that adbutils would take, by its own order; it is not imported for that, as it takes its time."""
    found = os.environ.get("ADBUTILS_ADB_PATH") or shutil.which("adb")
    spec = None if found else found_module("adbutils")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        found = shutil.which("adb", path=str(Path(folder) / "binaries"))
    if not found:
        raise TransportError("there is no adb program on PATH, and adbutils brings none", hint="sudo apt install adb")
    return found


def _model(device: AdbDevice) -> str:
    model = device.properties.get("model", "").replace("_", " ")
    return f" ({model})" if model else ""
