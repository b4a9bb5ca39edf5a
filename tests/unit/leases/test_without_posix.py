"""The core again, by the locks and calls that Windows has; see ``posixless.py``."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
# Windows has no forks, stops and file modes; the others plant faults into calls that only POSIX has
NOT_THERE = " and ".join(
    f"not {part}"
    for part in ("stopped_waiter", "fork", "every_user", "kernel_has_no_locks", "full_disk", "disk_that_fills")
)


def environment() -> dict[str, str]:
    return {**os.environ, "EDGEDEVICE_TEST_POSIXLESS": "1", "PYTHONPATH": f"{ROOT}{os.pathsep}{HERE}"}


@pytest.mark.slow
@pytest.mark.parametrize(
    "module", ["test_one_holder", "test_crashes", "test_waiting_in_line", "test_quarantine_records"]
)
def test_what_holds_on_posix_holds_there(module: str) -> None:
    arguments = ["-q", "-p", "posixless", "-k", NOT_THERE, "-W", "error", "-c", os.devnull, "--rootdir", str(ROOT)]
    arguments += ["-p", "no:cacheprovider"]
    # dozens of processes, of code that the other tests measure: with coverage each starts ten times as slowly
    unmeasured = {name: value for name, value in environment().items() if name != "COVERAGE_PROCESS_CONFIG"}
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", *arguments, str(HERE / f"{module}.py")],
        # plugins that are not under test here may need what is missing
        env={**unmeasured, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert " passed" in ran.stdout


def run(code: str, folder: Path) -> str:
    code = f"import posixless\nfrom pytest_edgedevice.leases import *\n{code}"
    ran = subprocess.run(
        [sys.executable, "-c", code],
        env={**environment(), "EDGEDEVICE_LOCKS": str(folder)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return ran.stdout + ran.stderr


def test_it_is_the_other_lock_that_is_tested(folder: Path) -> None:
    code = "from pytest_edgedevice.leases.kernel import kernel; print(type(kernel).__name__, kernel.can_share)"
    assert run(code, folder) == "Portalocker False\n"


def test_who_would_share_is_alone_there(folder: Path) -> None:
    code = "print(acquire('phone', holder=Holder(), wait_s=0, shared=True).shared)"
    assert run(code, folder) == "False\n"


def test_the_record_lies_behind_what_is_locked(folder: Path) -> None:
    """On Windows nobody could read it otherwise."""
    run("import os; acquire('phone', holder=Holder(user='ada'), wait_s=0); os._exit(0)", folder)
    (lock,) = folder.glob("phone-*.lock")
    assert lock.read_bytes()[:0x10000].strip(b"\0") == b""
    assert b"ada" in lock.read_bytes()[0x10000:]


def test_a_library_that_is_missing_is_named(folder: Path) -> None:
    code = "import sys; sys.modules['portalocker'] = None\nacquire('phone', holder=Holder(), wait_s=0)"
    assert "LeaseError: the library portalocker is missing" in run(code, folder)


def test_a_lock_that_cannot_be_taken_is_an_error_with_the_reason(folder: Path) -> None:
    code = (
        "import portalocker\n"
        "def fails(*_): raise portalocker.LockException('out of locks')\n"
        "portalocker.lock = fails\n"
        "acquire('phone', holder=Holder(), wait_s=0)"
    )
    assert "cannot be used: out of locks" in run(code, folder)


def test_nobody_is_asked_there(folder: Path) -> None:
    code = (
        "import os; from pathlib import Path; from pytest_edgedevice.leases import proof\n"
        "proof.PROC = Path('/nowhere')\n"
        "lease = acquire('phone', holder=Holder(), wait_s=0)\n"
        "holder_pid('phone')"
    )
    assert "LeaseError: this system does not tell which process holds a lock" in run(code, folder)
