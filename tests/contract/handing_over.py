"""Programs that take long to start, started once: what is run is a script that hands over to a process which is up.

Importing numpy and a runtime takes ten times as long as starting Python. The process that has imported both forks
itself for each script, and the fork has the script's folder, arguments and streams.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SCRIPT = """#!{python} -IS
import posix, sys, _socket
line = _socket.socket(_socket.AF_UNIX)
line.connect({place!r})
streams = b"".join(number.to_bytes(4, sys.byteorder) for number in range(3))
words = "\\0".join([posix.getcwd(), *sys.argv])
line.sendmsg([words.encode()], [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, streams)])
posix._exit((line.recv(1) or b"\\1")[0])
"""
"""It imports nothing that is not part of Python's own program: that would take longer than all the rest."""
ROOT = Path(__file__).parents[2]


@contextlib.contextmanager
def handed_over(module: str, folder: Path) -> Iterator[Path]:
    """An executable in a folder that is the program of a module, whose own main calls ``serve``."""
    program, place = folder / "program", folder / "line"
    program.write_text(SCRIPT.format(python=sys.executable, place=str(place)), encoding="utf-8")
    program.chmod(0o755)
    command = [sys.executable, "-m", module, str(place)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, start_new_session=True) as serving:
        try:
            assert serving.stdout is not None
            assert serving.stdout.readline() == "up\n"
            yield program
        finally:
            os.killpg(serving.pid, signal.SIGKILL)


def serve(place: str, program: Callable[[], object]) -> None:
    """Be the program for every script that hands over, each in a process of its own, until somebody ends it."""
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(place)
        listening.listen()
        print("up", flush=True)
        while True:
            line, _ = listening.accept()
            if os.fork() == 0:
                listening.close()
                _be(program, line)
            line.close()
            with contextlib.suppress(ChildProcessError):  # there is none
                while os.waitpid(-1, os.WNOHANG)[0]:
                    pass


def _be(program: Callable[[], object], line: socket.socket) -> None:
    """Be the process that one script stands for; then end."""
    code = 1
    try:
        told, streams, *_ = socket.recv_fds(line, 1 << 16, 3)
        folder, *sys.argv = told.decode().split("\0")
        os.chdir(folder)
        for number, stream in enumerate(streams):
            os.dup2(stream, number)
            os.close(stream)
        program()
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 0
    except Exception:  # noqa: BLE001 - it ends with a traceback and a code, as Python does
        traceback.print_exc()
    finally:
        with contextlib.suppress(OSError):  # a script that was ended waits for nothing
            line.send(bytes([code]))
        os._exit(code)
