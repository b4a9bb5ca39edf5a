"""Agents that are forked from a Python which has imported what they need: the start of one costs less than its model.

An agent is a process of its own all the same, with its own pipes, group and end. Use this where the model is what a
test is about; that an agent starts from nothing is proven by the contracts of devices.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import select
import socket
import struct
import subprocess
import sys
import textwrap
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from pytest_edgedevice.runners.bundle import agent_bundle
from pytest_edgedevice.transports import pipes

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

TOLD = struct.Struct("i")
PATIENCE_S = 60.0
# Each agent has a keeper, its parent, which tells its number and how it ended. Of any Python that runs agents.
FORKER = textwrap.dedent("""
    import contextlib, gc, importlib, json, os, socket, struct, sys
    sys.path.insert(0, sys.argv[1])
    from pytest_edgedevice.agent import engines, main
    import pytest_edgedevice.agent.engines.interpreter
    for engine in engines.installed():
        importlib.import_module(engines.MODULES[engine])

    def keep(message, descriptors):
        asked, status = json.loads(message), descriptors[3]
        agent = os.fork()
        if agent == 0:
            os.setsid()
            for number in range(3):
                os.dup2(descriptors[number], number)
            for descriptor in descriptors:
                os.close(descriptor)
            os.environ.update(asked["environment"])
            os._exit(main.main(asked["arguments"]))
        for descriptor in descriptors[:3]:
            os.close(descriptor)
        os.write(status, struct.pack("i", agent))
        os.write(status, struct.pack("i", os.waitstatus_to_exitcode(os.waitpid(agent, 0)[1])))
        os._exit(0)

    gc.freeze()  # what a collection does not touch stays shared
    with socket.socket(fileno=int(sys.argv[2])) as asking:
        while True:
            message, descriptors, _, _ = socket.recv_fds(asking, 1 << 20, 4)
            with contextlib.suppress(ChildProcessError):
                while os.waitpid(-1, os.WNOHANG)[0]:
                    pass
            if not message:
                break
            if os.fork() == 0:
                asking.close()
                keep(message, descriptors)
            for descriptor in descriptors:
                os.close(descriptor)
""")


class Forked:
    """What ``subprocess.Popen`` is for a child: its number, its pipes and its end."""

    def __init__(self, asking: socket.socket, arguments: Sequence[str], environment: dict[str, str]) -> None:
        theirs_in, ours_in = os.pipe()
        ours_out, theirs_out = os.pipe()
        ours_err, theirs_err = os.pipe()
        self._status, theirs_status = os.pipe()
        theirs = [theirs_in, theirs_out, theirs_err, theirs_status]
        asked = json.dumps({"arguments": arguments, "environment": environment}).encode()
        socket.send_fds(asking, [asked], theirs)
        for descriptor in theirs:
            os.close(descriptor)
        self.stdin = io.FileIO(ours_in, "w")
        self.stdout = io.FileIO(ours_out)
        self.stderr = io.FileIO(ours_err)
        self.returncode: int | None = None
        self.pid = self._told(PATIENCE_S)

    def wait(self, timeout: float) -> int:
        """Its exit status, negative for a signal."""
        if self.returncode is None:
            self.returncode = self._told(timeout)
            os.close(self._status)
        return self.returncode

    def _told(self, timeout_s: float) -> int:
        if not select.select([self._status], [], [], timeout_s)[0]:
            raise subprocess.TimeoutExpired("agent", timeout_s)
        return int(TOLD.unpack(os.read(self._status, TOLD.size))[0])


@contextlib.contextmanager
def started_agents() -> Iterator[None]:
    """Have agents start from nothing in the ``with`` block, also where those of other tests are forked."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pipes, "subprocess", subprocess)
        yield


@contextlib.contextmanager
def forked_agents(
    folder: Path, python: str = sys.executable, *, measured: bool = False, environment: Mapping[str, str] | None = None
) -> Iterator[None]:
    """Have the agents that local devices start with a Python forked, until the end of the ``with`` block.

    Args:
        folder: A folder of one's own.
        python: The interpreter; this one by default.
        measured: Whether they count for coverage, where that is measured.
        environment: Variables that it must have when it starts, of which what it loads may take notice.
    """
    bundle = agent_bundle()
    archive = folder / "agent"
    archive.write_bytes(bundle.content)
    variables = {**os.environ, "OPENBLAS_NUM_THREADS": "1", **(environment or {})}  # one thread, or none may fork
    if not measured:
        variables.pop("COVERAGE_PROCESS_CONFIG", None)
    asking, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with (
        theirs,
        subprocess.Popen(
            [python, "-W", "ignore", "-c", FORKER, str(archive), str(theirs.fileno())],
            pass_fds=[theirs.fileno()],
            env=variables,
        ),
        asking,
        pytest.MonkeyPatch.context() as patch,
    ):
        theirs.close()
        others = vars(pipes)["subprocess"]  # which may be those of another Python

        def start(arguments: Sequence[str], **how: Any) -> Any:
            if arguments[0] == python and arguments[1].endswith(bundle.sha256):
                return Forked(asking, arguments[2:], how["env"])
            return others.Popen(arguments, **how)

        seen = SimpleNamespace(Popen=start, PIPE=subprocess.PIPE, TimeoutExpired=subprocess.TimeoutExpired)
        patch.setattr(pipes, "subprocess", seen)
        yield
