"""Wheels for a board by the real pip: chosen for the board and not for this host, from an index of this test's own."""

from __future__ import annotations

import hashlib
import socket
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest

from pytest_edgedevice.cli.boards import downloading
from pytest_edgedevice.cli.boards.downloading import Source, fetch, resolve
from pytest_edgedevice.cli.boards.looks import Look
from pytest_edgedevice.cli.checks.programs import Ended
from pytest_edgedevice.errors import InfraError, UsageError
from tests.unit.cli.made import wheel

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

BOARD = Look(python="3.11.2", machine="aarch64", libc="glibc 2.36")
OLD = Look(python="3.9.2", machine="aarch64", libc="glibc 2.31")


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        pass


class Index:
    """A package index: pages of links with hashes."""

    def __init__(self, root: Path) -> None:
        self.root = root
        root.mkdir()
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(root)))
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def publish(self, project: str, *paths: Path, sha256: str | None = None) -> None:
        page = self.root / "simple" / project
        page.mkdir(parents=True, exist_ok=True)
        links = []
        for path in paths:
            path.rename(self.root / path.name)
            digest = hashlib.sha256((self.root / path.name).read_bytes()).hexdigest() if sha256 is None else sha256
            mark = f"#sha256={digest}" if digest else ""
            links.append(f'<a href="{self.url}/{path.name}{mark}">{path.name}</a>')
        (page / "index.html").write_text("\n".join(links))


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Index]:
    made = Index(tmp_path / "index")
    for name in ("PIP_FIND_LINKS", "PIP_EXTRA_INDEX_URL", "PIP_NO_INDEX"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_INDEX_URL", f"{made.url}/simple")
    monkeypatch.setenv("PIP_CACHE_DIR", str(tmp_path / "pip"))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    yield made
    made.server.shutdown()
    made.server.server_close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "wheels").mkdir()
    return tmp_path / "wheels"


def numpy(folder: Path, version: str = "1.26.4") -> Path:
    return wheel(folder, "numpy", version)


def test_wheels_are_chosen_for_the_board_and_come_with_the_indexs_hash(
    index: Index, folder: Path, tmp_path: Path
) -> None:
    tags = (
        "cp311-cp311-manylinux_2_27_aarch64",
        "cp311-cp311-manylinux_2_27_x86_64",
        "cp312-cp312-manylinux_2_27_aarch64",
    )
    index.publish("ai-edge-litert", *(wheel(tmp_path / tag, "ai_edge_litert", "2.3.0", tag=tag) for tag in tags))
    index.publish("numpy", numpy(tmp_path / "n"))
    sources = resolve("litert", BOARD, wheels=None, folder=folder)
    assert [one.name for one in sources] == [f"ai_edge_litert-2.3.0-{tags[0]}.whl", "numpy-1.26.4-py3-none-any.whl"]
    assert all(len(one.sha256) == 64 for one in sources)
    paths = fetch(sources, "litert", BOARD, folder=folder)
    assert [hashlib.sha256(path.read_bytes()).hexdigest() for path in paths] == [one.sha256 for one in sources]


def test_a_wheel_that_needs_less_than_its_name_says_is_found_for_an_old_board(
    index: Index, folder: Path, tmp_path: Path
) -> None:
    claim = "cp39-cp39-manylinux_2_34_aarch64"
    index.publish("tflite-runtime", wheel(tmp_path / "t", "tflite_runtime", "2.14.0", tag=claim))
    index.publish("numpy", numpy(tmp_path / "n"), numpy(tmp_path / "n", "2.0.0"))
    names = [one.name for one in resolve("tflite", OLD, wheels=None, folder=folder)]
    assert names == [f"tflite_runtime-2.14.0-{claim}.whl", "numpy-1.26.4-py3-none-any.whl"]


def test_a_file_that_is_not_what_the_index_says_is_refused(index: Index, folder: Path, tmp_path: Path) -> None:
    index.publish("ai-edge-litert", wheel(tmp_path / "l", "ai_edge_litert", "2.3.0"), sha256="0" * 64)
    index.publish("numpy", numpy(tmp_path / "n"))
    with pytest.raises(InfraError, match=r"(?i)hash"):
        fetch(resolve("litert", BOARD, wheels=None, folder=folder), "litert", BOARD, folder=folder)
    assert not list(folder.glob("ai_edge_litert*"))


