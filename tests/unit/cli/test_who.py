"""``edgedevice who NAME``: the same about one device."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from pytest_edgedevice.cli import main
from pytest_edgedevice.inventory.known import remember
from pytest_edgedevice.leases import Holder, acquire, note_fault
from pytest_edgedevice.transports.local import local_identity

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("name", ["local", "bench"])
def test_who_names_the_holder(name: str, device_file: Path, ada: Holder, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["who", name]) == 0
    assert capsys.readouterr().out == f"{name} is held by ada (pid 12 on lab1), test test_x, for 0 s\n"


def test_who_says_that_a_device_is_free(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["who", "local"]) == 0
    assert capsys.readouterr().out == "local is free\n"


def test_who_says_what_is_wrong_besides(ada: Holder, capsys: pytest.CaptureFixture[str]) -> None:
    for _ in range(2):
        note_fault(local_identity(), name="local", reason="the link broke")
    main(["who", "local"])
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith("local is quarantined for ")
    assert second.startswith("local is held by ada")


def test_who_as_json_has_the_device_as_the_list_has_it(
    device_file: Path, ada: Holder, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["who", "bench", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    main(["list", "--json"])
    devices = {device["name"]: device for device in json.loads(capsys.readouterr().out)["devices"]}
    assert told["schema"] == 1
    assert {**told["device"], "state": ""} == {**devices["bench"], "state": ""}


def test_who_knows_the_nearest_name(device_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["who", "bensh"]) == 1
    shown = capsys.readouterr()
    assert shown.err == (
        "edgedevice: there is no device 'bensh'\n  hint: devices, closest first: bench, kitchen, phone, local\n"
    )
    assert shown.out == ""


def test_the_device_file_can_be_named(device_file: Path, tmp_path: Path) -> None:
    device_file.rename(tmp_path / "lab.toml")
    assert main(["who", "bench", "--config", "lab.toml"]) == 0
    assert main(["who", "bench"]) == 1


def test_a_board_that_was_never_reached_is_to_be_asked(device_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["who", "kitchen"]) == 1
    assert capsys.readouterr().err.endswith("hint: ask it: edgedevice doctor kitchen\n")


def test_the_holder_of_a_board_that_was_reached_is_told_by_name_and_by_address(
    device_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    remember("ssh:pi@kitchen", "board-7")
    with acquire("board-7", holder=Holder(user="ada", pid=12, host="lab1"), wait_s=0):
        assert main(["who", "kitchen"]) == 0
        assert main(["who", "ssh:pi@kitchen"]) == 0
    assert capsys.readouterr().out.count("is held by ada (pid 12 on lab1)") == 2


def test_an_address_that_is_none_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["who", "ssh:-oProxyCommand=x"]) == 1
    assert "starts with a dash" in capsys.readouterr().err
