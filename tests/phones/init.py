"""A phone's process 1: lays out its file system, and switches its adb daemon on and off as it is told.

Runs as root of namespaces of its own (mounts, processes, host name), started by ``phone``; reads requests from standard
input, a JSON object a line, and answers likewise, with ``error`` when it went wrong. When that input ends, because
whoever started it closed it or was killed, it leaves, and the kernel ends every process of the phone with it. Imports
nothing of ours.
"""

from __future__ import annotations

import ctypes
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

SHELL = 2000
GROUPS = [1004, 1007, 1011, 1015, 1028, 3001, 3002, 3003, 3006, 3009, 3011]
"""What adbd gives its shell: input, log, adb, sdcard_rw, sdcard_r, net_bt_admin, net_bt, inet, net_bw_stats ..."""
DEVICES = ["null", "zero", "full", "random", "urandom", "tty"]
READ_ONLY, NO_SUID, NO_DEV, NO_EXEC, REMOUNT, BIND, RECURSIVE, PRIVATE = 1, 2, 4, 8, 32, 4096, 16384, 1 << 18
DETACH = 2
ENVIRONMENT = {
    "PATH": "/product/bin:/apex/com.android.runtime/bin:/apex/com.android.art/bin:/system_ext/bin:/system/bin:"
    "/system/xbin:/odm/bin:/vendor/bin:/vendor/xbin",
    "ANDROID_ROOT": "/system",
    "ANDROID_DATA": "/data",
    "ANDROID_STORAGE": "/storage",
    "EXTERNAL_STORAGE": "/sdcard",
}

_libc = ctypes.CDLL(None, use_errno=True)


def _call(name: str, *arguments: bytes | int | None) -> None:
    if getattr(_libc, name)(*arguments):
        number = ctypes.get_errno()
        raise OSError(number, f"{name}{arguments}: {os.strerror(number)}")


def mount(kind: str, target: Path, options: str = "", *, flags: int = 0) -> None:
    """Mount, making the place first."""
    target.mkdir(parents=True, exist_ok=True)
    _call("mount", kind.encode(), bytes(target), kind.encode(), flags, options.encode())


def bind(source: Path, target: Path, *, read_only: bool = False) -> None:
    """Show a file or folder in another place."""
    _call("mount", bytes(source), bytes(target), None, BIND, None)
    if read_only:
        _call("mount", None, bytes(target), None, BIND | REMOUNT | READ_ONLY | NO_SUID | NO_DEV, None)


def owned(path: Path, mode: int, user: int, group: int) -> None:
    """Make a folder as Android's init makes it."""
    path.mkdir(parents=True, exist_ok=True)
    os.chown(path, user, group)
    path.chmod(mode)


def furnish(given: dict[str, Any]) -> None:
    """Lay out everything below the phone's root, and make it the root."""
    _call("mount", None, b"/", None, RECURSIVE | PRIVATE, None)
    root = Path(given["folder"]) / "root"
    mount("tmpfs", root, "mode=755,size=64m")
    system(root, given)
    mount("tmpfs", root / "sys", "mode=755,size=4m", flags=NO_SUID | NO_DEV | NO_EXEC)  # the host's side may write here
    for name, content in given["files"].items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
    libraries(root)
    devices(root)
    mount("proc", root / "proc")
    state = root / "dev/phone"
    state.mkdir()
    bind(Path(given["folder"]) / "state", state, read_only=True)
    bind(state / "boot_id", root / "proc/sys/kernel/random/boot_id")
    mount("tmpfs", root / "data", f"mode=771,size={given['data_mb']}m", flags=NO_SUID | NO_DEV)
    owned(root / "data", 0o771, 1000, 1000)
    owned(root / "data/local", 0o751, 0, 0)
    owned(root / "data/local/tmp", 0o771, SHELL, SHELL)
    owned(root / "data/misc/adb", 0o2750, 1000, SHELL)
    owned(root / "data/tombstones", 0o771, 1000, 1000)
    mount("tmpfs", root / "storage/emulated", f"mode=771,size={given['data_mb']}m", flags=NO_SUID | NO_DEV | NO_EXEC)
    owned(root / "storage/emulated/0", 0o770, SHELL, 1015)
    (root / "sdcard").symlink_to("storage/emulated/0")
    (root / "old").mkdir()
    _call("pivot_root", bytes(root), bytes(root / "old"))
    os.chdir("/")
    _call("umount2", b"/old", DETACH)
    Path("/old").rmdir()
    _call("mount", None, b"/", None, BIND | REMOUNT | READ_ONLY, None)


