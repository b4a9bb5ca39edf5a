"""``edgedevice list``: every device, its facts, and how it is used."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from pytest_edgedevice import __version__
from pytest_edgedevice.cli import main, state
from pytest_edgedevice.errors import LeaseError
from pytest_edgedevice.inventory.known import remember
from pytest_edgedevice.leases import Holder, acquire, note_fault, waiters
from pytest_edgedevice.transports.local import local_identity

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable
    from pathlib import Path

    import pytest

    from tests.unit.cli.conftest import Terminal


def listed_as_json(capsys: pytest.CaptureFixture[str]) -> Any:
    assert main(["list", "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def quarantine(reason: str = "the link broke") -> None:
    for _ in range(2):
        note_fault(local_identity(), name="local", reason=reason)


def test_this_machine_is_listed_without_a_device_file(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list"]) == 0
    shown = capsys.readouterr()
    assert shown.out.startswith("local  local  free\n")
    assert "no edgedevice.toml in this folder or above it" in shown.out
    assert shown.err == ""


def test_devices_of_the_file_are_listed_with_their_facts(device_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list"]) == 0
    shown = capsys.readouterr().out
    assert "bench    local           free\n" in shown
    assert "camera" in shown
    assert "price_eur=60" in shown
    assert f"device file: {device_file}" in shown


def test_a_phone_that_nobody_lists_is_not_asked(device_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["list"])
    assert "phone    adb:R5CT        not asked\n" in capsys.readouterr().out


def test_a_board_is_not_asked(device_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["list"])
    assert "kitchen  ssh:pi@kitchen  not asked\n" in capsys.readouterr().out


def test_a_board_that_was_reached_shows_who_holds_it_here(
    device_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    remember("ssh:pi@kitchen", "board-7")
    with acquire("board-7", holder=Holder(user="ada", pid=12, host="lab1"), wait_s=0):
        main(["list"])
    assert "kitchen  ssh:pi@kitchen  held by ada (pid 12 on lab1)" in capsys.readouterr().out


def test_facts_cannot_steer_the_terminal(device_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["list"])
    shown = capsys.readouterr().out
    assert "\x1b" not in shown
    assert "note=a?[31mb" in shown


def test_the_holder_is_listed_at_every_name_of_the_machine(
    device_file: Path, ada: Holder, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["list"])
    assert capsys.readouterr().out.count("held by ada (pid 12 on lab1), test test_x") == 2


def test_all_who_share_a_device_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    with (
        acquire(local_identity(), holder=Holder(user="ada", pid=12), wait_s=0, shared=True),
        acquire(local_identity(), holder=Holder(user="bob", pid=13), wait_s=0, shared=True),
    ):
        main(["list"])
        shown = capsys.readouterr().out
        both = listed_as_json(capsys)["devices"][0]["holders"]
    assert "shared by ada (pid 12)" in shown
    assert "shared by bob (pid 13)" in shown
    assert {one["user"] for one in both} == {"ada", "bob"}


def test_quarantine_and_holder_are_both_listed(ada: Holder, capsys: pytest.CaptureFixture[str]) -> None:
    quarantine()
    main(["list"])
    first, second = capsys.readouterr().out.splitlines()[:2]
    assert first.startswith("local  local  quarantined for ")
    assert first.endswith("more after 2 errors in a row, the last 0 s ago: the link broke")
    assert second.strip().startswith("held by ada (pid 12 on lab1)")


def test_a_device_on_probation_is_free_and_says_why(capsys: pytest.CaptureFixture[str]) -> None:
    note_fault(local_identity(), name="local", reason="")
    main(["list"])
    assert "free, on probation after 1 error 0 s ago: it gave no reason\n" in capsys.readouterr().out


def test_a_reason_cannot_steer_the_terminal(locks: Path, capsys: pytest.CaptureFixture[str]) -> None:
    quarantine()
    (sick,) = locks.glob("*.sick")
    content = json.loads(sick.read_text())
    sick.write_text(json.dumps({**content, "reason": "a\x1b[2Jb\u202ec"}))
    main(["list"])
    shown = capsys.readouterr().out
    assert "quarantined" in shown
    assert "\x1b" not in shown
    assert "\u202e" not in shown


def test_waiters_are_counted(
    ada: Holder, held: Callable[..., subprocess.Popen[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    for _ in range(2):
        held(wait=False)
    while waiters(local_identity()) < 2:
        pass
    main(["list"])
    assert "waited for by 2 processes\n" in capsys.readouterr().out
    assert listed_as_json(capsys)["devices"][0]["waiting"] == 2


def test_the_list_as_json_has_everything(device_file: Path, ada: Holder, capsys: pytest.CaptureFixture[str]) -> None:
    quarantine()
    content = listed_as_json(capsys)
    assert (content["schema"], content["version"], content["file"]) == (1, __version__, str(device_file))
    local, bench, kitchen, phone = content["devices"]
    assert (local["openable"], local["holder"]["user"], local["waiting"]) == (True, "ada", 0)
    assert local["holders"] == [local["holder"]]
    sick = local["quarantine"]
    assert (sick["active"], sick["reason"], sick["count"]) == (True, "the link broke", 2)
    assert sick["until"] == sick["since"] + 60
    assert (bench["spec"], bench["facts"]["price_eur"], bench["facts"]["name"]) == ("local", 60, "bench")
    assert (kitchen["openable"], kitchen["state"], kitchen["facts"]["ssh"]) == (True, "not asked", True)
    assert (phone["openable"], phone["holder"], phone["facts"]["adb"]) == (True, None, True)


def test_a_free_device_as_json_has_no_holder_and_no_quarantine(capsys: pytest.CaptureFixture[str]) -> None:
    content = listed_as_json(capsys)
    (local,) = content["devices"]
    assert content["file"] is None
    assert (local["state"], local["holder"], local["holders"], local["quarantine"]) == ("free", None, [], None)


def test_a_terminal_gets_lines_of_its_width(terminal: Callable[..., Terminal], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    quarantine("word " * 60)
    shown = terminal("list")
    assert shown.end() == 0, shown.shown
    assert max(len(line) for line in shown.shown.splitlines()) <= 80


def test_a_broken_device_file_is_one_sentence(device_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    device_file.write_text("[devices.bench]\nspek = 'local'\n")
    assert main(["list"]) == 1
    shown = capsys.readouterr().err
    assert shown.startswith(f"edgedevice: {device_file}: [devices.bench] unknown key 'spek'\n  hint: ")


def test_a_lock_that_cannot_be_read_is_told_with_its_remedy(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(key: str) -> None:
        raise LeaseError("the lock x cannot be used: Permission denied", hint="run: sudo chmod 0666 x")

    monkeypatch.setattr(state, "holders", refuse)
    assert main(["list"]) == 1
    assert capsys.readouterr().err.endswith("  hint: run: sudo chmod 0666 x\n")


def test_a_device_that_no_file_names_is_listed_while_it_is_held(capsys: pytest.CaptureFixture[str]) -> None:
    with acquire("serial-7", holder=Holder(user="ada", pid=12, host="lab1"), wait_s=0):
        main(["list"])
    shown = capsys.readouterr().out
    assert "serial-7  serial-7  held by ada (pid 12 on lab1)" in shown
    assert "          in no device file here: contributed by" in shown
    main(["list"])
    assert "serial-7" not in capsys.readouterr().out


def test_a_device_that_no_file_names_is_listed_while_it_is_set_aside(capsys: pytest.CaptureFixture[str]) -> None:
    for _ in range(2):
        note_fault("serial-7", name="cable", reason="the link broke")
    main(["list"])
    assert "cable  cable  quarantined for " in capsys.readouterr().out


def test_another_device_that_is_called_the_same_is_listed_by_its_key(capsys: pytest.CaptureFixture[str]) -> None:
    for _ in range(2):
        note_fault("serial-7", name="local", reason="the link broke")
    assert [device["name"] for device in listed_as_json(capsys)["devices"]] == ["local", "serial-7"]
