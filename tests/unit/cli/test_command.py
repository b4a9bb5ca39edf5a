"""The command itself: misuse, help, exit codes, ends without a traceback, and a light start."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pytest_edgedevice import __version__
from pytest_edgedevice.cli import devices, main
from pytest_edgedevice.cli.commands import COMMANDS

CONSOLE_SCRIPT = [sys.executable, "-c", "import sys; from pytest_edgedevice.cli import main; sys.exit(main())"]


@pytest.mark.parametrize("arguments", [[], ["lst"], ["who"], ["list", "--jason"], ["release"], ["completion", "fish"]])
def test_misuse_exits_with_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert stopped.value.code == 2
    assert "usage: edgedevice" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["--help"], *([command, "--help"] for command in COMMANDS)])
def test_help_names_the_exit_codes_within_80_columns(
    arguments: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert stopped.value.code == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1] == "exit codes: 0 fine, 1 something is wrong or not done, 2 misused"
    assert max(map(len, lines)) < 80


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_speaks_json(command: str) -> None:
    parser = argparse.ArgumentParser()
    COMMANDS[command].add_arguments(parser)
    assert "--json" in parser.format_help()


def test_what_a_command_says_is_one_json_object(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["release", "local", "--json"]) == 0
    said = ["local is free and healthy: there is nothing to release"]
    assert json.loads(capsys.readouterr().out) == {"schema": 1, "done": True, "said": said}


def test_the_version_is_that_of_the_package(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["--version"])
    assert (stopped.value.code, capsys.readouterr().out) == (0, f"pytest-edgedevice {__version__}\n")


def test_an_interrupt_is_no_traceback(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def interrupt(path: Path | None, *, as_json: bool) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(devices, "show_devices", interrupt)
    assert main(["list"]) == 1
    assert capsys.readouterr().err == "edgedevice: interrupted\n"


def test_an_error_of_the_system_is_no_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(path: Path | None, *, as_json: bool) -> None:
        raise FileNotFoundError(2, "No such file or directory", "a\x1b[2J")

    monkeypatch.setattr(devices, "show_devices", fail)
    assert main(["list"]) == 1
    shown = capsys.readouterr().err
    assert shown.startswith("edgedevice: [Errno 2] No such file or directory")
    assert "\x1b" not in shown


def test_windows_is_refused_with_a_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.modules[main.__module__], "_on_windows", lambda: True)
    assert main(["list"]) == 1
    assert "Windows hosts cannot drive devices" in capsys.readouterr().err


def ran(*arguments: str, **changed: str) -> subprocess.CompletedProcess[str]:
    command = [*CONSOLE_SCRIPT, *arguments]
    environment = {**os.environ, **changed}
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env=environment)


def test_a_reader_that_goes_away_is_no_traceback() -> None:
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [*CONSOLE_SCRIPT, "list"], stdout=write, stderr=subprocess.PIPE, text=True, timeout=60, check=False
    )
    os.close(write)
    assert (done.returncode, done.stderr) == (1, "")


def test_a_terminal_without_umlauts_is_no_traceback(tmp_path: Path) -> None:
    (tmp_path / "edgedevice.toml").write_text('[devices.a]\nspec = "local"\nfacts = { place = "Küche" }\n')
    done = ran("list", PYTHONIOENCODING="ascii")
    assert (done.returncode, done.stderr) == (0, "")
    assert "place=K\\xfcche" in done.stdout


def test_a_closed_standard_output_is_no_traceback() -> None:
    done = subprocess.run(
        ["sh", "-c", '"$@" >&-', "sh", *CONSOLE_SCRIPT, "list"], stderr=subprocess.PIPE, timeout=60, check=False
    )
    assert done.stderr == b""


def test_the_console_script_is_installed_and_runs() -> None:
    script = shutil.which("edgedevice", path=str(Path(sys.executable).parent))
    assert script, "pip install -e . puts it beside the interpreter"
    done = subprocess.run([script, "--version"], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"pytest-edgedevice {__version__}\n", "")


@pytest.mark.parametrize("arguments", [["--help"], ["list"], ["doctor"], ["release", "local"]])
def test_no_command_imports_numpy_or_a_runtime(
    arguments: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("ADB_SERVER_SOCKET", f"localfilesystem:{tmp_path}/adb")  # phones need adbutils, which brings PIL
    program = (
        "import sys\nfrom pytest_edgedevice.cli import main\n"
        f"try: main({arguments!r})\nexcept SystemExit: pass\n"
        "heavy = {'numpy', 'PIL', 'ai_edge_litert', 'tflite_runtime', 'pytest', '_pytest'} & set(sys.modules)\n"
        "print(sorted(heavy), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert done.stderr == "[]\n"
