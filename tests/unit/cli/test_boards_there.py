"""The program that looks at a board, run on this machine: what it finds, and what it does where things are missing."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import pytest

from pytest_edgedevice.agent import sites
from pytest_edgedevice.cli.boards import there, trying
from pytest_edgedevice.cli.boards.there import free_bytes, look
from pytest_edgedevice.cli.boards.trying import probe
from pytest_edgedevice.leases import Holder, acquire
from pytest_edgedevice.transports.local import local_identity

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Engines that are not loaded: it takes seconds."""
    monkeypatch.setattr(there, "probe", lambda engine, folders, *, load: {"version": "1.0" if load else "untried"})


def looked(tmp_path: Path) -> dict[str, object]:
    return look({"sites": [str(tmp_path / "site")], "base": str(tmp_path)})


def test_this_machine_is_found_as_it_is(quick: None, tmp_path: Path) -> None:
    found = looked(tmp_path)
    assert found["executable"] == sys.executable
    assert str(found["glibc"]).startswith("glibc 2.")
    assert found["libstdcxx"]["version"].startswith("3.4.")  # type: ignore[index]
    assert found["locks"] == {"folder": str(tmp_path / "locks"), "fault": "", "hint": ""}
    assert json.loads(json.dumps(found)) == found


def test_engines_are_not_loaded_while_somebody_has_the_board(quick: None, tmp_path: Path) -> None:
    with acquire(local_identity(), holder=Holder(user="ada", pid=3), wait_s=0):
        found = looked(tmp_path)
    assert str(found["holder"]).startswith("ada (pid 3)")
    assert found["engines"] == {key: {"version": "untried"} for key in ("litert", "tflite")}


def test_a_note_of_setup_is_read_and_rubbish_is_none(quick: None, tmp_path: Path) -> None:
    folder = tmp_path / "site" / sites.kind()
    folder.mkdir(parents=True)
    for text, note in (('{"engine": "litert"}', {"engine": "litert"}), ("[]", {}), ("{", {})):
        (folder / "edgedevice-site.json").write_text(text)
        assert there._site(str(tmp_path / "site"))["manifest"] == note


@pytest.mark.parametrize(("says", "word"), [("throttled=0x50005", "0x50005"), ("VCHI failed", "")])
def test_a_raspberry_pi_is_asked_for_heat(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, says: str, word: str
) -> None:
    program = tmp_path / "vcgencmd"
    program.write_text(f"#!/bin/sh\necho {says}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    assert there._throttled() == word


def test_a_firmware_program_that_hangs_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "vcgencmd").write_text("#!/bin/sh\nexec sleep 60\n")
    (tmp_path / "vcgencmd").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.setattr(there, "VCGENCMD_S", 0.1)
    assert there._throttled() == ""


class TestLocks:
    @pytest.fixture(autouse=True)
    def locks(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        folder = tmp_path / "elsewhere" / "locks"
        monkeypatch.setenv("EDGEDEVICE_LOCKS", str(folder))
        return folder

    def test_a_folder_that_will_be_made_is_fine_and_not_made(self, locks: Path) -> None:
        locks.parent.mkdir()
        assert there._locks()["fault"] == ""
        assert not locks.exists()

    def test_a_folder_that_cannot_be_made_is_told_with_the_command(self, locks: Path) -> None:
        found = there._locks()
        assert found["fault"] == "it is not there and cannot be made"
        assert found["hint"] == f"sudo install -d -m 1777 {locks}"

    def test_a_file_in_its_place_is_told(self, locks: Path) -> None:
        locks.parent.mkdir()
        locks.write_text("")
        assert there._locks()["fault"] != ""

    def test_a_disk_that_refuses_is_told(self, locks: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def full(**_: object) -> None:
            raise OSError(28, "No space left on device")

        locks.mkdir(parents=True)
        monkeypatch.setattr("tempfile.TemporaryFile", full)
        assert there._locks()["fault"] == "No space left on device"

    def test_a_lock_that_cannot_be_read_has_no_holder(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("EDGEDEVICE_LOCKS", "relative")
        assert there._holder() == ""
        assert "relative path" in there._locks()["fault"]


def test_room_is_told_where_a_folder_would_be_made(tmp_path: Path) -> None:
    assert (free_bytes(str(tmp_path / "a/b/c")) or 0) > 0


def test_a_library_that_cannot_be_loaded_is_looked_for_or_not_found() -> None:
    assert there._loaded("libnothing.so.99") == ""


def test_a_file_that_is_not_there_or_a_folder_is_not_readable(tmp_path: Path) -> None:
    assert not there._is_readable(str(tmp_path / "nothing"))
    assert not there._is_readable(str(tmp_path))


def engine(folder: Path, code: str) -> list[str]:
    for name, text in {"ai_edge_litert/interpreter.py": code, "numpy/__init__.py": "__version__ = '7'"}.items():
        (folder / name).parent.mkdir(parents=True)
        (folder / name).write_text(text)
    (folder / "ai_edge_litert/__init__.py").write_text("")
    (folder / "ai_edge_litert-9.9.dist-info").mkdir()
    (folder / "ai_edge_litert-9.9.dist-info/METADATA").write_text("Name: ai-edge-litert\nVersion: 9.9\n")
    return [str(folder)]


def test_an_engine_is_tried_with_the_packages_that_were_brought(tmp_path: Path) -> None:
    assert probe("litert", engine(tmp_path / "s", "")) == {"version": "9.9", "numpy": "7", "failure": ""}


def test_an_engine_that_is_not_to_be_loaded_is_only_told(tmp_path: Path) -> None:
    found = probe("litert", engine(tmp_path / "s", "raise SystemExit(9)"), load=False)
    assert found == {"version": "9.9", "numpy": "", "failure": ""}


def test_an_engine_that_is_not_there_is_no_failure() -> None:
    assert probe("tflite", []) == {"version": "", "numpy": "", "failure": ""}


@pytest.mark.parametrize(
    ("code", "failure"),
    [
        ("raise ImportError('no way')", "ImportError: no way"),
        ("raise SystemExit(9)", "importing ai_edge_litert.interpreter ended with 9"),
        ("import os; os.kill(os.getpid(), 4)", "importing ai_edge_litert.interpreter was killed by SIGILL"),
        ("import os; os.kill(os.getpid(), 40)", "importing ai_edge_litert.interpreter was killed by signal 40"),
    ],
)
def test_why_an_engine_does_not_load_is_told(tmp_path: Path, code: str, failure: str) -> None:
    assert probe("litert", engine(tmp_path / "s", code))["failure"] == failure


def test_an_engine_that_hangs_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trying, "PROBE_S", 1.0)
    found = probe("litert", engine(tmp_path / "s", "import time; time.sleep(600)"))
    assert found["failure"] == "importing ai_edge_litert.interpreter did not end in 1 s"


def test_a_32_bit_python_on_a_64_bit_kernel_is_of_its_own_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.machine", lambda: "aarch64")
    assert sites.machine() == "aarch64"
    monkeypatch.setattr("sys.maxsize", 2**31 - 1)
    assert sites.machine() == "armv7l"


def test_only_folders_for_this_python_are_used(tmp_path: Path) -> None:
    (tmp_path / "a" / sites.kind()).mkdir(parents=True)
    (tmp_path / "b" / "cpython-27-vax").mkdir(parents=True)
    assert sites.usable([str(tmp_path / "a"), str(tmp_path / "b"), ""]) == [str(tmp_path / "a" / sites.kind())]
