"""Interpreter, pytest, engines, extras and the device file's own devices."""

from __future__ import annotations

import sys
from importlib import metadata
from typing import TYPE_CHECKING, Any

import pytest

from pytest_edgedevice.cli.checks import devices, engines, extras, host
from pytest_edgedevice.inventory import Inventory, load_inventory
from pytest_edgedevice.inventory.known import remember
from pytest_edgedevice.leases import note_fault
from pytest_edgedevice.transports.local import local_identity

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from pytest_edgedevice.cli.checks import Finding


def only(check: Callable[[Inventory], Iterator[Finding]], about: str, inventory: Inventory | None = None) -> Finding:
    (one,) = [one for one in check(inventory or Inventory()) if one.about == about]
    return one


def test_a_host_that_was_not_tested_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.machine", lambda: "riscv64")
    found = only(host.check_python, "python")
    assert found.status == "ok"
    assert "riscv64: not tested there" in found.text


def test_pytest_without_plugins_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    assert only(host.check_plugin, "pytest").hint == "unset it, or run: pytest -p edgedevice"


def test_a_plugin_that_is_not_registered_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metadata, "entry_points", lambda *, group: ())
    assert "does not know the plugin" in only(host.check_plugin, "pytest").text


@pytest.mark.parametrize(("version", "status"), [("8.1.9", "wrong"), ("8.2.0", "ok"), ("10.0", "ok"), ("9.3rc1", "ok")])
def test_pytest_must_be_recent_enough(version: str, status: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metadata, "version", lambda name: version)
    assert only(host.check_plugin, "pytest").status == status


def absent(name: str) -> Any:
    raise metadata.PackageNotFoundError(name)


def test_pytest_must_be_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metadata, "version", absent)
    assert only(host.check_plugin, "pytest").text == "is not installed"


@pytest.mark.parametrize("unread", ["/absent", "/proc/self/mem"])
def test_system_files_that_cannot_be_read_leave_xnnpack_out(unread: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host, "XNNPACK_READS", (unread, "/proc/cpuinfo"))
    found = only(host.check_xnnpack, "xnnpack")
    assert (found.status, found.text.partition(",")[0]) == ("wrong", f"{unread} cannot be read")


def test_a_host_without_an_engine_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "installed", dict)
    found = only(engines.check_engines, "engine")
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
def test_an_engine_that_does_not_load_has_a_remedy(failure: str, hint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "installed", lambda: {"litert": "2.3.0"})
    monkeypatch.setattr(engines, "probe", lambda python, module: (failure, ""))
    found = only(engines.check_engines, "litert")
    assert (found.status, found.text) == ("wrong", f"2.3.0 does not load: {failure}")
    assert hint in found.hint


@pytest.mark.parametrize(("python", "hint"), [((3, 11, 7), "[tflite]"), ((3, 12, 0), "")])
def test_the_older_engine_is_offered_where_its_wheels_exist(
    python: tuple[int, ...], hint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engines, "installed", dict)
    monkeypatch.setattr(sys, "version_info", python)
    found = only(engines.check_engines, "tflite")
    assert (found.status, hint in found.hint) == ("missing", True)


def test_the_older_engine_is_tried_where_it_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "installed", lambda: {"tflite": "2.14.0"})
    monkeypatch.setattr(engines, "probe", lambda python, module: ("", "numpy 1.26"))
    assert only(engines.check_engines, "tflite").status == "ok"


@pytest.mark.parametrize(
    ("system", "there", "text", "hint"),
    [
        ("darwin", False, "coremltools is not installed", "pip install 'pytest-edgedevice[coreml]'"),
        ("linux", False, "Core ML needs macOS, or an app on an iPhone", ""),
        (
            "linux",
            True,
            "Core ML needs macOS, or an app on an iPhone; coremltools is here, but runs models on macOS only",
            "",
        ),
    ],
)
def test_core_ml_is_told_where_it_is(
    system: str, there: bool, text: str, hint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engines, "installed", dict)
    monkeypatch.setattr(engines, "found_module", lambda name: there or None)
    monkeypatch.setattr(sys, "platform", system)
    found = only(engines.check_engines, "coreml")
    assert (found.status, found.text, found.hint) == ("missing", text, hint)


