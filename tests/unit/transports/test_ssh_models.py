"""Models that a helper in a thread keeps: given by hash, hashed again, with signs of life while that takes long."""

from __future__ import annotations

import hashlib
import os
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_edgedevice.agent.board import models
from pytest_edgedevice.agent.board.models import Models
from pytest_edgedevice.transports.cache import ModelCache
from tests.peers.helper_in_thread import link_to_helper

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pytest_edgedevice.transports.ssh.transport import SshTransport

SIZES = pytest.mark.parametrize("size", [3000, 1 << 20])
MODELS = f"edgedevice-models-{os.getuid()}"
CACHE: Callable[..., Any] = partial(ModelCache, cap_bytes=8 << 20)


@pytest.fixture
def sessions(tmp_path: Path) -> Iterator[Callable[[], Any]]:
    """Opens one session after the other on the same board."""
    with pytest.MonkeyPatch.context() as patch:
        yield lambda: link_to_helper(tmp_path / "board", patch, cache=CACHE)


def model(tmp_path: Path, size: int) -> Path:
    path = tmp_path / "model"
    path.write_bytes(os.urandom(size))
    return path


@SIZES
def test_what_stayed_is_given_and_not_sent(sessions: Callable[[], Any], tmp_path: Path, size: int) -> None:
    source = model(tmp_path, size)
    sent = []
    for _ in range(2):
        link: SshTransport
        with sessions() as link:
            pushed = link.push(source, timeout_s=30)
            sent.append(pushed.sent_bytes)
            assert (Path(link.folder) / pushed.sha256).read_bytes() == source.read_bytes()
    assert sent == [size, 0]


@SIZES
def test_what_is_not_what_it_says_is_sent(sessions: Callable[[], Any], tmp_path: Path, size: int) -> None:
    source = model(tmp_path, size)
    with sessions() as link:
        link.push(source, timeout_s=30)
    (kept,) = (tmp_path / "board" / MODELS).iterdir()
    kept.write_bytes(bytes(size))
    with sessions() as link:
        assert link.push(source, timeout_s=30).sent_bytes == size


def test_a_board_that_keeps_nothing_has_nothing(tmp_path: Path) -> None:
    none = Models(None, str(tmp_path), lambda: None)
    none.keep(str(tmp_path / "x"))
    none.close()
    assert none.sizes() == []
    assert none.give(1, "a" * 64) is False


def test_a_model_that_takes_long_to_hash_shows_that_the_board_lives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(models, "PIECE_BYTES", 10)
    folder = tmp_path / "session"
    folder.mkdir()
    source = model(tmp_path, 95)
    signs: list[bool] = []
    board = Models(CACHE, str(folder), lambda: signs.append(True))
    sha256 = hashlib.sha256(source.read_bytes()).hexdigest()
    source.rename(folder / sha256)
    board.keep(str(folder / sha256))
    (folder / sha256).unlink()
    assert board.sizes() == [95]
    assert board.give(1, sha256)
    assert len(signs) == 10
    board.close()
