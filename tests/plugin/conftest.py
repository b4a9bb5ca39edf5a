"""Surroundings of a test that runs pytest inside pytest: its own locks, no CI, no foreign plugins."""

from __future__ import annotations

import importlib
import importlib.metadata
import json
import pkgutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pluggy
import pytest
import xdist.plugin  # type: ignore[import-untyped]  # noqa: F401 - pytester forgets what is first imported inside a run

import pytest_edgedevice
from tests.plugin.warm import Warm, WarmPopen

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

TINY = Path(__file__).parents[2] / "fixtures" / "tiny"


@pytest.fixture(scope="session")
def all_is_imported() -> None:
    """Pytester forgets what a run in this process imports: numpy cannot be loaded twice, and ours costs half a run."""
    for module in pkgutil.walk_packages(pytest_edgedevice.__path__, "pytest_edgedevice."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)


@pytest.fixture(scope="session")
def warm() -> Iterator[type[WarmPopen]]:
    """Processes that need not import what others wrote."""
    WarmPopen.warm = Warm()
    yield WarmPopen
    WarmPopen.warm.close()


@pytest.fixture(scope="session")
def load_entry_points() -> Callable[..., int]:
    """Plugins by their entry points; what has none is not looked for in all that is installed, in run after run."""
    names = {point.name for point in importlib.metadata.entry_points(group="pytest11")}
    look_for = pluggy.PluginManager.load_setuptools_entrypoints

    def load(manager: pluggy.PluginManager, group: str, name: str | None = None) -> int:
        return look_for(manager, group, name) if name is None or name in names else 0

    return load


@pytest.fixture
def cold() -> None:
    """For tests about what a process imports, or finds in its environment: each is started, and none is forked."""


@pytest.fixture(autouse=True)
def own_surroundings(
    request: pytest.FixtureRequest,
    warm: type[WarmPopen],
    load_entry_points: Callable[..., int],
    all_is_imported: None,
    pytester: pytest.Pytester,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> Path:
    """Locks, temporary folders and settings that no other test or worker sees; the folder of sessions."""
    for name in ("CI", "PYTEST_EDGE_DEVICE", "PYTEST_ADDOPTS", "EDGEDEVICE_CONFIG", "COLUMNS", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    for name in ("PYTEST_XDIST_WORKER", "PYTEST_XDIST_TESTRUNUID", "GITHUB_STEP_SUMMARY"):
        monkeypatch.delenv(name, raising=False)
    place = tmp_path_factory.mktemp("surroundings")
    for name, variable in (("locks", "EDGEDEVICE_LOCKS"), ("sessions", "TMPDIR")):
        (place / name).mkdir()
        monkeypatch.setenv(variable, str(place / name))
    monkeypatch.setenv("ADB_SERVER_SOCKET", f"localfilesystem:{place}/adb")  # none, and none is started for a test
    monkeypatch.setattr("tempfile.tempdir", str(place / "sessions"))
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.setenv("PYTEST_PLUGINS", "pytest_edgedevice.plugin")
    pytester.makeini(f"[pytest]\nedge_models = {TINY}\n")
    monkeypatch.setattr(pluggy.PluginManager, "load_setuptools_entrypoints", load_entry_points)
    if "cold" not in request.fixturenames:
        monkeypatch.setattr(subprocess, "Popen", warm)
    return place / "sessions"


@pytest.fixture(scope="module")
def once() -> Callable[[str, Callable[[], Any]], Any]:
    """What a run gave, made by the first test of a module that looks at it."""
    made: dict[str, Any] = {}

    def once(name: str, make: Callable[[], Any]) -> Any:
        if name not in made:
            made[name] = make()
        return made[name]

    return once


@pytest.fixture
def autoload(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let pytest find every installed plugin, as in a user's environment."""
    monkeypatch.delenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD")
    monkeypatch.delenv("PYTEST_PLUGINS")


@pytest.fixture
def workers(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Arguments for two workers of pytest-xdist."""
    monkeypatch.setenv("PYTEST_PLUGINS", "pytest_edgedevice.plugin,xdist.plugin")
    return ["-n", "2"]


@pytest.fixture
def records(pytester: pytest.Pytester) -> Callable[[], list[dict[str, Any]]]:
    """Reads the records of the run that was made with ``--edge-report json=out.jsonl``."""
    return lambda: [json.loads(line) for line in (pytester.path / "out.jsonl").read_text().splitlines()]
