"""The command of this host that opens an app on a device, for as long as it runs."""

from __future__ import annotations

import contextlib
import shlex
import subprocess
import threading
from collections import deque
from typing import TYPE_CHECKING

from pytest_edgedevice.errors import ConfigError
from pytest_edgedevice.runners.wording import describe_status, printable
from pytest_edgedevice.transports.pipes import kill_group

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

MOST_LINES = 50
MOST_LINE_BYTES = 4096
SHOWN_LINES, SHOWN_CHARS = 6, 300
END_S = 5.0
DRAIN_S = 1.0


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


class StartCommand:
    """A command that was started: in a group of its own, without a shell, its output read all the time.

    Args:
        arguments: The program and what it is told.

    Raises:
        ConfigError: It cannot be started.
    """

    def __init__(self, arguments: Sequence[str]) -> None:
        self.text = printable(shlex.join(arguments))
        try:
            self._child = subprocess.Popen(
                list(arguments),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
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
        """Its exit status (negative: signal); None while it runs."""
        return self._child.poll()

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
        """End it and whatever it started, once: its number may be another's afterwards."""
        assert self._child.stdout is not None
        kill_group(self._child.pid)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._child.wait(END_S)
        self._reader.join(DRAIN_S)
        if not self._reader.is_alive():
            self._child.stdout.close()
