"""What a phone says of the files that arrived: taken there or here, believed only when it is what was sent."""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING

import pytest

from pytest_edgedevice.errors import DeadlineError, TransportError
from tests.peers.adb_daemon.clients import until
from tests.peers.hostile_links import LARGE, LONG_S, SMALL, arrives, placed, promptly, there

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_edgedevice.transports.adb.transport import AdbTransport
    from pytest_edgedevice.transports.base import Pushed
    from tests.peers.adb_daemon import FaultyPhone

EMPTY = hashlib.sha256().hexdigest()


@pytest.fixture
def phone(fresh_phone: FaultyPhone) -> FaultyPhone:
    return fresh_phone


@pytest.fixture(params=[SMALL, LARGE], ids=["small", "large"])
def model(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path = tmp_path / "model"
    path.write_bytes(os.urandom(request.param))
    return path


@pytest.mark.parametrize("said", [":", "exit 1", "echo", "echo 'no hash'", "cat /dev/zero", "printf '\\033[2J'"])
def test_a_phone_that_lies_about_hashes_is_not_believed(
    link: AdbTransport, phone: FaultyPhone, model: Path, said: str
) -> None:
    phone.tool("sha256sum", f'if [ -s /dev/stdin ]; then {said}; else echo "{EMPTY}  -"; fi\n')
    with promptly(), pytest.raises((TransportError, DeadlineError)) as caught:
        placed(link, model, timeout_s=1)
    assert caught.value.message.isprintable()
    until(lambda: not there(link, phone), "removing the part")


def test_a_phone_without_a_tool_for_hashes_has_its_files_read_back(
    link: AdbTransport, phone: FaultyPhone, model: Path
) -> None:
    without_hashes(phone)
    arrives(link, phone, model)


def test_a_file_that_is_read_back_changed_is_told(link: AdbTransport, phone: FaultyPhone, model: Path) -> None:
    without_hashes(phone)
    phone.faults.corrupt_pull(times=1)
    with pytest.raises(TransportError, match="arrived damaged"):
        placed(link, model)


@pytest.mark.parametrize("content", [b"DATA\x01\0\1\0" + bytes(65537), b"DATA\xff\xff\xff\xff", b"WHAT\0\0\0\0"])
def test_a_file_that_is_read_back_as_none_is_told(
    link: AdbTransport, phone: FaultyPhone, tmp_path: Path, content: bytes
) -> None:
    pushed = sent(link, phone, tmp_path, content, endless=False)
    with promptly(), pytest.raises(TransportError, match="broke adb's sync protocol"):
        _ = pushed.sha256


def test_a_file_that_is_read_back_without_end_is_a_deadline(
    link: AdbTransport, phone: FaultyPhone, tmp_path: Path
) -> None:
    content = b"DATA\0\0\1\0" + bytes(65536)
    pushed = sent(link, phone, tmp_path, content, endless=True, timeout_s=4)
    with promptly(), pytest.raises(DeadlineError):
        _ = pushed.sha256


def sent(  # of a file that is read back in another way than it was sent
    link: AdbTransport,
    phone: FaultyPhone,
    tmp_path: Path,
    content: bytes,
    *,
    endless: bool,
    timeout_s: float = LONG_S,
) -> Pushed:
    without_hashes(phone)
    phone.tool("busybox", "until [ -e /data/local/tmp/go ]; do sleep 0.05; done; exit 127\n")
    (tmp_path / "model").write_bytes(os.urandom(LARGE))
    pushed = link.push(tmp_path / "model", timeout_s=timeout_s)
    phone.faults.garbage(content, endless=endless, service="sync", times=1)
    (phone.tmp / "go").touch()
    phone.tool("busybox", "exit 127\n")
    until(lambda: phone.opened.count("sync:") > 1, "reading it back")
    (phone.tmp / "go").unlink()
    return pushed


def without_hashes(phone: FaultyPhone) -> None:
    for name in ("sha256sum", "toybox", "busybox"):
        phone.tool(name, "exit 127\n")
