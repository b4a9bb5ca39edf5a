"""Files to a phone that goes wrong while they travel: whole under their name, or not there at all, and told why."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from pytest_edgedevice.errors import DeadlineError, DeviceFullError, DeviceLostError, TransportError
from tests.peers.adb_daemon.clients import until
from tests.peers.hostile_links import LARGE, LONG_S, SMALL, arrives, placed, promptly, there

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_edgedevice.transports.adb.transport import AdbTransport
    from tests.peers.adb_daemon import FaultyPhone

BAD_ANSWERS = {
    "OKAY before the end": b"OKAY\0\0\0\0",
    "no answer of the protocol": b"WHAT\0\0\0\0",
    "a refusal of 4 GiB": b"FAIL\xff\xff\xff\xff",
    "half an answer": b"FA",
    "a refusal of terminal escapes": b"FAIL\x08\0\0\0\x1b[2J\x07\r\nx",
}


@pytest.fixture(params=[SMALL, LARGE], ids=["small", "large"])
def model(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path = tmp_path / "model"
    path.write_bytes(os.urandom(request.param))
    return path


def test_a_push_to_a_sound_phone_arrives(link: AdbTransport, phone: FaultyPhone, model: Path) -> None:
    arrives(link, phone, model)


@pytest.mark.parametrize("share", [0.0, 0.5, 0.99])
def test_a_phone_that_vanishes_amid_a_push_is_lost(
    link: AdbTransport, phone: FaultyPhone, model: Path, share: float
) -> None:
    phone.faults.drop_after(bytes=int(model.stat().st_size * share), service="sync", times=1)
    with promptly(), pytest.raises(DeviceLostError) as caught:
        placed(link, model)
    assert caught.value.hint


@pytest.mark.parametrize("share", [0.0, 0.5, 0.99])
def test_a_push_whose_stream_is_closed_is_no_file(
    link: AdbTransport, phone: FaultyPhone, model: Path, share: float
) -> None:
    phone.faults.close_stream_after(bytes=int(model.stat().st_size * share), service="sync", times=1)
    with promptly(), pytest.raises(DeviceLostError):
        placed(link, model)
    until(lambda: not there(link, phone), "removing the part")
    arrives(link, phone, model)


@pytest.mark.parametrize("share", [0.0, 0.5, 0.99])
def test_a_push_that_hangs_is_a_deadline(link: AdbTransport, phone: FaultyPhone, model: Path, share: float) -> None:
    phone.faults.hang_after(bytes=int(model.stat().st_size * share), service="sync", times=1)
    with promptly(), pytest.raises(DeadlineError):
        placed(link, model, timeout_s=1)
    until(lambda: not there(link, phone), "removing the part")
    arrives(link, phone, model)


def test_a_push_that_trickles_is_a_deadline(link: AdbTransport, phone: FaultyPhone, model: Path) -> None:
    phone.faults.slow(1000, service="sync", times=1)
    with promptly(), pytest.raises(DeadlineError):
        placed(link, model, timeout_s=1)


def test_a_push_that_is_neither_accepted_nor_refused_is_a_deadline(
    link: AdbTransport, phone: FaultyPhone, model: Path
) -> None:
    phone.faults.ignore_open(service="sync", times=1)
    with promptly(), pytest.raises(DeadlineError, match="opened no connection in time"):
        placed(link, model, timeout_s=1)
    arrives(link, phone, model)


def test_a_push_that_is_refused_is_told(link: AdbTransport, phone: FaultyPhone, model: Path) -> None:
    phone.faults.refuse(service="sync", times=1)
    with promptly(), pytest.raises(TransportError, match="refused: closed"):
        placed(link, model)
    arrives(link, phone, model)


@pytest.mark.parametrize("share", [0.0, 0.5])
def test_a_full_disk_is_told_and_nothing_is_left(
    link: AdbTransport, phone: FaultyPhone, model: Path, share: float
) -> None:
    phone.faults.sync_fail("No space left on device", bytes=int(model.stat().st_size * share), times=1)
    with promptly(), pytest.raises(DeviceFullError, match="no space left") as caught:
        placed(link, model)
    assert "free space" in caught.value.hint
    until(lambda: not there(link, phone), "removing the part")
    arrives(link, phone, model)


def test_another_refusal_is_told_in_the_phones_words(link: AdbTransport, phone: FaultyPhone, model: Path) -> None:
    phone.faults.sync_fail("couldn't create file: Read-only file system", times=1)
    with promptly(), pytest.raises(TransportError, match="Read-only file system"):
        placed(link, model)


def test_a_file_that_was_taken_and_not_written_is_told(link: AdbTransport, phone: FaultyPhone, model: Path) -> None:
    phone.faults.sync_ok_without_writing(times=1)
    with promptly(), pytest.raises(TransportError, match=r"damaged|could not be stored"):
        placed(link, model)
    assert not there(link, phone)
    arrives(link, phone, model)


def test_a_file_that_was_changed_on_its_way_is_told(link: AdbTransport, phone: FaultyPhone, model: Path) -> None:
    phone.faults.corrupt_push(times=1)
    with promptly(), pytest.raises(TransportError, match="arrived damaged"):
        placed(link, model)
    assert not there(link, phone)
    arrives(link, phone, model)


def test_of_many_files_one_that_was_changed_leaves_none(link: AdbTransport, phone: FaultyPhone, tmp_path: Path) -> None:
    sources = [tmp_path / str(number) for number in range(5)]
    for source in sources:
        source.write_bytes(os.urandom(1000))
    phone.faults.corrupt_push(times=1)
    with pytest.raises(TransportError, match="1 of 5 files arrived damaged"):
        link.push_all(sources, timeout_s=LONG_S)
    assert not there(link, phone)


@pytest.mark.parametrize("name", BAD_ANSWERS)
def test_an_answer_that_breaks_the_protocol_is_told(
    link: AdbTransport, phone: FaultyPhone, model: Path, name: str
) -> None:
    phone.faults.garbage(BAD_ANSWERS[name], service="sync", times=1)
    with promptly(), pytest.raises((TransportError, DeadlineError)) as caught:
        placed(link, model, timeout_s=2)
    assert caught.value.message.isprintable()
    assert not there(link, phone)
    arrives(link, phone, model)


def test_answers_without_end_are_told(link: AdbTransport, phone: FaultyPhone, model: Path) -> None:
    phone.faults.garbage(b"FAIL\x04\0\0\0none" * 5000, endless=True, service="sync", times=1)
    with promptly(), pytest.raises(TransportError, match="none"):
        placed(link, model)