def system(root: Path, given: dict[str, Any]) -> None:
    """Android's programs: the shell, its tools under their names, stand-ins, and the daemon."""
    programs, made = root / "system/bin", Path(given["made"])
    programs.mkdir(parents=True)
    (root / "bin").symlink_to("system/bin")
    (root / "etc").symlink_to("system/etc")
    shutil.copytree(made / "lib64", root / "system/lib64")
    for name in ("adbd", *given["programs"]):
        shutil.copy(made / name, programs / name)
    (root / "apex/standins").mkdir(parents=True)
    shutil.copy(made / "busybox", root / "apex/standins/busybox")
    for name, program in given["links"].items():
        (programs / name).symlink_to(program)
    for name, content in given["scripts"].items():
        (root / name).write_text(content, encoding="utf-8")
        (root / name).chmod(0o755)


def libraries(root: Path) -> None:
    """This machine's C library and what programs compiled here need; a phone has its own in their place."""
    triplet = f"usr/lib/{os.uname().machine}-linux-gnu"
    (root / triplet).mkdir(parents=True)
    (root / "lib").symlink_to("usr/lib")
    bind(Path("/") / triplet, root / triplet, read_only=True)
    for name in ("lib", "lib64"):
        for loader in (Path("/") / name).glob("ld-linux-*"):
            (root / name).mkdir(exist_ok=True)
            with suppress(FileExistsError):
                (root / name / loader.name).symlink_to(os.path.realpath(loader))


def devices(root: Path) -> None:
    """What programs open of /dev."""
    mount("tmpfs", root / "dev", "mode=755,size=1m", flags=NO_SUID)
    for name in DEVICES:
        (root / "dev" / name).touch()
        bind(Path("/dev") / name, root / "dev" / name)
    mount("devpts", root / "dev/pts", "newinstance,mode=600,ptmxmode=666")
    (root / "dev/ptmx").symlink_to("pts/ptmx")
    (root / "dev/fd").symlink_to("/proc/self/fd")
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        (root / "dev" / name).symlink_to(f"/proc/self/fd/{number}")


class Phone:
    """The processes of one phone."""

    def __init__(self, log: int) -> None:
        self._log = log
        self._adbd = 0

    def on(self, properties: str) -> None:
        """Start the daemon, as the user whose shells it gives."""
        program = subprocess.Popen(
            ["/system/bin/adbd"],
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
            env={**ENVIRONMENT, "ADBD_PROPS": properties},
            cwd="/",
            user=SHELL,
            group=SHELL,
            extra_groups=GROUPS,
        )
        self._adbd = program.pid
        program.returncode = 0  # whoever reaps it, it is not this object

    def off(self) -> None:
        """Cut the power: everything ends at once, and nothing gets to clean up."""
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        everybody(signal.SIGKILL)
        with suppress(ChildProcessError):
            while True:
                os.waitpid(-1, 0)
        signal.signal(signal.SIGCHLD, reap)
        self._adbd = 0

    def processes(self) -> dict[int, str]:
        """What runs beside the daemon: process to command line."""
        found = {}
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit() and int(entry.name) not in {1, self._adbd}:
                with suppress(OSError):
                    words = (entry / "cmdline").read_bytes().rstrip(b"\0").replace(b"\0", b" ")
                    if words:  # one that has ended and was not collected has none
                        found[int(entry.name)] = words.decode(errors="replace")
        return found

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        """Do what is asked."""
        match request["do"]:
            case "on":
                self.on(request["properties"])
            case "off":
                self.off()
            case "freeze":
                everybody(signal.SIGSTOP)
            case "thaw":
                everybody(signal.SIGCONT)
            case "processes":
                return {"processes": self.processes()}
        return {"adbd": self._adbd}


def everybody(number: int) -> None:
    """Signal every process of the phone; process 1, which is us, is spared by the kernel."""
    with suppress(ProcessLookupError):
        os.kill(-1, number)


def reap(*_: object) -> None:
    """Collect the orphans that process 1 inherits."""
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def main() -> None:
    """Until standard input ends."""
    given = json.loads(sys.stdin.readline())
    seen_from_outside = int(Path("/proc/self").readlink().name)  # as /proc is still the host's
    log = os.open(Path(given["folder"]) / "adbd.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    phone = Phone(log)
    # under nohup it would be ignored by all that run here, and adbd hangs up on programs by it
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    try:
        socket.sethostname("localhost")
        furnish(given)
    except OSError as error:
        print(json.dumps({"error": str(error)}), flush=True)
        return
    print(json.dumps({"pid": seen_from_outside}), flush=True)
    signal.signal(signal.SIGCHLD, reap)
    for line in sys.stdin:
        try:
            answer = phone.answer(json.loads(line))
        except OSError as error:
            answer = {"error": str(error)}
        print(json.dumps(answer), flush=True)
    os._exit(0)  # at once: nobody waits for what Python has to say at its end


if __name__ == "__main__":
    main()
