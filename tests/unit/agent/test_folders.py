"""Manifests of model folders, and the folders that an agent builds of its blobs."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_edgedevice import agent
from pytest_edgedevice.agent import store as store_module
from pytest_edgedevice.agent.folders import (
    MAX_FILES,
    MAX_MANIFEST_BYTES,
    MAX_PART_BYTES,
    MAX_PARTS,
    MAX_PATH_BYTES,
    Entry,
    ManifestError,
    encode_manifest,
    read_manifest,
    suffix_of,
)
from pytest_edgedevice.agent.session import Session
from pytest_edgedevice.agent.store import Store, StoreError
from pytest_edgedevice.agent.wire import Frame

PAGE = (Path(agent.__file__).parent / "PROTOCOL.md").read_text(encoding="utf-8")
HASH = hashlib.sha256(b"").hexdigest()


def entry(path: Any = "a", sha256: Any = HASH, size: Any = 0) -> dict[str, Any]:
    return {"path": path, "sha256": sha256, "size": size}


def told(*files: Any, **rest: Any) -> bytes:
    return json.dumps({"edgedevice_folder": 1, "files": list(files), **rest}).encode()


def put(store: Store, content: bytes) -> str:
    name = hashlib.sha256(content).hexdigest()
    store.put(name, 0, len(content), content)
    return name


def put_folder(store: Store, files: dict[str, bytes], empty: tuple[str, ...] = ()) -> str:
    entries = [Entry(path, put(store, content), len(content)) for path, content in files.items()]
    return put(store, encode_manifest(entries, empty))


def tree(folder: str) -> dict[str, bytes]:
    found = (path for path in Path(folder).rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in found}


def test_a_manifest_has_these_bytes() -> None:
    entries = [Entry("b", HASH, 0), Entry("Data/\u00e9", HASH, 7)]
    assert encode_manifest(entries) == (
        b'{"edgedevice_folder":1,"files":[{"path":"Data/\\u00e9","sha256":"' + HASH.encode() + b'","size":7},'
        b'{"path":"b","sha256":"' + HASH.encode() + b'","size":0}]}'
    )
    assert encode_manifest(entries[:1], ["d", "c"]).endswith(b'"size":0}],"folders":["c","d"]}')


names = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="/\\"), min_size=1, max_size=9)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(names, min_size=1, max_size=3).map("/".join), min_size=1, max_size=6))
def test_what_was_written_is_read_and_what_cannot_be_is_refused(paths: list[str]) -> None:
    entries = [Entry(path, HASH, 1) for path in paths]
    parents = {path.rsplit("/", count)[0] for path in paths for count in range(1, path.count("/") + 1)}
    plain = not any(part in (".", "..") for path in paths for part in path.split("/")) and "\x7f" not in "".join(paths)
    if plain and len(set(paths)) == len(paths) and not parents & set(paths):
        assert read_manifest(encode_manifest(entries)) == (sorted(entries), [])
    else:
        with pytest.raises(ManifestError):
            encode_manifest(entries)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"\xff", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b"[]", "no manifest"),
        (b"{}", "no manifest"),
        (told(entry(), edgedevice_folder=2), "no manifest"),
        (told(entry(), edgedevice_folder=True), "no manifest"),
        (told(entry(), files=None), "no list"),
        (told(), "1 to 10000 files and empty folders, not 0"),
        (told(folders=["a"]), "not 0"),
        (told(entry(), folders={}), "no list"),
        (told(entry(), folders=[7]), "folder of the manifest has no path"),
        (told(entry(), folders=["../b"]), "no path below"),
        (told(entry(), folders=["c", "b"]), "twice, or not in the order"),
        (told(entry(), folders=["a"]), "a file and a folder at once"),
        (told(entry(), folders=["a/b"]), "a file, or empty, and a folder"),
        (told(entry("a/b"), folders=["a"]), "a file, or empty, and a folder"),
        (told(entry(), folders=["b", "b/c"]), "a file, or empty, and a folder"),
        (told(entry(), folders=[f"{number:05}" for number in range(MAX_FILES)]), "10001 entries, over the limit"),
        (told(7), "not an object"),
        (told(entry(path=7)), "no path"),
        (told(entry(sha256="A" * 64)), "no sha256"),
        (told(entry(sha256=None)), "no sha256"),
        (told(entry(size=-1)), "no size"),
        (told(entry(size=True)), "no size"),
        (told(entry(size=1.5)), "no size"),
        *((told(entry(path)), "no path below") for path in ("", "/etc/passwd", "..", "a/../b", "./a", "a//b", "a/")),
        *((told(entry(path)), "no path below") for path in ("a\\b", "C:\\b", "a\x00b", "a\nb", "a\x7f")),
        (told(entry("\ud800")), "no text"),
        (told(entry("a"), entry("a")), "twice, or not in the order"),
        (told(entry("b"), entry("a")), "twice, or not in the order"),
        (told(entry("a"), entry("a-b"), entry("a/b")), "a file, or empty, and a folder"),
        (told(entry("a" * (MAX_PART_BYTES + 1))), "too long or too deep"),
        (told(entry("/".join("a" * (MAX_PARTS + 1)))), "too long or too deep"),
        (told(entry("/".join(["a" * 200] * 6))), "too long or too deep"),
        (told(*[entry(str(number)) for number in range(MAX_FILES + 1)]), "10001 entries, over the limit"),
        (b" " * (MAX_MANIFEST_BYTES + 1), "over the limit of 4194304"),
    ],
)
def test_a_manifest_that_breaks_a_promise_is_refused(content: bytes, why: str) -> None:
    with pytest.raises(ManifestError, match=why):
        read_manifest(content)


def test_as_many_files_as_a_page_could_list_may_still_be_too_much_to_tell() -> None:
    with pytest.raises(ManifestError, match="its manifest has"):
        encode_manifest([Entry(f"{number:04}{'x' * 240}/{'y' * 240}", HASH, 0) for number in range(MAX_FILES)])


@pytest.mark.parametrize("limit", [f"{MAX_FILES:,}", "4 MiB", str(MAX_PATH_BYTES), str(MAX_PARTS), str(MAX_PART_BYTES)])
def test_the_page_has_the_limits(limit: str) -> None:
    section = PAGE.partition("### A model that is a folder")[2].partition("### load")[0]
    assert re.search(rf"\b{limit}\b", section)


@pytest.mark.parametrize(
    ("files", "suffix"),
    [(["Manifest.json", "coremldata.bin"], ".mlpackage"), (["coremldata.bin"], ".mlmodelc"), (["a/Manifest.json"], "")],
)
def test_a_folder_is_named_by_what_is_at_its_top(files: list[str], suffix: str) -> None:
    assert suffix_of(files) == suffix


def test_a_folder_is_built_of_its_blobs(tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    files = {"Manifest.json": b"{}", "Data/a.bin": b"", "Data/b/c.bin": b"weights", "Data/d.bin": b"weights"}
    folder = store.build(put_folder(store, files, ("Data/none", "x/y")))
    assert tree(folder) == files
    assert [list(Path(folder, name).iterdir()) for name in ("Data/none", "x/y")] == [[], []]
    assert folder.endswith("/model.mlpackage")


def test_a_folder_is_built_where_files_cannot_be_linked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EPERM, "no links here")

    monkeypatch.setattr(os, "link", refuse)
    monkeypatch.setattr(store_module, "LINKED_BYTES", 0)
    store = Store(str(tmp_path))
    assert tree(store.build(put_folder(store, {"a/b": b"1", "c": b""}))) == {"a/b": b"1", "c": b""}


def test_another_folder_replaces_the_one_before_and_none_is_left(tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    first = store.build(put_folder(store, {"a": b"1"}))
    second = store.build(put_folder(store, {"b": b"1"}))
    assert (Path(first).exists(), Path(second).exists()) == (False, True)
    store.drop_folder()
    assert [path for path in tmp_path.iterdir() if path.is_dir()] == []


def test_what_a_runtime_writes_into_its_folder_changes_no_blob(tmp_path: Path) -> None:
    """coremltools writes the manifest of a package anew when it opens it."""
    store = Store(str(tmp_path))
    folder = store.build(put_folder(store, {"Manifest.json": b"{}", "weights": bytes((1 << 20) + 1)}))
    Path(folder, "Manifest.json").write_bytes(b"another")
    assert Path(store.find(hashlib.sha256(b"{}").hexdigest())).read_bytes() == b"{}"
    assert Path(folder, "weights").stat().st_nlink == 2


def refused(store: Store, sha256: object) -> tuple[str, str]:
    with pytest.raises(StoreError) as raised:
        store.build(sha256)
    return raised.value.kind, str(raised.value)


def test_nothing_is_written_for_a_manifest_that_is_wrong(tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    outside = put(store, told(entry("../escaped", put(store, b""))))
    longer = put(store, told(entry("a", put(store, b"1"), 2)))
    absent = put(store, told(entry("a", "0" * 64)))
    huge = put(store, b" " * (MAX_MANIFEST_BYTES + 2))
    before = sorted(tmp_path.iterdir())
    assert refused(store, outside)[0] == "protocol"
    assert refused(store, longer) == ("protocol", "'a' has 2 bytes, and its blob 1")
    assert refused(store, absent) == ("missing", f"no blob {'0' * 64} here")
    assert refused(store, huge)[0] == "protocol"
    assert refused(store, "f" * 64)[0] == "missing"
    assert refused(store, "../../etc")[0] == "protocol"
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize(("number", "kind"), [(errno.ENOSPC, "full"), (errno.EIO, "internal")])
def test_a_folder_that_cannot_be_built_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, kind: str
) -> None:
    def fail(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    store = Store(str(tmp_path))
    name = put_folder(store, {"a": b"1"})
    before = sorted(tmp_path.iterdir())
    monkeypatch.setattr(Store, "_take", fail)
    assert refused(store, name)[0] == kind
    assert sorted(tmp_path.iterdir()) == before


def test_names_that_are_one_to_the_system_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As ``A`` and ``a`` are on most Macs: nothing is written over."""

    def taken(_source: str, target: str) -> None:
        raise FileExistsError(errno.EEXIST, "File exists", target)

    store = Store(str(tmp_path))
    name = put_folder(store, {"A": b"1", "a": b"2"})
    monkeypatch.setattr(os, "link", taken)
    monkeypatch.setattr(store_module, "LINKED_BYTES", 0)
    kind, why = refused(store, name)
    assert (kind, why.startswith("two paths of the manifest are one here: ")) == ("protocol", True)


