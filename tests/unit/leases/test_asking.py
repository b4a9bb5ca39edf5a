from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pytest_edgedevice.errors import DeviceBusyError, LeaseError
from pytest_edgedevice.leases import Holder, acquire, ask_holder, holder_pid, taking, who
from pytest_edgedevice.leases.folder import lock_path

Start = Callable[..., Any]
NOBODY = 65534
ROOT = Path(__file__).parents[3]


@pytest.fixture
def holder(folder: Path, actor: Start) -> Any:
    """A process that holds the device."""
    started = actor("phone")
    started.until("got")
    return started


def test_the_holder_is_proven_by_the_kernel(holder: Any) -> None:
    assert holder_pid("phone") == holder.process.pid


@pytest.mark.parametrize("touched", [False, True])
def test_nobody_holds_a_free_device(folder: Path, touched: bool) -> None:
    if touched:
        acquire("phone", holder=Holder(), wait_s=0).release()
    assert holder_pid("phone") is None
    with pytest.raises(LeaseError, match="nobody holds the device 'phone'"):
        ask_holder("phone", wait_s=0)


def test_a_record_that_names_an_innocent_process_is_not_believed(holder: Any) -> None:
    """Its holder wrote it, or crashed and the pid was given to another since."""
    with subprocess.Popen(["sleep", "600"]) as innocent:
        lock_path(Path(os.environ["EDGEDEVICE_LOCKS"]), "phone").write_text(f'{{"pid": {innocent.pid}}}')
        seen = who("phone")
        assert seen is not None
        assert seen.pid == innocent.pid
        assert holder_pid("phone") == holder.process.pid
        assert ask_holder("phone", wait_s=30)
        assert innocent.poll() is None
        innocent.kill()


def test_a_record_of_one_who_crashed_proves_nobody(folder: Path) -> None:
    with subprocess.Popen(["sleep", "600"]) as innocent:
        acquire("phone", holder=Holder(pid=innocent.pid), wait_s=0).release(clean=False)
        assert holder_pid("phone") is None
        with pytest.raises(LeaseError, match="nobody holds"):
            ask_holder("phone", wait_s=0)
        assert innocent.poll() is None
        innocent.kill()


def test_a_holder_that_is_asked_ends_as_by_ctrl_c(holder: Any) -> None:
    assert ask_holder("phone", wait_s=30)
    assert holder.process.wait(30) == -signal.SIGINT
    assert holder_pid("phone") is None


def test_a_holder_that_was_not_meant_is_not_asked(holder: Any) -> None:
    with pytest.raises(LeaseError, match="changed hands"):
        ask_holder("phone", wait_s=0, expected=os.getpid())
    assert holder_pid("phone") == holder.process.pid


def test_a_waiter_gets_what_its_holder_was_asked_for(holder: Any, actor: Start) -> None:
    waiter = actor("phone", "--wait-s", "60")
    waiter.until("waiting")
    assert ask_holder("phone", wait_s=30)
    waiter.until("got")
    assert holder_pid("phone") == waiter.process.pid


def test_all_who_share_are_asked(folder: Path, actor: Start) -> None:
    sharing = [actor("phone", "--shared") for _ in range(3)]
    for one in sharing:
        one.until("got")
    assert holder_pid("phone") in {one.process.pid for one in sharing}
    assert ask_holder("phone", wait_s=30)
    assert [one.process.wait(30) for one in sharing] == [-signal.SIGINT] * 3


def test_a_waiter_is_not_taken_for_a_holder(folder: Path) -> None:
    """The kernel lists those who are blocked in a wait for a lock as well; other programs may wait so."""
    with acquire("phone", holder=Holder(), wait_s=0):
        path = lock_path(folder, "phone")
        with subprocess.Popen(["flock", str(path), "true"]) as blocked:
            while f"-> FLOCK  ADVISORY  WRITE {blocked.pid} " not in Path("/proc/locks").read_text():
                assert blocked.poll() is None
            assert holder_pid("phone") == os.getpid()
            blocked.kill()


def test_this_process_does_not_interrupt_itself(folder: Path) -> None:
    with acquire("phone", holder=Holder(), wait_s=0), pytest.raises(LeaseError, match="this process itself"):
        ask_holder("phone", wait_s=0)


@pytest.mark.parametrize("wait_s", [-1.0, float("nan"), float("inf")])
def test_a_wait_without_end_is_a_mistake(folder: Path, wait_s: float) -> None:
    with pytest.raises(ValueError, match="finite and not negative"):
        ask_holder("phone", wait_s=wait_s)


