"""Android's native development kit: where it is on this host, and its compiler for a kind of phone."""

from __future__ import annotations

import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path

from pytest_edgedevice.errors import MissingExtraError, UsageError

TRIPLES = {
    "arm64-v8a": "aarch64-linux-android",
    "armeabi-v7a": "armv7a-linux-androideabi",
    "x86_64": "x86_64-linux-android",
    "x86": "i686-linux-android",
}
LEAST_API = 21
"""The first with processors of 64 bits, and with all that the agent needs of the C library."""
VARIABLES = ("ANDROID_NDK_HOME", "ANDROID_NDK_ROOT")
SDK_VARIABLES = ("ANDROID_HOME", "ANDROID_SDK_ROOT")
_PREBUILT = Path("toolchains/llvm/prebuilt")
_PAGES = "-Wl,-z,max-page-size=16384"
"""Phones with pages of 16 KiB start no other program of 64 bits; older kits must be told."""


@dataclass(frozen=True, slots=True)
class Ndk:
    """A development kit.

    Attributes:
        folder: Where it is.
        programs: Folder of its compilers for this host.
    """

    folder: Path
    programs: Path

    def compiler(self, abi: str, api: int) -> list[str]:
        """The command that compiles for an ABI and for Android from an API level on.

        Raises:
            UsageError: It has none; the message says what it has.
        """
        triple = TRIPLES[abi]
        if api < LEAST_API:
            raise UsageError(f"API {api} is too low: the agent needs {LEAST_API}, Android 5, or later")
        found = self.programs / f"{triple}{api}-clang"
        if found.is_file():
            return [str(found), *([_PAGES] if "64" in abi else [])]
        levels = self._levels(triple)
        if not levels:
            raise UsageError(f"the NDK {self.folder} has no compiler for {abi}: no {triple}*-clang in {self.programs}")
        if len(levels) > 1 and levels[0] < api < levels[-1]:
            raise UsageError(f"the NDK {self.folder} leaves out API {api}; it has {', '.join(map(str, levels))}")
        way = "low" if api < levels[0] else "high"
        raise UsageError(
            f"API {api} is too {way} for the NDK {self.folder}, which compiles for {abi} from API {levels[0]} to"
            f" {levels[-1]}",
            hint=f"write --api {levels[0] if way == 'low' else levels[-1]}, or name another NDK with --ndk",
        )

    def _levels(self, triple: str) -> list[int]:
        form = re.compile(re.escape(triple) + r"(\d{1,4})-clang")
        return sorted(
            int(match[1]) for path in self.programs.iterdir() if (match := form.fullmatch(path.name)) and path.is_file()
        )


def find_ndk(named: str) -> Ndk:
    """The kit that is named, else that of the environment, else the newest inside the SDK of the environment.

    Raises:
        MissingExtraError: There is none.
        UsageError: What is named is none.
    """
    if named:
        return _opened(Path(named), "--ndk")
    for variable in VARIABLES:
        if os.environ.get(variable):
            return _opened(Path(os.environ[variable]), variable)
    for variable in SDK_VARIABLES:
        folder = Path(os.environ.get(variable) or "/nonexistent")
        kits = [kit for kit in (*_versions(folder / "ndk"), folder / "ndk-bundle") if (kit / _PREBUILT).is_dir()]
        if kits:
            return _opened(kits[0], variable)
    raise MissingExtraError(
        "no Android NDK is known here: neither --ndk nor "
        f"{', '.join((*VARIABLES, *SDK_VARIABLES))} names one, or an SDK with one in its folder ndk",
        hint="install one (sdkmanager --install 'ndk;27.2.12479018', or developer.android.com/ndk/downloads) and give "
        "--ndk PATH; for a board that runs Linux, give --compiler CC instead",
    )


def _versions(folder: Path) -> list[Path]:
    """Kits beside each other, each named by its version, the newest first."""

    def version(path: Path) -> tuple[int, ...]:
        return tuple(int(part) for part in path.name.split(".") if part.isdecimal() and len(part) < 12)

    return sorted((path for path in folder.glob("*") if path.is_dir()), key=version, reverse=True)


def _opened(folder: Path, origin: str) -> Ndk:
    prebuilt = folder / _PREBUILT
    try:
        hosts = sorted(path for path in prebuilt.iterdir() if (path / "bin").is_dir())
    except OSError:
        raise UsageError(
            f"{origin}: {str(folder)!r} is no Android NDK: it has no folder {_PREBUILT}",
            hint="name the folder that holds source.properties and toolchains",
        ) from None
    ours = [path for path in hosts if path.name.startswith(sys.platform)]
    if not ours:
        names = ", ".join(path.name for path in hosts) or "none at all"
        raise UsageError(f"{origin}: the NDK {str(folder)!r} has no compilers for {sys.platform} hosts, but {names}")
    return Ndk(folder, ours[0] / "bin")
