"""Storage and leftovers: looked at, never cleared."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections import namedtuple
from typing import TYPE_CHECKING

from pytest_edgedevice.cli.checks import leftovers, storage
from pytest_edgedevice.inventory import Inventory, load_inventory
from pytest_edgedevice.leases import Holder, acquire
from pytest_edgedevice.transports.local import LocalTransport, local_identity

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import pytest

    from pytest_edgedevice.cli.checks import Finding


def looked_at_storage(about: str, inventory: Inventory | None = None) -> Finding:
    (found,) = [one for one in storage.check_storage(inventory or Inventory()) if one.about == about]
    return found


def test_a_full_disk_is_wrong(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    usage = namedtuple("usage", "total used free")  # noqa: PYI024 - the shape of shutil's own
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(10**9, 10**9 - 10**6, 10**6))
    found = looked_at_storage("temp folder")
    assert (found.status, found.text) == ("wrong", f"{tmp_path / 'temp'} has only 1 MB free")


def test_a_file_in_our_folders_place_is_wrong(tmp_path: Path) -> None:
    (tmp_path / "temp" / f"edgedevice-{os.getuid()}").touch()
    assert looked_at_storage("temp folder").text.endswith("is not a folder of ours")


def test_no_temporary_folder_at_all_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> str:
        raise FileNotFoundError(2, "No usable temporary directory found")

    monkeypatch.setattr("tempfile.gettempdir", refuse)
    found = looked_at_storage("temp folder")
    assert (found.status, found.hint) == ("wrong", "set TMPDIR to a folder that you may write to")


def test_a_folder_that_cannot_be_written_to_is_wrong(device_file: Path) -> None:
    device_file.write_text("[devices.bench]\nspec = 'local'\nfolder = '/proc/none'\n")
    assert "/proc cannot be written to: " in looked_at_storage("bench", load_inventory(device_file.parent)).text


def test_the_folder_of_a_device_is_looked_for_and_not_made(device_file: Path, tmp_path: Path) -> None:
    device_file.write_text(f"[devices.bench]\nspec = 'local'\nfolder = '{tmp_path}/base'\n")
    assert looked_at_storage("bench", load_inventory(tmp_path)).text.startswith(f"{tmp_path}/base can be made")
    assert not (tmp_path / "base").exists()


def test_a_host_without_leftovers_says_so() -> None:
    with LocalTransport():
        (found,) = leftovers.check_leftovers(Inventory())
    assert found.text == "no session crashed and left something here"


def test_what_a_crashed_session_left_is_told_and_stays(tmp_path: Path) -> None:
    root = tmp_path / "temp" / f"edgedevice-{os.getuid()}"
    dead = root / "edgedevice-session-dead"
    dead.mkdir(parents=True, mode=0o700)
    (dead / "owner.lock").touch()
    (dead / "model").write_bytes(bytes(3_000_000))
    agent = subprocess.Popen([sys.executable, "-c", "input()", "--folder", str(dead)], stdin=subprocess.PIPE)
    try:
        (found,) = leftovers.check_leftovers(Inventory())
    finally:
        agent.kill()
        agent.communicate()
    assert found.status == "ok"
    assert found.text.startswith(f"a crashed session left 3.0 MB in {root}")
    assert found.hint.endswith(f"rm -r {dead}")
    assert (dead / "model").exists()


def test_a_device_that_was_not_handed_back_is_told(held: Callable[..., subprocess.Popen[str]]) -> None:
    child = held("test_crashing")
    child.kill()
    child.wait()
    (found,) = leftovers.check_leftovers(Inventory())
    assert f"(pid {child.pid} " in found.text
    assert "test test_crashing" in found.text
    assert found.text.endswith("test test_crashing; the next session cleans its device first")


def test_a_device_that_is_held_or_was_handed_back_is_no_leftover() -> None:
    with acquire(local_identity(), holder=Holder(user="ada"), wait_s=0):
        assert [one.text for one in leftovers.check_leftovers(Inventory())] == [
            "no session crashed and left something here"
        ]