def ask(session: Session, **header: Any) -> dict[str, Any]:
    return session.answer(Frame({"id": 1, **header}, memoryview(b"")))[0]


def test_the_folder_is_gone_when_the_conversation_is_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The engine is none: a model that is loaded keeps its folder until then, one that was refused does not."""
    from pytest_edgedevice.agent import engines

    session, store = Session(str(tmp_path)), Store(str(tmp_path))
    name = put_folder(store, {"a": b"1"})
    seen: list[dict[str, bytes]] = []

    class Loaded:
        name = version = variant = ""
        inputs: tuple[Any, ...] = ()
        outputs: tuple[Any, ...] = ()

        def placement(self) -> dict[str, Any]:
            return {}

    def load(path: str, *_: object) -> Loaded:
        seen.append(tree(path))
        if len(seen) == 1:
            raise ValueError("not this one")
        return Loaded()

    monkeypatch.setattr(engines, "load", load)
    request = {"op": "load", "sha256": name, "folder": True, "threads": 1}
    assert ask(session, **request)["kind"] == "model"
    assert [path for path in tmp_path.iterdir() if path.is_dir()] == []
    assert ask(session, **request)["op"] == "load"
    assert len([path for path in tmp_path.iterdir() if path.is_dir()]) == 1
    ask(session, op="bye")
    assert sorted(path.is_dir() for path in tmp_path.iterdir()) == [False, False]
    assert seen == [{"a": b"1"}] * 2


def test_a_word_that_is_no_truth_value_names_no_folder(tmp_path: Path) -> None:
    assert ask(Session(str(tmp_path)), op="load", sha256=HASH, folder=1, threads=1)["kind"] == "protocol"


def test_a_bye_that_wipes_leaves_nothing_but_what_is_not_ours(tmp_path: Path) -> None:
    session, store = Session(str(tmp_path)), Store(str(tmp_path))
    put_folder(store, {"a": b"1"})
    store.put("1" * 64, 0, 10, b"half")
    (tmp_path / "agent.pyz").write_bytes(b"the agent itself")
    assert ask(session, op="bye")["op"] == "bye"
    assert len(list(tmp_path.iterdir())) == 4
    assert ask(session, op="bye", wipe=True)["op"] == "bye"
    assert [path.name for path in tmp_path.iterdir()] == ["agent.pyz"]
