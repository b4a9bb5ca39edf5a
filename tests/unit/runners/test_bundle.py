"""The agent's file: the same in every process, and of use to every Python."""

from __future__ import annotations

import hashlib
import io
import marshal
import os
import subprocess
import sys
import zipfile
from typing import TYPE_CHECKING, Any, NoReturn

import pytest

from pytest_edgedevice.errors import AgentDiedError
from pytest_edgedevice.runners.bundle import agent_bundle, byte_code, packed, sources
from pytest_edgedevice.runners.client import AgentClient
from pytest_edgedevice.transports.local import LocalTransport

if TYPE_CHECKING:
    from collections.abc import Iterator

PACK = """
import hashlib, sys
sys.intern("/"), sys.intern(" ")
from pytest_edgedevice.runners.bundle import packed, sources
print(hashlib.sha256(packed(sources())).hexdigest())
"""
OTHER = b"\xcb\x0dx\n"
"""What marks byte code of no Python that there is."""


@pytest.fixture(scope="module")
def link(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalTransport]:
    with LocalTransport(base=tmp_path_factory.mktemp("device")) as link:
        yield link


def greet(link: LocalTransport, content: bytes) -> None:
    """Start it, and have it tell its hash."""
    path = link.place(content, timeout_s=30)
    client = AgentClient(
        link.start(link.agent_command(path)), where="here", sha256=hashlib.sha256(content).hexdigest(), timeout_s=60
    )
    client.close()


def changed(content: bytes, ending: str, change: Any) -> bytes:
    """The file with what it holds under such names changed."""
    made = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as source, zipfile.ZipFile(made, "w") as target:
        for name in source.namelist():
            inside = source.read(name)
            target.writestr(name, change(inside) if name.endswith(ending) else inside)
    return made.getvalue()


def broken(_text: bytes) -> bytes:
    return b"raise SystemExit('compiled')"


def test_another_process_packs_the_same_bytes() -> None:
    told = subprocess.run(
        [sys.executable, "-OO", "-c", PACK],
        env={**os.environ, "PYTHONHASHSEED": "7"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert told.stdout.strip() == agent_bundle().sha256


def test_it_starts_from_byte_code_and_compiles_nothing(link: LocalTransport) -> None:
    greet(link, changed(agent_bundle().content, ".py", broken))


def test_another_kind_of_python_compiles_the_sources(link: LocalTransport) -> None:
    foreign = changed(agent_bundle().content, ".pyc", lambda code: OTHER + code[4:])
    greet(link, foreign)
    with pytest.raises(AgentDiedError, match="compiled"):
        greet(link, changed(foreign, ".py", broken))


def test_byte_code_is_valid_also_where_python_is_told_to_compare_it(link: LocalTransport) -> None:
    path = link.place(agent_bundle().content, timeout_s=30)
    python, *rest = link.agent_command(path)
    link_to = link.start([python, "--check-hash-based-pycs", "always", "-v", *rest])
    AgentClient(link_to, where="here", sha256=agent_bundle().sha256, timeout_s=60).close()


def test_a_source_whose_code_cannot_be_told_goes_without(link: LocalTransport, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_code: object, _version: int) -> NoReturn:
        raise ValueError("unmarshallable object")

    monkeypatch.setattr(marshal, "dumps", refuse)
    assert byte_code("a.py", "a = 1") == b""
    texts = sources()
    with zipfile.ZipFile(io.BytesIO(packed(texts))) as archive:
        assert archive.namelist() == list(texts)


def test_places_in_tracebacks_name_the_package_and_no_folder_of_this_machine() -> None:
    code = marshal.loads(byte_code("pytest_edgedevice/agent/wire.py", "def f(): 'said'")[16:])
    assert code.co_filename == "pytest_edgedevice/agent/wire.py"


def test_it_holds_nothing_that_only_a_helper_needs() -> None:
    assert not [name for name in sources() if "/board/" in name]
