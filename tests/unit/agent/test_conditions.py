"""What the agent says of the machine that it runs on."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pytest_edgedevice.agent import conditions

if TYPE_CHECKING:
    import pytest


def test_this_machine_runs_its_own_programs() -> None:
    assert not conditions.emulated()
    assert "emulated" not in {**conditions.static_facts(), **conditions.conditions()}


def test_a_program_that_an_emulator_runs_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = {"/proc/self/exe": "/usr/bin/python3", "/proc/thread-self/exe": "/usr/bin/qemu-aarch64-static"}
    monkeypatch.setattr(Path, "readlink", lambda path: Path(seen[str(path)]))
    assert conditions.emulated()
    assert conditions.static_facts()["emulated"] is True
    assert conditions.conditions()["emulated"] is True


def test_where_the_kernel_does_not_tell_nothing_is_claimed(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(path: Path) -> Path:
        raise FileNotFoundError(path)

    monkeypatch.setattr(Path, "readlink", absent)
    assert not conditions.emulated()
