"""Makes, once, what phones are made of: AOSP's adb daemon, Android's shell and tools, Debian's adb 29.

Nothing is installed: Debian's packages are unpacked into ``.adbd``, and the daemon is compiled against them there. The
folder's name is a hash of how it was made, so that a changed recipe makes a new one. Knows nothing of namespaces.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import platform
import shutil
import sys
import time
from pathlib import Path
from typing import IO, TYPE_CHECKING

from tests.phones.debian import KEYRING, SUITE, Apt, PhoneError, run

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = Path(__file__).parent
CACHE = HERE.parents[1] / ".adbd"
RECIPE = [HERE / name for name in ("making.py", "debian.py", "adbd/Makefile", "adbd/common.h", "adbd/props.cpp")]
PROGRAMS = {"clang++": "clang", "make": "make", "dpkg-source": "dpkg-dev", "unshare": "util-linux"}
TOOLS = ["mksh", "toybox", "busybox-static"]
LIBRARIES = ["android-libbase", "android-libboringssl", "android-libcutils", "android-liblog", "libusb-1.0-0"]
HEADERS = [
    *("android-libbase-dev", "android-libboringssl-dev", "android-libcutils-dev", "android-liblog-dev"),
    *("android-platform-system-core-headers", "libbsd-dev", "libcap-dev"),
]
LISTENS = "if (errno == EAFNOSUPPORT || errno == EINVAL || errno == EPROTONOSUPPORT) {"
LISTENS_ON_LOOPBACK = LISTENS.replace("(errno", "(serverfd == -1 && (errno", 1).replace(") {", ")) {")
"""An address of loopback alone leaves errno of an attempt that failed before the one that did not."""


def missing_packages() -> list[str]:
    """Debian packages to install before phones can be made."""
    missing = [package for name, package in PROGRAMS.items() if shutil.which(name) is None]
    return missing if KEYRING.exists() else [*missing, "debian-archive-keyring"]


def make(*, aloud: bool = False) -> Path:
    """What phones are made of, made when it is not there; a second caller waits for the first.

    Args:
        aloud: Whether to say on standard error what is made and how long it took.

    Returns:
        A folder that nobody writes to any more. ``adbd``, ``mksh``, ``toybox``, ``busybox`` and their libraries in
        ``lib64`` are for phones, ``debian/adb`` is for the host.

    Raises:
        PhoneError: Something is missing here, or cannot be downloaded.
    """
    made = CACHE / _stamp()
    if made.exists():
        return made
    if shutil.which("apt-get") is None:
        raise PhoneError("phones are made of Debian's packages, and there is no apt-get here")
    if missing := missing_packages():
        raise PhoneError(f"apt-get install {' '.join(missing)}")
    with _alone():
        if not made.exists():
            begun = time.monotonic()
            _remove_unused()
            unfinished = CACHE / "unfinished"
            shutil.rmtree(unfinished, ignore_errors=True)
            (unfinished / "done").mkdir(parents=True)
            _make(unfinished, unfinished / "done")
            (unfinished / "done/in-use").touch()
            (unfinished / "done").rename(made)
            shutil.rmtree(unfinished)
            if aloud:
                print(f"tests.phones: made {made.name} in {time.monotonic() - begun:.0f} s", file=sys.stderr)
    return made


def use(made: Path) -> IO[str]:
    """Keep the folder from being removed by a later recipe, until what is returned is closed."""
    held = (made / "in-use").open()
    fcntl.flock(held, fcntl.LOCK_SH)
    return held


def _make(folder: Path, target: Path) -> None:
    apt = Apt(folder / "apt")
    system, source = folder / "system", folder / "source"
    apt.packages(system, "adb", *TOOLS, *LIBRARIES, *HEADERS)
    apt.source(source, "android-platform-tools")
    listening = source / "system/core/adb/transport_local.cpp"
    text = listening.read_text(encoding="utf-8")
    if text.count(LISTENS) != 1:
        raise PhoneError(f"{listening.name} is not the one that is known: how it listens cannot be patched")
    listening.write_text(text.replace(LISTENS, LISTENS_ON_LOOPBACK), encoding="utf-8")
    output = folder / "output"
    parts = [f"OUT={output}", f"PROPS={HERE / 'adbd/props.cpp'}", f"SYSTEM={system}"]
    jobs = f"-j{len(os.sched_getaffinity(0))}"
    run(["make", "--silent", jobs, "-f", str(HERE / "adbd/Makefile"), *parts], where=source)
    _take(output / "adbd", target)
    for name in ("mksh", "toybox", "busybox"):
        _take(system / "bin" / name, target)
    triplet = f"{platform.machine()}-linux-gnu"
    for library in (system / f"usr/lib/{triplet}/android").glob("*.so.0"):
        _take(library, target / "lib64")
    _take(system / "usr/lib/android-sdk/platform-tools/adb", target / "debian", name="adb29")
    _take(system / f"usr/lib/{triplet}/libusb-1.0.so.0", target / "debian")
    wrapper = target / "debian/adb"
    wrapper.write_text(
        '#!/bin/sh\nhere=${0%/*}\nLD_LIBRARY_PATH=$here:$here/../lib64 exec "$here/adb29" "$@"\n', encoding="ascii"
    )
    wrapper.chmod(0o755)


def _take(source: Path, target: Path, *, name: str = "") -> None:
    target.mkdir(exist_ok=True)
    if not source.exists():
        raise PhoneError(f"{source.name} is in none of the packages of {SUITE} that should have it")
    shutil.copy(source, target / (name or source.name))


def _remove_unused() -> None:
    for old in CACHE.glob(f"{SUITE}-*"):
        with (old / "in-use").open("w") as lock, contextlib.suppress(BlockingIOError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(old)


def _stamp() -> str:
    content = b"\0".join(path.read_bytes() for path in RECIPE)
    return f"{SUITE}-{platform.machine()}-{hashlib.sha256(content).hexdigest()[:16]}"


@contextlib.contextmanager
def _alone() -> Iterator[None]:
    CACHE.mkdir(exist_ok=True)
    with (CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
