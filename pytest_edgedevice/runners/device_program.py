"""A program of the user on a device: brought there once with what lies beside it, run, and its end explained."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from pytest_edgedevice.errors import (
    AgentDiedError,
    ConfigError,
    DeadlineError,
    DeviceFullError,
    DeviceLostError,
    EdgeDeviceError,
    InfraError,
    OutputTooLongError,
    TransportError,
)
from pytest_edgedevice.runners.aftermath import add_aftermath, aftermath_of
from pytest_edgedevice.runners.device_files import DeviceFolder
from pytest_edgedevice.runners.wording import describe_status, telling_lines

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from pytest_edgedevice.runners.backend import Site
    from pytest_edgedevice.transports.base import Completed, Transport

MODE = "755"
MOST_LINES = 8
PROBE_S = 10.0
LIBRARIES = "LD_LIBRARY_PATH"


class DeviceProgram:
    """An executable of this host that runs on devices.

    Args:
        path: The executable.
        files: What lies beside it there, its libraries for one.
        environment: Variables of its processes.
        time_limit_s: Longest time of one process, seconds; 0 for what the caller of ``run`` says.

    Attributes:
        name: Its file's name.
    """

    def __init__(
        self,
        path: Path,
        *,
        files: Sequence[Path] = (),
        environment: Mapping[str, str] | None = None,
        time_limit_s: float = 0.0,
    ) -> None:
        self.name = path.name
        self.time_limit_s = time_limit_s
        self._sources = {path.name: path}
        for file in files:
            if file.name in self._sources:
                raise ConfigError(f"two files that belong beside the program {path.name!r} are named {file.name!r}")
            self._sources[file.name] = file
        self._environment = dict(environment or {})
        self._folder = ""

    def place(self, site: Site) -> None:
        """Bring it there, if it is not.

        Raises:
            ConfigError: A file of it is missing on this host.
            InfraError: The device cannot take it.
        """
        if self._folder:
            return
        for source in self._sources.values():
            if not source.is_file():
                what = "is a folder" if source.is_dir() else "does not exist"
                raise ConfigError(f"{str(source)!r}, a program or a file beside it, {what}", hint="see the device file")
        pushed = site.link.push_all(list(self._sources.values()), timeout_s=site.timeout_s)
        folder = DeviceFolder(site.link, f"{site.link.folder}/program-{secrets.token_hex(4)}", timeout_s=site.timeout_s)
        folder.make()
        # copies, since what was pushed may be kept for other sessions, and a program may write where it lies
        paths = [f"{site.link.folder}/{one.sha256}" for one in pushed]
        folder.take(dict(zip(self._sources, paths, strict=True)), mode=MODE)
        self._folder = folder.path

    def forget(self) -> None:
        """The link was lost: it is not there any more."""
        self._folder = ""

    def run(
        self,
        site: Site,
        arguments: Sequence[str],
        *,
        operation: str,
        timeout_s: float,
        around: Callable[[list[str]], list[str]] = list,
    ) -> Completed:
        """Run it to its end.

        Args:
            site: Where; it must have been placed there.
            arguments: What it is told.
            operation: What for, for messages.
            timeout_s: Deadline, seconds.
            around: Makes the command that is run of the program's own.

        Returns:
            How it ended, which may be by itself with any exit code.

        Raises:
            AgentDiedError: A signal ended it.
            DeadlineError: It did not end in time; it was killed.
            InfraError: It cannot be started, or the link failed.
        """
        aftermath = aftermath_of(site.link)
        try:
            done = site.link.run(around(self._command(arguments)), timeout_s=timeout_s)
        except DeadlineError:
            raise DeadlineError(
                f"{self.name!r} on {site.name} did not end {operation!r} within {timeout_s:g} s and was killed",
                hint="raise time_limit_s in the device file, or --edge-timeout, if it is slow",
            ) from None
        except (DeviceLostError, DeviceFullError):
            raise
        except OutputTooLongError as error:
            said = error.message[error.message.find("it said") :]
            raise InfraError(
                f"{self.name!r} on {site.name} was killed during {operation!r}: {said}",
                hint="it may print a log, not data: what it prints is kept whole",
            ) from None
        except TransportError as error:
            if not _answers(site.link):
                raise
            hint = "is it built for this device, executable, and does its folder allow programs?"
            raise InfraError(f"{self.name!r} does not run on {site.name}: {error.message}", hint=hint) from None
        if done.returncode < 0:
            died = self.ended(done, site=site, operation=operation)
            add_aftermath(died, aftermath, None)
            raise died
        return done

    def _command(self, arguments: Sequence[str]) -> list[str]:
        variables = dict(self._environment)
        if len(self._sources) > 1:
            variables.setdefault(LIBRARIES, self._folder)
        command = [f"{self._folder}/{self.name}", *arguments]
        if not variables:
            return command
        if "=" in command[0]:  # env would take it for a variable
            raise ConfigError(f"{command[0]!r} holds '=', so that it cannot be given an environment")
        return ["env", *(f"{name}={value}" for name, value in variables.items()), *command]

    def ended(self, done: Completed, *, site: Site, operation: str) -> EdgeDeviceError:
        """The error for an end that it did not explain: a signal, or an exit code."""
        lines = telling_lines((done.stderr or done.stdout)[-65536:].decode("utf-8", "replace"))[-MOST_LINES:]
        text = f"{self.name!r} on {site.name} {describe_status(done.returncode)} during {operation!r}"
        text += "".join(f"\n  stderr: {line}" for line in lines)
        if done.returncode < 0:
            return AgentDiedError(text, hint="it crashed, or was ended for lack of memory")
        if done.returncode in (126, 127):
            return InfraError(text, hint="is it built for this device, with all its libraries in 'files'?")
        hint = f"{done.returncode} is often 128 plus a signal" if done.returncode > 128 else ""
        return InfraError(text, hint=hint)


def _answers(link: Transport) -> bool:
    """Whether the link works, so that a program that does not run has only itself to blame."""
    try:
        return link.run(["true"], timeout_s=PROBE_S).returncode == 0
    except EdgeDeviceError:
        return False
