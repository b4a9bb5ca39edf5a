"""``edgedevice setup BOARD``: bring an engine to a board that cannot fetch it itself, and take it away again."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_edgedevice.agent.sites import HOME
from pytest_edgedevice.cli.boards.asking import FREE_SPACE, Board
from pytest_edgedevice.cli.boards.bringing import bring, held
from pytest_edgedevice.cli.boards.connecting import Place, place_of
from pytest_edgedevice.cli.boards.downloading import fetch, resolve
from pytest_edgedevice.cli.boards.looks import Look, Site, look_at, text
from pytest_edgedevice.cli.boards.needs import ARCHITECTURES, TABLE, TRY, fitting, lacks
from pytest_edgedevice.cli.boards.posix import look_without_python
from pytest_edgedevice.cli.boards.wheels import Wheel, check_fit, read_wheel
from pytest_edgedevice.cli.terminal import agreed, is_terminal
from pytest_edgedevice.cli.text import printable
from pytest_edgedevice.errors import DeviceFullError, InfraError, TransportError, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_edgedevice.transports.ssh.transport import SshTransport

NATIVE = "a board that can have none is driven over adb, by the native agent: see edgedevice build-agent --help"
WITHOUT_WHEELS = 'the native agent needs none: edgedevice build-agent, and runner = "native" in edgedevice.toml'


def setup(board: str, config: Path | None, *, engine: str, wheels: Path | None, yes: bool, wait_s: float) -> bool:
    """Bring an engine to a board, unless it is there.

    Args:
        board: ``ssh:...`` or a name from the device file.
        config: The device file; None to search for it.
        engine: Which; empty for the one that fits.
        wheels: Folder with the wheels; None to download them.
        yes: Do it without asking.
        wait_s: How long to wait while somebody else holds the board.

    Returns:
        False when the user said no.

    Raises:
        EdgeDeviceError: It cannot be done; nothing is left half-done there.
    """
    place = place_of(board, config)
    with _connected(place) as transport:
        there = Board(transport, python=place.interpreter, name=place.name)
        look = look_at(there, chosen=bool(place.folder))
        engine = _chosen(engine, look, place.name)
        if wheels is None and (found := _is_there(look, engine)):
            print(f"{place.name} has {engine} already: {found}; nothing to do")
            return True
        site = _site(look, place)
        with tempfile.TemporaryDirectory(prefix="edgedevice-wheels-") as folder:
            print(f"finding {' and '.join(TRY[engine])} for {look.kind} with {look.libc}", flush=True)
            sources = resolve(engine, look, wheels=wheels, folder=Path(folder))
            found_wheels = [read_wheel(path) for path in fetch(sources, engine, look, folder=Path(folder))]
            check_fit(found_wheels, look, others=[one for one in fitting(look) if one != engine])
            if _is_same(site, found_wheels) and look.engines[engine].loads:
                print(f"{place.name} has the same wheels already, in {site.folder}; nothing to do")
                return True
            if not _may(place.name, engine, site, found_wheels, yes=yes):
                print(f"nothing was done: {place.name} is as it was")
                return False
            with held(there, wait_s=wait_s, tell=_say):
                # the site's own folder is one above that for this kind of Python
                final = bring(there, found_wheels, engine=engine, site=site.folder.rpartition("/")[0], tell=_say)
    print(f"{engine} is on {place.name} now, in {final}; take it away with: edgedevice setup {place.name} --remove")
    return True


def remove(board: str, config: Path | None, *, wait_s: float) -> bool:
    """Take away what setup brought.

    Raises:
        EdgeDeviceError: It cannot be done.
    """
    place = place_of(board, config)
    with _connected(place) as transport:
        there = Board(transport, python=place.interpreter, name=place.name)
        with held(there, wait_s=wait_s, tell=_say):
            answer = there.ask("remove", sites=[f"{there.base}/site", HOME])
    removed = answer.get("removed")
    for folder in removed[:100] if isinstance(removed, list) else []:
        print(f"removed {text(folder)} from {place.name}")
    if not removed:
        print(f"setup brought nothing to {place.name}: there is nothing to remove")
    return True


def _connected(place: Place) -> SshTransport:
    try:
        return place.connect()
    except TransportError as error:
        found = look_without_python(place.target())
        if found is None:
            raise
        pythons = f" There is {', '.join(found[1])}." if found[1] else ""
        raise InfraError(f"{error.message}{pythons}", hint=f"{error.hint}; {NATIVE}") from None


def _chosen(engine: str, look: Look, name: str) -> str:
    """The engine to bring: the one that was asked for, or the first that fits."""
    if look.machine not in ARCHITECTURES:
        raise InfraError(
            f"{name} is of the architecture {look.machine or '(not told)'!r}, for which no engine has wheels",
            hint=f"there are wheels for {', '.join(ARCHITECTURES)}; {WITHOUT_WHEELS}",
        )
    if look.implementation != "cpython" or look.abi:
        what = f"{look.implementation} {look.python}{look.abi}"
        raise InfraError(f"{name} runs {what}, for which there are no wheels", hint="name a CPython with 'python'")
    fit = fitting(look)
    if engine and (engine, look.machine) in TABLE and engine not in fit:
        short = ", ".join(lacks(look, TABLE[engine, look.machine]))
        raise InfraError(f"{engine} does not fit {name}, which lacks {short}", hint=_fits(fit))
    if engine and engine not in fit:
        raise InfraError(f"there are no wheels of {engine} for {look.machine}", hint=_fits(fit))
    if not fit:
        ways = [
            f"{one} needs {', '.join(lacks(look, needs))}" for (one, on), needs in TABLE.items() if on == look.machine
        ]
        raise InfraError(f"no engine fits {name}: {'; '.join(ways)}", hint="install a newer system there")
    return engine or fit[0]


def _fits(fit: Sequence[str]) -> str:
    return f"what fits: --engine {fit[0]}" if fit else "install a newer system there (Debian 12, Ubuntu 22.04 or later)"


def _is_there(look: Look, engine: str) -> str:
    """Where a board has an engine that loads; empty when it has none."""
    tried = look.engines[engine]
    if not tried.version or tried.failure or not (tried.loads or look.holder):
        return ""
    brought = [site.folder for site in look.sites if site.there and site.engine == engine]
    untried = "" if tried.loads else f", not tried while held by {look.holder}"
    return f"{tried.version}, {f'in {brought[0]}' if brought else 'of its own'}{untried}"


def _site(look: Look, place: Place) -> Site:
    site = look.sites[0] if look.sites else Site("")
    if not site.writable or not site.folder.startswith("/"):
        raise InfraError(
            f"{place.name}: {site.folder or 'the folder for packages'} cannot be made or written to",
            hint="name a folder that can with 'folder' in edgedevice.toml",
        )
    return site


def _is_same(site: Site, wheels: Sequence[Wheel]) -> bool:
    return site.there and dict(site.wheels) == {wheel.path.name: wheel.sha256 for wheel in wheels}


def _may(name: str, engine: str, site: Site, wheels: Sequence[Wheel], *, yes: bool) -> bool:
    """Say what will be done, and whether it may be."""
    sent = sum(wheel.size_bytes for wheel in wheels)
    unpacked = sum(wheel.unpacked_bytes for wheel in wheels)
    free = "" if site.free_bytes is None else f"; {site.free_bytes / 1e6:.0f} MB are free there"
    print(f"{engine} for {name}: {', '.join(f'{one.project} {one.version}' for one in wheels)}")
    print(f"  {sent / 1e6:.1f} MB to send, {unpacked / 1e6:.1f} MB in {printable(site.folder)}{free}")
    if site.there:
        print("  what is there now will be replaced")
    if site.free_bytes is not None and site.free_bytes < unpacked:
        raise DeviceFullError(
            f"{name} has {site.free_bytes / 1e6:.0f} MB free and {unpacked / 1e6:.0f} MB are needed", hint=FREE_SPACE
        )
    if yes:
        return True
    if not is_terminal():
        raise UsageError(f"setup asks before it changes {name}", hint=f"to do it, run: edgedevice setup {name} --yes")
    return agreed("Do it? [y/N] ")


def _say(line: str) -> None:
    print(printable(line), flush=True)