def test_an_index_without_hashes_is_not_believed(folder: Path) -> None:
    source = Source("a-1-py3-none-any.whl", "https://example.invalid/a-1-py3-none-any.whl", "")
    with pytest.raises(InfraError, match="tells no sha256 of a-1-py3-none-any"):
        fetch([source], "litert", BOARD, folder=folder)


def test_a_local_file_of_another_hash_is_refused(folder: Path) -> None:
    path = numpy(folder)
    with pytest.raises(InfraError, match="is not what the index says"):
        fetch([Source(path.name, path.as_uri(), "0" * 64)], "litert", BOARD, folder=folder)


def test_a_file_that_pip_did_not_leave_is_named(folder: Path) -> None:
    with pytest.raises(InfraError, match=r"pip did not leave a\.whl"):
        fetch([Source("a.whl", "file:///nowhere/a.whl", "")], "litert", BOARD, folder=folder)


def test_a_folder_of_wheels_needs_no_network(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    mine = tmp_path / "my wheels"
    wheel(mine, "ai_edge_litert", "2.3.0", requires=("numpy",))
    numpy(mine)
    sources = resolve("litert", BOARD, wheels=mine, folder=folder)
    assert fetch(sources, "litert", BOARD, folder=folder) == [mine / one.name for one in sources]


def test_a_folder_that_lacks_a_wheel_says_what_to_put_there(folder: Path, tmp_path: Path) -> None:
    wheel(tmp_path / "mine", "ai_edge_litert", "2.3.0", tag="cp312-cp312-manylinux_2_27_aarch64")
    with pytest.raises(
        InfraError, match=r"mine has no wheels of litert for Python 3.11.2, aarch64, glibc 2.36"
    ) as caught:
        resolve("litert", BOARD, wheels=tmp_path / "mine", folder=folder)
    assert "put ai-edge-litert and numpy" in caught.value.hint


def test_a_folder_that_is_none_is_named(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="nowhere is no folder"):
        resolve("litert", BOARD, wheels=tmp_path / "nowhere", folder=folder)


def test_an_index_without_a_fitting_wheel_names_the_board_and_the_other_engine(
    index: Index, folder: Path, tmp_path: Path
) -> None:
    index.publish("ai-edge-litert", wheel(tmp_path / "l", "ai_edge_litert", "2.3.0", tag="cp312-cp312-win_amd64"))
    with pytest.raises(InfraError, match=r"no wheels of litert for Python 3.11.2, aarch64, glibc 2.36") as caught:
        resolve("litert", BOARD, wheels=None, folder=folder)
    assert caught.value.hint == "try --engine tflite, or another Python on the board"


def test_a_host_without_a_network_is_told_the_other_way(
    index: Index, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    monkeypatch.setenv("PIP_INDEX_URL", f"http://127.0.0.1:{port}/simple")
    with pytest.raises(InfraError, match="pip reaches no index from this host") as caught:
        resolve("litert", BOARD, wheels=None, folder=folder)
    assert caught.value.hint.endswith("--wheels FOLDER")


def test_a_host_without_pip_is_told_how_to_get_it(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(downloading, "find_spec", lambda _: None)
    with pytest.raises(InfraError, match="has no pip") as caught:
        resolve("litert", BOARD, wheels=None, folder=folder)
    assert caught.value.hint.endswith("-m ensurepip")


def test_whatever_else_pip_says_is_quoted_printably(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said = Ended("ended with 2", "", "WARNING: x\nERROR: no \x1b[31mway\n")
    monkeypatch.setattr(downloading, "ended", lambda *_, **__: said)
    with pytest.raises(InfraError, match=r"pip ended with 2: no \?\[31mway"):
        resolve("litert", BOARD, wheels=None, folder=folder)


@pytest.mark.parametrize(
    "report", ["", "[]", "{}", '{"install": [{}]}', '{"install": [{"download_info": {"url": "x.zip"}}]}']
)
def test_a_report_that_is_none_is_an_error(folder: Path, monkeypatch: pytest.MonkeyPatch, report: str) -> None:
    (folder / "report.json").write_text(report)
    monkeypatch.setattr(downloading, "ended", lambda *_, **__: Ended(""))
    with pytest.raises(InfraError, match="report cannot be read"):
        resolve("litert", BOARD, wheels=None, folder=folder)
