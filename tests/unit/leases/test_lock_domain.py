from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pytest_edgedevice.leases import (
    Holder,
    acquire,
    holders,
    note_fault,
    quarantine_of,
    who,
)
from pytest_edgedevice.leases.folder import safe_name

Start = Callable[..., Any]
NOBODY = 65534
ROOT = Path(__file__).parents[3]
AS_ROOT = [] if os.geteuid() == 0 else ["sudo", "-n", "--preserve-env=PYTHONPATH"]  # hosted CI allows that


def take() -> None:
    acquire("phone", holder=Holder(), wait_s=0).release()


def lock_path(folder: Path) -> Path:
    return folder / f"{safe_name('phone')}.lock"


def other_user() -> list[str]:
    # without root there is no second user to become; the same user must pass as well
    return ["--uid", str(NOBODY)] if os.geteuid() == 0 else []


def test_two_users_share_one_lock(public_folder: Path, actor: Start) -> None:
    acquire("phone", holder=Holder(user="ada"), wait_s=0).release()
    other = actor("phone", *other_user())
    assert other.line() == ["got", "phone", "clean"]
    seen = who("phone")
    assert seen is not None
    assert seen.pid == other.process.pid
    other.release()
    with acquire("phone", holder=Holder(user="ada"), wait_s=0) as lease:
        assert lease.dirty is None
        refused = " ".join(actor("phone", *other_user()).line())
    assert refused.startswith("DeviceBusyError the device 'phone' is held by ada")


def test_two_users_stand_in_one_line(public_folder: Path, actor: Start) -> None:
    with acquire("phone", holder=Holder(), wait_s=0):
        second = actor("phone", "--wait-s", "60", *other_user())
        assert second.line() == ["waiting", "1"]
        third = actor("phone", "--wait-s", "60")
        assert third.line() == ["waiting", "2"]
    second.until("got")
    second.release()
    third.until("got")


def unreachable(folder: Path) -> list[str]:
    """Take away the permissions of another user, or our own; gives the arguments of who shall try."""
    folder.chmod(0o755 if os.geteuid() == 0 else 0o555)
    return other_user()


def test_an_unwritable_folder_is_an_error_with_the_remedy(public_folder: Path, actor: Start) -> None:
    public_folder.mkdir()
    refused = " ".join(actor("phone", *unreachable(public_folder)).line())
    assert refused.startswith(f"LeaseError the lock folder {public_folder} cannot be used: Permission denied")
    assert refused.endswith(f"run: sudo install -d -m 1777 {public_folder}")


def test_an_unwritable_lock_is_an_error_with_the_remedy(public_folder: Path, actor: Start) -> None:
    take()
    lock_path(public_folder).chmod(0o600)
    if os.geteuid() == 0:
        refused = " ".join(actor("phone", *other_user()).line())
        assert refused.endswith(f"run: sudo chmod 0666 {lock_path(public_folder)}")
    else:
        take()  # its owner mends it


def test_two_temporary_folders_are_one_lock_domain(default_folder: Path, tmp_path: Path) -> None:
    code = (
        "from pathlib import Path; from pytest_edgedevice.leases import Holder, acquire, folder\n"
        f"folder.DEFAULT = Path({str(default_folder)!r})\n"
        "acquire('phone', holder=Holder(), wait_s=0)"
    )
    with acquire("phone", holder=Holder(user="ada"), wait_s=0):
        environment = {**os.environ, "TMPDIR": str(tmp_path), "PYTHONPATH": str(ROOT)}
        ran = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert "the device 'phone' is held by ada" in ran.stderr


FULL = """
import os, subprocess, sys
from pathlib import Path
from pytest_edgedevice.errors import LeaseError
from pytest_edgedevice.leases import Holder, acquire, quarantine_of, note_fault, who
place = sys.argv[1]
subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k,mode=1777", "tmpfs", place], check=True)
os.environ["EDGEDEVICE_LOCKS"] = place
shared = sys.argv[2] == "shared"
held = acquire("tablet", holder=Holder(user="ada"), wait_s=0, shared=shared)
try:
    Path(place, "big").write_bytes(b"x" * 1_000_000)
except OSError:
    pass
for what in (
    lambda: acquire("phone", holder=Holder(), wait_s=0, shared=shared),
    lambda: acquire("tablet", holder=Holder(), wait_s=5),
    lambda: note_fault("phone", name="phone", reason="r"),
):
    try:
        what()
        print("done")
    except LeaseError as error:
        print(error.message.rsplit(":", 1)[1].strip(), "df -h" in error.hint)
print(who("phone"), who("tablet").user, quarantine_of("phone"))
Path(place, "big").unlink()
held.release()
for key in ("phone", "tablet"):
    print(acquire(key, holder=Holder(), wait_s=0, shared=shared).dirty)
"""


@pytest.mark.parametrize("mode", ["alone", "shared"])
def test_a_full_lock_folder_refuses_with_the_remedy_and_recovers(tmp_path: Path, mode: str) -> None:
    ran = subprocess.run(
        [*AS_ROOT, "unshare", "--mount", sys.executable, "-c", FULL, str(tmp_path), mode],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert ran.stdout.splitlines() == [
        *["No space left on device True"] * 3,
        "None ada None",
        "None",
        "None",
    ], ran.stderr


def test_two_users_share_one_device_and_clean_up_after_each_other(public_folder: Path, actor: Start) -> None:
    with acquire("phone", holder=Holder(test="ours"), wait_s=0, shared=True):
        other = actor("phone", "--shared", "--test", "theirs", *other_user())
        other.until("got")
        assert [holder.test for holder in holders("phone")] == ["ours", "theirs"]
        other.process.kill()
        other.process.wait()
    with acquire("phone", holder=Holder(test="ours"), wait_s=0) as lease:
        assert [holder.test for holder in lease.crashed] == ["theirs"]
    crashed = acquire("phone", holder=Holder(test="ours"), wait_s=0, shared=True)
    crashed.release(clean=False)
    assert actor("phone", "--shared", *other_user()).line() == ["got", "phone", "dirty"]


def test_another_user_may_count_and_lift_what_we_counted(public_folder: Path) -> None:
    note_fault("phone", name="pixel8", reason="ours")
    code = (
        "import os; from pytest_edgedevice.leases import lift, note_fault, quarantine_of\n"
        f"if os.geteuid() == 0: os.setgid({NOBODY}); os.setuid({NOBODY})\n"
        "print(note_fault('phone', name='pixel8', reason='theirs').count, lift('phone'), quarantine_of('phone'))"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    ran = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert ran.stdout == "2 True None\n", ran.stderr
    assert quarantine_of("phone") is None
