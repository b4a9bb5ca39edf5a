"""``edgedevice doctor BOARD``: connect, look, say what was found. Nothing there is changed, and nobody is disturbed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_edgedevice.cli.boards.asking import Board
from pytest_edgedevice.cli.boards.judging import judged, python_finding
from pytest_edgedevice.cli.boards.looks import look_at
from pytest_edgedevice.cli.boards.posix import look_without_python
from pytest_edgedevice.cli.checks.finding import Finding
from pytest_edgedevice.errors import EdgeDeviceError, InfraError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_edgedevice.cli.boards.connecting import Place

NATIVE = "a board that can have none is driven over adb, by the native agent: see edgedevice build-agent --help"


def examine_board(place: Place) -> Iterator[Finding]:
    """Look at everything there; none of it raises."""
    try:
        transport = place.connect()
    except InfraError as error:
        yield from _without_helper(place, error)
        return
    try:
        with transport:
            yield Finding("connection", "ok", f"{place.name} answers by ssh and is {transport.identity()}")
            board = Board(transport, python=place.interpreter, name=place.name)
            look = look_at(board, chosen=bool(place.folder))
            yield python_finding(look)
            yield from judged(look, name=place.name)
    except EdgeDeviceError as error:
        yield Finding("connection", "wrong", one_line(error.message), error.hint)


def _without_helper(place: Place, error: InfraError) -> Iterator[Finding]:
    """Why there is no helper: no connection, or no Python that could be one."""
    found = look_without_python(place.target())
    if found is None:
        yield Finding("connection", "wrong", one_line(error.message), error.hint)
        return
    look, pythons = found
    yield Finding("connection", "ok", f"{place.name} answers by ssh")
    others = f"; there is {', '.join(pythons)}" if pythons else ""
    yield Finding("python", "wrong", one_line(error.message) + others, f"{error.hint}; {NATIVE}")
    yield from judged(look, name=place.name)


def one_line(message: str) -> str:
    """A message of several lines, for one line of a list."""
    return "; ".join(line.strip() for line in message.splitlines())
