"""The system's OpenSSH client, which carries the users' own configuration, keys and jump hosts."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from pytest_edgedevice.cli.checks.finding import Finding
from pytest_edgedevice.cli.checks.programs import ended

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_edgedevice.inventory import Inventory

ANSWER_S = 10.0
INSTALL = "sudo apt install openssh-client"
# prints the settings for a host that is never connected to; -F keeps programs in the user's configuration from running
SHARING = ("-F", "none", "-G", "-o", "ControlMaster=auto", "-o", "ControlPersist=60", "edgedevice.invalid")


def check_ssh_client(_: Inventory) -> Iterator[Finding]:
    """Whether there is one, which, and whether it can share one connection between processes."""
    program = shutil.which("ssh")
    if program is None:
        yield Finding("ssh", "missing", "there is no ssh client", INSTALL)
        return
    told = ended([program, "-V"], timeout_s=ANSWER_S)
    version = (told.stderr or told.stdout).strip().partition("\n")[0][:80]
    if told.failure:
        said = f": {version}" if version else ""
        yield Finding(
            "ssh", "wrong", f"{program} {told.failure}{said}", f"mend it, then try: {program} -V" if said else INSTALL
        )
    elif "OpenSSH" not in version:
        yield Finding("ssh", "wrong", f"{program} is no OpenSSH: it says {version or 'nothing'}", INSTALL)
    elif "controlmaster auto" not in ended([program, *SHARING], timeout_s=ANSWER_S).stdout.lower().splitlines():
        yield Finding("ssh", "wrong", f"{version} cannot share a connection (ControlMaster)", INSTALL)
    else:
        yield Finding("ssh", "ok", f"{version}, shares connections (ControlMaster)")
