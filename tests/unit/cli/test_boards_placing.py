"""Packages get their name on a board when all of them are there, and never before; nothing else is touched."""

from __future__ import annotations

import json
import os
import stat
from typing import TYPE_CHECKING, Any

import pytest

from pytest_edgedevice.agent import sites
from pytest_edgedevice.cli.boards import placing
from pytest_edgedevice.cli.boards.placing import ASIDE, NOTE, inner, work
from tests.unit.cli.made import wheel

if TYPE_CHECKING:
    from pathlib import Path

WHAT = {"schema": 1, "engine": "litert", "wheels": {"small.whl": "0" * 64}}


@pytest.fixture
def site(tmp_path: Path) -> Path:
    return tmp_path / "edgedevice" / "site"


def unpacked(site: Path, path: Path) -> str:
    """The folder that a wheel was unpacked into."""
    aside = work({"op": "prepare", "site": str(site), "bytes": 1000})["aside"]
    assert work({"op": "unpack", "aside": aside, "wheel": str(path)}) == {}
    return str(aside)


def placed(site: Path, path: Path) -> dict[str, Any]:
    return work({"op": "commit", "aside": unpacked(site, path), "site": str(site), "note": WHAT})


def test_packages_have_their_name_after_the_commit(site: Path, tmp_path: Path) -> None:
    answer = placed(site, wheel(tmp_path, files={"small/one.py": b"1"}))
    assert answer == {"folder": str(site / sites.kind())}
    assert (site / sites.kind() / "small/one.py").read_bytes() == b"1"
    assert json.loads((site / sites.kind() / NOTE).read_text()) == WHAT
    assert [one.name for one in site.iterdir()] == [sites.kind()]


def test_they_have_none_before_it(site: Path, tmp_path: Path) -> None:
    unpacked(site, wheel(tmp_path))
    assert not (site / sites.kind()).exists()


def test_the_wheel_is_removed_when_it_is_unpacked(site: Path, tmp_path: Path) -> None:
    path = wheel(tmp_path)
    unpacked(site, path)
    assert not path.exists()


def test_libraries_of_a_wheels_data_folder_go_where_the_others_are(site: Path, tmp_path: Path) -> None:
    files = {"small-1.0.data/purelib/a.py": b"", "small-1.0.data/platlib/b.py": b"", "small-1.0.data/scripts/c": b""}
    placed(site, wheel(tmp_path, files=files))
    names = {one.name for one in (site / sites.kind()).iterdir()}
    assert names == {"a.py", "b.py", "small-1.0.dist-info", NOTE}


def test_what_was_there_before_is_replaced_whole(site: Path, tmp_path: Path) -> None:
    placed(site, wheel(tmp_path, files={"old.py": b""}))
    placed(site, wheel(tmp_path, files={"new.py": b""}))
    assert not (site / sites.kind() / "old.py").exists()
    assert [one.name for one in site.iterdir()] == [sites.kind()]


def test_what_setup_did_not_make_is_never_replaced(site: Path, tmp_path: Path) -> None:
    mine = site / sites.kind() / "mine.py"
    mine.parent.mkdir(parents=True)
    mine.write_text("mine")
    answer = placed(site, wheel(tmp_path))
    assert (answer["failed"], "was not made by edgedevice setup" in answer["message"]) == ("refused", True)
    assert mine.read_text() == "mine"


@pytest.mark.parametrize("name", ["../x", "/x", "a/../../x", "..", "a\\x", "./x"])
def test_a_name_that_leaves_the_folder_is_refused_there_too(name: str) -> None:
    with pytest.raises(placing.RefusalError):
        inner(name)


def test_a_wheel_that_leaves_its_folder_writes_nothing_outside(site: Path, tmp_path: Path) -> None:
    aside = work({"op": "prepare", "site": str(site), "bytes": 0})["aside"]
    answer = work({"op": "unpack", "aside": aside, "wheel": str(wheel(tmp_path, files={"../../evil.py": b""}))})
    assert answer["failed"] == "refused"
    assert not list(tmp_path.rglob("evil.py"))


