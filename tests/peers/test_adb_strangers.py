"""Folders, locks and numbers that somebody else made on a phone: never followed, never believed, never removed."""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_edgedevice.errors import DeviceLostError, LeaseError, TransportError
from pytest_edgedevice.transports.adb.transport import AdbTransport
from tests.peers.adb_daemon.clients import until
from tests.phones import AdbServer, Phone, start_adb_server, start_phone

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.phone

SHELL, STRANGER = 2000, 10_123
LONG_S = 60.0


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AdbServer]:
    with start_adb_server(tmp_path_factory.mktemp("adb")) as started:
        yield started


@pytest.fixture
def phone(server: AdbServer, tmp_path: Path) -> Iterator[Phone]:
    with start_phone(tmp_path / "phone") as started:
        server.connect(started)
        yield started


@pytest.fixture
def tmp(phone: Phone) -> Path:
    """/data/local/tmp as the host sees it."""
    return phone.root / "data/local/tmp"


def opened(server: AdbServer, phone: Phone) -> AdbTransport:
    return AdbTransport(phone.address, server=("127.0.0.1", server.port))


def made(path: Path, owner: int) -> Path:
    path.mkdir(mode=0o777)
    path.chmod(0o777)
    os.chown(path, owner, owner)
    return path


def test_a_folder_of_another_user_is_left_alone(server: AdbServer, phone: Phone, tmp: Path) -> None:
    made(tmp / "edgedevice", STRANGER)
    with opened(server, phone) as link:
        assert link.folder.startswith(f"/data/local/tmp/edgedevice-{SHELL}/session-")
        assert (phone.root / link.folder[1:]).stat().st_mode & 0o777 == 0o700
    assert list((tmp / "edgedevice").iterdir()) == []


@pytest.mark.parametrize("first", [True, False])
def test_a_link_in_place_of_our_folder_is_refused(server: AdbServer, phone: Phone, tmp: Path, first: bool) -> None:
    aim = made(tmp / "aim", SHELL)
    if first:
        link = tmp / "edgedevice"
    else:
        made(tmp / "edgedevice", STRANGER)
        link = tmp / f"edgedevice-{SHELL}"
    link.symlink_to("/data/local/tmp/aim")
    with pytest.raises(TransportError, match="is not a folder of ours") as caught:
        opened(server, phone)
    assert "rm -r" in caught.value.hint
    assert list(aim.iterdir()) == []


def test_both_of_our_folders_may_be_taken(server: AdbServer, phone: Phone, tmp: Path) -> None:
    for name in ("edgedevice", f"edgedevice-{SHELL}"):
        made(tmp / name, STRANGER)
    with pytest.raises(TransportError, match=f"edgedevice-{SHELL} is not a folder of ours"):
        opened(server, phone)


@pytest.mark.parametrize("name", ["edgedevice.lock", "edgedevice.holder", "edgedevice.line"])
def test_a_link_in_place_of_the_lock_is_refused_and_not_followed(
    server: AdbServer, phone: Phone, tmp: Path, name: str
) -> None:
    (tmp / name).symlink_to("/data/local/tmp/aim")
    with opened(server, phone) as link:
        with pytest.raises(LeaseError, match="its lock cannot be used"):
            link.guard(b"{}", wait_s=0)
        assert link.run(["echo", "alive"], timeout_s=LONG_S).stdout == b"alive\n"
    assert not (tmp / "aim").exists()


def test_a_lock_that_cannot_be_opened_is_told_and_ends_nothing(server: AdbServer, phone: Phone, tmp: Path) -> None:
    (tmp / "edgedevice.lock").touch(mode=0o000)
    with opened(server, phone) as link:
        with pytest.raises(LeaseError, match="its lock cannot be used"):
            link.guard(b"{}", wait_s=0)
        assert link.run(["echo", "alive"], timeout_s=LONG_S).stdout == b"alive\n"


def test_a_lock_that_another_user_made_is_a_lock(server: AdbServer, phone: Phone, tmp: Path) -> None:
    (tmp / "edgedevice.lock").touch()
    (tmp / "edgedevice.lock").chmod(0o644)
    with opened(server, phone) as link:
        assert link.guard(b"{}", wait_s=0) == ()


def test_a_session_is_alive_by_its_keepers_number_and_start_together(
    server: AdbServer, phone: Phone, tmp: Path
) -> None:
    with opened(server, phone) as link:
        base = tmp / "edgedevice"
        pid, start = Path(link.folder).name.split("-")[2:]
        alive = f"session-{secrets.token_hex(8)}-{pid}-{start}"
        reused = f"session-{secrets.token_hex(8)}-{pid}-{int(start) - 1}"
        for name in (alive, reused):
            made(base / name, SHELL)
        assert link.guard(b"{}", wait_s=0) == (f"removed {reused}",)
        assert (base / alive).is_dir()
        (base / alive).rmdir()


def test_sessions_of_another_user_and_links_are_not_swept(server: AdbServer, phone: Phone, tmp: Path) -> None:
    with opened(server, phone) as link:
        base = tmp / "edgedevice"
        foreign = made(base / f"session-{'1' * 16}-999999-1", STRANGER)
        (made(tmp / "aim", SHELL) / "kept").touch()
        (base / f"session-{'2' * 16}-999999-1").symlink_to("/data/local/tmp/aim")
        assert link.guard(b"{}", wait_s=0) == ()
        assert link.clean(f"/data/local/tmp/edgedevice/session-{'2' * 16}-999999-1", timeout_s=LONG_S) == ()
        assert foreign.is_dir()
    assert (tmp / "aim/kept").exists()


def test_a_link_inside_a_dead_session_is_removed_and_not_followed(server: AdbServer, phone: Phone, tmp: Path) -> None:
    with opened(server, phone) as link:
        (made(tmp / "aim", SHELL) / "kept").touch()
        dead = made(tmp / f"edgedevice/session-{'3' * 16}-999999-1", SHELL)
        (dead / "trap").symlink_to("/data/local/tmp/aim")
        (dead / "-rf ..").touch()
        assert link.guard(b"{}", wait_s=0) == (f"removed {dead.name}",)
        assert not dead.exists()
    assert (tmp / "aim/kept").exists()


def test_a_server_that_was_restarted_between_two_calls_has_lost_the_session(server: AdbServer, phone: Phone) -> None:
    link = opened(server, phone)
    server.kill()
    server.start()
    server.connect(phone)
    with pytest.raises(DeviceLostError):
        link.run(["true"], timeout_s=LONG_S)
    link.close()
    until(lambda: not [name for name in phone.files() if "session" in name], "the wiping")
    with opened(server, phone) as another:
        assert another.run(["echo", "back"], timeout_s=LONG_S).stdout == b"back\n"