# hosted CI lets its user become root
AS_ROOT = [] if os.geteuid() == 0 else ["sudo", "-n", "--preserve-env=PYTHONPATH,EDGEDEVICE_LOCKS"]
ASK = "import sys; from pytest_edgedevice.leases import ask_holder, holder_pid; import pwd\n"


def test_another_users_holder_is_named_and_left_alone(public_folder: Path, actor: Start) -> None:
    holder = actor("phone")
    holder.until("got")
    if os.geteuid() == 0:
        code = f"{ASK}import os; os.setgid({NOBODY}); os.setuid({NOBODY})\nask_holder('phone', wait_s=5)"
    else:  # without root there is no second user to become; whoever is not us is one
        code = f"{ASK}import os; os.geteuid = lambda: {NOBODY}\nask_holder('phone', wait_s=5)"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    ran = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    user = Holder.here().user
    assert f"held by process {holder.process.pid} of another user, {user}" in ran.stderr
    assert f"ask {user} to end it (as {user}: kill -INT {holder.process.pid})" in ran.stderr
    assert holder_pid("phone") == holder.process.pid


def test_who_is_not_the_holders_user_sends_nothing(holder: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    owner = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: owner + 1)
    with pytest.raises(DeviceBusyError, match=f"process {holder.process.pid} of another user") as caught:
        ask_holder("phone", wait_s=0)
    assert f"kill -INT {holder.process.pid}" in caught.value.hint
    assert holder.process.poll() is None


def test_a_user_without_a_name_is_a_number(folder: Path) -> None:
    assert "another user, uid 4242424" in taking._foreign(1, "phone", 4242424).message


def test_a_holder_in_another_container_is_not_guessed(holder: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel hides processes of other pid namespaces, here played by an empty list."""
    monkeypatch.setattr(taking, "locking_pids", lambda _: [])
    for ask in (holder_pid, lambda key: ask_holder(key, wait_s=0)):
        with pytest.raises(DeviceBusyError, match="cannot be seen from here; it says to be ") as caught:
            ask("phone")
        assert "another container or pid namespace" in caught.value.hint
    assert holder.process.poll() is None


def test_a_holder_that_the_kernel_lists_as_process_0_is_not_guessed(
    holder: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(taking, "locking_pids", lambda _: [0, holder.process.pid])
    with pytest.raises(DeviceBusyError, match="cannot be seen from here"):
        ask_holder("phone", wait_s=0)
    assert holder.process.poll() is None


def test_a_holder_outside_of_our_pid_namespace_is_not_guessed(holder: Any) -> None:
    code = f"{ASK}ask_holder('phone', wait_s=5)"
    ran = subprocess.run(
        [*AS_ROOT, "unshare", "--pid", "--fork", "--mount-proc", sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "DeviceBusyError: the device 'phone' is held by a process that cannot be seen" in ran.stderr
    assert holder.process.poll() is None


def test_a_pid_that_was_given_to_another_process_is_not_hit(holder: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The list is old: its pid is an innocent process by the time it is signalled."""
    with subprocess.Popen(["sleep", "600"]) as innocent:
        monkeypatch.setattr(taking, "locking_pids", lambda _: [innocent.pid])
        assert not ask_holder("phone", wait_s=0)
        assert innocent.poll() is None
        innocent.kill()
    assert holder.process.poll() is None


def test_a_holder_that_ends_before_it_is_asked_counts_as_gone(holder: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def ends_first(pid: int) -> int:
        holder.process.kill()
        holder.process.wait()
        raise ProcessLookupError

    monkeypatch.setattr(os, "pidfd_open", ends_first)
    assert ask_holder("phone", wait_s=0)


def test_a_holder_that_ends_before_its_owner_is_known_counts_as_gone(
    holder: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    proven = taking._proven

    def ends_then(lock: Any, key: str) -> list[int]:
        pids = proven(lock, key)
        holder.process.kill()
        holder.process.wait()
        return pids

    monkeypatch.setattr(taking, "_proven", ends_then)
    assert ask_holder("phone", wait_s=0)


def test_a_process_that_may_not_be_looked_into_is_proven_by_the_list_alone(
    holder: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuses(pid: int, lock: object) -> bool:
        raise PermissionError

    monkeypatch.setattr(taking, "holds", refuses)
    assert ask_holder("phone", wait_s=30)


def test_a_system_that_cannot_address_a_process_safely_signals_nobody(
    holder: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(os, "pidfd_open")
    with pytest.raises(LeaseError, match="without the risk of hitting another") as caught:
        ask_holder("phone", wait_s=0)
    assert f"kill -INT {holder.process.pid}" in caught.value.hint
    assert holder.process.poll() is None
