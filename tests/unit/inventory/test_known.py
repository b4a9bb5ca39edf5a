"""What answered at an address is a hint that survives rubbish, and never an error."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_edgedevice.inventory import known
from pytest_edgedevice.inventory.known import recall, remember

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "edgedevice" / "boards.json"


def test_nothing_is_known_at_first() -> None:
    assert recall("ssh:pi") is None


def test_what_answered_last_is_known() -> None:
    remember("ssh:pi", "board-1")
    remember("ssh:other", "board-2")
    remember("ssh:pi", "board-3")
    found = recall("ssh:pi")
    assert found is not None
    assert found.identity == "board-3"


def test_only_the_latest_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(known, "MOST_KNOWN", 2)
    for name in ("a", "b", "c"):
        remember(name, "x")
    assert [name for name in ("a", "b", "c") if recall(name)] == ["b", "c"]


RUBBISH = ["", "[]", '{"ssh:pi": 1}', '{"ssh:pi": ["", 1]}', '{"ssh:pi": ["a\\u001b", 1]}', '{"ssh:pi": ["a", "b"]}']


@pytest.mark.parametrize("content", RUBBISH)
def test_rubbish_is_nothing(cache: Path, content: str) -> None:
    cache.parent.mkdir()
    cache.write_text(content)
    assert recall("ssh:pi") is None


def test_a_folder_that_cannot_be_made_is_no_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    remember("ssh:pi", "board-1")
    assert recall("ssh:pi") is None


def test_a_relative_cache_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "here")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    remember("ssh:pi", "board-1")
    assert (tmp_path / "home/.cache/edgedevice/boards.json").exists()
    assert not (tmp_path / "here").exists()
