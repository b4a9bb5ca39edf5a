"""Folders of sessions: made beside others that come and go, and ended whatever comes between."""

from __future__ import annotations

import os
import tempfile
import warnings
from pathlib import Path
from typing import Any

import pytest

from pytest_edgedevice.errors import TransportError
from pytest_edgedevice.transports import sessions
from pytest_edgedevice.transports.local import LocalTransport


@pytest.fixture
def default_base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "gettempdir", lambda: str(tmp_path))
    return tmp_path / f"edgedevice-{os.getuid()}"


def test_the_last_session_takes_the_default_base_along(default_base: Path) -> None:
    first, second = LocalTransport(), LocalTransport()
    first.close()
    assert Path(second.folder).parent == default_base
    second.close()
    assert not default_base.exists()


@pytest.mark.parametrize("times", [1, 3])
def test_a_base_that_is_removed_while_a_session_enters_is_made_again(
    default_base: Path, monkeypatch: pytest.MonkeyPatch, times: int
) -> None:
    left = [default_base] * times

    def sweep(_: Path) -> list[str]:
        if left:
            left.pop().rmdir()
        return []

    monkeypatch.setattr(sessions, "_sweep", sweep)
    with LocalTransport() as link:
        assert Path(link.folder).is_dir()


def test_a_base_that_is_removed_just_after_it_was_found_is_made_again(
    default_base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    default_base.mkdir()
    real = Path.mkdir

    def mkdir(path: Path, *arguments: Any, **keywords: Any) -> None:
        try:
            real(path, *arguments, **keywords)
        except FileExistsError:
            path.rmdir()
            raise

    monkeypatch.setattr(Path, "mkdir", mkdir)
    with LocalTransport() as link:
        assert Path(link.folder).is_dir()


def test_a_base_that_is_removed_for_ever_is_an_error(default_base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions, "_sweep", lambda root: root.rmdir() or [])
    with pytest.raises(TransportError, match="cannot make a folder in"):
        LocalTransport()


def test_ctrl_c_while_a_session_ends_does_not_keep_it_from_ending(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    link = LocalTransport(base=tmp_path)
    first, second = link.start(["sleep", "987"]), link.start(["sleep", "987"])
    with monkeypatch.context() as patched:
        patched.setattr(second, "kill", interrupted)
        with pytest.raises(KeyboardInterrupt):
            link.close()
    assert (first.killed, list(tmp_path.iterdir())) == (True, [])
    second.kill()


def test_a_session_that_nobody_has_any_more_is_swept_by_the_next_one(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        folder = sessions.enter(tmp_path, chosen=True).folder
    with LocalTransport(base=tmp_path):
        assert not Path(folder).exists()
