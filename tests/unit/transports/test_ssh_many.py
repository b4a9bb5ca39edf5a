"""Many files at once to a helper that is a thread: refused, late, and told in order."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_edgedevice.agent.board import hashing
from pytest_edgedevice.errors import DeadlineError, DeviceFullError, TransportError
from pytest_edgedevice.transports.ssh.crowd import MOST_ON_THE_WAY
from tests.peers.helper_in_thread import link_to_helper

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_edgedevice.transports.ssh.transport import SshTransport


@pytest.fixture
def link(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SshTransport]:
    with link_to_helper(tmp_path / "board", monkeypatch) as transport:
        yield transport


@pytest.fixture
def sources(tmp_path: Path) -> list[Path]:
    made = []
    for number in range(3 * MOST_ON_THE_WAY):
        made.append(tmp_path / f"source-{number}")
        made[-1].write_bytes(b"%d" % number)
    return made


def halves(link: SshTransport) -> list[str]:
    return [path.name for path in Path(link.folder).iterdir() if path.name.endswith(".part")]


class Full:
    f_bavail = f_frsize = 0


def test_a_disk_that_is_full_is_told_and_leaves_no_half_a_file(
    link: SshTransport, sources: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(os, "fstatvfs", lambda _: Full)
        with pytest.raises(DeviceFullError, match="no space left"):
            link.push_all(sources, timeout_s=30)
        link.run(["true"], timeout_s=30)  # behind all that was on its way
    assert halves(link) == []
    assert len(link.push_all(sources, timeout_s=30)) == len(sources)


def test_many_files_that_take_too_long_are_a_deadline(link: SshTransport, sources: list[Path]) -> None:
    with pytest.raises(DeadlineError, match="many files did not end in time"):
        link.push_all(sources, timeout_s=0)
    link.run(["true"], timeout_s=30)
    assert halves(link) == []


def test_a_file_that_changed_on_its_way_is_refused(
    link: SshTransport, sources: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hashing.Hashing, "hexdigest", lambda _: "0" * 64)
    with pytest.raises(TransportError, match="arrived with hash 000"):
        link.push_all(sources, timeout_s=30)
    link.run(["true"], timeout_s=30)
    assert halves(link) == []


def test_files_that_are_there_are_not_sent_again(link: SshTransport, sources: list[Path]) -> None:
    link.push_all(sources, timeout_s=30)
    assert sum(one.sent_bytes for one in link.push_all(sources, timeout_s=30)) == 0
