"""Bring wheels to a board: its lock held, unpacked aside, proven by the agent, and only then given their name."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING

from pytest_edgedevice.cli.boards.looks import text
from pytest_edgedevice.cli.text import printable
from pytest_edgedevice.errors import EdgeDeviceError, InfraError
from pytest_edgedevice.leases import Holder, acquire
from pytest_edgedevice.leases.holder import to_record

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from pytest_edgedevice.cli.boards.asking import Board
    from pytest_edgedevice.cli.boards.wheels import Wheel

PUSH_LEAST_S = 60.0
SLOWEST_BYTES_PER_S = 50_000
HELLO_S = 120.0
LOCK_LEAST_S = 1.5


@contextlib.contextmanager
def held(board: Board, *, wait_s: float, tell: Callable[[str], None]) -> Iterator[None]:
    """Hold the board as a test would, here and there, so that nobody runs models while packages change.

    Raises:
        DeviceBusyError: Somebody else has it still; the message names the holder.
        LeaseError: A lock cannot be used.
    """
    key = board.transport.identity()
    holder = Holder.here(test="edgedevice setup")
    began = time.monotonic()
    with acquire(key, holder=holder, wait_s=wait_s, on_wait=lambda one: tell(str(one)), wanted=board.name) as lease:
        left_s = max(wait_s - (time.monotonic() - began), LOCK_LEAST_S)
        record = to_record(lease.holder, key=key)
        for one in board.transport.guard(record, wait_s=left_s, on_wait=lambda one: tell(f"there: {one}")):
            tell(printable(one))
        yield


def bring(board: Board, wheels: Sequence[Wheel], *, engine: str, site: str, tell: Callable[[str], None]) -> str:
    """Put wheels into a folder on the board; all of it or nothing.

    Args:
        board: Held by the caller.
        wheels: What to put there.
        engine: Which engine they make.
        site: Folder there; packages get a subfolder for the kind of Python.
        tell: Called with what is being done.

    Returns:
        The subfolder.

    Raises:
        DeviceFullError: There is no room; nothing is left of it.
        InfraError: They do not work there, and why; nothing is left of them.
        TransportError, DeadlineError: The link failed; what is left is removed by the next setup.
    """
    needed = sum(wheel.unpacked_bytes for wheel in wheels)
    try:
        aside = text(board.ask("prepare", site=site, bytes=needed).get("aside"))
        for wheel in wheels:
            tell(f"sending {wheel.path.name} ({wheel.size_bytes / 1e6:.1f} MB)")
            _send(board, wheel, aside)
        tell(f"loading {engine} there")
        _prove(board, aside, engine)
        note = {"schema": 1, "engine": engine, "wheels": {wheel.path.name: wheel.sha256 for wheel in wheels}}
        return text(board.ask("commit", aside=aside, site=site, note=note).get("folder"))
    except BaseException:
        with contextlib.suppress(EdgeDeviceError):  # what went wrong first is what is told
            board.ask("discard", site=site)
        raise


def _send(board: Board, wheel: Wheel, aside: str) -> None:
    patience_s = PUSH_LEAST_S + wheel.size_bytes / SLOWEST_BYTES_PER_S
    pushed = board.transport.push(wheel.path, timeout_s=patience_s)
    if pushed.sha256 != wheel.sha256:
        raise InfraError(f"{wheel.path.name} changed while it was sent", hint="run it again")
    board.ask("unpack", aside=aside, wheel=f"{board.transport.folder}/{wheel.sha256}")


def _prove(board: Board, aside: str, engine: str) -> None:
    """Load the engine's libraries, and have the agent find it as it will for tests.

    Raises:
        InfraError: One of the two does not work.
    """
    from pytest_edgedevice.runners.bundle import agent_bundle
    from pytest_edgedevice.runners.client import AgentClient

    tried = board.ask("prove", aside=aside, engine=engine).get("probe")
    failure = text(tried.get("failure")) if isinstance(tried, dict) else "it did not say how it went"
    if failure:
        raise InfraError(f"{engine} does not load on {board.name}: {failure}", hint=f"edgedevice doctor {board.name}")
    bundle = agent_bundle()
    command = board.transport.agent_command(board.transport.place(bundle.content, timeout_s=PUSH_LEAST_S))
    agent = AgentClient(
        board.transport.start([*command, "--site", aside]), where=board.name, sha256=bundle.sha256, timeout_s=HELLO_S
    )
    try:
        if engine not in agent.hello["engines"]:
            raise InfraError(f"the agent on {board.name} finds no {engine} in what was brought there")
    finally:
        agent.close()
