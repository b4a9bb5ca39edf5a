"""``edgedevice doctor BOARD``: the real helper behind a program that is called ssh, and boards that are not well."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from pytest_edgedevice.cli import main
from pytest_edgedevice.cli.boards import examining
from pytest_edgedevice.errors import TransportError

if TYPE_CHECKING:
    from pathlib import Path


def findings(capsys: pytest.CaptureFixture[str]) -> dict[str, dict[str, Any]]:
    return {one["about"]: one for one in json.loads(capsys.readouterr().out)["findings"]}


def test_a_board_is_looked_at_by_its_address(board: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["doctor", "ssh:there", "--json"])
    found = findings(capsys)
    assert found["connection"]["text"].startswith("ssh:there answers by ssh and is local-")
    assert {"python", "board", "libc", "libstdc++", "litert", "disk", "xnnpack", "locks"} <= found.keys()


def test_a_board_that_cannot_be_reached_is_told_in_sshs_words(
    board: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "programs/ssh").write_text("#!/bin/sh\necho 'Host key verification failed.' >&2\nexit 255\n")
    assert main(["doctor", "ssh:there", "--json"]) == 1
    found = findings(capsys)
    assert list(found) == ["connection"]
    assert found["connection"]["text"] == "cannot connect to there; ssh: Host key verification failed."
    assert "accept it once by hand: ssh there" in found["connection"]["hint"]


def test_a_board_without_python_is_looked_at_by_its_shell(
    board: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "edgedevice.toml").write_text('[devices.kitchen]\nspec = "ssh:there"\npython = "python3.99"\n')
    assert main(["doctor", "kitchen", "--json"]) == 1
    found = findings(capsys)
    assert (found["connection"]["status"], found["python"]["status"]) == ("ok", "wrong")
    assert "has no 'python3.99'" in found["python"]["text"]
    assert "native agent" in found["python"]["hint"]
    assert found["libc"]["text"].startswith("glibc 2.")


def test_a_board_that_goes_away_meanwhile_is_a_finding(
    board: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def gone(*_: object, **__: object) -> None:
        raise TransportError("the link broke\n  in the middle", hint="try again")

    monkeypatch.setattr(examining, "look_at", gone)
    assert main(["doctor", "ssh:there"]) == 1
    assert "the link broke; in the middle\n" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["local", "bench"])
def test_what_is_no_board_is_refused(device_file: Path, capsys: pytest.CaptureFixture[str], name: str) -> None:
    assert main(["doctor", name]) == 1
    assert f"'{name}' is no board that is reached over SSH" in capsys.readouterr().err


def test_a_bare_kind_is_answered_with_the_boards_that_there_are(
    device_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["doctor", "ssh"]) == 1
    assert "hint: write ssh:[user@]host[:port], or a name: kitchen" in capsys.readouterr().err


def test_a_bare_kind_without_boards_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "ssh"]) == 1
    assert capsys.readouterr().err.endswith("hint: write ssh:[user@]host[:port], or a name\n")
