"""A push comes back when the bytes are there; what can go wrong then, before, and with the hash behind it."""

from __future__ import annotations

import contextlib
import copy
import errno
import hashlib
import os
import pickle
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_edgedevice.errors import DeadlineError, DeviceFullError, TransportError
from pytest_edgedevice.transports import local, placing
from pytest_edgedevice.transports.base import Pushed
from pytest_edgedevice.transports.local import LocalTransport

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CONTENT = bytes(range(256)) * 20_000


@pytest.fixture
def link(tmp_path: Path) -> Iterator[LocalTransport]:
    with LocalTransport(base=tmp_path / "device") as transport:
        yield transport


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "model.bin"
    path.write_bytes(CONTENT)
    return path


@pytest.fixture
def held_hash(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Hashing of what was placed waits for this event."""
    go, real = threading.Event(), placing.hash_of

    def hash_of(*arguments: Any) -> str:
        assert go.wait(30)
        return real(*arguments)

    monkeypatch.setattr(placing, "hash_of", hash_of)
    yield go
    go.set()


def listed(link: LocalTransport) -> list[str]:
    return sorted(path.name for path in Path(link.folder).iterdir())


def failing(number: int) -> Callable[..., Any]:
    def fail(*_: object, **__: object) -> Any:
        raise OSError(number, os.strerror(number))

    return fail


def test_a_push_comes_back_before_its_hash_is_known_and_the_file_gets_no_name_before(
    link: LocalTransport, source: Path, held_hash: threading.Event
) -> None:
    pushed = link.push(source, timeout_s=30)
    assert (pushed.size_bytes, pushed.sent_bytes) == (len(CONTENT), len(CONTENT))
    sha256 = hashlib.sha256(CONTENT).hexdigest()
    assert sha256 not in listed(link)
    held_hash.set()
    assert pushed.sha256 == sha256
    assert listed(link) == sorted([sha256, "owner.lock"])


def test_what_was_pushed_compares_copies_and_travels_as_a_plain_value(link: LocalTransport, source: Path) -> None:
    pushed = link.push(source, timeout_s=30)
    plain = Pushed(hashlib.sha256(CONTENT).hexdigest(), len(CONTENT), len(CONTENT))
    assert pushed == plain
    assert plain == pushed
    assert pushed == pushed
    assert pushed != Pushed("0" * 64, 1, 1)
    assert pushed != object()
    assert (hash(pushed), repr(pushed)) == (hash(plain), repr(plain))
    assert type(pickle.loads(pickle.dumps(pushed))) is type(copy.copy(pushed)) is Pushed


def test_an_equal_file_waits_for_the_one_whose_hash_is_not_known_yet(
    link: LocalTransport, source: Path, held_hash: threading.Event
) -> None:
    first = link.push(source, timeout_s=30)
    with ThreadPoolExecutor(1) as thread:
        second = thread.submit(link.push, source, timeout_s=30)
        held_hash.set()
        assert (second.result().sent_bytes, second.result().sha256) == (0, first.sha256)


def test_a_push_does_not_fail_by_the_deadline_of_an_equal_one_before_it(
    link: LocalTransport, source: Path, held_hash: threading.Event
) -> None:
    first = link.push(source, timeout_s=0.2)
    with pytest.raises(DeadlineError):
        _ = first.sha256
    with ThreadPoolExecutor(1) as thread:
        second = thread.submit(link.push, source, timeout_s=30)
        held_hash.set()
        assert second.result().sha256 == hashlib.sha256(CONTENT).hexdigest()


def test_a_push_is_held_up_by_an_equal_one_no_longer_than_it_may_take(
    link: LocalTransport, source: Path, held_hash: threading.Event
) -> None:
    first = link.push(source, timeout_s=1000)
    with pytest.raises(DeadlineError):
        link.push(source, timeout_s=0.2)
    held_hash.set()
    assert first.sha256 == hashlib.sha256(CONTENT).hexdigest()


def test_a_file_that_gets_its_name_while_another_is_looked_for_does_not_disturb(
    link: LocalTransport, source: Path, tmp_path: Path, held_hash: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = link.push(source, timeout_s=30)
    (tmp_path / "other").write_bytes(b"other")
    real = os.scandir

    def scandir(path: str) -> Any:
        with real(path) as entries:
            found = list(entries)
        held_hash.set()
        assert first.sha256
        return contextlib.nullcontext(found)

    with monkeypatch.context() as patched:
        patched.setattr(os, "scandir", scandir)
        second = link.push(tmp_path / "other", timeout_s=30)
    assert second.sha256 == hashlib.sha256(b"other").hexdigest()


def test_two_pushes_of_the_same_new_file_at_once_leave_one(link: LocalTransport, source: Path) -> None:
    with ThreadPoolExecutor(8) as threads:
        pushed = list(threads.map(lambda _: link.push(source, timeout_s=30), range(8)))
    assert {one.sha256 for one in pushed} == {hashlib.sha256(CONTENT).hexdigest()}
    assert listed(link) == sorted([pushed[0].sha256, "owner.lock"])


def test_the_hash_is_of_what_was_placed_even_if_the_source_changes_behind_it(
    link: LocalTransport, source: Path, held_hash: threading.Event
) -> None:
    pushed = link.push(source, timeout_s=30)
    source.write_bytes(b"new")
    held_hash.set()
    assert pushed.sha256 == hashlib.sha256(CONTENT).hexdigest()


@pytest.mark.parametrize("change", ["truncated", "grown", "rewritten"])
def test_a_source_that_changes_while_it_is_copied_is_refused_and_nothing_is_left(
    link: LocalTransport, source: Path, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    real = placing._copy_some

    def copy_some(one: int, other: int) -> int:
        if change == "truncated":
            os.truncate(source, 10)
        elif change == "grown":
            with source.open("ab") as file:
                file.write(b"more")
        else:
            os.utime(source, ns=(1, 1))
        return real(one, other)

    monkeypatch.setattr(placing, "_copy_some", copy_some)
    with pytest.raises(TransportError, match=r"cannot push .*model\.bin: it changed meanwhile"):
        link.push(source, timeout_s=30)
    assert listed(link) == ["owner.lock"]


@pytest.mark.parametrize("fault", [errno.EXDEV, errno.EINVAL, errno.EOPNOTSUPP])
def test_what_the_kernel_cannot_copy_is_copied_by_hand(
    link: LocalTransport, source: Path, monkeypatch: pytest.MonkeyPatch, fault: int
) -> None:
    monkeypatch.setattr(os, "copy_file_range", failing(fault))
    assert Path(link.folder, link.push(source, timeout_s=30).sha256).read_bytes() == CONTENT


@pytest.mark.parametrize("by_hand", [False, True])
def test_a_copy_that_takes_too_long_is_late_and_leaves_nothing(
    link: LocalTransport, source: Path, monkeypatch: pytest.MonkeyPatch, *, by_hand: bool
) -> None:
    if by_hand:
        monkeypatch.setattr(os, "copy_file_range", failing(errno.EXDEV))
    with pytest.raises(DeadlineError, match="did not end in time"):
        link.push(source, timeout_s=-1)
    assert listed(link) == ["owner.lock"]


def test_a_disk_that_fills_while_a_file_is_copied_leaves_nothing(
    link: LocalTransport, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(placing, "_copy_rest", failing(errno.ENOSPC))
    with pytest.raises(DeviceFullError, match=r"model\.bin.*no space left"):
        link.push(source, timeout_s=30)
    assert listed(link) == ["owner.lock"]


def test_a_hash_that_is_not_known_in_time_is_late(
    link: LocalTransport, source: Path, held_hash: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(placing, "LONGEST_WAIT_S", 0.01)
    pushed = link.push(source, timeout_s=0.2)
    with pytest.raises(DeadlineError, match="hashing the file that was pushed did not end in time"):
        _ = pushed.sha256
    held_hash.set()
    link.close()
    with pytest.raises(DeadlineError, match="reading and placing the file did not end in time"):
        _ = pushed.sha256


def test_a_link_that_is_closed_lets_the_hash_come_to_its_end(link: LocalTransport, source: Path) -> None:
    pushed = link.push(source, timeout_s=30)
    link.close()
    assert pushed.sha256 == hashlib.sha256(CONTENT).hexdigest()


def test_a_hash_that_takes_too_long_for_close_is_given_up(
    link: LocalTransport, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local, "FINISH_S", 0.01)
    real = placing.hash_of

    def hash_of(file: Any, deadline: float, cancelled: threading.Event) -> str:
        assert cancelled.wait(30)
        return real(file, deadline, cancelled)

    monkeypatch.setattr(placing, "hash_of", hash_of)
    pushed = link.push(source, timeout_s=30)
    link.close()
    with pytest.raises(TransportError, match="the link was closed before"):
        _ = pushed.sha256


@pytest.mark.parametrize("timeout_s", [1e7, 1e300, float("inf")])
def test_a_deadline_of_a_push_may_be_far_away(link: LocalTransport, source: Path, timeout_s: float) -> None:
    assert link.push(source, timeout_s=timeout_s).sha256 == hashlib.sha256(CONTENT).hexdigest()
