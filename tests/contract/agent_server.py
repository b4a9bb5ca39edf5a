"""The Python agent behind ports, a port a fault: every connection is served by a process of its own.

Run as ``python -m tests.contract.agent_server FOLDER FAULT ...``; it writes one line of JSON, their ports in that
order, and ends with its input. The runtime is imported once, and each agent is a fork.
"""

from __future__ import annotations

import contextlib
import fcntl
import importlib
import json
import os
import select
import signal
import socket
import sys
import tempfile
import time
from typing import TYPE_CHECKING, Any, NoReturn

from pytest_edgedevice.agent import engines, main, measuring, session, store, wire
from pytest_edgedevice.agent.engines.interpreter import InterpreterEngine

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


HELLO = session.Session.hello
PUT = store.Store.put
FIND = store.Store.find
OUTPUT = InterpreterEngine.output
SET_INPUTS = InterpreterEngine.set_inputs


def _replace(owner: object, name: str, value: object) -> None:
    setattr(owner, name, value)


def silent() -> NoReturn:
    """It never says anything."""
    while True:
        time.sleep(600)


def speaks_version_2() -> None:
    """Its hello has another version."""
    _replace(session.Session, "hello", lambda agent: {**HELLO(agent), "protocol": 2})


def takes_any_hash() -> None:
    """It stores what does not have the hash that was said."""

    def put(self: store.Store, sha256: str, offset: object, total: object, chunk: Any) -> bool:
        try:
            return PUT(self, sha256, offset, total, chunk)
        except store.StoreError as error:
            if "arrived with hash" in str(error):
                return True
            raise

    _replace(store.Store, "put", put)


def misses_in_its_own_words() -> None:
    """It says that a blob is missing with a kind of its own."""

    def find(self: store.Store, sha256: object) -> str:
        try:
            return FIND(self, sha256)
        except store.StoreError as error:
            raise store.StoreError("absent", str(error)) from error

    _replace(store.Store, "find", find)


def drops_a_bit_of_int16() -> None:
    """One element type loses bits."""

    def output(self: InterpreterEngine, position: int) -> Any:
        found = OUTPUT(self, position)
        return found & -2 if found.dtype.name == "int16" else found

    _replace(InterpreterEngine, "output", output)


def keeps_state() -> None:
    """A sample finds what the one before has left."""
    _replace(InterpreterEngine, "reset", lambda _self: None)


def counts_what_settles() -> None:
    """Its series holds the inferences that were to be left out."""

    def timed(invoke: Callable[[], None], *, runs: int, batch: int, settle: int, max_ns: int) -> Any:
        return measuring.timed_runs(invoke, runs=runs + settle, batch=batch, settle=0, max_ns=max_ns)

    _replace(session, "timed_runs", timed)


def counts_in_picoseconds() -> None:
    """Its numbers are a thousand times too large."""

    def timed(invoke: Callable[[], None], *, runs: int, batch: int, settle: int, max_ns: int) -> Any:
        series = measuring.timed_runs(invoke, runs=runs, batch=batch, settle=settle, max_ns=max_ns)
        return series if runs == 1_000_000 else type(series)("q", [1000 * one for one in series])

    _replace(session, "timed_runs", timed)


def dies_of_nan() -> None:
    """An input that is not a number kills it."""

    def set_inputs(self: InterpreterEngine, arrays: Any) -> None:
        if any(array.dtype.kind == "f" and (array != array).any() for array in arrays):
            os.kill(os.getpid(), signal.SIGKILL)
        SET_INPUTS(self, arrays)

    _replace(InterpreterEngine, "set_inputs", set_inputs)


def reads_nan_in_headers() -> None:
    """It takes for JSON what is none."""
    _replace(wire, "_refuse_constant", float)


def stays_when_nobody_is_left() -> None:
    """It does not end with its input."""
    _replace(main, "_vanish", lambda _folder: None)


def has_another_engine() -> None:
    """It is an app that knows none of our models by the name of its engine."""
    _replace(session.Session, "hello", lambda agent: {**HELLO(agent), "engines": {"onnx": "8"}})


def serves_one_at_a_time() -> None:
    """Whoever connects meanwhile waits: a lock that the first holds until it ends."""
    lock = os.open(f"{sys.argv[1]}/one-client", os.O_CREAT | os.O_RDWR)
    fcntl.flock(lock, fcntl.LOCK_EX)


def stays_after_bye() -> None:
    """It says goodbye and does not go."""

    _replace(session.Session, "_bye", lambda _self, _header, _payload: ({"op": "bye"}, []))


def right() -> None:
    """No fault."""


FAULTS: dict[str, Callable[[], object]] = {
    fault.__name__: fault
    for fault in (
        *(right, silent, speaks_version_2, takes_any_hash, misses_in_its_own_words, drops_a_bit_of_int16, keeps_state),
        *(counts_what_settles, counts_in_picoseconds, dies_of_nan, reads_nan_in_headers, stays_after_bye),
        *(stays_when_nobody_is_left, has_another_engine, serves_one_at_a_time),
    )
}


def serve(
    folder: str, listeners: Mapping[socket.socket, Callable[[], object]], *, alone: bool = False, keeps: bool = False
) -> None:
    """Serve until the input ends.

    Args:
        folder: Where the agents have theirs.
        listeners: Where they listen, and what is wrong with who answers there.
        alone: Never end by itself, whatever the input is.
        keeps: They have one folder for all, as an app has, which is emptied by who asks for it.
    """
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    importlib.import_module(engines.MODULES["litert"])  # once, and not in each of them
    end = [] if alone else [sys.stdin.fileno()]
    print(json.dumps([one.getsockname()[1] for one in listeners]), flush=True)
    while True:
        ready, _, _ = select.select([*end, *listeners], [], [])
        if set(end) & set(ready):
            return
        for listener in listeners.keys() & set(ready):
            connection, _ = listener.accept()
            with connection:
                if os.fork() == 0:
                    _become_agent(connection, listeners[listener], folder, keeps=keeps)


def _become_agent(connection: socket.socket, fault: Callable[[], object], folder: str, *, keeps: bool) -> NoReturn:
    status = 70
    with contextlib.suppress(BaseException):
        os.dup2(connection.fileno(), 0)
        os.dup2(connection.fileno(), 1)
        connection.close()
        fault()
        status = main.main(["--folder", folder] if keeps else ["--folder", tempfile.mkdtemp(dir=folder), "--wipe"])
    os._exit(status)


def serve_to_the_last(
    folder: str, listeners: Mapping[socket.socket, Callable[[], object]], *, alone: bool = False, keeps: bool = False
) -> None:
    """Serve until the input ends, and take all agents along: some never end by themselves."""
    if os.getpgrp() != os.getpid():
        os.setpgid(0, 0)
    try:
        serve(folder, listeners, alone=alone, keeps=keeps)
    finally:
        os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    serve_to_the_last(sys.argv[1], {socket.create_server(("127.0.0.1", 0)): FAULTS[name] for name in sys.argv[2:]})
