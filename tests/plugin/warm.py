"""Processes of Python that need not start: one has imported what they will, and forks where one is asked for.

To start Python and import pytest, numpy, a runtime and all of ours takes a second of a processor, and the tests of this
folder start hundreds of agents, of workers and of runs. What is forked here is a process like theirs, with its own
number, descriptors, session and end, and the agent's code comes out of the agent's file. But more is imported than was
asked for, the environment in ``/proc`` is that of the process that forked it, which is its parent too: tests about
these use ``cold``.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import io
import json
import os
import pkgutil
import runpy
import select
import signal
import socket
import subprocess
import sys
import threading
import types
from pathlib import Path
from typing import Any, ClassVar

FOREIGN = ("numpy", "ai_edge_litert.interpreter", "pytest")
OURS = "pytest_edgedevice"
REWRITTEN = (f"{OURS}.plugin", f"{OURS}.testing")
"""Whose assertions pytest rewrites when it imports them; it warns where that was done before."""
ANSWER_S = 60.0
SAME = ("PYTHON", "COVERAGE")
"""Beginnings of variables that Python looks at when it starts: whoever wants other values gets a Python that starts."""


class Warm:
    """The process that forks."""

    def __init__(self) -> None:
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._socket.settimeout(ANSWER_S)
        self._lock = threading.Lock()
        environment = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")}
        self._same = _same(environment)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, __file__, str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                env=environment,
                start_new_session=True,
            )

    def serves(self, arguments: object, environment: dict[str, str]) -> bool:
        """Whether these arguments and this environment ask for a Python that may as well be forked."""
        if not isinstance(arguments, list | tuple) or arguments[0] != sys.executable:
            return False
        first = next((str(one) for one in arguments[1:] if one != "-u"), "-")
        # pytest would find the installed plugin imported, and warn
        finds_plugins = first.startswith("-m") and "PYTEST_DISABLE_PLUGIN_AUTOLOAD" not in environment
        understood = first[:2] in ("-c", "-m") or first[0] != "-"
        return understood and not finds_plugins and _same(environment) == self._same

    def fork(self, order: dict[str, Any], descriptors: list[int]) -> int:
        """A process that does this, with these as its first descriptors and one that tells its end; its number."""
        with self._lock:
            socket.send_fds(self._socket, [json.dumps(order).encode()], descriptors)
            return int(self._socket.recv(64))

    def close(self) -> None:
        """End it; what it forked goes on."""
        self._socket.close()
        self._process.wait(ANSWER_S)


def _same(environment: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in environment.items() if name.startswith(SAME) and name != "PYTHONPATH"}


class WarmPopen(subprocess.Popen[Any]):
    """``subprocess.Popen``, which has Pythons forked."""

    warm: ClassVar[Warm]
    _end = -1
    """Descriptor that tells the status of a process which was forked, once it has ended."""

    def _execute_child(  # type: ignore[no-untyped-def]
        self, args, executable, preexec_fn, close_fds, pass_fds, cwd, env, startupinfo, creationflags, shell, *others
    ):
        pipes, (_, _, _, _, _, new_session, _) = others[:6], others[6:]
        environment = {os.fsdecode(name): os.fsdecode(value) for name, value in (env or os.environ).items()}
        if shell or executable or preexec_fn or pass_fds or not self.warm.serves(args, environment):
            started = (args, executable, preexec_fn, close_fds, pass_fds, cwd, env, startupinfo, creationflags, shell)
            super()._execute_child(*started, *others)  # type: ignore[misc]
            return
        self._end, told = os.pipe()
        order = {
            "arguments": [os.fsdecode(one) for one in args[1:]],
            "environment": environment,
            "folder": os.fsdecode(cwd or Path.cwd()),
            "new_session": bool(new_session),
        }
        theirs = [number if passed == -1 else passed for number, passed in enumerate((pipes[0], pipes[3], pipes[5]))]
        try:
            self.pid = self.warm.fork(order, [*theirs, told])
        finally:
            os.close(told)
        self._child_created = True
        self._close_pipe_fds(*pipes)  # type: ignore[attr-defined]

    def _try_wait(self, wait_flags: int) -> tuple[int, int]:
        if self._end == -1:
            return super()._try_wait(wait_flags)  # type: ignore[misc, no-any-return]
        if wait_flags & os.WNOHANG and not select.select([self._end], [], [], 0)[0]:
            return 0, 0
        status = os.read(self._end, 16) or b"0"  # nothing where the process that forks is gone
        os.close(self._end)
        return self.pid, int(status)

    def _internal_poll(self, *others: Any, **more: Any) -> int | None:
        if self._end == -1:
            return super()._internal_poll(*others, **more)  # type: ignore[misc, no-any-return]
        with self._waitpid_lock:  # type: ignore[attr-defined]
            if self.returncode is None:
                number, status = self._try_wait(os.WNOHANG)
                if number:
                    self._handle_exitstatus(status)  # type: ignore[attr-defined]
        return self.returncode


def serve(wanted: socket.socket) -> dict[str, Any]:
    """Fork whenever that is wanted, and tell how they end; comes back in what was forked, with what it should do."""
    woken, wake = os.pipe()
    for descriptor in (woken, wake):
        os.set_blocking(descriptor, False)
    signal.set_wakeup_fd(wake)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    children: dict[int, int] = {}
    while True:
        ready, _, _ = select.select([wanted.fileno(), woken], [], [])
        if woken in ready:
            os.read(woken, 4096)
            _tell_ends(children)
        if wanted.fileno() not in ready:
            continue
        text, descriptors, _, _ = socket.recv_fds(wanted, 1 << 20, 4)
        if not text:
            os._exit(0)
        number = os.fork()
        if number == 0:
            return _become(json.loads(text), descriptors, wanted)
        children[number] = descriptors.pop()
        for descriptor in descriptors:
            os.close(descriptor)


def _tell_ends(children: dict[int, int]) -> None:
    with contextlib.suppress(ChildProcessError):
        while (ended := os.waitpid(-1, os.WNOHANG))[0]:
            told = children.pop(ended[0])
            with contextlib.suppress(BrokenPipeError):
                os.write(told, str(ended[1]).encode())
            os.close(told)


def _become(order: dict[str, Any], descriptors: list[int], wanted: socket.socket) -> dict[str, Any]:
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    if order["new_session"]:
        os.setsid()
    for number, descriptor in enumerate(descriptors[:3]):
        os.dup2(descriptor, number)
    os.chdir(order["folder"])
    wanted.send(str(os.getpid()).encode())  # by now a signal to its group finds it
    os.closerange(3, 1 << 16)
    wanted.detach()
    return order


def run(arguments: list[str], environment: dict[str, str]) -> None:
    """What Python does with its arguments."""
    own = len(list(filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))))
    os.environ.clear()
    os.environ.update(environment)
    unbuffered = arguments[0] == "-u"
    first, *rest = arguments[unbuffered:]
    out = os.fdopen(1, "wb", 0 if unbuffered else -1, closefd=False)
    sys.stdin = os.fdopen(0, closefd=False)
    sys.stdout = io.TextIOWrapper(out, write_through=unbuffered)
    sys.stderr = os.fdopen(2, "w", 1, errors="backslashreplace", closefd=False)
    for name in ("stdin", "stdout", "stderr"):
        setattr(sys, f"__{name}__", getattr(sys, name))
    if first[:2] in ("-c", "-m"):
        what, rest = (first[2:], rest) if first[2:] else (rest[0], rest[1:])
    place = {"-c": "", "-m": str(Path.cwd())}.get(first[:2], str(Path(first).absolute().parent))
    sys.path[: 1 + own] = [place, *filter(None, environment.get("PYTHONPATH", "").split(os.pathsep))]
    if first[:2] == "-c":
        sys.argv = ["-c", *rest]
        main = sys.modules["__main__"] = types.ModuleType("__main__")
        exec(compile(what, "<string>", "exec"), main.__dict__)
    elif first[:2] == "-m":
        sys.argv = [what, *rest]
        runpy.run_module(what, run_name="__main__", alter_sys=True)
    else:
        sys.argv = [first, *rest]
        if "--folder" in rest:  # an agent, which brings what it needs of ours
            _forget(OURS)
        runpy.run_path(first, run_name="__main__")


def _import_all() -> None:
    for module in FOREIGN:
        importlib.import_module(module)
    for found in pkgutil.walk_packages(importlib.import_module(OURS).__path__, f"{OURS}."):
        if not found.name.endswith("__main__"):
            importlib.import_module(found.name)
    _forget(*REWRITTEN)


def _forget(*names: str) -> None:
    for module in [module for module in sys.modules if f"{module}.".startswith(tuple(f"{name}." for name in names))]:
        del sys.modules[module]


if __name__ == "__main__":
    _import_all()
    gc.freeze()  # what is imported by now is shared, and stays so where nobody counts it
    what_to_do = serve(socket.socket(fileno=int(sys.argv[1])))
    run(what_to_do["arguments"], what_to_do["environment"])
