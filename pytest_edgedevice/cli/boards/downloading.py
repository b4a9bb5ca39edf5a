"""The wheels that fit a board, found and fetched by this host's pip: with its settings, proxies and cache."""

from __future__ import annotations

import hashlib
import json
import re
import sys
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from pytest_edgedevice.cli.boards.needs import TRY, minor_of
from pytest_edgedevice.cli.checks.programs import ended
from pytest_edgedevice.cli.text import printable
from pytest_edgedevice.errors import InfraError, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_edgedevice.cli.boards.looks import Look

PIP_S = 900.0
MOST_REPORT_BYTES = 16 << 20
CLAIMED = {"tflite": 34}
"""The glibc 2.x that an engine's wheels claim to need, where they need less: pip goes by the claim."""
OLDEST_GLIBC = 17
_SHA256 = re.compile(r"[0-9a-f]{64}")
_OFFLINE = (
    "Retrying (",
    "NewConnectionError",
    "Could not fetch URL",
    "ConnectTimeoutError",
    "Name or service not known",
)


@dataclass(frozen=True, slots=True)
class Source:
    """Where a wheel is.

    Attributes:
        name: Of its file.
        url: As pip tells it.
        sha256: As the index tells it; empty for a file of this host.
    """

    name: str
    url: str
    sha256: str

    @property
    def requirement(self) -> str:
        """A line for pip, which then takes this content or none."""
        return f"{self.url} --hash=sha256:{self.sha256}\n"


def resolve(engine: str, look: Look, *, wheels: Path | None, folder: Path) -> list[Source]:
    """Have pip choose the wheels of an engine for a board.

    Args:
        engine: Which.
        look: The board.
        wheels: Choose among the files of this folder; None for the indexes that pip is set up with.
        folder: For pip's report.

    Raises:
        InfraError: There is no pip, no network, or no wheel that fits; pip is quoted.
    """
    report = folder / "report.json"
    words = ["install", "--dry-run", "--ignore-installed", "--report", str(report), "--target", str(folder / "none")]
    words += [*_for(look, engine), *TRY[engine]]
    if wheels is not None:
        if not wheels.is_dir():
            raise UsageError(f"{wheels} is no folder", hint="give --wheels a folder that holds .whl files")
        words += ["--no-index", "--find-links", str(wheels.absolute())]
    _pip(words, engine, look, wheels)
    try:
        with report.open("rb") as file:
            found = json.loads(file.read(MOST_REPORT_BYTES))["install"]
        return [_source(one) for one in found]
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise InfraError(f"pip's report cannot be read: {error!r}", hint="update it: pip install -U pip") from None


def fetch(sources: Sequence[Source], engine: str, look: Look, *, folder: Path) -> list[Path]:
    """Download wheels and check each against its hash.

    Args:
        sources: Which.
        engine: What they are for.
        look: The board.
        folder: Where to.

    Returns:
        The files, in the order of ``sources``.

    Raises:
        InfraError: They cannot be downloaded, or are not what the index says.
    """
    remote = [one for one in sources if not one.url.startswith("file:")]
    if unsure := [one.name for one in remote if not one.sha256]:
        raise InfraError(
            f"the index tells no sha256 of {unsure[0]}", hint="download it yourself, check it, and give --wheels FOLDER"
        )
    if remote:
        asked = folder / "requirements.txt"
        asked.write_text("".join(one.requirement for one in remote), encoding="utf-8")
        words = ["download", "--no-deps", "--require-hashes", "--dest", str(folder), "--requirement", str(asked)]
        _pip([*words, *_for(look, engine)], engine, look, None)
    return [_checked(one, folder) for one in sources]


def _checked(source: Source, folder: Path) -> Path:
    local = source.url.startswith("file:")
    path = Path(unquote(urlsplit(source.url).path)) if local else folder / source.name
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise InfraError(f"pip did not leave {source.name}: {error.strerror or error}") from None
    if source.sha256 and digest != source.sha256:
        raise InfraError(
            f"{source.name} is not what the index says: its sha256 is {digest}, not {source.sha256}",
            hint="download again: pip cache purge",
        )
    return path


def _for(look: Look, engine: str) -> list[str]:
    """What pip must know of a board to choose for it instead of for this host."""
    glibc = max(look.glibc or (2, OLDEST_GLIBC), (2, CLAIMED.get(engine, 0)))
    tags = [f"manylinux_2_{minor}_{look.machine}" for minor in range(glibc[1], OLDEST_GLIBC - 1, -1)]
    tags += [f"manylinux2014_{look.machine}", f"linux_{look.machine}"]
    platforms = [word for tag in tags for word in ("--platform", tag)]
    return [*platforms, "--python-version", f"3.{minor_of(look)}", "--implementation", "cp", "--only-binary=:all:"]


def _pip(words: list[str], engine: str, look: Look, wheels: Path | None) -> None:
    if find_spec("pip") is None:
        raise InfraError("this host's Python has no pip", hint=f"install it: {sys.executable} -m ensurepip")
    quiet = ["--quiet", "--disable-pip-version-check", "--no-input", "--retries", "1", "--timeout", "15"]
    done = ended([sys.executable, "-m", "pip", *words, *quiet], timeout_s=PIP_S)
    if not done.failure:
        return
    said = [printable(line)[:300] for line in done.stderr.splitlines() if line.startswith("ERROR: ")]
    why = (said[-1] if said else done.failure).removeprefix("ERROR: ")
    if wheels is None and any(sign in done.stderr for sign in _OFFLINE):
        raise InfraError(
            f"pip reaches no index from this host: {why}",
            hint="download the wheels where there is a network, and give their folder: --wheels FOLDER",
        )
    if any(sign in done.stderr for sign in ("No matching distribution", "ResolutionImpossible")):
        where = str(wheels) if wheels else "the index"
        board = f"Python {look.python}, {look.machine}, {look.libc}"
        raise InfraError(f"{where} has no wheels of {engine} for {board}: {why}", hint=_instead(engine, wheels))
    raise InfraError(f"pip {done.failure}: {why}", hint="see: pip config list")


def _instead(engine: str, wheels: Path | None) -> str:
    other = "tflite" if engine == "litert" else "litert"
    if wheels is not None:
        return f"put {' and '.join(TRY[engine])} with all that they require there, for the board's Python"
    return f"try --engine {other}, or another Python on the board"


def _source(entry: dict[str, Any]) -> Source:
    info = entry["download_info"]
    url = str(info["url"])
    digest = str(info.get("archive_info", {}).get("hashes", {}).get("sha256", ""))
    name = unquote(urlsplit(url).path.rpartition("/")[2])
    if not name.endswith(".whl") or "/" in name or any(sign.isspace() for sign in url):
        raise ValueError(f"{name!r} is no wheel")
    return Source(name, url, digest if _SHA256.fullmatch(digest) else "")
