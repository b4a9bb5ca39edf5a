"""Files in the making: those of a process that was killed go with the next one, those of a live one stay."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from pytest_edgedevice.replay import parts
from pytest_edgedevice.replay.parts import Part


def left(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_what_a_killed_writer_left_is_removed_by_the_next(tmp_path: Path) -> None:
    code = "import sys; from pathlib import Path; from pytest_edgedevice.replay.parts import Part\n"
    code += "part = Part(Path(sys.argv[1])); print(part.path.name, flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as writer:
        assert writer.stdout is not None
        theirs = writer.stdout.readline().strip()
        with contextlib.closing(Part(tmp_path)) as ours:
            assert left(tmp_path) == sorted([theirs, ours.path.name])  # both live
            ours.path.unlink()
        writer.send_signal(signal.SIGKILL)
    with contextlib.closing(Part(tmp_path)) as ours:
        assert left(tmp_path) == [ours.path.name]


@pytest.mark.parametrize("name", [f"{parts.PREFIX}x.npz", ".edgedevice-x.part", f"{parts.PREFIX}folder.part"])
def test_nothing_else_is_removed(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir() if "folder" in name else (tmp_path / name).touch()
    with contextlib.closing(Part(tmp_path)) as part:
        assert left(tmp_path) == sorted([name, part.path.name])


def test_a_file_that_was_swept_before_it_was_locked_is_made_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    swept: list[Path] = []
    exists = Path.exists

    def first_gone(path: Path) -> bool:
        if not swept:
            swept.append(path)
            path.unlink()
        return exists(path)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "exists", first_gone)
        part = Part(tmp_path)
    with contextlib.closing(part):
        assert left(tmp_path) == [part.path.name]
        assert part.path != swept[0]


def test_without_such_locks_nothing_is_swept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "LOCKS", False)
    dead = tmp_path / f"{parts.PREFIX}dead.part"
    dead.touch()
    with contextlib.closing(Part(tmp_path)) as part:
        assert left(tmp_path) == sorted([dead.name, part.path.name])
