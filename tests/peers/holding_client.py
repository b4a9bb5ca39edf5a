"""Another host in a process of its own, for tests and benchmarks: it holds a board, has a file and a program there."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

ROOT = Path(__file__).parents[2]
CLIENT = textwrap.dedent("""
    import sys, time
    from pytest_edgedevice.leases import Holder
    from pytest_edgedevice.leases.holder import to_record
    from pytest_edgedevice.transports.ssh.transport import SshTransport

    link = SshTransport("kitchen", program=sys.argv[1:], python=sys.executable)
    link.guard(to_record(Holder(user="ada", pid=7, host="lab", since=1.0), key=link.identity()), wait_s=0)
    link.place(b"secret", timeout_s=30)
    link.start(["sleep", "987"])
    print(link.folder, flush=True)
    time.sleep(600)
""")


def client(*program: str) -> tuple[subprocess.Popen[str], Path]:
    """A process that holds the board and does nothing more, and the folder of its session there.

    Args:
        program: The ssh program that reaches the board ``kitchen``, with its arguments.
    """
    started = subprocess.Popen(
        [sys.executable, "-c", CLIENT, *program],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert started.stdout is not None
    folder = Path(started.stdout.readline().strip())
    assert folder.name.startswith("edgedevice-session-")
    return started, folder
