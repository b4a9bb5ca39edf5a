"""The command line, in process; that it starts, and starts light, in a process of its own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections import namedtuple
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_edgedevice import __version__
from pytest_edgedevice.cli import devices, doctor, main
from pytest_edgedevice.errors import LeaseError
from pytest_edgedevice.leases import Holder, acquire
from pytest_edgedevice.transports.local import local_identity

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

DEVICE_FILE = """
[devices.bench]
spec = "local"
tags = ["camera"]
facts = { price_eur = 60, note = "a\\u001b[31mb" }

[devices.kitchen]
spec = "ssh:pi@kitchen"
"""
CONSOLE_SCRIPT = [sys.executable, "-c", "import sys; from pytest_edgedevice.cli import main; sys.exit(main())"]


@pytest.fixture(autouse=True)
def lonely(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A folder, a lock folder and a temporary folder of our own, and no variables from outside."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "locks").mkdir()
    (tmp_path / "temp").mkdir()
    monkeypatch.setenv("EDGEDEVICE_LOCKS", str(tmp_path / "locks"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temp"))
    for name in ("EDGEDEVICE_CONFIG", "PYTEST_DISABLE_PLUGIN_AUTOLOAD"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def device_file(tmp_path: Path) -> Path:
    path = tmp_path / "edgedevice.toml"
    path.write_text(DEVICE_FILE)
    return path


@pytest.fixture
def ada() -> Iterator[Holder]:
    """Somebody holds this machine."""
    with acquire(local_identity(), holder=Holder(user="ada", pid=12, host="lab1", test="test_x"), wait_s=0) as lease:
        yield lease.holder


def finding(found: Sequence[doctor.Finding], about: str) -> doctor.Finding:
    (one,) = [one for one in found if one.about == about]
    return one


# list and who


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


def test_a_kind_that_cannot_be_driven_says_so(device_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["list"])
    assert f"kitchen  ssh:pi@kitchen  not usable: version {__version__}" in capsys.readouterr().out


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


def test_the_list_as_json_has_everything(device_file: Path, ada: Holder, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "--json"]) == 0
    content = json.loads(capsys.readouterr().out)
    assert (content["schema"], content["version"], content["file"]) == (1, __version__, str(device_file))
    local, bench, kitchen = content["devices"]
    assert (local["openable"], local["holder"]["user"]) == (True, "ada")
    assert (bench["spec"], bench["facts"]["price_eur"], bench["facts"]["name"]) == ("local", 60, "bench")
    assert (kitchen["openable"], kitchen["holder"], kitchen["facts"]["ssh"]) == (False, None, True)


def test_the_list_as_json_without_a_file_says_null(capsys: pytest.CaptureFixture[str]) -> None:
    main(["list", "--json"])
    assert json.loads(capsys.readouterr().out)["file"] is None


@pytest.mark.parametrize("name", ["local", "bench"])
def test_who_names_the_holder(name: str, device_file: Path, ada: Holder, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["who", name]) == 0
    assert capsys.readouterr().out.startswith(f"{name} is held by ada")


def test_who_says_that_a_device_is_free(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["who", "local"]) == 0
    assert capsys.readouterr().out == "local is free\n"


def test_who_knows_the_nearest_name(device_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["who", "bensh"]) == 1
    shown = capsys.readouterr()
    assert shown.err == (
        "edgedevice: there is no device 'bensh'\n  hint: devices, closest first: bench, kitchen, local\n"
    )
    assert shown.out == ""


def test_who_cannot_tell_of_a_kind_that_cannot_be_driven(device_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["who", "kitchen"]) == 1
    assert "'kitchen' is not usable: version" in capsys.readouterr().err


def test_a_broken_device_file_is_one_sentence(device_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    device_file.write_text("[devices.bench]\nspek = 'local'\n")
    assert main(["list"]) == 1
    shown = capsys.readouterr().err
    assert shown.startswith(f"edgedevice: {device_file}: [devices.bench] unknown key 'spek'\n  hint: ")


def test_the_device_file_can_be_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "lab.toml").write_text(DEVICE_FILE)
    assert main(["who", "bench", "--config", "lab.toml"]) == 0
    assert main(["who", "bench"]) == 1


def test_a_lock_that_cannot_be_read_is_told_with_its_remedy(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(key: str) -> None:
        raise LeaseError("the lock x cannot be used: Permission denied", hint="run: sudo chmod 0666 x")

    monkeypatch.setattr(devices, "who", refuse)
    assert main(["list"]) == 1
    assert capsys.readouterr().err.endswith("  hint: run: sudo chmod 0666 x\n")


# the command itself


@pytest.mark.parametrize("arguments", [[], ["lst"], ["who"], ["list", "--jason"], ["who", "local", "--json"]])
def test_misuse_exits_with_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert stopped.value.code == 2
    assert "usage: edgedevice" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["--help"], ["list", "--help"], ["doctor", "--help"], ["who", "--help"]])
def test_help_names_the_exit_codes(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert stopped.value.code == 0
    assert "0 fine, 1 something is wrong" in capsys.readouterr().out


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
        raise FileNotFoundError(2, "No such file or directory")

    monkeypatch.setattr(devices, "show_devices", fail)
    assert main(["list"]) == 1
    assert capsys.readouterr().err == "edgedevice: [Errno 2] No such file or directory\n"


def test_windows_is_refused_with_a_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.modules[main.__module__], "_on_windows", lambda: True)
    assert main(["list"]) == 1
    assert "Windows hosts cannot drive devices" in capsys.readouterr().err


def test_a_reader_that_goes_away_is_no_traceback() -> None:
    read, write = os.pipe()
    os.close(read)
    ran = subprocess.run(
        [*CONSOLE_SCRIPT, "list"], stdout=write, stderr=subprocess.PIPE, text=True, timeout=60, check=False
    )
    os.close(write)
    assert (ran.returncode, ran.stderr) == (1, "")


def test_the_console_script_is_installed_and_runs() -> None:
    script = shutil.which("edgedevice", path=str(Path(sys.executable).parent))
    assert script, "pip install -e . puts it beside the interpreter"
    ran = subprocess.run([script, "--version"], capture_output=True, text=True, timeout=60, check=False)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, f"pytest-edgedevice {__version__}\n", "")


@pytest.mark.parametrize("command", ["--help", "list", "doctor"])
def test_no_command_imports_numpy_or_a_runtime(command: str) -> None:
    program = (
        "import sys\nfrom pytest_edgedevice.cli import main\n"
        f"try: main([{command!r}])\nexcept SystemExit: pass\n"
        "heavy = {'numpy', 'PIL', 'ai_edge_litert', 'tflite_runtime', 'pytest', '_pytest'} & set(sys.modules)\n"
        "print(sorted(heavy), file=sys.stderr)"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert ran.stderr == "[]\n"


# doctor


@pytest.fixture
def healthy(monkeypatch: pytest.MonkeyPatch) -> None:
    """An engine that loads, without starting a process for it."""
    monkeypatch.setattr(doctor, "installed", lambda: {"litert": "2.3.0"})
    monkeypatch.setattr(doctor, "_probe", lambda python, module: ("", "numpy 2.0"))
    monkeypatch.setattr(doctor, "XNNPACK_READS", ("/",))


def examined(config: Path | None = None) -> list[doctor.Finding]:
    return list(doctor.examine(config))


def test_a_host_in_order_exits_with_0(healthy: None, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor"]) == 0
    assert capsys.readouterr().out.endswith("\nnothing is wrong\n")


def test_the_engine_of_this_environment_really_loads() -> None:
    found = finding(examined(), "litert")
    assert found.status == "ok"
    assert metadata.version("ai-edge-litert") in found.text


def test_one_fault_exits_with_1_and_shows_its_remedy(
    healthy: None, device_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    device_file.write_text("nonsense")
    assert main(["doctor"]) == 1
    shown = capsys.readouterr().out
    assert f"wrong  devices      {device_file} is no valid TOML" in shown
    assert "hint: mend the line and run again" in shown
    assert shown.endswith("\n1 thing is wrong\n")


def test_the_findings_as_json(healthy: None, device_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    device_file.write_text("nonsense")
    assert main(["doctor", "--json"]) == 1
    content = json.loads(capsys.readouterr().out)
    assert (content["schema"], content["wrong"]) == (1, 1)
    assert [one["about"] for one in content["findings"] if one["status"] == "wrong"] == ["devices"]


def test_several_faults_are_counted(
    healthy: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(doctor, "XNNPACK_READS", ("/absent",))
    monkeypatch.setattr(doctor, "installed", dict)
    assert main(["doctor"]) == 1
    assert capsys.readouterr().out.endswith("\n2 things are wrong\n")


def test_a_host_without_an_engine_is_told_what_to_install(healthy: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "installed", dict)
    found = finding(examined(), "engine")
    assert (found.status, found.hint) == ("wrong", "pip install ai-edge-litert")


@pytest.mark.parametrize(
    ("failure", "hint"),
    [
        ("ImportError: version `GLIBC_2.34' not found", "use Debian 12"),
        ("ImportError: libstdc++.so.6: version `GLIBCXX_3.4.30' not found", "use Debian 12"),
        ("ImportError: numpy.core.multiarray failed to import", "'numpy<2'"),
        ("killed by SIGILL", "pip install --force-reinstall ai-edge-litert"),
    ],
)
def test_an_engine_that_does_not_load_has_a_remedy(
    failure: str, hint: str, healthy: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "_probe", lambda python, module: (failure, ""))
    found = finding(examined(), "litert")
    assert (found.status, found.text) == ("wrong", f"2.3.0 does not load: {failure}")
    assert hint in found.hint


def stand_in(tmp_path: Path, script: str) -> str:
    """A program in the place of an interpreter."""
    path = tmp_path / "python"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return str(path)


@pytest.mark.parametrize(
    ("script", "failure"),
    [
        ("kill -ILL $$", "importing json was killed by SIGILL"),
        ("kill -40 $$", "importing json was killed by signal 40"),
        ("echo first >&2; echo 'ImportError: no' >&2; exit 1", "ImportError: no"),
        ("exit 3", "importing json ended with 3"),
        ("echo numpy 1", ""),
    ],
)
def test_what_became_of_an_import_is_told(script: str, failure: str, tmp_path: Path) -> None:
    assert doctor._probe(stand_in(tmp_path, script), "json")[0] == failure


def test_an_interpreter_that_is_missing_is_told() -> None:
    assert doctor._probe("/absent/python", "json") == (
        "/absent/python cannot be started: No such file or directory",
        "",
    )


def test_an_import_that_hangs_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "PROBE_S", 0.2)
    assert doctor._probe(stand_in(tmp_path, "exec sleep 60"), "json")[0] == "importing json did not end in 0.2 s"


def test_files_beside_the_user_do_not_pass_for_an_engine(tmp_path: Path) -> None:
    (tmp_path / "json_engine.py").touch()
    assert "No module named 'json_engine'" in doctor._probe(sys.executable, "json_engine")[0]


def test_another_interpreter_needs_one_engine_only(
    healthy: None, device_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    device_file.write_text("[devices.old]\nspec = 'local'\npython = '/opt/python'\n")
    monkeypatch.setattr(doctor, "_probe", lambda python, module: ("no", "") if "ai_edge" in module else ("", "numpy 1"))
    found = finding(examined(), "old")
    assert (found.status, found.text) == ("ok", "/opt/python loads tflite, with numpy 1")


def test_another_interpreter_without_engines_is_wrong(healthy: None, device_file: Path, tmp_path: Path) -> None:
    device_file.write_text("[devices.old]\nspec = 'local'\npython = '/opt/python'\n")
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(doctor, "_probe", lambda python, module: (f"no {module}", ""))
        found = finding(examined(), "old")
    assert found.status == "wrong"
    assert "litert: no ai_edge_litert.interpreter; tflite: no tflite_runtime.interpreter" in found.text
    assert found.hint == "/opt/python -m pip install ai-edge-litert numpy"


def test_a_device_of_another_kind_is_a_note(healthy: None, device_file: Path) -> None:
    assert finding(examined(), "kitchen").status == "note"


def test_a_device_file_in_order_is_named(healthy: None, device_file: Path) -> None:
    found = finding(examined(), "devices")
    assert (found.status, found.text) == ("ok", f"{device_file} is valid and names 2: bench, kitchen")


def test_a_lock_folder_that_is_a_file_is_wrong(healthy: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("EDGEDEVICE_LOCKS", str(tmp_path / "file"))
    found = finding(examined(), "locks")
    assert found.status == "wrong"
    assert found.hint.startswith("run: ")


def test_missing_system_files_leave_xnnpack_out(healthy: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "XNNPACK_READS", ("/absent", "/"))
    monkeypatch.setattr(sys, "platform", "linux")
    found = finding(examined(), "xnnpack")
    assert (found.status, found.text.partition(",")[0]) == ("wrong", "/absent cannot be read")


def test_a_full_disk_is_wrong(healthy: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    usage = namedtuple("usage", "total used free")  # noqa: PYI024 - the shape of shutil's own
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(10**9, 10**9 - 10**6, 10**6))
    found = finding(examined(), "temp folder")
    assert (found.status, found.text) == ("wrong", f"{tmp_path / 'temp'} has only 1 MB free")


def test_a_temporary_folder_that_belongs_to_nobody_is_wrong(healthy: None, tmp_path: Path) -> None:
    (tmp_path / "temp" / f"edgedevice-{os.getuid()}").touch()
    assert finding(examined(), "temp folder").status == "wrong"


def test_no_temporary_folder_at_all_is_wrong(healthy: None, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> str:
        raise FileNotFoundError(2, "No usable temporary directory found")

    monkeypatch.setattr("tempfile.gettempdir", refuse)
    found = finding(examined(), "temp folder")
    assert (found.status, found.hint) == ("wrong", "set TMPDIR to a folder that you may write to")


def test_the_folder_of_a_device_is_tried(healthy: None, device_file: Path, tmp_path: Path) -> None:
    device_file.write_text(f"[devices.bench]\nspec = 'local'\nfolder = '{tmp_path}/base'\n")
    assert finding(examined(), "bench").text.startswith(f"{tmp_path}/base is writable")
    assert [path.name for path in (tmp_path / "base").iterdir()] == []


def test_a_host_that_was_not_tested_is_a_note(healthy: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.machine", lambda: "riscv64")
    found = finding(examined(), "python")
    assert found.status == "note"
    assert "riscv64: not tested there" in found.text


def test_pytest_without_plugins_is_wrong(healthy: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    assert finding(examined(), "pytest").hint == "unset it, or run: pytest -p edgedevice"


def test_a_plugin_that_is_not_registered_is_wrong(healthy: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metadata, "entry_points", lambda *, group: ())
    assert "does not know the plugin" in finding(examined(), "pytest").text


@pytest.mark.parametrize(("version", "status"), [("8.1.9", "wrong"), ("8.2.0", "ok"), ("10.0", "ok"), ("9.3rc1", "ok")])
def test_pytest_must_be_recent_enough(
    version: str, status: str, healthy: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(metadata, "version", lambda name: version)
    assert finding(examined(), "pytest").status == status


def test_pytest_must_be_there(healthy: None, monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> Any:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "version", absent)
    assert finding(examined(), "pytest").text == "is not installed"


def test_extras_that_are_absent_are_notes_with_the_command(healthy: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "find_spec", lambda module: None)
    found = finding(examined(), "extras")
    assert found.status == "note"
    assert "pip install 'pytest-edgedevice[adb,ios,onnx,report]'" in found.hint


def test_extras_that_are_all_there_are_not_mentioned(healthy: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "find_spec", lambda module: module)
    assert not [one for one in examined() if one.about == "extras"]


@pytest.mark.parametrize(("python", "hint"), [((3, 11, 7), "[tflite]"), ((3, 12, 0), "")])
def test_the_older_engine_is_offered_where_its_wheels_exist(
    python: tuple[int, ...], hint: str, healthy: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "version_info", python)
    found = finding(examined(), "tflite")
    assert (found.status, hint in found.hint) == ("note", True)


def test_the_older_engine_is_examined_where_it_is_installed(healthy: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "installed", lambda: {"tflite": "2.14.0"})
    assert finding(examined(), "tflite").status == "ok"


def test_doctor_leaves_nothing_behind(healthy: None, tmp_path: Path) -> None:
    examined()
    assert [path for path in (tmp_path / "temp").rglob("*") if path.is_file()] == []
