"""Files of one task on a device: put into a folder of its own, read back within limits, removed together.

Uses what every link has: programs that coreutils, busybox and toybox share (``mkdir``, ``dd``, ``stat``, ``cat``,
``cp``, ``chmod``, ``ln``, ``rm``, ``sha256sum``), each called with its arguments and never through a shell. Knows
nothing of models.
"""

from __future__ import annotations

import contextlib
import stat
import time
from typing import TYPE_CHECKING

from pytest_edgedevice.errors import ContractError, DeadlineError, DeviceFullError, EdgeDeviceError, TransportError
from pytest_edgedevice.runners.wording import printable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pytest_edgedevice.transports.base import Completed, Transport

AT_ONCE_BYTES = 32 << 20
"""What is read in one call; links keep twice as much of a program's output."""
BLOCK_BYTES = 1 << 20
NAMES_AT_ONCE = 100
REMOVE_S = 20.0
KINDS = {
    stat.S_IFLNK: "a symbolic link",
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


class DeviceFolder:
    """A folder of ours on a device.

    Args:
        link: The open link.
        path: Absolute path, below the session's folder.
        timeout_s: Deadline for each task here, seconds.
    """

    def __init__(self, link: Transport, path: str, *, timeout_s: float) -> None:
        self.path = path
        self._link = link
        self._timeout_s = timeout_s

    def make(self, *below: str) -> None:
        """Make it, and folders in it."""
        self.call("mkdir", "-p", self.path, *(f"{self.path}/{name}" for name in below))

    def put(self, files: Mapping[str, bytes]) -> None:
        """Write files, and look whether all of each arrived.

        Not by ``Transport.place``: what is placed there may stay, and is found again, while inputs are to be gone.

        Raises:
            DeviceFullError: There is no space for them.
            TransportError: They cannot be written.
        """
        deadline = time.monotonic() + self._timeout_s
        for name, content in files.items():
            self.call("dd", f"of={self.path}/{name}", f"bs={BLOCK_BYTES}", stdin=content, deadline=deadline)
        found = self.sizes(list(files))
        for name, content in files.items():
            if found.get(name) != len(content):
                raise TransportError(f"of {self.path}/{name} {found.get(name, 0)} of {len(content)} bytes arrived")

    def take(self, sources: Mapping[str, str], *, mode: str) -> None:
        """Copy files of the device into it under names of ours.

        Args:
            sources: Name to path.
            mode: Their permissions, for ``chmod``.
        """
        for name, source in sources.items():
            self.call("cp", source, f"{self.path}/{name}")
        self.call("chmod", mode, *(f"{self.path}/{name}" for name in sources))

    def link_to(self, name: str, target: str) -> None:
        """Give a file of the device a second name here."""
        self.call("ln", "-s", target, f"{self.path}/{name}")

    def stamp(self, name: str) -> str:
        """Text that changes whenever a file does, and at times without; empty where it is not there."""
        done = self._link.run(["stat", "-L", "-c", "%d %i %s %y %z", f"{self.path}/{name}"], timeout_s=self._timeout_s)
        return done.stdout.decode("utf-8", "replace").strip()

    def sha256(self, name: str) -> str:
        """The hash of a file's content as the device takes it."""
        said = self.call("sha256sum", f"{self.path}/{name}").stdout.decode("utf-8", "replace")
        return said.lstrip("\\").partition(" ")[0]

    def sizes(self, names: Sequence[str], *, folder: str = "") -> dict[str, int]:
        """Sizes of those of the named files that are there.

        Args:
            names: Without a line break or a slash.
            folder: Folder in this one; looked at too, so that nobody leads us out of it.

        Raises:
            ContractError: One is no regular file: a symbolic link, a folder, a pipe.
        """
        found: dict[str, int] = {}
        for at in range(0, len(names), NAMES_AT_ONCE):
            found |= self._sizes(names[at : at + NAMES_AT_ONCE], folder)
        return found

    def _sizes(self, names: Sequence[str], folder: str) -> dict[str, int]:
        base = f"{self.path}/{folder}" if folder else self.path
        done = self._link.run(
            ["stat", "-c", "%f %s %n", base, *(f"{base}/{name}" for name in names)], timeout_s=self._timeout_s
        )
        modes: dict[str, tuple[int, int]] = {}
        for line in done.stdout.decode("utf-8", "replace").splitlines():
            with contextlib.suppress(ValueError):
                hexadecimal, count, path = line.split(" ", 2)
                modes[path] = (int(hexadecimal, 16), int(count))
        if base not in modes or not stat.S_ISDIR(modes[base][0]):
            raise ContractError(f"{base} is no folder any more" + _said(done))
        found = {}
        for name in names:
            mode, size = modes.get(f"{base}/{name}", (0, -1))
            if size >= 0 and not stat.S_ISREG(mode):
                kind = KINDS.get(stat.S_IFMT(mode), "something else")
                raise ContractError(f"{base}/{name} is {kind}, not a regular file")
            if size >= 0:
                found[name] = size
        return found

    def read(self, sizes: Mapping[str, int], *, folder: str = "") -> dict[str, bytes]:
        """Content of files whose sizes were asked before; several small ones at once.

        Raises:
            TransportError: They are not as long as they were.
        """
        base = f"{self.path}/{folder}" if folder else self.path
        deadline = time.monotonic() + self._timeout_s
        found: dict[str, bytes] = {}
        crowd: dict[str, int] = {}
        for name, size in sizes.items():
            if size > AT_ONCE_BYTES:
                found[name] = self._long(f"{base}/{name}", size, deadline)
                continue
            if sum(crowd.values()) + size > AT_ONCE_BYTES or len(crowd) == NAMES_AT_ONCE:
                found |= self._crowd(base, crowd, deadline)
                crowd = {}
            crowd[name] = size
        return found | self._crowd(base, crowd, deadline)

    def _crowd(self, base: str, sizes: Mapping[str, int], deadline: float) -> dict[str, bytes]:
        if not sizes:
            return {}
        content = self.call("cat", *(f"{base}/{name}" for name in sizes), deadline=deadline).stdout
        _check_length(base, len(content), sum(sizes.values()))
        found, at = {}, 0
        for name, size in sizes.items():
            found[name] = content[at : at + size]
            at += size
        return found

    def _long(self, path: str, size: int, deadline: float) -> bytes:
        content = bytearray()
        blocks = AT_ONCE_BYTES // BLOCK_BYTES
        while len(content) < size:
            skip = len(content) // BLOCK_BYTES
            arguments = (f"if={path}", f"bs={BLOCK_BYTES}", f"skip={skip}", f"count={blocks}")
            piece = self.call("dd", *arguments, deadline=deadline).stdout
            _check_length(path, len(piece), min(size - len(content), AT_ONCE_BYTES))
            content += piece
        return bytes(content)

    def call(self, program: str, *arguments: str, stdin: bytes = b"", deadline: float | None = None) -> Completed:
        """Run one of the device's own tools.

        Raises:
            DeviceFullError: There is no space.
            TransportError: It failed, and what it said.
        """
        left_s = self._timeout_s if deadline is None else deadline - time.monotonic()
        if left_s <= 0:
            raise DeadlineError(f"the files in {self.path} took longer than {self._timeout_s:g} s")
        done = self._link.run([program, *arguments], timeout_s=left_s, stdin=stdin)
        if done.returncode:
            if b"No space left" in done.stderr or b"quota exceeded" in done.stderr:
                raise DeviceFullError(f"no space left on the device for {self.path}", hint="free some space there")
            raise TransportError(f"{program!r} failed in {self.path} with exit code {done.returncode}" + _said(done))
        return done

    def remove(self) -> None:
        """Remove it and all that is in it; what fails here is removed with the session's folder at the latest."""
        with contextlib.suppress(EdgeDeviceError):
            self._link.run(["rm", "-rf", self.path], timeout_s=REMOVE_S)


def _check_length(path: str, found: int, expected: int) -> None:
    if found != expected:
        raise TransportError(f"{path} gave {found} bytes where it had {expected}")


def _said(done: Completed) -> str:
    lines = [line.strip() for line in printable(done.stderr.decode("utf-8", "replace")).splitlines() if line.strip()]
    return f": {lines[-1][:300]}" if lines else ""
