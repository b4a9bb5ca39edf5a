"""What is left of an evaluation that was cut: the scores of finished samples, by hash; never inputs, labels or names.

One file for each model, device, data set and metric, a line a sample, written as they finish and removed with the
last. Read with suspicion: a line that is none, such as the last one of a process that was killed, is left out.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import math
import os
import time
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_edgedevice.errors import InputError, UsageError
from pytest_edgedevice.evaluation import columns
from pytest_edgedevice.evaluation.hashing import hash_of
from pytest_edgedevice.given import shown

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pytest_edgedevice.evaluation.dataset import Chunk

SCHEMA = 2
OURS = b'{"key": {'
"""How such a file begins; nothing else is ever written over."""
FOLDER = Path(".edgedevice") / "evaluations"
WORTH_S = 1.0
"""What has taken less is not worth a file: it is run again."""
MOST_BYTES = 1 << 30
MOST_AGE_S = 30 * 24 * 3600.0


class State:
    """Scores of samples that were finished before, and a file for those that finish now.

    Args:
        path: The file; made if it is missing.
        key: What must be the same for scores to be of use.

    Raises:
        OSError: It cannot be used, or another process uses it.
    """

    def __init__(self, path: Path, key: Mapping[str, Any]) -> None:
        self.known: dict[bytes, Any] = {}
        self._path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NONBLOCK", 0)
        self._file = os.fdopen(os.open(path, flags, 0o600), "r+b")
        try:
            _lock(self._file.fileno())
            self._load(json.dumps({"schema": SCHEMA, "key": key}, sort_keys=True).encode() + b"\n")
        except BaseException:
            self._file.close()
            raise

    def _load(self, head: bytes) -> None:
        """Read what is there, and leave off behind the last whole line; begin anew where it is of something else."""
        content = self._file.read(MOST_BYTES + 1)
        if not (content.startswith(OURS) or head.startswith(content)):
            raise OSError(errno.EEXIST, "it holds something else")
        if not content.startswith(head) or len(content) > MOST_BYTES:
            self._file.seek(0)
            self._file.truncate()
            self._file.write(head)
            return
        whole = content[: content.rfind(b"\n") + 1]
        for line in whole[len(head) :].splitlines():
            with contextlib.suppress(ValueError, TypeError, RecursionError, OverflowError):
                name, kept, check = json.loads(line)
                is_whole = check == _check(name, json.dumps(kept))
                if is_whole and (not isinstance(kept, float | int) or math.isfinite(kept)):
                    self.known[bytes.fromhex(name)] = kept
        self._file.seek(len(whole))
        self._file.truncate()

    def add(self, hashes: Sequence[bytes], kept: Sequence[Any]) -> None:
        """Note samples that have finished; what is no JSON, such as NaN, is not noted and so runs again."""
        lines = []
        for name, one in zip(hashes, kept, strict=True):
            with contextlib.suppress(ValueError, TypeError):
                text = json.dumps(one, allow_nan=False)
                lines.append(f'["{name.hex()}", {text}, {_check(name.hex(), text)}]\n')
        self._file.write("".join(lines).encode())
        self._file.flush()

    def close(self, *, finished: bool) -> None:
        """Let go of the file; without it where nothing is left to be done."""
        if finished:
            with contextlib.suppress(OSError):
                self._path.unlink()
        with contextlib.suppress(OSError):
            self._file.close()


class Resuming:
    """When there is a state, and which: the one that was asked for, or one that begins once it is worth it.

    Args:
        resume: A path; True for a file of our own in ``FOLDER``; None for that as well, but only once the evaluation
            has taken ``WORTH_S``, and without complaint where it cannot be; False for none.
        key: See ``State``.

    Raises:
        UsageError: The file that was asked for cannot be used.
    """

    def __init__(self, resume: bool | str | os.PathLike[str] | None, key: Mapping[str, Any]) -> None:
        self._key = key
        self._asked = resume is not None and resume is not False
        self._off = resume is False
        self._began = time.monotonic()
        self._state: State | None = None
        name = hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()[:32]
        own = resume is None or isinstance(resume, bool)
        self._path = FOLDER / f"{name}.jsonl" if own else _path_of(resume)
        if self._off:
            return
        if own:
            _forget_old(FOLDER)
        if self._asked or os.path.exists(self._path):  # noqa: PTH110 - Path.exists raises where a folder is closed
            self._open()

    def hashes(self, chunk: Chunk) -> list[bytes] | None:
        """The hash of each sample; None while there is no state.

        Raises:
            InputError: A label cannot be hashed, and resuming was asked for.
        """
        if self._state is None and not self._off and time.monotonic() - self._began > WORTH_S:
            self._open()
        if self._state is None:
            return None
        try:
            return [hash_of(columns.row(chunk.inputs, at), chunk.label_of(at)) for at in range(chunk.samples)]
        except TypeError as error:
            if self._asked:
                raise InputError(
                    f"sample {chunk.id_of(0)!r} cannot be told from others again: {error}",
                    hint="labels are plain values and arrays; or resume=False",
                ) from error
            self.close(finished=True)
            self._off = True
            return None

    def known(self, name: bytes) -> Any:
        """What an evaluation before kept of a sample; None where it is new."""
        return None if self._state is None else self._state.known.get(name)

    def add(self, hashes: Sequence[bytes], kept: Sequence[Any]) -> None:
        """Note samples that have finished."""
        if self._state is not None:
            try:
                self._state.add(hashes, kept)
            except OSError as error:
                self._cannot(error)

    def close(self, *, finished: bool) -> None:
        """Let go of the file; a finished evaluation leaves none."""
        if self._state is not None:
            self._state.close(finished=finished)
            self._state = None

    def _open(self) -> None:
        try:
            if self._path.parent == FOLDER:
                _hide(FOLDER.parent)
            self._state = State(self._path, self._key)
        except OSError as error:
            self._cannot(error)

    def _cannot(self, error: OSError) -> None:
        if self._asked:
            raise UsageError(
                f"cannot keep the state of the evaluation in {str(self._path)!r}: {error.strerror or error}",
                hint="name a file that you may write, and that no other evaluation uses",
            ) from error
        self.close(finished=False)
        self._off = True


def _check(name: str, text: str) -> int:
    """A sum that shows whether a line was changed: a score of one digit less would look like any other."""
    return zlib.crc32(f"{name} {text}".encode())


def _lock(descriptor: int) -> None:
    try:
        import fcntl
    except ImportError:  # a system without: the last writer wins
        return
    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _path_of(given: Any) -> Path:
    """The file that was asked for."""
    path = os.fspath(given) if isinstance(given, str | os.PathLike) else None
    if not isinstance(path, str) or not path or "\0" in path:
        raise UsageError(f"resume must be a path, True, False or None, not {shown(given)}")
    return Path(path)


def _hide(folder: Path) -> None:
    """Keep what we write out of the user's version control."""
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / ".gitignore").exists():
        (folder / ".gitignore").write_text("*\n", encoding="utf-8")


def _forget_old(folder: Path) -> None:
    """Remove what nobody came back for."""
    with contextlib.suppress(OSError):
        for path in folder.glob("*.jsonl"):
            if time.time() - path.stat().st_mtime > MOST_AGE_S:
                path.unlink()
