"""A Linux board over SSH, by the system's own OpenSSH client.

One connection and one login a session: a helper on the board starts programs,
takes files and holds the board's lock, so that neither slow login shells nor
names with odd signs come between. When the connection or this process ends,
the helper ends what it started and removes what it was given.
"""

from __future__ import annotations

import contextlib
import threading
import time
from typing import TYPE_CHECKING, Any

from pytest_edgedevice.agent.board import TTL_S, WINDOW_BYTES
from pytest_edgedevice.agent.sites import HOME
from pytest_edgedevice.errors import DeadlineError, DeviceBusyError, LeaseError, OutputTooLongError, TransportError
from pytest_edgedevice.transports.base import Completed, Pushed, Transport
from pytest_edgedevice.transports.progress import shown, size_of
from pytest_edgedevice.transports.ssh.client import Target, last_words
from pytest_edgedevice.transports.ssh.connection import connect
from pytest_edgedevice.transports.ssh.files import SshFiles
from pytest_edgedevice.transports.ssh.process import SshProcess

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from pytest_edgedevice.values import Fact

CONNECT_S = 30.0
CLOSE_S = 5.0
MOST_OUTPUT_BYTES = 64 << 20
"""Longest output of a program that ``run`` keeps, and of its errors."""
SLACK_S = 30.0
SITE = "site"
"""Folder beside the sessions' ones where packages of the board's agent may be."""


class SshTransport(Transport):
    """A connection to one board.

    Args:
        host: Name, address, or a ``Host`` of ``~/.ssh/config``.
        user: Empty for the configuration's.
        port: None for the configuration's.
        python: Interpreter on the board, 3.9 or later; ``python3`` by default.
        base: Folder for our files there; by default one in its temporary folder.
        cache_bytes: How much of pushed models may stay there, beside the session's folder, when it ends.
        program: The ssh program, with arguments of its own.
        connect_timeout_s: Deadline for connecting and starting the helper.

    Raises:
        TransportError: The board cannot be reached, or runs no helper.
    """

    kind = "ssh"

    def __init__(
        self,
        host: str,
        *,
        user: str = "",
        port: int | None = None,
        python: str = "",
        base: str = "",
        cache_bytes: int = 0,
        program: Sequence[str] = ("ssh",),
        connect_timeout_s: float = CONNECT_S,
    ) -> None:
        self._target = Target(host, user=user, port=port, program=tuple(program))
        self._python = python or "python3"
        self._closed = False
        self._processes: list[SshProcess] = []
        self._link, hello = connect(
            self._target, python=self._python, base=base, cache_bytes=cache_bytes, timeout_s=connect_timeout_s
        )
        self._link.keep_alive()
        self.folder = hello.folder
        self._identity = hello.identity
        self._facts = hello.facts
        self._files = SshFiles(self._link, hello, where=str(self._target), keep=cache_bytes > 0)

    def __repr__(self) -> str:
        return f"<SshTransport to {self._target}>"

    @property
    def is_alive(self) -> bool:
        """Whether the connection is there, as far as has been noticed."""
        return not self._closed and self._link.is_alive

    def identity(self) -> str:
        """See the base class; that of ``local`` on the board itself."""
        return self._identity

    def facts(self) -> Mapping[str, Fact]:
        """See the base class; as they were when the connection was made."""
        return self._facts

    def aftermath(self, pid: int | None, since: float) -> Mapping[str, str]:  # noqa: ARG002 - told when it ended
        """See the base class: what the board knows of its memory, of a program that was killed."""
        notes = [one.note for one in self._processes if one.note and pid in (None, one.pid)]
        return {"memory": notes[-1]} if notes else {}

    def agent_command(self, agent: str) -> list[str]:
        """See the base class; packages may also lie in a folder of ours, for boards without their own."""
        site = f"{self.folder.rpartition('/')[0]}/{SITE}"
        return [self._python, agent, "--folder", self.folder, "--wipe", "--site", site, "--site", HOME]

    def run(self, arguments: Sequence[str], *, timeout_s: float, stdin: bytes = b"") -> Completed:
        """See the base class."""
        self._check_open()
        deadline = time.monotonic() + timeout_s
        name = arguments[0] if arguments else ""
        try:
            process = SshProcess(
                self._link,
                arguments,
                where=str(self._target),
                timeout_s=timeout_s,
                most_errors=MOST_OUTPUT_BYTES,
                all_errors=True,
            )
            try:
                return _to_its_end(process, name, stdin, deadline)
            finally:
                process.kill()  # what it left behind holds the device's processor
        except DeadlineError:
            raise DeadlineError(f"{name!r} did not end within {timeout_s:g} s and was killed") from None

    def start(self, arguments: Sequence[str]) -> SshProcess:
        """See the base class."""
        self._check_open()
        self._processes = [one for one in self._processes if not one.killed]
        process = SshProcess(self._link, arguments, where=str(self._target))
        self._processes.append(process)
        return process

    def push(self, source: Path, *, timeout_s: float) -> Pushed:
        """See the base class."""
        self._check_open()
        with shown(self.on_progress, source.name, size_of([source])) as moved:
            return self._files.push(source, timeout_s=timeout_s, moved=moved)

    def push_all(self, sources: Sequence[Path], *, timeout_s: float) -> Sequence[Pushed]:
        """See the base class; small files do not wait for each other's answers."""
        self._check_open()
        with shown(self.on_progress, f"{len(sources)} files", size_of(sources)) as moved:
            return self._files.push_all(sources, timeout_s=timeout_s, moved=moved)

    def place(self, content: bytes, *, timeout_s: float) -> str:
        """See the base class."""
        self._check_open()
        with shown(self.on_progress, "our agent", len(content)) as moved:
            return self._files.place(content, timeout_s=timeout_s, moved=moved)

    def clean(self, left: str, *, timeout_s: float) -> Sequence[str]:
        """See the base class; the helper proves that it is a dead session's folder."""
        self._check_open()
        if not left:
            return ()
        reply = self._ask({"op": "clean", "folder": left, "timeout_s": timeout_s}, timeout_s=timeout_s)
        if reply.get("op") != "cleaned":
            raise TransportError(f"{self._target}: {left!r} could not be cleaned: {_said(reply)}")
        done = reply.get("done")
        return tuple(" ".join(last_words(str(one))) for one in done[:20]) if isinstance(done, list) else ()

    def guard(self, record: bytes, *, wait_s: float, on_wait: Callable[[str], None] | None = None) -> Sequence[str]:
        """See the base class: the lock is the one that tests on the board itself take."""
        self._check_open()
        request = {"op": "guard", "record": record.decode("utf-8", "replace"), "wait_s": wait_s}
        reply = self._ask(request, timeout_s=wait_s + SLACK_S, on_news=on_wait)
        if reply.get("op") != "guarded":
            kind = {"busy": DeviceBusyError, "lease": LeaseError}.get(str(reply.get("kind")), TransportError)
            raise kind(f"{self._target}: {_said(reply)}", hint=" ".join(last_words(str(reply.get("hint", "")))))
        done: list[str] = []
        for one in reply.get("crashed", []):
            done += [f"taken over from {' '.join(last_words(str(one.get('who'))))}"]
            done += self.clean(str(one.get("folder", "")), timeout_s=TTL_S)
        return done

    def _ask(
        self, request: dict[str, Any], *, timeout_s: float, on_news: Callable[[str], None] | None = None
    ) -> dict[str, Any]:
        """One question to the helper, and what it says until the answer."""
        deadline = time.monotonic() + timeout_s
        number = self._link.number()
        heard: list[dict[str, Any]] = []
        self._link.handlers[number] = lambda header, _payload: heard.append(header)
        try:
            self._link.send({**request, "id": number}, deadline=deadline)
            while True:
                self._link.wait(lambda: bool(heard), deadline=deadline)
                reply = heard.pop(0)
                if reply.get("op") != "waiting":
                    return reply
                if on_news is not None:
                    on_news(" ".join(last_words(str(reply.get("text")))))
        except DeadlineError:
            what = request["op"]
            raise DeadlineError(f"{self._target} did not answer {what!r} within {timeout_s:g} s") from None
        finally:
            self._link.handlers.pop(number, None)

    def _check_open(self) -> None:
        if self._closed:
            raise TransportError("the link is closed")

    def close(self) -> None:
        """See the base class; the lock is handed back when everything is removed."""
        if self._closed:
            return
        self._closed = True
        self._link.close(timeout_s=CLOSE_S)


