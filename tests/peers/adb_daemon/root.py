"""What a phone has inside: ``/data/local/tmp``, ``/system/bin``, and programs that end with it."""

from __future__ import annotations

import contextlib
import os
import posixpath
import shlex
import signal
import subprocess
import time
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import socket
    from collections.abc import Mapping

TMP, BIN = "/data/local/tmp", "/system/bin"
# Everything of this machine but those two folders, under a root of its own. It is gone when its input ends.
NAMESPACE = """
mount -t tmpfs phone "$1"
for entry in /*; do
    if [ -L "$entry" ]; then cp -P "$entry" "$1$entry"
    elif [ -d "$entry" ] && [ "$entry" != /data ] && [ "$entry" != /system ]; then
        mkdir "$1$entry"
        mount --rbind "$entry" "$1$entry"
    fi
done
mkdir -p "$1/data/local/tmp" "$1/system/bin"
mount --bind "$2" "$1/data/local/tmp"
mount --bind "$3" "$1/system/bin"
echo ready
exec chroot "$1" cat
"""


class Root:
    """Folders and programs of one phone.

    Args:
        folder: Empty or absent; holds ``tmp`` and ``bin``, which play the two folders.
        properties: What ``getprop`` tells.
        namespace: Programs see the two folders under their names. Needs root; without it the names are replaced in
            the text of each command, which is enough for a command that names them and for nothing else.
    """

    def __init__(self, folder: Path, properties: Mapping[str, str], *, namespace: bool) -> None:
        self.tmp, self.bin = folder / "tmp", folder / "bin"
        for each in (self.tmp, self.bin):
            each.mkdir(parents=True)
        self.tmp.chmod(0o777)
        (self.bin / "sh").symlink_to("/bin/sh")
        self.tell(properties)
        self._mark = f"EDGEDEVICE_FAULTY_PHONE={uuid.uuid4().hex}"
        self._programs: list[subprocess.Popen[bytes]] = []
        self._holder = self._namespace(folder / "root") if namespace else None

    def tell(self, properties: Mapping[str, str]) -> None:
        """Make these what ``getprop`` tells."""
        cases = "".join(f"{shlex.quote(name)}) echo {shlex.quote(value)};;\n" for name, value in properties.items())
        listed = "".join(f"echo {shlex.quote(f'[{name}]: [{value}]')}\n" for name, value in properties.items())
        self.tool("getprop", f'case "$1" in\n"")\n{listed}:;;\n{cases}*) echo "";;\nesac\n')

    def tool(self, name: str, script: str) -> None:
        """Put a stand-in for a phone's program on its PATH, in sh."""
        new = self.bin / f".{name}"
        new.write_text(f"#!/bin/sh\n{script}")
        new.chmod(0o755)
        new.rename(self.bin / name)

    def path(self, name: str) -> Path | None:
        """Where a file of the phone's two folders is here; None for any other, which sync shall not touch."""
        name = posixpath.normpath(posixpath.join("/", name))
        for its, ours in ((TMP, self.tmp), (BIN, self.bin)):
            if name == its or name.startswith(its + "/"):
                return ours / name[len(its) + 1 :]
        return None

    def start(self, command: str, output: socket.socket, errors: socket.socket) -> subprocess.Popen[bytes]:
        """Run a command by sh, as adbd does: one socket is its input and output."""
        if self._holder:
            # an option's empty value is left out: the target's own root and folder
            inside = ["nsenter", "--target", str(self._holder.pid), "--mount", "--root", "--wd", "--"]
        else:
            inside, command = [], command.replace(TMP, str(self.tmp)).replace(BIN, str(self.bin))
        if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
            # tests under nohup: programs would ignore it too, and are hung up on by it
            inside = ["env", "--default-signal=HUP", *inside]
        tools = BIN if self._holder else str(self.bin)
        tmp = TMP if self._holder else str(self.tmp)
        name, _, value = self._mark.partition("=")
        path = f"{tools}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        self._programs = [each for each in self._programs if each.poll() is None]
        program = subprocess.Popen(
            [*inside, "/bin/sh", "-c", command] if command else [*inside, "/bin/sh"],
            stdin=output.fileno(),
            stdout=output.fileno(),
            stderr=errors.fileno(),
            env={"PATH": path, "HOME": "/", "TMPDIR": tmp, "ANDROID_ROOT": "/system", name: value},
            cwd=None if self._holder else self.tmp,
            start_new_session=True,
        )
        self._programs.append(program)
        return program

    def running(self) -> dict[int, str]:
        """Programs that were started here and all that they started, by process; command lines as they are now."""
        found = {}
        for entry in Path("/proc").iterdir():
            with contextlib.suppress(OSError):
                if entry.name.isdecimal() and self._mark.encode() in (entry / "environ").read_bytes().split(b"\0"):
                    found[int(entry.name)] = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode().strip()
        return found

    def end(self) -> None:
        """Kill what still runs, and wait until it is gone."""
        deadline = time.monotonic() + 30
        while running := self.running():
            for pid in running:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            assert time.monotonic() < deadline, f"cannot be killed: {running}"
            time.sleep(0.005)
        for program in self._programs:
            program.wait(30)
        if self._holder and self._holder.stdin and self._holder.stdout:
            self._holder.stdin.close()
            self._holder.wait(30)
            self._holder.stdout.close()

    def _namespace(self, folder: Path) -> subprocess.Popen[bytes]:
        folder.mkdir()
        command = ["unshare", "--mount", "sh", "-ec", NAMESPACE, "sh", str(folder), str(self.tmp), str(self.bin)]
        holder = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        if holder.stdout and holder.stdout.readline() == b"ready\n":
            return holder
        holder.communicate()
        raise OSError("no mount namespace here; as root it needs CAP_SYS_ADMIN, and namespace=False does without")
