"""The command of this host that opens an app on a device, for as long as it runs."""

from __future__ import annotations

import contextlib
import os
import shlex
import subprocess
import threading
from collections import deque
from typing import TYPE_CHECKING

from pytest_edgedevice.errors import ConfigError
from pytest_edgedevice.runners.wording import describe_status, printable
from pytest_edgedevice.transports.forked import hold, release
from pytest_edgedevice.transports.pipes import kill_group

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

MOST_LINES = 50
MOST_LINE_BYTES = 4096
SHOWN_LINES, SHOWN_CHARS = 6, 300
END_S = 5.0
DRAIN_S = 1.0
GUARD = ("/bin/sh", "-c", 'read -r group && { read -r _; kill -9 "-$group"; }')
"""Is told a group, and ends it when its own input ends."""


def filled(template: Sequence[str], values: Mapping[str, str]) -> list[str]:
    """The arguments with ``{name}`` replaced by what it stands for; other braces stay.

    Raises:
        ConfigError: One of them is not known.
    """
    arguments = []
    for argument in template:
        for name, value in values.items():
            if f"{{{name}}}" in argument and not value:
                raise ConfigError(
                    f"the command that opens the app has {{{name}}}, and no {name} is known",
                    hint=f"add '{name}' to the device's table in edgedevice.toml, or leave it out of 'start'",
                )
            argument = argument.replace(f"{{{name}}}", value)  # noqa: PLW2901 - one after another
        arguments.append(argument)
    return arguments


class _Guard:
    """A process that ends a group when we end, also when we are killed and can end nothing ourselves."""

    def __init__(self) -> None:
        source, self._sink = os.pipe()
        hold(self, frozenset({self._sink}))  # a forked child would keep it from hearing of our end
        try:
            self._process = subprocess.Popen(GUARD, stdin=source, stdout=subprocess.DEVNULL, start_new_session=True)
        finally:
            os.close(source)

    def watch(self, group: int) -> None:
        """End this group when we end."""
        with contextlib.suppress(BrokenPipeError):  # somebody has killed it
            os.write(self._sink, b"%d\n" % group)

    def dismiss(self) -> None:
        """Let go of it, and leave the group alone."""
        release(self)
        self._process.kill()
        self._process.wait()
        os.close(self._sink)


class StartCommand:
    """A command that was started: without a shell, in a group of its own that ends with us, and read all the time.

    Args:
        arguments: The program and what it is told.

    Raises:
        ConfigError: It cannot be started.
    """

    def __init__(self, arguments: Sequence[str]) -> None:
        self.text = printable(shlex.join(arguments))
        try:
            self._child, self._guard = _started(arguments)
        except (OSError, ValueError) as error:
            why = error.strerror if isinstance(error, OSError) else error
            raise ConfigError(
                f"the command that opens the app cannot be started: {self.text}: {why}",
                hint="see 'start' in the device's table: is the program installed, and on the PATH?",
            ) from error
        self._lines: deque[bytes] = deque(maxlen=MOST_LINES)
        self._reader = threading.Thread(target=self._read, name="edgedevice-start", daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._child.stdout is not None
        with contextlib.suppress(OSError, ValueError):  # closed under us
            while line := self._child.stdout.readline(MOST_LINE_BYTES):
                self._lines.append(line)

    @property
    def status(self) -> int | None:
        """Its exit status (negative: signal); None while it runs.

        It is not reaped before ``end``: until then its number, which is its group's, can be nobody else's.
        """
        if self._child.returncode is not None or not hasattr(os, "waitid"):  # macOS has it since Python 3.13
            return self._child.poll()
        found = os.waitid(os.P_PID, self._child.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        if found is None:
            return None
        return found.si_status if found.si_code == os.CLD_EXITED else -found.si_status

    def told(self) -> str:
        """What became of it and what it said last, for the end of a message."""
        status = self.status
        if status is not None:
            self._reader.join(DRAIN_S)  # a grandchild may hold the pipe open
        how = "still runs" if status is None else describe_status(status)
        lines = [printable(line.decode("utf-8", "replace")).strip() for line in list(self._lines)]
        said = [line[:SHOWN_CHARS] for line in lines if line][-SHOWN_LINES:]
        return f"the command {how}: {self.text}" + "".join(f"\n  it said: {line}" for line in said)

    def end(self) -> None:
        """End it and whatever it started, once."""
        assert self._child.stdout is not None
        self._guard.dismiss()
        kill_group(self._child.pid)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._child.wait(END_S)
        self._reader.join(DRAIN_S)
        if not self._reader.is_alive():
            self._child.stdout.close()


def _started(arguments: Sequence[str]) -> tuple[subprocess.Popen[bytes], _Guard]:
    guard = _Guard()
    try:
        child = subprocess.Popen(
            list(arguments),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    except BaseException:
        guard.dismiss()
        raise
    guard.watch(child.pid)
    return child, guard
