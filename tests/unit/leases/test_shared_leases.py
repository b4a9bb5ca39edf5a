from __future__ import annotations

import fcntl
import signal
from typing import TYPE_CHECKING

import pytest

from pytest_edgedevice.errors import DeviceBusyError
from pytest_edgedevice.leases import holders, waiters, who
from tests.unit.leases.acts import Start, alone, names, share, sharing

if TYPE_CHECKING:
    from pathlib import Path


def test_many_share_one_device(folder: Path, actor: Start) -> None:
    with share("a") as first, share("b") as second:
        sharing(actor, "c")
        assert (first.shared, second.shared) == (True, True)
        assert names(holders("phone")) == ["a", "b", "c"]
        assert who("phone") == first.holder
    assert names(holders("phone")) == ["c"]


def test_a_lease_alone_is_not_shared(folder: Path) -> None:
    with alone("a") as lease:
        assert not lease.shared
        assert holders("phone") == [lease.holder]
    assert holders("phone") == []


def test_nobody_shares_what_somebody_holds_alone(folder: Path) -> None:
    with alone("a"), pytest.raises(DeviceBusyError, match=r"held by .* test a"):
        share("b")


def test_nobody_gets_alone_what_others_share(folder: Path) -> None:
    with share("a"), share("b"), pytest.raises(DeviceBusyError, match=r"held by .* test a, for 0 s, and 1 more"):
        alone("c")


def test_the_last_who_shares_makes_it_free(folder: Path) -> None:
    first, second = share("a"), share("b")
    first.release()
    with pytest.raises(DeviceBusyError, match="test b"):
        alone("c")
    second.release()
    with alone("c") as lease:
        assert lease.crashed == ()


def test_who_shares_does_not_overtake_a_waiter_for_it_alone(folder: Path, actor: Start) -> None:
    first = share("a")
    waiter = actor("phone", "--wait-s", "60")
    waiter.until("waiting")
    with pytest.raises(DeviceBusyError):
        share("b")
    later = actor("phone", "--shared", "--wait-s", "60")
    assert later.until("waiting") == ["waiting", "2"]
    first.release()
    waiter.until("got")
    assert waiters("phone") == 1
    waiter.release()
    later.until("got")


def test_waiters_that_share_get_in_together_up_to_the_next_who_does_not(folder: Path, actor: Start) -> None:
    with alone("a"):
        line = []
        for number, mode in enumerate([["--shared"], ["--shared"], [], ["--shared"]]):
            line.append(actor("phone", "--wait-s", "60", *mode))
            line[-1].until("waiting")
            assert waiters("phone") == number + 1
    line[0].until("got")
    line[1].until("got")
    assert waiters("phone") == 2
    line[0].release()
    assert waiters("phone") == 2
    line[1].release()
    line[2].until("got")
    assert waiters("phone") == 1
    line[2].release()
    line[3].until("got")


def test_a_waiter_that_shares_is_first_in_line_behind_others_that_share(folder: Path, actor: Start) -> None:
    with alone("a"):
        assert actor("phone", "--shared", "--wait-s", "60").until("waiting") == ["waiting", "1"]
        assert actor("phone", "--shared", "--wait-s", "60").until("waiting") == ["waiting", "1"]


def test_an_update_is_seen_by_others(folder: Path) -> None:
    with share("a"), share("b") as second:
        second.update(test="b2", folder="/tmp/b")
        assert names(holders("phone")) == ["a", "b2"]
        assert holders("phone")[1].folder == "/tmp/b"


def test_a_stopped_holder_that_shares_hinders_nobody_who_shares(folder: Path, actor: Start) -> None:
    stopped = sharing(actor, "a")
    stopped.process.send_signal(signal.SIGSTOP)
    with share("b") as lease:
        assert lease.crashed == ()
        assert names(holders("phone")) == ["a", "b"]


def test_where_the_kernel_has_no_locks_to_ask_about_sharing_is_told_apart_too(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuses(*_: object) -> bytes:
        raise OSError(22, "Invalid argument")

    monkeypatch.setattr(fcntl, "fcntl", refuses)
    with share("a"), share("b"):
        assert names(holders("phone")) == ["a", "b"]
    with alone("c"):
        assert names(holders("phone")) == ["c"]
    assert holders("phone") == []
