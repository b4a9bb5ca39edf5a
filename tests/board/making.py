"""Makes the board's root file system once, and says what this machine lacks for it.

Nothing is emulated while it is made: Debian's packages are unpacked, not configured, and the host's pip lays in the
wheels. QEMU is Debian's of the same release, whatever this machine has: tests rest on what it computes wrongly. The
result is read only; each board writes into a layer of its own. Knows nothing of ssh.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
CACHE = ROOT / ".board"
PROGRAMS = {
    "mmdebstrap": "mmdebstrap",
    "sshd": "openssh-server",
    "ssh": "openssh-client",
    "unshare": "util-linux",
}
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
SUITE = "bookworm"
QEMU = "qemu-aarch64-static"
PACKAGES = (
    *("bash", "coreutils", "dash", "findutils", "grep", "gzip", "hostname", "libc-bin", "libc6", "libgcc-s1"),
    *("libpython3.11-stdlib", "libstdc++6", "mawk", "openssh-sftp-server", "procps", "python3-minimal", "python3.11"),
    *("sed", "tar", "util-linux"),
)
WHEELS = ["ai-edge-litert==2.3.0", "numpy==1.26.4"]
TAGS = ["manylinux_2_28_aarch64", "manylinux_2_27_aarch64", "manylinux2014_aarch64"]
SITE = "opt/litert"
"""Folder of the wheels; a board has them when a ``.pth`` file of its Python leads there."""
DEADLINE_S = 600


class BoardError(Exception):
    """The board cannot be made or started here; the text says what is missing."""


def program(name: str) -> str:
    """Path of a program, also where only root's PATH has it."""
    found = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    if found is None:
        raise BoardError(f"no {name} here: apt-get install {PROGRAMS[name]}")
    return found


def missing_packages() -> list[str]:
    """Debian packages to install before a board can be made."""
    missing = []
    for name, package in PROGRAMS.items():
        try:
            program(name)
        except BoardError:
            missing.append(package)
    return missing if KEYRING.exists() else [*missing, "debian-archive-keyring"]


def make() -> Path:
    """The board's root file system, made when it is not there; a second caller waits for the first.

    Returns:
        A folder that nobody writes to any more; ``qemu-aarch64-static`` is beside it.

    Raises:
        BoardError: Something is missing here, or cannot be downloaded.
    """
    root = CACHE / _stamp() / "root"
    if root.exists():
        return root
    if os.getuid():
        raise BoardError("making the board needs root: its files belong to root, and sshd insists on that")
    if platform.machine() != "x86_64":
        raise BoardError(f"the board is made on x86-64 machines only, this is {platform.machine()}")
    if missing := missing_packages():
        raise BoardError(f"apt-get install {' '.join(missing)}")
    with _alone():
        if not root.exists():
            _remove_unused()
            unfinished = CACHE / "unfinished"
            shutil.rmtree(unfinished, ignore_errors=True)
            unfinished.mkdir()
            _unpack(unfinished / "root")
            _unpack_qemu(unfinished)
            unfinished.rename(root.parent)
    return root


def use(root: Path) -> IO[str]:
    """Keep the file system from being removed by a later recipe, until what is returned is closed."""
    held = (root.parent / "in-use").open("w")
    fcntl.flock(held, fcntl.LOCK_SH)
    return held


def _remove_unused() -> None:
    for old in CACHE.glob(f"{SUITE}-*"):
        with (old / "in-use").open("w") as lock, contextlib.suppress(BlockingIOError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(old)


def _stamp() -> str:
    return f"{SUITE}-{hashlib.sha256(Path(__file__).read_bytes()).hexdigest()[:16]}"


@contextlib.contextmanager
def _alone() -> Iterator[None]:
    CACHE.mkdir(exist_ok=True)
    with (CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _debian(folder: Path, *options: str) -> None:
    _run(
        [
            "mmdebstrap",
            "--quiet",
            "--mode=root",
            "--format=directory",
            "--variant=extract",
            *options,
            SUITE,
            str(folder),
        ]
    )


def _unpack_qemu(folder: Path) -> None:
    _debian(folder / "host", "--arch=amd64", "--include=qemu-user-static")
    (folder / "host/usr/bin" / QEMU).rename(folder / QEMU)
    shutil.rmtree(folder / "host")


def _unpack(folder: Path) -> None:
    hook = "--hook-dir=/usr/share/mmdebstrap/hooks/merged-usr"
    _debian(folder, "--arch=arm64", f"--include={','.join(PACKAGES)}", hook)
    platforms = [option for tag in TAGS for option in ("--platform", tag)]
    wanted = ["--python-version", "3.11", "--implementation", "cp", "--only-binary=:all:", "--no-compile", *WHEELS]
    pip = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--root-user-action=ignore",
    ]
    _run([*pip, "--target", str(folder / SITE), *platforms, *wanted])
    # what the packages' scripts would have done
    (folder / "usr/bin/awk").symlink_to("mawk")
    for name in ("dev", "sys", "proc", "run", "home"):
        shutil.rmtree(folder / name)
        (folder / name).mkdir()
    for where in ("usr/share/doc", "usr/share/man", "usr/share/locale", "var/cache/apt"):
        shutil.rmtree(folder / where, ignore_errors=True)
    _compile(folder)


def _compile(folder: Path) -> None:
    """Compile what its Python will import, which takes seconds here and would at each start there.

    Left out where this machine has no Python of the board's version: the board is slower then, and nothing else.
    """
    python = sys.executable if sys.version_info[:2] == (3, 11) else shutil.which("python3.11")
    if python:
        # dates change when a file system is copied or cached, so nothing may depend on them
        how = ["-m", "compileall", "-q", "-s", str(folder), "-p", "/", "--invalidation-mode", "unchecked-hash"]
        what = [SITE, "usr/lib/python3.11", "usr/lib/python3"]
        _run([python, *how, "-x", "lib2to3|/test|tqdm|google|flatbuffers/go", *(str(folder / one) for one in what)])


def _run(command: list[str]) -> None:
    try:
        done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=DEADLINE_S)
    except subprocess.TimeoutExpired:
        raise BoardError(f"{command[0]} did not end within {DEADLINE_S} s") from None
    if done.returncode:
        raise BoardError(f"{' '.join(command)} ended with {done.returncode}:\n{done.stderr[-2000:]}")