def _to_its_end(process: SshProcess, name: str, stdin: bytes, deadline: float) -> Completed:
    """Give a program its input and take its output, at the same time."""
    output = bytearray()
    chunk = memoryview(bytearray(1 << 20))
    giving = threading.Thread(target=_give, args=(process, stdin, deadline), daemon=True)
    if len(stdin) <= WINDOW_BYTES:
        giving.run()  # all of it fits on the way, whatever the program does
    else:
        giving.start()
    while count := process.stream.receive_into(chunk, timeout_s=max(deadline - time.monotonic(), 0)):
        output += chunk[:count]
        if len(output) > MOST_OUTPUT_BYTES:
            break
    too_much = len(output) > MOST_OUTPUT_BYTES
    status = None if too_much else process.wait(timeout_s=max(deadline - time.monotonic(), 0))
    if too_much or process.overrun:
        raise OutputTooLongError(f"{name!r} was killed: it said more than {MOST_OUTPUT_BYTES >> 20} MiB")
    if status is None:
        raise DeadlineError("it closed its output and did not end")
    return Completed(status, bytes(output), process.errors)


def _give(process: SshProcess, stdin: bytes, deadline: float) -> None:
    with contextlib.suppress(TransportError, DeadlineError):  # it may end without having read its input
        process.stream.send([stdin], timeout_s=max(deadline - time.monotonic(), 0))
        process.stream.end_input(timeout_s=max(deadline - time.monotonic(), 0))


def _said(reply: Mapping[str, Any]) -> str:
    return " ".join(last_words(str(reply.get("message", "")))) or "it gave no reason"
