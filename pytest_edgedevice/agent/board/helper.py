"""The helper's loop: what the host asks for, what programs say, and the end of it all."""

from __future__ import annotations

import os
import select
import shutil
import time
from typing import TYPE_CHECKING, Any, Callable, Dict, List, Optional, Tuple

from pytest_edgedevice.agent.board import SILENT_S
from pytest_edgedevice.agent.board.children import Child
from pytest_edgedevice.agent.board.files import FileError
from pytest_edgedevice.agent.board.guard import Guard, Hold
from pytest_edgedevice.agent.board.models import Cache, Models
from pytest_edgedevice.agent.board.storing import Storing

if TYPE_CHECKING:
    from pytest_edgedevice.agent.board.line import Line
    from pytest_edgedevice.agent.wire import Frame, Header

SESSION = "EDGEDEVICE_SESSION"
MOST_CHILDREN = 256
SOONEST_S, LATEST_S = 0.002, 1.0
Clear = Callable[..., Any]


class Helper:
    """One session.

    Args:
        line: The stream to the host.
        folder: The session's folder, made and locked.
        hold: Takes the board's lock; see ``guard``.
        clear: Removes what a dead session left: called with its folder and a deadline.
        cache: Makes the cache of models; see ``models``.
    """

    def __init__(self, line: Line, folder: str, *, hold: Hold, clear: Clear, cache: Optional[Cache] = None) -> None:
        self._line = line
        self.folder = folder
        self._clear = clear
        self._guard = Guard(hold, folder)
        self._children: Dict[int, Child] = {}
        self._models = Models(cache, folder, self._beat)
        self._storing = Storing(line, folder, self._models, self._beat)
        self._heard = time.monotonic()
        self._pause_s = SOONEST_S
        self.ended = self._silent = False
        self._handlers: Dict[str, Callable[[Header, memoryview], None]] = {
            "start": self._start,
            "in": self._input,
            "close": lambda header, _: self._children[_number(header)].end_input(self._line),
            "take": self._take,
            "kill": self._kill,
            "beat": lambda _header, _: self._beat(),
            "guard": self._take_guard,
            "clean": self._clean,
            "bye": self._bye,
        }

    def hello(self, facts: Header) -> None:
        """Say what was found here."""
        self._line.send({"op": "hello", "folder": self.folder, "pid": os.getpid(), **self._storing.hello(), **facts})

    def serve(self) -> None:
        """Work until the host says goodbye, goes away or is silent for too long.

        Raises:
            WireError: What came is no frame.
        """
        while not (self.ended or self._line.ended):
            self._step()

    def _step(self) -> None:
        ready = self._wait()
        if not ready and self._patience_left_s() <= 0:
            # only if nothing waits to be read: a helper that was held up itself accuses nobody
            self.ended = self._silent = True
            return
        for descriptor, act in ready:
            if descriptor == self._line.source:
                self._heard = time.monotonic()
            act()
        for child in list(self._children.values()):
            self._tell_status(child)

    def _wait(self) -> List[Tuple[int, Callable[[], None]]]:
        """What is ready now, with what is to be done about it."""
        actions: Dict[int, Callable[[], None]] = {}
        poll = select.poll()

        def watch(descriptor: int, event: int, act: Callable[[], None]) -> None:
            actions[descriptor] = act
            poll.register(descriptor, event)

        watch(self._line.source, select.POLLIN, self._receive)
        watch(self._guard.wake, select.POLLIN, lambda: self._guard.tell(self._line))
        if self._line.waiting:
            watch(self._line.sink, select.POLLOUT, self._line.flush)
        busy = self._line.busy
        for child in self._children.values():
            if child.has_input:
                watch(child.pipes["in"], select.POLLOUT, lambda child=child: child.feed(self._line))  # type: ignore[misc]
            if "out" in child.pipes and child.credit > 0 and not busy:
                watch(child.pipes["out"], select.POLLIN, lambda child=child: child.pass_output(self._line))  # type: ignore[misc]
            if "err" in child.pipes and not busy:
                watch(child.pipes["err"], select.POLLIN, lambda child=child: child.pass_errors(self._line))  # type: ignore[misc]
        ready = poll.poll(self._patience_s() * 1000)
        return [(descriptor, actions[descriptor]) for descriptor, _ in ready]

    def _patience_s(self) -> float:
        """How long to wait for something to happen: the end of a program whose pipes are closed is not announced."""
        if any(not child.told and "out" not in child.pipes for child in self._children.values()):
            self._pause_s = min(2 * self._pause_s, LATEST_S)
            return self._pause_s
        self._pause_s = SOONEST_S
        return min(LATEST_S, max(self._patience_left_s(), SOONEST_S))

    def _patience_left_s(self) -> float:
        return self._heard + SILENT_S - time.monotonic()

    def _receive(self) -> None:
        # always all of it, whatever waits to be written: the host may send before it reads
        while not self.ended:
            frame = self._line.receive()
            if frame is None:
                return
            self._answer(frame)

    def _answer(self, frame: Frame) -> None:
        header, payload = frame
        operation = str(header.get("op"))
        act, stores = self._handlers.get(operation), self._storing.handlers.get(operation)
        try:
            if stores is not None:
                _number(header)
                act = stores
            if act is None:
                self._fail(header, "internal", f"unknown operation {operation[:80]!r}")
            else:
                act(header, payload)
        except KeyError:
            return  # about something that has failed or was killed meanwhile
        except FileError as error:
            self._storing.forget(_number(header))
            self._fail(header, error.kind, str(error))
        except (OSError, ValueError, TypeError) as error:
            self._fail(header, "internal", getattr(error, "strerror", None) or str(error))

    def _fail(self, header: Header, kind: str, message: str) -> None:
        self._line.send({"op": "failed", "id": header.get("id"), "kind": kind, "message": message[:2000]})

    def _start(self, header: Header, _payload: memoryview) -> None:
        number = _number(header)
        if len(self._children) >= MOST_CHILDREN:
            raise ValueError(f"{MOST_CHILDREN} programs run already")
        environment = {**os.environ, SESSION: self.folder}
        arguments = [str(one) for one in header["arguments"]]
        if not arguments:
            raise ValueError("no program is named")
        child = Child(number, arguments, environment)
        self._children[number] = child
        self._line.send({"op": "started", "id": number, "pid": child.pid})

    def _input(self, header: Header, payload: memoryview) -> None:
        number = _number(header)
        if not self._storing.takes(number, payload):
            self._children[number].give(payload, self._line)

    def _take(self, header: Header, _payload: memoryview) -> None:
        self._children[_number(header)].credit += int(header["bytes"])

    def _kill(self, header: Header, _payload: memoryview) -> None:
        child = self._children.pop(_number(header))
        child.pass_errors(self._line)
        self._tell_status(child)
        child.kill()
        self._line.send({"op": "killed", "id": child.number})

    def _tell_status(self, child: Child) -> None:
        status = None if child.told else child.status()
        if status is not None:
            child.told = True
            child.pass_errors(self._line)
            self._line.send({"op": "exit", "id": child.number, "status": status, "note": child.note(status)})

    def _beat(self) -> None:
        if not self._line.waiting:  # a host that reads nothing is not told again and again that we are here
            self._line.send({"op": "beat"})

    def _take_guard(self, header: Header, _payload: memoryview) -> None:
        self._guard.take(_number(header), str(header["record"]).encode(), float(header["wait_s"]))

    def _clean(self, header: Header, _payload: memoryview) -> None:
        cleared = self._clear(str(header["folder"]), deadline=time.monotonic() + min(float(header["timeout_s"]), 5.0))
        done = [str(clause) for clause in (*cleared.done, *cleared.kept)]
        self._line.send({"op": "cleaned", "id": header["id"], "done": done})

    def _bye(self, _header: Header, _payload: memoryview) -> None:
        self.ended = True

    def wipe(self) -> List[str]:
        """End every program, remove every file, hand the lock back; what is worth going on with, after a cut."""
        for child in self._children.values():
            child.kill()
        if not self.ended and not self._line.cut:
            self._line.send({"op": "beat"})  # the end of the stream does not say why; a closed one takes no more
        lost = self._line.cut or self._silent
        kept = self._storing.put_aside() if lost else []
        self._storing.end()
        shutil.rmtree(self.folder, ignore_errors=True)
        self._models.close()
        self._guard.release()
        return kept


def _number(header: Header) -> int:
    number: Optional[Any] = header.get("id")
    if type(number) is not int:
        raise ValueError("a request needs an integer 'id'")
    return number