def test_an_interpreter_on_a_mac_may_have_core_ml_alone(device_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    device_file.write_text("[devices.mac]\nspec = 'local'\npython = '/opt/python'\n")
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(engines, "probe", lambda _, module: ("", "numpy 2") if "coreml" in module else ("no", ""))
    found = only(devices.check_named_devices, "mac", load_inventory(device_file.parent))
    assert (found.status, found.text) == ("ok", "/opt/python loads coreml, with numpy 2")


def test_an_extra_that_is_absent_has_its_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metadata, "version", absent)
    found = only(extras.check_extras, "adb")
    assert (found.status, found.hint) == ("missing", "pip install 'pytest-edgedevice[adb]'")


@pytest.mark.parametrize(
    ("version", "status", "text"),
    [("2.12.0", "ok", "adbutils 2.12.0"), ("1.0", "wrong", "adbutils 1.0 is installed and adbutils>=2.12 is needed")],
)
def test_an_extra_must_be_of_a_version_that_fits(
    version: str, status: str, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(metadata, "version", lambda name: version)
    monkeypatch.setattr(extras, "find_spec", lambda name: name)
    found = only(extras.check_extras, "adb")
    assert (found.status, found.text) == (status, text)


def test_an_extra_that_cannot_be_found_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metadata, "version", lambda name: "2.12.0")
    monkeypatch.setattr(extras, "find_spec", lambda name: None)
    assert only(extras.check_extras, "adb").hint == "pip install --force-reinstall adbutils"


@pytest.mark.parametrize("error", [ModuleNotFoundError("hidden"), ValueError("adbutils.__spec__ is None")])
def test_an_extra_that_something_hides_is_not_found_and_ends_nothing(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    class Hider:
        def find_spec(self, name: str, *_: object) -> None:
            if name == "adbutils":
                raise error

    monkeypatch.setattr(sys, "meta_path", [Hider(), *sys.meta_path])
    monkeypatch.delitem(sys.modules, "adbutils", raising=False)
    found = only(extras.check_extras, "adb")
    assert (found.status, found.hint) == ("wrong", "pip install --force-reinstall adbutils")


def test_without_our_own_metadata_any_version_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metadata, "version", lambda name: "1.0")
    monkeypatch.setattr(metadata, "requires", absent)
    monkeypatch.setattr(extras, "find_spec", lambda name: name)
    assert only(extras.check_extras, "adb").status == "ok"


def test_a_quarantined_device_is_wrong_and_can_be_released() -> None:
    for _ in range(2):
        note_fault(local_identity(), name="local", reason="the link broke")
    found = only(devices.check_quarantines, "quarantine")
    assert (found.status, found.hint) == ("wrong", "mend it, then: edgedevice release local")
    assert "local is quarantined for " in found.text


def test_a_board_is_looked_at_by_its_name(device_file: Path) -> None:
    found = only(devices.check_named_devices, "kitchen", load_inventory(device_file.parent))
    assert (found.status, found.hint) == ("ok", "edgedevice doctor kitchen")


def test_a_board_that_is_set_aside_is_told_once_it_is_known(device_file: Path) -> None:
    remember("ssh:pi@kitchen", "board-7")
    for _ in range(2):
        note_fault("board-7", name="kitchen", reason="the link broke")
    found = next(iter(devices.check_quarantines(load_inventory(device_file.parent))))
    assert (found.status, found.hint) == ("wrong", "mend it, then: edgedevice release kitchen")


@pytest.mark.parametrize(
    ("loads", "status", "text"),
    [
        ("tflite", "ok", "/opt/python loads tflite, with numpy 1"),
        ("", "wrong", "/opt/python loads no engine; litert: no ai_edge_litert.interpreter; tflite: no tflite"),
    ],
)
def test_another_interpreter_needs_one_engine_only(
    loads: str, status: str, text: str, device_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def probe(python: str, module: str) -> tuple[str, str]:
        return ("", "numpy 1") if loads and module.startswith(loads) else (f"no {module}", "")

    device_file.write_text("[devices.old]\nspec = 'local'\npython = '/opt/python'\n")
    monkeypatch.setattr(engines, "probe", probe)
    found = only(devices.check_named_devices, "old", load_inventory(device_file.parent))
    assert found.status == status
    assert found.text.startswith(text)