def test_a_broken_wheel_is_refused(site: Path, tmp_path: Path) -> None:
    (tmp_path / "x.whl").write_bytes(b"text")
    aside = work({"op": "prepare", "site": str(site), "bytes": 0})["aside"]
    assert work({"op": "unpack", "aside": aside, "wheel": str(tmp_path / "x.whl")})["failed"] == "refused"


def test_too_little_room_is_told_before_anything_is_written(site: Path) -> None:
    answer = work({"op": "prepare", "site": str(site), "bytes": 1 << 60})
    assert answer["failed"] == "full"
    assert "are needed" in answer["message"]
    assert list(site.iterdir()) == []


def test_discarding_leaves_no_folder_of_ours(site: Path, tmp_path: Path) -> None:
    unpacked(site, wheel(tmp_path))
    assert work({"op": "discard", "site": str(site)}) == {}
    assert not site.parent.exists()


def test_discarding_keeps_what_worked_before(site: Path, tmp_path: Path) -> None:
    placed(site, wheel(tmp_path, files={"old.py": b""}))
    unpacked(site, wheel(tmp_path))
    work({"op": "discard", "site": str(site)})
    assert (site / sites.kind() / "old.py").exists()


def test_the_next_setup_removes_what_a_cut_left(site: Path, tmp_path: Path) -> None:
    left = unpacked(site, wheel(tmp_path))
    again = work({"op": "prepare", "site": str(site), "bytes": 0})["aside"]
    assert [str(one) for one in site.iterdir()] == [again]
    assert left != again


def test_a_cut_between_the_two_names_gives_the_old_one_back(site: Path, tmp_path: Path) -> None:
    placed(site, wheel(tmp_path, files={"old.py": b""}))
    aside = site / f"{ASIDE}cut"
    aside.mkdir()
    (site / sites.kind()).rename(aside / "old")
    work({"op": "prepare", "site": str(site), "bytes": 0})
    assert (site / sites.kind() / "old.py").exists()


def test_a_commit_that_fails_gives_the_old_name_back(
    site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    placed(site, wheel(tmp_path, files={"old.py": b""}))
    aside = unpacked(site, wheel(tmp_path))
    rename = os.rename

    def failing(source: str, target: str) -> None:
        if source.endswith(sites.kind()) and ASIDE in source:
            raise OSError(5, "Input/output error", source)
        rename(source, target)

    monkeypatch.setattr(os, "rename", failing)
    answer = work({"op": "commit", "aside": aside, "site": str(site), "note": WHAT})
    assert answer["failed"] == "system"
    assert (site / sites.kind() / "old.py").exists()


def test_removing_takes_all_that_setup_made_and_only_that(site: Path, tmp_path: Path) -> None:
    placed(site, wheel(tmp_path))
    other = site / "cpython-39-armv7l"
    other.mkdir()
    (other / NOTE).write_text("{}")
    foreign = site / "foreign"
    foreign.mkdir()
    answer = work({"op": "remove", "sites": [str(site), str(tmp_path / "nowhere")]})
    assert answer == {"removed": [str(site / sites.kind()), str(other)]}
    assert list(site.iterdir()) == [foreign]


def test_removing_follows_no_link(site: Path, tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / NOTE).write_text("{}")
    site.mkdir(parents=True)
    (site / "link").symlink_to(precious)
    assert work({"op": "remove", "sites": [str(site)]}) == {"removed": []}
    assert (precious / NOTE).exists()


def test_removing_everything_leaves_no_folder_of_ours(site: Path, tmp_path: Path) -> None:
    placed(site, wheel(tmp_path))
    work({"op": "remove", "sites": [str(site)]})
    assert not site.parent.exists()


def test_packages_can_be_read_by_programs_and_written_by_nobody_else(site: Path, tmp_path: Path) -> None:
    placed(site, wheel(tmp_path))
    assert stat.S_IMODE((site / sites.kind() / "small.py").stat().st_mode) == 0o644


def test_a_folder_that_cannot_be_made_is_told_with_its_name(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    answer = work({"op": "prepare", "site": str(tmp_path / "file" / "site"), "bytes": 0})
    assert answer["failed"] == "system"
    assert str(tmp_path / "file") in answer["message"]
