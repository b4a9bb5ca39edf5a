"""A process that is root of namespaces of its own: users, mounts, host name, processes. Knows nothing of sshd."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

from tests.board import power
from tests.board.making import BoardError, program

DEADLINE_S = 30.0
PRIVILEGED = "it needs root, user namespaces and a /proc without hidden parts; in a container, --privileged"
WAIT_FOR_MAPS = 'read -r _ && exec "$@"'
"""In a new user namespace nobody is root until its maps are written, and only a program started after that is."""


def process_one(folder: Path) -> subprocess.Popen[bytes]:
    """Process 1 of a new board, as root of namespaces of its own."""
    if os.getuid():
        raise BoardError("a board needs root: its sshd changes users and roots")
    apart = [program("unshare"), "--user", "--mount", "--uts", "--pid", "--fork", "--kill-child"]
    # isolated and without site: quicker, and nobody's start-up files run there
    init = [sys.executable, "-I", "-S", str(Path(power.__file__))]
    with (folder / "power.log").open("wb") as log:
        process = subprocess.Popen(
            [*apart, "sh", "-c", WAIT_FOR_MAPS, "sh", *init],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            bufsize=0,
        )
    assert process.stdin is not None
    try:
        _apart(process)
        for kind in ("uid", "gid"):
            Path(f"/proc/{process.pid}/{kind}_map").write_text("0 0 65536\n", encoding="ascii")
        process.stdin.write(b"go\n")
    except OSError as error:
        process.kill()
        process.communicate()
        said = (folder / "power.log").read_text(encoding="utf-8", errors="replace").strip()
        raise BoardError(f"no namespaces for a board here ({PRIVILEGED}): {said or error}") from error
    return process


def _apart(process: subprocess.Popen[bytes]) -> None:
    """Wait until the process is in a user namespace of its own."""
    deadline = time.monotonic() + DEADLINE_S
    ours = Path("/proc/self/ns/user").readlink()
    while Path(f"/proc/{process.pid}/ns/user").readlink() == ours:
        if process.poll() is not None or time.monotonic() > deadline:
            raise OSError(f"unshare ended with {process.poll()}")
        time.sleep(0.002)
