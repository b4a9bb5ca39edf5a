"""Phones on which something lies in the way, and computers on which something is set wrongly: told, and left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from pytest_edgedevice.errors import DeviceLostError, LeaseError, TransportError
from pytest_edgedevice.testing.device import until
from pytest_edgedevice.transports.adb.transport import AdbTransport
from tests.contract.phone_devices import until_gone
from tests.phones import AdbServer, Phone, start_adb_server, start_phone

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.phone

SHELL = 2000
TWICE = """
import sys
from pytest_edgedevice.errors import TransportError
from pytest_edgedevice.transports.adb.transport import list_devices
for _ in range(2):
    try:
        list_devices(("127.0.0.1", int(sys.argv[1])))
    except TransportError as error:
        print(error.message, "|", error.hint)
"""

HOLD = """
import sys, time
from pytest_edgedevice.transports.adb.transport import AdbTransport
link = AdbTransport(sys.argv[1], server=("127.0.0.1", int(sys.argv[2])))
link.guard(b"{}", wait_s=30)
print("held", flush=True)
time.sleep(600)
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AdbServer]:
    with start_adb_server(tmp_path_factory.mktemp("adb")) as started:
        yield started


@pytest.fixture(scope="module")
def phone(server: AdbServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Phone]:
    with start_phone(tmp_path_factory.mktemp("phone")) as started:
        server.connect(started)
        yield started


@pytest.fixture
def tmp(phone: Phone) -> Path:
    """/data/local/tmp as the host sees it."""
    return phone.root / "data/local/tmp"


def opened(server: AdbServer, phone: Phone) -> AdbTransport:
    return AdbTransport(phone.address, server=("127.0.0.1", server.port))


@pytest.mark.parametrize("name", ["edgedevice.lock", "edgedevice.holder", "edgedevice.line"])
def test_a_pipe_in_place_of_the_lock_is_refused_and_holds_nobody_up(
    server: AdbServer, phone: Phone, tmp: Path, name: str
) -> None:
    os.mkfifo(tmp / name)
    try:
        with (
            opened(server, phone) as link,
            pytest.raises(LeaseError, match=f"cannot be used: broken /data/local/tmp/{name}\n"),
        ):
            link.guard(b"{}", wait_s=0)
    finally:
        (tmp / name).unlink()
    until_gone(phone)


@pytest.mark.parametrize("owner", [0, SHELL])
def test_where_our_folder_cannot_be_written_to_there_is_another(
    server: AdbServer, phone: Phone, tmp: Path, owner: int
) -> None:
    (tmp / "edgedevice").mkdir(mode=0o555)
    os.chown(tmp / "edgedevice", owner, owner)
    try:
        with opened(server, phone) as link:
            assert link.folder.startswith(f"/data/local/tmp/edgedevice-{SHELL}/session-")
    finally:
        (tmp / "edgedevice").rmdir()
    until_gone(phone)


def test_a_file_where_our_folder_should_be_is_told_with_a_remedy(server: AdbServer, phone: Phone, tmp: Path) -> None:
    (tmp / "edgedevice").touch()
    try:
        with pytest.raises(TransportError, match=r"no folder for our files can be made: .*File exists") as told:
            opened(server, phone)
    finally:
        (tmp / "edgedevice").unlink()
    assert "adb shell ls -la /data/local/tmp" in told.value.hint


def test_a_phone_that_is_stuck_when_a_file_is_to_be_sent_is_lost(server: AdbServer, phone: Phone) -> None:
    with opened(server, phone) as link:
        phone.freeze()
        try:
            with pytest.raises(DeviceLostError, match="no sign of life for 10 s"):
                link.place(b"content", timeout_s=600)
        finally:
            phone.thaw()
    until_gone(phone)


def test_a_program_that_the_keeper_ended_was_not_killed_by_somebody_but_lost(server: AdbServer, phone: Phone) -> None:
    with opened(server, phone) as link:
        program = link.start(["sleep", "987"])
        keeper = link.folder.split("-")[-2]
        server.adb("-s", phone.address, "shell", f"kill -9 {keeper}; kill -9 {program.pid}")
        with pytest.raises(DeviceLostError):
            program.wait(timeout_s=30)
    with opened(server, phone) as link:  # which ends what that session left
        link.guard(b"{}", wait_s=30)
    until_gone(phone)


def test_a_holder_that_was_killed_leaves_its_name_and_nothing_else(server: AdbServer, phone: Phone) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, phone.address, str(server.port)], stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    holder.kill()
    holder.communicate()
    until(lambda: set(phone.files()) == {"edgedevice.lock", "edgedevice.holder"})
    with opened(server, phone) as link:
        assert link.guard(b"{}", wait_s=30)[0].startswith("taken over from ")
    until_gone(phone)


def test_a_program_that_somebody_killed_was_killed(server: AdbServer, phone: Phone) -> None:
    with opened(server, phone) as link:
        program = link.start(["sleep", "987"])
        server.adb("-s", phone.address, "shell", f"kill -9 {program.pid}")
        assert program.wait(timeout_s=30) == -signal.SIGKILL
        assert link.is_alive
    until_gone(phone)


def test_a_port_of_the_server_that_is_none_is_told_whatever_server_was_asked_for(server: AdbServer) -> None:
    done = subprocess.run(
        [sys.executable, "-c", TWICE, str(server.port)],
        env={**os.environ, "ANDROID_ADB_SERVER_PORT": "abc"},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.stdout == "ANDROID_ADB_SERVER_PORT names the port 'abc', which is none | write 5037, or unset it\n" * 2


@pytest.mark.parametrize("named", [True, False])
def test_an_adb_program_that_cannot_be_run_is_told_with_a_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, named: bool
) -> None:
    from pytest_edgedevice.transports.adb import link as adb_link

    program = str(tmp_path / "adb")
    monkeypatch.setattr(adb_link, "program_path", lambda: program)
    monkeypatch.setenv("ADBUTILS_ADB_PATH", program if named else "")
    with pytest.raises(TransportError, match="cannot run") as told:
        adb_link.start_server(1, deadline=1e12)
    assert ("ADBUTILS_ADB_PATH" in told.value.hint) is named
