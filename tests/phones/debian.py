"""Fetches Debian's packages and sources by apt, without touching this machine's own apt or its packages.

Sources list, lists, state and cache are folders of the caller, and the release is named, whatever this machine runs:
what is fetched is the same everywhere. Signatures are checked by apt with Debian's own keyring. Knows nothing of adb.
"""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
SUITE = "bookworm"
MIRRORS = ("http://deb.debian.org/debian", "http://archive.debian.org/debian")
"""Where the release is now, and where it will be when it is no longer supported."""
TRIES = 3
DEADLINE_S = 600


class PhoneError(Exception):
    """The phone cannot be made or started here; the text says what is missing."""


class Apt:
    """Debian's archive of one release.

    Args:
        folder: For lists and state; made when it is not there.

    Raises:
        PhoneError: No mirror has the release, or none can be reached.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        for name in ("state/lists/partial", "cache/archives/partial"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        (folder / "state/status").touch()
        failures = []
        for mirror in (*_mirrors_of_this_machine(), *MIRRORS):
            entry = f"[signed-by={KEYRING}] {mirror} {SUITE} main\n"
            (folder / "sources.list").write_text(f"deb {entry}deb-src {entry}", encoding="ascii")
            try:
                self._apt(folder, "update", "-o", "APT::Update::Error-Mode=any")
            except PhoneError as error:
                failures.append(str(error))
            else:
                return
        raise PhoneError("\n".join(failures))

    def packages(self, target: Path, *names: str) -> None:
        """Unpack packages into a folder; nothing is installed, and what they depend on is not fetched.

        Raises:
            PhoneError: One cannot be fetched or unpacked.
        """
        fetched = self._folder / "fetched"
        fetched.mkdir(exist_ok=True)
        self._apt(fetched, "download", *names)
        for package in sorted(fetched.glob("*.deb")):
            run(["dpkg-deb", "--extract", str(package), str(target)])
            package.unlink()

    def source(self, target: Path, name: str) -> None:
        """Unpack a source package, with Debian's patches applied.

        Raises:
            PhoneError: It cannot be fetched or unpacked.
        """
        fetched = self._folder / "fetched"
        fetched.mkdir(exist_ok=True)
        self._apt(fetched, "source", "--download-only", name)
        (described,) = fetched.glob("*.dsc")
        run(["dpkg-source", "--no-check", "--extract", str(described), str(target)])  # apt has checked it
        for part in fetched.iterdir():
            part.unlink()

    def _apt(self, where: Path, *arguments: str) -> None:
        """Retry what a mirror refuses, as mirrors do while they are updated."""
        settings = {
            "Dir::Etc::sourcelist": self._folder / "sources.list",
            "Dir::Etc::sourceparts": "/dev/null",
            "Dir::Etc::preferencesparts": "/dev/null",
            "Dir::State": self._folder / "state",
            "Dir::State::status": self._folder / "state/status",
            "Dir::Cache": self._folder / "cache",
            "APT::Sandbox::User": "root",  # nobody else may look into our folder
            "Acquire::Languages": "none",
        }
        options = [word for name, value in settings.items() for word in ("-o", f"{name}={value}")]
        for tried in range(1, TRIES + 1):
            try:
                run(
                    ["apt-get", "--quiet", "--quiet", *options, *arguments],
                    where=where,
                    called=f"apt-get {arguments[0]}",
                )
            except PhoneError:
                if tried == TRIES:
                    raise
                time.sleep(2**tried)
            else:
                return


def run(command: list[str], *, where: Path | None = None, called: str = "") -> str:
    """Run a program to its end and return what it printed; ``called`` is short for the command in error texts.

    Raises:
        PhoneError: It failed, is missing, or took longer than ten minutes.
    """
    called = called or " ".join(command)
    try:
        done = subprocess.run(
            command, check=False, capture_output=True, text=True, timeout=DEADLINE_S, cwd=where, errors="replace"
        )
    except subprocess.TimeoutExpired:
        raise PhoneError(f"{called} did not end within {DEADLINE_S} s") from None
    except FileNotFoundError:
        raise PhoneError(f"no {command[0]} here") from None
    if done.returncode:
        raise PhoneError(f"{called} ended with {done.returncode}:\n{done.stderr.strip()[-2000:]}")
    return done.stdout


def _mirrors_of_this_machine() -> list[str]:
    """Where this machine gets the same release from: often the only mirror that it can reach."""
    try:
        listed = run(
            ["apt-get", "indextargets", "--format", "$(ORIGIN)|$(CODENAME)|$(REPO_URI)", "Created-By: Packages"]
        )
    except PhoneError:
        return []
    parts = {tuple(line.split("|")) for line in listed.splitlines()}
    return sorted(uri.rstrip("/") for origin, codename, uri in parts if (origin, codename) == ("Debian", SUITE))
