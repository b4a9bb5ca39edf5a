"""Run our program on a board: sent as one file, answered by one JSON object that nobody here trusts."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_edgedevice.cli.text import printable
from pytest_edgedevice.errors import DeviceFullError, InfraError, TransportError
from pytest_edgedevice.runners.bundle import packed
from pytest_edgedevice.transports.prepared import prepared
from pytest_edgedevice.transports.ssh.bundle import older, sources
from pytest_edgedevice.transports.ssh.client import last_words

if TYPE_CHECKING:
    from pytest_edgedevice.transports.ssh.transport import SshTransport

MOST_ANSWER_BYTES = 1 << 20
PUSH_S = 60.0
ANSWER_S = 400.0
PARTS = (
    "agent/sites.py",
    "runners/elf.py",
    "cli/boards/there.py",
    "cli/boards/placing.py",
    "cli/boards/trying.py",
)
SHARED = (
    *("errors.py", "agent/__init__.py", "agent/conditions.py", "agent/board/__init__.py", "agent/board/facts.py"),
    *(f"leases/{name}.py" for name in ("folder", "holder", "kernel", "lockfile", "looking", "queue", "slots")),
)
"""What these import of the sources that a helper is made of."""
ROOMS = ("", "cli/", "cli/boards/", "leases/", "runners/")
"""Those whose own ``__init__`` is left out: it imports what is not sent."""
MAIN = """
import json, sys
from pytest_edgedevice.cli.boards import placing, there
request = json.load(sys.stdin)
there.answer(there.look(request) if request["op"] == "look" else placing.work(request))
"""
FREE_SPACE = "free space there, or name a folder on a larger disk with 'folder' in edgedevice.toml"


class Board:
    """A board that answers questions of the command line.

    Args:
        transport: The connection; the caller closes it.
        python: Interpreter on the board.
        name: What people call it.
    """

    def __init__(self, transport: SshTransport, *, python: str, name: str) -> None:
        self.transport = transport
        self.name = name
        self._python = python
        self._program = transport.place(program(), timeout_s=PUSH_S)

    @property
    def base(self) -> str:
        """Folder of the sessions' folders there."""
        return self.transport.folder.rpartition("/")[0]

    def ask(self, operation: str, *, timeout_s: float = ANSWER_S, **request: Any) -> dict[str, Any]:
        """One question, one answer.

        Raises:
            DeviceFullError: The board's disk is full.
            InfraError: It cannot be done there, and why.
            TransportError, DeadlineError: The board did not answer, or not in our words.
        """
        content = json.dumps({"op": operation, **request}).encode()
        # isolated: nobody's start-up files and no module of the current folder's come between
        words = [self._python, "-I", self._program]
        done = self.transport.run(words, timeout_s=timeout_s, stdin=content)
        said = " ".join(last_words(done.stderr.decode("utf-8", "replace"))[-1:])
        if done.returncode:
            raise TransportError(f"{self.name}: looking at it ended with {done.returncode}: {said or 'no word'}")
        answer = _parsed(done.stdout)
        if answer is None:
            raise TransportError(f"{self.name} does not answer in our words, but {done.stdout[:60]!r}")
        if "failed" in answer:
            message = f"{self.name}: {printable(str(answer.get('message'))[:400])}"
            if answer["failed"] == "full":
                raise DeviceFullError(f"no space left on {message}", hint=FREE_SPACE)
            raise InfraError(message)
        return answer


@cache
def program() -> bytes:
    """Our program as one file that Python runs."""
    root = Path(__file__).parents[2]
    here = {f"pytest_edgedevice/{part}": (root / part).read_text(encoding="utf-8") for part in PARTS}
    shared = {path: sources()[path] for path in (f"pytest_edgedevice/{part}" for part in SHARED)}
    given = {"__main__.py": MAIN, **{f"pytest_edgedevice/{room}__init__.py": "" for room in ROOMS}, **shared}

    def make() -> bytes:
        return packed({**given, **{where: older(text) for where, text in here.items()}})

    return prepared(__file__, [*given, *given.values(), *here, *here.values()], make)


def _parsed(output: bytes) -> dict[str, Any] | None:
    if len(output) > MOST_ANSWER_BYTES:
        return None
    try:
        found = json.loads(output)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None
