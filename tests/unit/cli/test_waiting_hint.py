"""Whoever waits in vain is told of the option of the very program that was run."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

from pytest_edgedevice.cli import conformance
from pytest_edgedevice.cli.main import main
from pytest_edgedevice.errors import DeviceBusyError

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_init_names_its_own(
    ada: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["init", "--wait", "0"]) == 1
    assert "hint: wait longer with --wait SECONDS, or see" in capsys.readouterr().err


def test_conformance_names_its_own(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def busy(*_: object, **__: object) -> NoReturn:
        raise DeviceBusyError("held by ada", hint="wait longer with wait_s=SECONDS")

    monkeypatch.setattr(conformance, "app_held", busy)
    assert main(["conformance", "ios:1234:5"]) == 2
    assert "hint: wait longer with --wait SECONDS" in capsys.readouterr().err
