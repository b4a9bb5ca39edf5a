"""Models that are folders: what is refused, and that nothing leaves the agent's own."""

from __future__ import annotations

import hashlib
import json
import os
from typing import TYPE_CHECKING, Any

from pytest_edgedevice.agent.folders import (
    MAX_FILES,
    MAX_MANIFEST_BYTES,
    MAX_PART_BYTES,
    MAX_PARTS,
    Entry,
    encode_manifest,
)
from pytest_edgedevice.conformance.bench import FIELDS
from pytest_edgedevice.conformance.check import Group, NotOfferedError
from pytest_edgedevice.conformance.models import Model
from pytest_edgedevice.conformance.talk import NO_BLOB

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_edgedevice.conformance.bench import Bench

FOLDERS = Group("folders")
SECTION = "A model that is a folder"
JUNK = b"This is a sentence and not a neural network. "
LONG, DEEP = "a" * (MAX_PART_BYTES + 1), "/".join("a" * (MAX_PARTS + 1))


@FOLDERS.check(section="load", says="An agent that takes none says `model`")
def not_taken(bench: Bench) -> None:
    """An agent that takes no folders says so."""
    if bench.talk().hello.get("folders") is True:
        raise NotOfferedError("it takes folders")
    _refused(bench, ["model", "engine"], _folder({"a": JUNK}))


@FOLDERS.check(section="load", says="An agent that takes none says `model`")
def no_model(bench: Bench) -> None:
    """A folder that is no model is a model error."""
    _offered(bench)
    for name in ("Manifest.json", "coremldata.bin", "a"):
        _refused(bench, ["model", "engine"], _folder({name: JUNK, "Data/b": os.urandom(8), "Data/empty": b""}))


@FOLDERS.check(section=SECTION, says="A file whose blob is not there is `missing`")
def missing(bench: Bench) -> None:
    """A file that is not there is missing."""
    _offered(bench)
    _refused(bench, ["missing"], _manifest([Entry("a", NO_BLOB, 1)]))


@FOLDERS.check(section=SECTION, says="`size` is the size of the blob")
def other_size(bench: Bench) -> None:
    """A file of another size is refused."""
    _offered(bench)
    _refused(bench, ["protocol"], _manifest([_entry("a", size=len(JUNK) + 1)]))


def _breaks(name: str, *paths: Sequence[str]) -> None:
    @FOLDERS.check(
        name=name,
        section=SECTION,
        says="Whatever of this does not hold is refused with `protocol`, and nothing is written for it",
    )
    def refuses(bench: Bench) -> None:
        _offered(bench)
        for one in paths:
            _refused(bench, ["protocol"], _raw([_entry(path) for path in one]))


_breaks("Paths that leave the folder are refused", [".."], ["../a"], ["a/../../b"], ["/edgedevice-escaped"])
_breaks("Paths that are none are refused", [""], ["."], ["a//b"], ["a/"], ["a/./b"], ["a\\b"], ["a\nb"], ["\ud800"])
_breaks("A path that comes twice, or out of order, is refused", ["a", "a"], ["b", "a"])
_breaks("A path that is a file and a folder is refused", ["a", "a/b"], ["a", "a-b", "a/b"])
_breaks("Paths that are too long or too deep are refused", [LONG], [DEEP], ["/".join([LONG[:200]] * 6)])


@FOLDERS.check(section=SECTION, says="`files` has at least one entry, each with all three keys")
def no_manifest(bench: Bench) -> None:
    """What is no manifest is refused."""
    _offered(bench)
    whole = _entry("a")
    spoiled = [{key: value for key, value in whole.items() if key != gone} for gone in whole]
    spoiled += [{**whole, "size": "1"}, {**whole, "size": -1}, {**whole, "sha256": 7}, {**whole, "path": None}]
    lists: list[Any] = [[], None, {}, ["a"], *([one] for one in spoiled)]
    for files in lists:
        _refused(bench, ["protocol"], _raw(files))
    empty: list[Any] = [None, "b", [7], ["../b"], ["/b"], ["c", "b"], ["b", "b"], ["a"], ["a/b"], ["b", "b/c"]]
    for folders in empty:
        _refused(bench, ["protocol"], _raw([whole], folders=folders))
    for version in (2, "1", None):
        _refused(bench, ["protocol"], _raw([whole], version=version))
    for content in (b"", b"\xff\xfe", b"[]", b'{"edgedevice_folder":1', b"[" * 100_000):
        _refused(bench, ["protocol"], Model("no manifest", content, folder=True))


@FOLDERS.check(section=SECTION, says="a manifest has at most 4 MiB")
def too_much(bench: Bench) -> None:
    """A manifest that is too large, or lists too much, is refused."""
    _offered(bench)
    _refused(bench, ["protocol"], _raw([_entry(f"{number:05}") for number in range(MAX_FILES + 1)]))
    _refused(bench, ["protocol"], Model("a large manifest", b" " * (MAX_MANIFEST_BYTES + 1), folder=True))


@FOLDERS.check(section="Errors", says="After an error every later request is still answered")
def goes_on(bench: Bench) -> None:
    """After all of that, a model loads."""
    _offered(bench)
    talk, model = bench.talk(), bench.model()
    bench.put(talk, model)
    bench.load(talk, model)


def _offered(bench: Bench) -> None:
    if bench.talk().hello.get("folders") is not True:
        raise NotOfferedError("the hello says nothing of folders")


def _entry(path: str, size: int = len(JUNK)) -> dict[str, Any]:
    return {"path": path, "sha256": hashlib.sha256(JUNK).hexdigest(), "size": size}


def _raw(files: Any, *, version: Any = 1, **more: Any) -> Model:
    """A manifest that may break any rule; its only file is there."""
    content = json.dumps({"edgedevice_folder": version, "files": files, **more}).encode()
    return Model("a manifest", content, folder=True, files=(JUNK,))


def _manifest(entries: list[Any]) -> Model:
    told = [Entry(**one) if isinstance(one, dict) else one for one in entries]
    return Model("a manifest", encode_manifest(told), folder=True, files=(JUNK,))


def _folder(files: dict[str, bytes]) -> Model:
    entries = [Entry(path, hashlib.sha256(one).hexdigest(), len(one)) for path, one in files.items()]
    return Model("a folder", encode_manifest(entries), folder=True, files=tuple(files.values()))


def _refused(bench: Bench, kinds: Sequence[str], model: Model) -> None:
    talk = bench.talk()
    bench.put(talk, model)
    talk.refused("load", kinds, sha256=model.sha256, **{**FIELDS, "folder": True})
