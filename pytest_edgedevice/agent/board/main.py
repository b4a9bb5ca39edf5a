"""The helper's process: descriptors, signals, and what is left to do when its host is gone."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import tempfile
from typing import TYPE_CHECKING, Any, Callable, List, NoReturn, Optional

from pytest_edgedevice.agent.board.facts import board_facts
from pytest_edgedevice.agent.board.files import remove_later
from pytest_edgedevice.agent.board.helper import Clear, Helper
from pytest_edgedevice.agent.board.line import Line
from pytest_edgedevice.agent.wire import WireError

if TYPE_CHECKING:
    from pytest_edgedevice.agent.board.guard import Hold
    from pytest_edgedevice.agent.board.models import Cache

FAREWELL_S = 2.0
Enter = Callable[..., Any]


class _Ended(BaseException):
    """A signal asks us to end."""


def main(base: str, *, enter: Enter, clear: Clear, hold: Hold, cache: Optional[Cache] = None) -> int:
    """Serve one host on standard input and output; the exit status.

    Args:
        base: Folder for our files on this board; empty for one in the temporary folder.
        enter: Makes a session's folder in a base: something with ``folder``, and a lock until its ``close``.
        clear: Removes what a dead session left.
        hold: Takes the board's lock.
        cache: Makes the cache of models that stay here; None where none may.
    """
    for number in (signal.SIGHUP, signal.SIGTERM):
        signal.signal(number, _raise)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.umask(0o077)
    source, sink = os.dup(0), os.dup(1)
    with open(os.devnull, "r+b") as nothing:
        os.dup2(nothing.fileno(), 0)
    os.dup2(2, 1)
    return serve(Line(source, sink), base, enter=enter, clear=clear, hold=hold, cache=cache)


def serve(line: Line, base: str, *, enter: Enter, clear: Clear, hold: Hold, cache: Optional[Cache] = None) -> int:
    """Serve one host; see ``main``."""
    try:
        owner = _entered(base, enter)
    except Exception as error:  # noqa: BLE001 - whatever it is, the host must hear of it
        full = getattr(error, "errno", None) in (28, 122)
        kind = "full" if full else "internal"
        line.send({"op": "failed", "id": None, "kind": kind, "message": str(error)[:2000]})
        line.finish(FAREWELL_S)
        return 1
    helper = Helper(line, owner.folder, hold=hold, clear=clear, cache=cache)
    status, kept = 0, []
    try:
        helper.hello(board_facts())
        helper.serve()
    except WireError as error:
        print(f"the host broke the protocol: {error}", file=sys.stderr)
        status = 65
    except _Ended:
        status = 1
    finally:
        for number in (signal.SIGHUP, signal.SIGTERM):
            with contextlib.suppress(ValueError):  # not in the main thread
                signal.signal(number, signal.SIG_IGN)
        kept = helper.wipe()
        owner.close()
        _leave(base, owner.folder)
    if helper.ended:
        line.send({"op": "gone"})
        line.finish(FAREWELL_S)
    if any(kept):
        _outlive(kept, line)
        _leave(base, owner.folder)
    return status


def _leave(base: str, folder: str) -> None:
    """Remove the folder of all sessions, where it is our own choice and no other session is there."""
    if not base:
        with contextlib.suppress(OSError):
            os.rmdir(os.path.dirname(folder))


def _entered(base: str, enter: Enter) -> Any:
    from pathlib import Path

    if base:
        # as seen from the home folder, where a login begins
        return enter(Path(os.path.abspath(os.path.expanduser(base))), chosen=True)
    return enter(Path(tempfile.gettempdir()) / f"edgedevice-{os.getuid()}", chosen=False)


def _outlive(kept: List[str], line: Line) -> None:
    """Stay a few seconds for a host that comes back to go on, as a process of its own: the session has ended."""
    os.close(line.sink)
    if os.fork():
        os._exit(0)
    os.setsid()
    with open(os.devnull, "r+b") as nothing:
        os.dup2(nothing.fileno(), 1)
        os.dup2(nothing.fileno(), 2)
    remove_later(kept)


def _raise(_number: int, _frame: Optional[object]) -> NoReturn:
    raise _Ended
