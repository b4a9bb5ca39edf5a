"""Who holds a device, or waits for one: a record for people, never a proof.

A record may be torn, old, or written by somebody unfriendly; what is read is cut
to size and stripped of control characters before it reaches a terminal. A pid
in it belongs to the holder's own pid namespace, and may have been given to another process since.
"""

from __future__ import annotations

import dataclasses
import getpass
import json
import math
import os
import socket
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_TEXT = 200
_EMPTY = b"\0 \r\n\t"
MAX_FOLDER = 1_000
MAX_RECORD_BYTES = 16_000


@dataclass(frozen=True, slots=True)
class Holder:
    """What is known of a holder; every part may be missing.

    Attributes:
        user: Login name.
        pid: Process, in its own pid namespace; 0 when unknown.
        host: Host name, in a container the container's.
        container: What kind of container it runs in; empty outside of one.
        worker: pytest-xdist worker, e.g. ``gw3``.
        test: The test that runs, or runs first.
        ci_url: Where the CI run can be watched.
        run_id: The same for all workers of one pytest-xdist run; empty outside of one.
        since: When the device was acquired, seconds since the epoch; 0 when unknown.
        expected_end: When it will probably be free, seconds since the epoch; 0 when unknown.
        folder: Where its files on the device are, for whoever cleans up after a crash; like all else a mere claim.
            At most 1,000 printable characters: it is kept whole or not at all, as a piece of a path is another path.
    """

    user: str = ""
    pid: int = 0
    host: str = ""
    container: str = ""
    worker: str = ""
    test: str = ""
    ci_url: str = ""
    run_id: str = ""
    since: float = 0.0
    expected_end: float = 0.0
    folder: str = ""

    @classmethod
    def here(cls, *, test: str = "", expected_end: float = 0.0) -> Holder:
        """Describe this process, from the operating system and the environment."""
        return cls(
            user=_user(),
            pid=os.getpid(),
            host=socket.gethostname(),
            container=_container(),
            worker=os.environ.get("PYTEST_XDIST_WORKER", ""),
            test=test,
            ci_url=_ci_url(os.environ),
            run_id=os.environ.get("PYTEST_XDIST_TESTRUNUID", ""),
            since=time.time(),
            expected_end=expected_end,
        )

    @property
    def age_s(self) -> float | None:
        """Seconds since it acquired the device; None when unknown. Clocks may have been set since."""
        return max(0.0, time.time() - self.since) if self.since else None

    def __str__(self) -> str:
        """One line for people: ``ada (pid 12 on lab1, gw0), test tests/test_x.py::test_y, for 3 min``."""
        place = [f"pid {self.pid}" if self.pid else "pid unknown"]
        if self.host:
            place[0] += f" on {self.host}"
        place += [part for part in (self.container, self.worker) if part]
        text = f"{self.user or 'an unknown user'} ({', '.join(place)})"
        if self.test:
            text += f", test {self.test}"
        if self.age_s is not None:
            text += f", for {duration(self.age_s)}"
        return f"{text}, {self.ci_url}" if self.ci_url else text


_FIELDS = dataclasses.fields(Holder)


def to_record(holder: Holder, *, key: str) -> bytes:
    """Write a holder as one line of JSON, cut so that it always fits the reader's limit."""
    fields = {part.name: _cut(getattr(holder, part.name)) for part in _FIELDS}
    fields["folder"] = _whole(holder.folder)
    return json.dumps({"schema": 1, "key": _cut(key), **fields}, ensure_ascii=False).encode() + b"\n"


def from_record(record: bytes) -> Holder | None:
    """Read a record; None when it is empty, and a ``Holder`` of unknowns when it is garbage."""
    if not is_record(record):
        return None
    try:
        # one line is the record: behind it may be the end of an older one, whose writer was killed before cutting it
        content = json.loads(record[:MAX_RECORD_BYTES].strip(_EMPTY).split(b"\n", 1)[0])
    except (ValueError, RecursionError):
        return Holder()
    if not isinstance(content, dict):
        return Holder()
    known = {part.name: _read(content.get(part.name), part.default) for part in _FIELDS}
    return Holder(**{**known, "folder": _whole(content.get("folder"))})


def is_record(record: bytes) -> bool:
    """Whether there is any record at all: over a lock that nobody holds, the trace of a crash."""
    return bool(record.strip(_EMPTY))


def duration(seconds: float) -> str:
    """Say a time span the way people do: ``42 s``, ``12 min``, ``3.5 h``."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def _read(value: object, default: Any) -> Any:
    """The value, if it has the type of its default and is sane; the default otherwise."""
    if isinstance(default, str):
        return _cut(value) if isinstance(value, str) else default
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1e12 or math.isnan(value):
        return default
    return type(default)(value)


def _cut(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    return one_line(value, MAX_TEXT)


def _whole(value: object) -> str:
    sane = isinstance(value, str) and len(value) <= MAX_FOLDER and value.isprintable()
    return str(value) if sane else ""


def one_line(text: str, length: int) -> str:
    """Cut a text to a length, and make it harmless to a terminal."""
    short = text if len(text) <= length else text[: length - 3] + "..."
    return short if short.isprintable() else "".join(char if char.isprintable() else "?" for char in short)


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        # a container with a number for a user; Windows without a USERNAME has not even that
        return f"uid {os.getuid()}" if hasattr(os, "getuid") else ""


def _container() -> str:
    if Path("/run/.containerenv").exists():
        return "podman"
    if Path("/.dockerenv").exists():
        return "docker"
    return os.environ.get("container", "")  # noqa: SIM112  # systemd-nspawn, LXC and podman write it in lower case


def _ci_url(environment: Mapping[str, str]) -> str:
    if "GITHUB_RUN_ID" in environment:
        server = environment.get("GITHUB_SERVER_URL", "https://github.com")
        return f"{server}/{environment.get('GITHUB_REPOSITORY', '')}/actions/runs/{environment['GITHUB_RUN_ID']}"
    # GitLab, Jenkins, Buildkite, CircleCI
    names = ("CI_JOB_URL", "BUILD_URL", "BUILDKITE_BUILD_URL", "CIRCLE_BUILD_URL")
    return next((environment[name] for name in names if environment.get(name)), "")
