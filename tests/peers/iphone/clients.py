"""Other people's programs that talk to iPhones: libimobiledevice's from Debian, and go-ios from npm.

go-ios is one program for each platform in one archive of npm's registry, so npm is not needed to unpack it. What is
fetched has a version and a hash, and lies in ``.ios``. Knows nothing of simulated phones.
"""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import subprocess
import tarfile
import urllib.request
from pathlib import Path

VERSION = "1.2.0"
SHA512 = "b62d080f8c45d6e84598f17fbb1f2d4bae7ca180362cfcb3b03cf1bf0a12fe28989a748d68c680602728e3dcd20be1e5bc715326b41ad29433cf27f0b5e3c76e"  # noqa: E501
REGISTRY = os.environ.get("NPM_CONFIG_REGISTRY") or "https://registry.npmjs.org/"
ARCHIVE = f"{REGISTRY.rstrip('/')}/go-ios/-/go-ios-{VERSION}.tgz"
LARGEST = 200_000_000
PROCESSORS = {"x86_64": "amd64", "aarch64": "arm64"}
PROGRAM = Path(__file__).parents[3] / ".ios" / VERSION / "ios"
TOOLS = ("idevice_id", "ideviceinfo", "idevicepair")
PACKAGE = "libimobiledevice-utils"
DEADLINE_S = 60.0


class ClientError(Exception):
    """A program cannot be had here; the text says why."""


def missing_packages() -> list[str]:
    """Debian packages to install first."""
    return [] if all(shutil.which(tool) for tool in TOOLS) else [PACKAGE]


def fetch() -> None:
    """Have go-ios in ``.ios``, fetched when it is not there.

    Raises:
        ClientError: It cannot be fetched, is not what it was, or there is none for this machine.
    """
    if PROGRAM.exists():
        return
    if platform.machine() not in PROCESSORS:
        raise ClientError(f"go-ios has no program for {platform.machine()}")
    part = PROGRAM.parent.with_suffix(f".part-{os.getpid()}")
    part.mkdir(parents=True, exist_ok=True)
    try:
        _download(part / "archive")
        _unpack(part / "archive", part / "ios")
        (part / "archive").unlink()
        shutil.rmtree(PROGRAM.parent, ignore_errors=True)
        part.rename(PROGRAM.parent)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _download(target: Path) -> None:
    digest, left = hashlib.sha512(), LARGEST
    try:
        with urllib.request.urlopen(ARCHIVE, timeout=DEADLINE_S) as source, target.open("wb") as file:
            while left > 0 and (piece := source.read(min(left, 1 << 20))):
                left -= len(piece)
                digest.update(piece)
                file.write(piece)
    except OSError as error:
        raise ClientError(f"go-ios cannot be fetched from {ARCHIVE}: {error}") from error
    if digest.hexdigest() != SHA512:
        raise ClientError(f"{ARCHIVE} is not what it was: its sha512 is {digest.hexdigest()}")


def _unpack(archive: Path, target: Path) -> None:
    kind = f"linux-{PROCESSORS[platform.machine()]}"
    with tarfile.open(archive) as packed:
        source = packed.extractfile(f"package/dist/go-ios-{kind}_{kind.replace('-', '_')}/ios")
        assert source is not None, "the archive with this hash has a file there"
        with source, target.open("wb") as file:
            shutil.copyfileobj(source, file)
    target.chmod(0o755)


def check() -> None:
    """Make sure that all of them run here.

    Raises:
        ClientError: One is missing or does not run.
    """
    for command in ([str(PROGRAM), "--version"], *([tool, "--version"] for tool in TOOLS)):
        try:
            subprocess.run(command, check=True, capture_output=True, timeout=DEADLINE_S)
        except (OSError, subprocess.SubprocessError) as error:
            raise ClientError(f"{command[0]} does not run here: {error}") from error
