"""What is made of our sources is kept beside Python's byte code, and made anew when it must be."""

from __future__ import annotations

import sys
from importlib.util import cache_from_source
from pathlib import Path
from typing import NoReturn

import pytest

from pytest_edgedevice.transports.prepared import prepared


@pytest.fixture
def maker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    monkeypatch.setattr(sys, "pycache_prefix", None)
    path = tmp_path / "maker.py"
    path.write_text("# makes it")
    return path


def kept(maker: Path) -> Path:
    return Path(cache_from_source(str(maker))).with_suffix(".prepared")


def nothing() -> NoReturn:
    raise AssertionError("it was made anew")


def test_it_is_made_once(maker: Path) -> None:
    assert prepared(str(maker), ["a", "b"], lambda: b"made") == b"made"
    assert prepared(str(maker), ["a", "b"], nothing) == b"made"
    assert [path.name for path in kept(maker).parent.iterdir()] == [kept(maker).name]


@pytest.mark.parametrize("parts", [["a", "c"], ["ab"], ["a"], ["a", "b", ""]])
def test_other_parts_make_it_anew(maker: Path, parts: list[str]) -> None:
    prepared(str(maker), ["a", "b"], lambda: b"made")
    assert prepared(str(maker), parts, lambda: b"anew") == b"anew"


def test_another_maker_makes_it_anew(maker: Path) -> None:
    prepared(str(maker), [], lambda: b"made")
    maker.write_text("# makes it otherwise")
    assert prepared(str(maker), [], lambda: b"anew") == b"anew"


@pytest.mark.parametrize("harm", [lambda content: content[:-1], lambda content: content + b"x", lambda _content: b""])
def test_what_is_broken_is_made_anew(maker: Path, harm: object) -> None:
    prepared(str(maker), [], lambda: b"made")
    assert callable(harm)
    kept(maker).write_bytes(harm(kept(maker).read_bytes()))
    assert prepared(str(maker), [], lambda: b"made") == b"made"
    assert prepared(str(maker), [], nothing) == b"made"


def test_what_cannot_be_kept_is_made_all_the_same(maker: Path) -> None:
    kept(maker).parent.write_text("no folder")
    assert prepared(str(maker), [], lambda: b"made") == b"made"


def test_nothing_is_written_where_python_may_not(maker: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    assert prepared(str(maker), [], lambda: b"made") == b"made"
    assert not kept(maker).parent.exists()


def test_a_python_without_byte_code_makes_it_each_time(maker: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.implementation, "cache_tag", None)
    assert prepared(str(maker), [], lambda: b"made") == b"made"
    assert list(maker.parent.iterdir()) == [maker]
