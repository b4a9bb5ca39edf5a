"""The board's process 1: lays out its file system, and switches its sshd on and off as it is told.

Runs as root of namespaces of its own (users, mounts, processes, host name), started by ``board``; reads commands from
standard input, a line each, and answers ``ok`` or what went wrong. When that input ends, because whoever started it
closed it or was killed, it leaves, and the kernel ends every process of the board with it. Imports nothing of ours.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import uuid
from contextlib import suppress
from pathlib import Path
from typing import Any

BINFMT = Path("/proc/sys/fs/binfmt_misc")
MAGIC = (  # a 64-bit little-endian ELF program or library for AArch64, of any system ABI; as Debian's package has it
    rb":qemu-aarch64:M::\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00"
    rb":\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff:"
)
DEVICES = ["null", "zero", "full", "random", "urandom", "tty"]


def mount(kind: str, target: Path, *options: str, source: str = "none") -> None:
    """Mount, making the place first."""
    target.mkdir(parents=True, exist_ok=True)
    arguments = ["-o", ",".join(options)] if options else []
    _must(["mount", "-t", kind, *arguments, source, str(target)])


def bind(source: Path, target: Path) -> None:
    """Put one file in the place of another."""
    _must(["mount", "--bind", str(source), str(target)])


def _must(command: list[str]) -> None:
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode:
        raise OSError(f"{' '.join(command)}: {done.stderr.strip()}")


def emulate(qemu: str) -> None:
    """Have the kernel hand ARM programs to QEMU.

    Since Linux 6.7 a user namespace has a register of its own, which goes with it; before, the host's own entry is
    used when there is one, and none is made for it.
    """
    try:
        mount("binfmt_misc", BINFMT)
    except OSError:
        entry = BINFMT / "qemu-aarch64"
        if not entry.exists() or "flags: F" not in entry.read_text(encoding="ascii").replace("OCF", "F"):
            raise OSError(
                "binfmt_misc cannot be mounted in a user namespace (Linux before 6.7, or a container that hides parts "
                "of /proc), and the host's has no entry qemu-aarch64 with flag F"
            ) from None
        return
    # F: the interpreter is opened now, so that it is found inside the board's root
    (BINFMT / "register").write_bytes(MAGIC + qemu.encode() + b":F")


def furnish(given: dict[str, Any]) -> Path:
    """Lay out everything below the board's root, and the few files of ours that the host's sshd looks up."""
    folder = Path(given["folder"])
    mount("tmpfs", Path("/run"), "mode=755")
    Path("/run/sshd").mkdir()
    root, disk, memory = (Path("/run/board") / name for name in ("root", "disk", "memory"))
    mount("tmpfs", disk, f"size={given['disk_mb']}m")
    (disk / "upper").mkdir()
    (disk / "work").mkdir()
    layers = f"lowerdir={given['system']},upperdir={disk}/upper,workdir={disk}/work"
    mount("overlay", root, "userxattr", layers)
    for name in ("passwd", "group", "shadow", "nsswitch.conf"):
        bind(folder / "etc" / name, Path("/etc") / name)
    for name, content in given["files"].items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
    home = root / "home/pi"
    home.mkdir(exist_ok=True)
    for path in (home, *home.iterdir()):
        os.chown(path, 1000, 1000)
    if not given["python"]:
        for path in (root / "usr/bin").glob("python3*"):
            path.unlink()
    mount("tmpfs", root / "dev", "mode=755")
    for name in DEVICES:
        (root / "dev" / name).touch()
        bind(Path("/dev") / name, root / "dev" / name)
    mount("tmpfs", root / "dev/shm", "mode=1777")
    (root / "dev/fd").symlink_to("/proc/self/fd")
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        (root / "dev" / name).symlink_to(f"/proc/self/fd/{number}")
    mount("tmpfs", root / "run", "mode=755")
    mount("proc", root / "proc")
    memory.mkdir()
    # sshd reads the key as the user who logs in, who may not look into our folder
    for name, content in {"cpuinfo": given["cpuinfo"], "boot_id": "", "authorized_keys": given["key"]}.items():
        (memory / name).write_text(content, encoding="ascii")
    bind(memory / "cpuinfo", root / "proc/cpuinfo")
    bind(memory / "boot_id", root / "proc/sys/kernel/random/boot_id")
    return memory / "boot_id"


def power_on(sshd: str, folder: Path, boot_id: Path) -> None:
    """Start the server with a new boot id."""
    boot_id.write_text(f"{uuid.uuid4()}\n", encoding="ascii")
    with (folder / "sshd.log").open("ab") as log:
        subprocess.Popen([sshd, "-D", "-e", "-f", str(folder / "sshd_config")], stdin=subprocess.DEVNULL, stderr=log)


def everybody(number: int) -> None:
    """Signal every process of the board; process 1, which is us, is spared by the kernel."""
    with suppress(ProcessLookupError):
        os.kill(-1, number)


def power_off() -> None:
    """Cut the power: everything ends at once, and nothing gets to clean up."""
    everybody(signal.SIGKILL)
    with suppress(ChildProcessError):
        while True:
            os.waitpid(-1, 0)


def reap(*_: object) -> None:
    """Collect the orphans that process 1 inherits."""
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def main() -> None:
    """Until standard input ends."""
    given = json.loads(sys.stdin.readline())
    try:
        socket.sethostname(given["name"])
        emulate(given["qemu"])
        boot_id = furnish(given)
    except OSError as error:
        print(" ".join(str(error).split()), flush=True)
        return
    print("ok", flush=True)
    signal.signal(signal.SIGCHLD, reap)
    for line in sys.stdin:
        match line.strip():
            case "on":
                power_on(given["sshd"], Path(given["folder"]), boot_id)
            case "off":
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                power_off()
                signal.signal(signal.SIGCHLD, reap)
            case "freeze":
                everybody(signal.SIGSTOP)
            case "thaw":
                everybody(signal.SIGCONT)
        print("ok", flush=True)


if __name__ == "__main__":
    main()
