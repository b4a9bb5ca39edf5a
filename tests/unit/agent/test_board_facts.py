"""What a board tells of itself, as far as its files tell it."""

from __future__ import annotations

import glob
import socket
from typing import TYPE_CHECKING

import pytest

from pytest_edgedevice.agent import conditions
from pytest_edgedevice.agent.board import facts
from pytest_edgedevice.transports.local import local_identity

if TYPE_CHECKING:
    from pathlib import Path


def test_a_board_is_named_as_local_names_itself_there() -> None:
    assert facts.identity() == local_identity()


def only(monkeypatch: pytest.MonkeyPatch, files: dict[str, str]) -> None:
    monkeypatch.setattr(facts, "_text", files.get)
    monkeypatch.setattr(glob, "glob", lambda _: [path for path in files if path.endswith(".pub")])


def test_a_board_without_machine_id_is_known_by_its_host_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    only(monkeypatch, {"/etc/ssh/ssh_host_rsa_key.pub": "ssh-rsa AAAA"})
    first = facts.identity()
    only(monkeypatch, {"/etc/ssh/ssh_host_rsa_key.pub": "ssh-rsa BBBB"})
    assert first.startswith("hostkey-")
    assert facts.identity() != first


def test_a_board_without_either_is_known_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    only(monkeypatch, {})
    monkeypatch.setattr(socket, "gethostname", lambda: "kitchen")
    assert facts.identity() == "local-kitchen"


@pytest.mark.parametrize(
    ("cpuinfo", "told"),
    [("Features\t: fp asimd\n", "fp asimd"), ("flags\t\t: fpu sse\n", "fpu sse"), ("Features:\n", None), ("", None)],
)
def test_the_processors_features_are_told(monkeypatch: pytest.MonkeyPatch, cpuinfo: str, told: str | None) -> None:
    only(monkeypatch, {"/proc/cpuinfo": cpuinfo})
    assert facts.cpu_features() == told


def test_a_board_tells_facts_of_flat_kinds() -> None:
    told = facts.board_facts()
    assert told["facts"]["ssh"] is True
    assert told["facts"]["linux"] is True
    assert all(isinstance(value, str | int | float) for value in told["facts"].values())


def test_a_file_that_is_missing_or_a_folder_tells_nothing(tmp_path: Path) -> None:
    assert facts._text(str(tmp_path / "none")) is None
    assert facts._text(str(tmp_path)) is None


def test_throttling_is_told_by_the_kernel(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "get_throttled").write_text("50005\n")
    monkeypatch.setattr(conditions, "THROTTLED", str(tmp_path / "get_throttled"))
    assert conditions.conditions()["throttled"] == "0x50005"


@pytest.mark.parametrize(
    ("says", "told"),
    [("echo throttled=0x50000", "0x50000"), ("echo error 1", None), ("exec nothing-like-it", None), ("sleep 60", None)],
)
def test_throttling_is_told_by_vcgencmd(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, says: str, told: str | None
) -> None:
    program = tmp_path / "vcgencmd"
    program.write_text(f"#!/bin/sh\n{says}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert conditions.conditions().get("throttled") == told


def test_a_vcgencmd_that_cannot_be_run_tells_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    program = tmp_path / "vcgencmd"
    program.write_bytes(b"\x7fELF no program")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "throttled" not in conditions.conditions()
