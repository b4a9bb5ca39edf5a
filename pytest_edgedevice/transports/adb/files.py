"""Files to a device over adb: sent under a name that nobody looks for, hashed there, and only then given their own."""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import os
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from pytest_edgedevice.errors import DeadlineError, EdgeDeviceError, TransportError
from pytest_edgedevice.transports.adb.checking import Checking, check, run
from pytest_edgedevice.transports.adb.reading import SMALL_BYTES, Reading, opened, pieces_of, read_small
from pytest_edgedevice.transports.base import Pushed
from pytest_edgedevice.transports.placing import Placed, Placing, hash_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from pytest_edgedevice.transports.adb.session import Session
    from pytest_edgedevice.transports.adb.sync import Sync
    from pytest_edgedevice.transports.progress import Moved

MOST_AT_ONCE = 400
CLEAN_S = 10.0
PART = "part"

_NAME = 'cd "$1" && mv -f * .. && cd .. && rmdir "$1"'
_DROP = 'rm -rf "$1"'


class AdbFiles:
    """The files of one session.

    Args:
        session: Of the device.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._stages = itertools.count()
        self._checking = Checking(session)
        self._known = threading.Lock()
        self._present: set[str] = set()
        self._sizes: set[int] = set()
        self._namings: set[Naming] = set()

    def push_all(self, sources: Sequence[Path], *, timeout_s: float, moved: Moved) -> list[Pushed]:
        """Place files; small ones travel together, and of large ones the hash follows. See ``Transport.push_all``."""
        deadline = time.monotonic() + timeout_s
        done: list[Pushed] = []
        crowd: dict[str, bytes] = {}
        held = 0
        for source in sources:
            with opened(source) as file:
                size = os.fstat(file.fileno()).st_size
                self._settle(size, deadline)
                if size > SMALL_BYTES:
                    done.append(self._push_large(file, size, deadline, moved))
                    continue
                content = read_small(file, source)
            sha256 = hashlib.sha256(content).hexdigest()
            fresh = sha256 not in self._present and sha256 not in crowd
            done.append(Pushed(sha256, len(content), len(content) if fresh else 0))
            if fresh:
                crowd[sha256] = content
                held += len(content)
            if len(crowd) >= MOST_AT_ONCE or held > SMALL_BYTES:
                self._put_all(crowd, deadline, moved)
                crowd, held = {}, 0
        self._put_all(crowd, deadline, moved)
        return done

    def place(self, content: bytes, *, timeout_s: float, moved: Moved) -> str:
        """Put bytes there; see ``Transport.place``."""
        deadline = time.monotonic() + timeout_s
        sha256 = hashlib.sha256(content).hexdigest()
        self._settle(len(content), deadline)
        if sha256 not in self._present:
            self._put_all({sha256: content}, deadline, moved)
        return f"{self._session.folder}/{sha256}"

    def end(self, *, timeout_s: float) -> None:
        """Wait for hashes that are being taken, and give them up when that takes too long."""
        for naming in tuple(self._namings):
            naming.end(timeout_s=timeout_s)

    def _settle(self, size: int, deadline: float) -> None:
        """Wait for the hash of what may be the same file."""
        for naming in tuple(self._namings):
            if naming.size_bytes == size:
                naming.settle(deadline)
            if not naming.is_busy():
                self._namings.discard(naming)

    def _push_large(self, file: BinaryIO, size: int, deadline: float, moved: Moved) -> Pushed:
        if size in self._sizes:  # only then can an equal one be there
            sha256 = hash_of(file, deadline)
            if sha256 in self._present:
                return Pushed(sha256, size, 0)
            file.seek(0)
        reading = Reading(file)
        with self._stage(deadline) as (stage, sync):
            sent = sync.put(f"{stage}/{PART}", reading.pieces(), deadline=deadline, moved=moved)
        again = reading.kept_open()
        naming = Naming(lambda: self._name_large(stage, sent, reading, again, deadline), sent, deadline=deadline)
        self._namings.add(naming)
        return Placed(naming)

    def _name_large(self, stage: str, size: int, reading: Reading, file: BinaryIO, deadline: float) -> str:
        try:
            with file:
                there = self._checking.hashes(stage, [PART], deadline).get(PART, "")
                here = reading.sha256(file, deadline)
            check({PART: there}, {PART: here or there or "none"}, where=str(self._session))
            run(self._session, ["mv", "-f", f"{stage}/{PART}", f"{self._session.folder}/{there}"], deadline)
        finally:
            self._drop(stage)
        self._remember(there, size)
        return there

    def _put_all(self, contents: dict[str, bytes], deadline: float, moved: Moved) -> None:
        if not contents:
            return
        with self._stage(deadline) as (stage, sync):
            for sha256, content in contents.items():
                sync.put(f"{stage}/{sha256}", pieces_of(content), deadline=deadline, moved=moved)
            there = self._checking.hashes(stage, list(contents), deadline)
            check(there, {sha256: sha256 for sha256 in contents}, where=str(self._session))
            run(self._session, ["sh", "-c", _NAME, "sh", stage], deadline)
        for sha256, content in contents.items():
            self._remember(sha256, len(content))

    def _remember(self, sha256: str, size: int) -> None:
        with self._known:
            self._present.add(sha256)
            self._sizes.add(size)

    @contextlib.contextmanager
    def _stage(self, deadline: float) -> Iterator[tuple[str, Sync]]:
        """A folder for files on their way, and a connection to send them by; nothing is left after an error."""
        stage = f"{self._session.folder}/push-{next(self._stages)}.part"
        try:
            sync = self._session.open_sync(deadline=deadline)
            try:
                yield stage, sync
            finally:
                self._session.close(sync)
        except DeadlineError:  # whoever waits is told in time; what has no time to be removed goes with the session
            threading.Thread(target=self._drop, args=(stage,), daemon=True).start()
            raise
        except BaseException:
            self._drop(stage)
            raise

    def _drop(self, stage: str) -> None:
        with contextlib.suppress(EdgeDeviceError):
            run(self._session, ["sh", "-c", _DROP, "sh", stage], time.monotonic() + CLEAN_S)


class Naming(Placing):
    """The rest of a push to a device: a thread that compares the hash there, and then has the file named.

    Args:
        name: Does it; the hash.
        size_bytes: The file's size.
        deadline: By when, on the monotonic clock.
    """

    def __init__(self, name: Callable[[], str], size_bytes: int, *, deadline: float) -> None:
        self._name = name
        super().__init__(Path(), size_bytes, deadline=deadline, done=lambda _: None)

    def _work(self) -> None:
        try:
            self._sha256 = self._name()
        except EdgeDeviceError as error:
            self._error = error
        except OSError as error:
            self._error = TransportError(f"cannot hash what was pushed: {error.strerror}")


def _left(deadline: float) -> float:
    return max(deadline - time.monotonic(), 0.0)
