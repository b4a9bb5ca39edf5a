"""What tests of leases do again and again."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from pytest_edgedevice.leases import Holder, Lease, acquire
from pytest_edgedevice.leases.folder import lock_path
from pytest_edgedevice.leases.lockfile import LockFile

if TYPE_CHECKING:
    from pathlib import Path

Start = Callable[..., Any]
ME = Holder(user="ada", pid=12, host="lab1", test="tests/test_x.py::test_y")


def take(*keys: str, wait_s: float = 0.0, holder: Holder = ME) -> Lease:
    return acquire(keys, holder=holder, wait_s=wait_s)


def share(test: str = "", *, wait_s: float = 0.0, key: str = "phone") -> Lease:
    return acquire(key, holder=Holder.here(test=test), wait_s=wait_s, shared=True)


def alone(test: str = "", *, wait_s: float = 0.0) -> Lease:
    return acquire("phone", holder=Holder.here(test=test), wait_s=wait_s)


def names(found: Any) -> list[str]:
    return [holder.test for holder in found]


def write_record(folder: Path, content: bytes) -> None:
    with LockFile(lock_path(folder, "phone")) as file:
        file.write(content)


def sharing(actor: Start, test: str, *more: str) -> Any:
    """A process that shares the phone."""
    started = actor("phone", "--shared", "--test", test, *more)
    started.until("got")
    return started


def kill(actor: Any) -> None:
    actor.process.kill()
    actor.process.wait()
