"""``edgedevice doctor``: what it prints and how it exits; the subjects are in files of their own."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import pytest

from pytest_edgedevice.cli import doctor, main
from pytest_edgedevice.cli.checks import CHECKS, engines, host
from pytest_edgedevice.errors import InfraError
from pytest_edgedevice.leases import note_fault

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from pytest_edgedevice.cli.checks import Finding
    from pytest_edgedevice.inventory import Inventory
    from tests.unit.cli.conftest import Terminal


@pytest.fixture
def healthy(monkeypatch: pytest.MonkeyPatch) -> None:
    """An engine that loads, without starting a process for it."""
    monkeypatch.setattr(engines, "installed", lambda: {"litert": "2.3.0"})
    monkeypatch.setattr(engines, "probe", lambda python, module: ("", "numpy 2.0"))
    monkeypatch.setattr(host, "XNNPACK_READS", ("/proc/cpuinfo",))


def test_a_host_in_order_exits_with_0(healthy: None, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor"]) == 0
    assert capsys.readouterr().out.endswith("\nnothing is wrong\n")


def test_what_is_optional_and_missing_is_no_error(healthy: None, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor"]) == 0
    shown = capsys.readouterr().out
    assert "missing  tflite" in shown
    assert "remedy: " in shown


def test_one_fault_exits_with_1_and_shows_its_remedy(
    healthy: None, device_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    device_file.write_text("nonsense")
    assert main(["doctor"]) == 1
    shown = capsys.readouterr().out
    assert f"wrong    device file  {device_file} is no valid TOML" in shown
    assert "remedy: mend the line and run again" in shown
    assert shown.endswith("\n1 thing is wrong\n")


def test_the_findings_as_json(healthy: None, device_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    device_file.write_text("nonsense")
    assert main(["doctor", "--json"]) == 1
    content = json.loads(capsys.readouterr().out)
    assert (content["schema"], content["wrong"]) == (1, 1)
    assert [one["about"] for one in content["findings"] if one["status"] == "wrong"] == ["device file"]
    assert {one["status"] for one in content["findings"]} == {"ok", "missing", "wrong"}


def test_several_faults_are_counted(
    healthy: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(host, "XNNPACK_READS", ("/absent",))
    monkeypatch.setattr(engines, "installed", dict)
    assert main(["doctor"]) == 1
    assert capsys.readouterr().out.endswith("\n2 things are wrong\n")


@pytest.mark.parametrize(
    ("error", "text", "hint"),
    [(InfraError("the world broke", hint="mend it"), "the world broke", "mend it"), (OSError("no"), "no", "")],
)
def test_a_check_that_fails_is_a_finding_and_the_others_go_on(
    error: Exception, text: str, hint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def check_oddly(_: Inventory) -> Iterator[Finding]:
        yield from broken()

    def broken() -> Iterator[Finding]:
        raise error

    monkeypatch.setattr(doctor, "CHECKS", (check_oddly, host.check_python))
    _, odd, last = doctor.examine(None)
    assert (odd.about, odd.status, odd.hint) == ("oddly", "wrong", hint)
    assert text in odd.text
    assert last.about == "python"


def test_every_subject_that_is_promised_is_looked_at(healthy: None) -> None:
    subjects = {one.about for one in doctor.examine(None)}
    promised = {"pytest", "litert", "coreml", "xnnpack", "locks", "adb", "ios", "onnx", "report", "ssh", "usbmux"}
    assert subjects >= promised | {"leftovers", "quarantine", "adb server", "temp folder"}
    assert len(CHECKS) == len(set(CHECKS))


def test_a_terminal_gets_lines_of_its_width(terminal: Callable[..., Terminal], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    shown = terminal("doctor")
    assert shown.end() in {0, 1}
    # a path may be longer than the line, and is left whole to be copied
    wide = [line for line in shown.shown.splitlines() if len(line) > 80 and max(map(len, line.split())) < 40]
    assert wide == []
    assert "\r\n                      " in shown.shown


def test_doctor_leaves_nothing_behind(healthy: None, tmp_path: Path) -> None:
    before = sorted(tmp_path.rglob("*"))
    list(doctor.examine(None))
    assert sorted(tmp_path.rglob("*")) == before


def test_the_engine_of_this_environment_really_loads(capsys: pytest.CaptureFixture[str]) -> None:
    found = [one for one in doctor.examine(None) if one.about == "litert"]
    assert [one.status for one in found] == ["ok"]
    assert "numpy" not in sys.modules or "loads in a process of its own" in found[0].text


def test_a_quarantine_of_a_device_that_no_file_names_is_told(healthy: None, capsys: pytest.CaptureFixture[str]) -> None:
    for _ in range(2):
        note_fault("serial-7", name="a; b", reason="the link broke")
    assert main(["doctor"]) == 1
    shown = capsys.readouterr().out
    assert "wrong    quarantine   a; b is quarantined for " in shown
    assert "remedy: mend it, then: edgedevice release 'a; b'\n" in shown
