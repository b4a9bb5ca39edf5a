"""The plan of the house, kept: imports point down, and heavy things stay out of start-up."""

from __future__ import annotations

import ast
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

PACKAGE = "pytest_edgedevice"
ROOT = Path(__file__).parents[2] / PACKAGE

# low to high; each room with the rooms that it may import besides itself
BASE = {"errors", "given", "values", "findings", "validity"}
BELOW_DEVICE = {"agent", "spec", "inventory", "transports", "leases", "metrics", "runners", "goldens", "evaluation"}
BELOW_PLUGIN = BELOW_DEVICE | {
    "checks",
    "records",
    "reports",
    "history",
    "device",
    "opening",
    "hookspecs",
    "interfaces",
    "blame",
    "replay",
}
MAY_IMPORT: dict[str, set[str]] = {
    "errors": set(),
    "given": set(),
    "values": set(),
    "findings": {"values"},
    "validity": {"values"},
    "agent": set(),
    "spec": BASE,
    "inventory": BASE | {"spec"},
    "transports": BASE | {"agent"},
    "leases": BASE,
    "metrics": {"given"},
    "runners": BASE | {"agent", "transports", "metrics", "evaluation"},
    "conformance": BASE | {"agent", "transports", "runners"},
    "goldens": BASE,
    "evaluation": BASE | {"metrics", "goldens"},
    "checks": BASE | {"metrics", "evaluation"},
    "records": BASE,
    "reports": BASE | {"records"},
    "history": BASE | {"records"},
    "interfaces": BASE | {"leases", "evaluation"},
    "hookspecs": BASE | {"spec", "transports", "records", "interfaces"},
    "device": BASE | BELOW_DEVICE,
    "opening": BASE | BELOW_DEVICE | {"device", "hookspecs", "interfaces", "replay"},
    "blame": BASE | BELOW_DEVICE | {"checks", "device", "opening", "interfaces"},
    "replay": BASE | BELOW_DEVICE | {"checks", "device", "interfaces", "records"},
    "testing": BASE | {"agent", "transports", "runners", "interfaces"},
    "cli": BASE | BELOW_PLUGIN | {"testing", "conformance"},
    "plugin": BASE | BELOW_PLUGIN,
}
DEVICE_LIBRARIES = {"adbutils", "pymobiledevice3", "paramiko", "asyncssh", "fabric", "serial", "usb"}
RUNTIMES = {"ai_edge_litert", "tflite_runtime", "tensorflow", "onnxruntime"}
ARRAYS = {"numpy", "PIL"}
NO_ARRAYS_AT_START = {
    "plugin",
    "hookspecs",
    "interfaces",
    "errors",
    "given",
    "values",
    "findings",
    "validity",
    "spec",
    "inventory",
    "transports",
    "leases",
}
ABSENT_AFTER_IMPORT = ("numpy", "PIL", "ai_edge_litert", "tflite_runtime", "adbutils", "pymobiledevice3")


@cache
def modules() -> list[Path]:
    return sorted(ROOT.rglob("*.py"))


def rooms() -> list[str]:
    return sorted({room_of(path) for path in modules()})


def in_room(room: str) -> list[Path]:
    return [path for path in modules() if room_of(path) == room]


def room_of(path: Path) -> str:
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


class Imports(ast.NodeVisitor):
    """Every import of a module: dotted name, line, and whether importing the module runs it."""

    def __init__(self, path: Path) -> None:
        self._package = [PACKAGE, *path.relative_to(ROOT).parent.parts]
        self._lazy = 0
        self.found: list[tuple[str, int, bool]] = []
        self.visit(ast.parse(path.read_text(encoding="utf-8"), str(path)))

    def visit_Import(self, node: ast.Import) -> None:
        self.found += [(alias.name, node.lineno, not self._lazy) for alias in node.names]

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        base = self._package[: len(self._package) - node.level + 1] if node.level else []
        module = ".".join([*base, *([node.module] if node.module else [])])
        # `from package import name` may import the module package.name
        self.found += [(f"{module}.{alias.name}", node.lineno, not self._lazy) for alias in node.names]

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        self._lazily(node.body)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> None:
        self._lazily(node.body)

    def visit_If(self, node: ast.If) -> None:
        if ast.unparse(node.test) in {"TYPE_CHECKING", "typing.TYPE_CHECKING"}:
            self._lazily(node.body)
            for child in node.orelse:
                self.visit(child)
        else:
            self.generic_visit(node)

    def _lazily(self, body: list[ast.stmt]) -> None:
        self._lazy += 1
        for child in body:
            self.visit(child)
        self._lazy -= 1


@cache
def imports(path: Path) -> list[tuple[str, int, bool]]:
    return Imports(path).found


def own_rooms(path: Path) -> Iterator[tuple[str, int]]:
    """Rooms of ours that a module imports, with the line."""
    for name, line, _ in imports(path):
        parts = name.split(".")
        # `from pytest_edgedevice import __version__` is no room
        if parts[0] == PACKAGE and len(parts) > 1 and not parts[1].startswith("__"):
            yield parts[1], line


@pytest.mark.parametrize("room", rooms())
def test_imports_point_down(room: str) -> None:
    if room == "__init__":
        allowed = {*MAY_IMPORT} - {"plugin", "cli"}
    else:
        assert room in MAY_IMPORT, f"{room!r} is no known room: add it to MAY_IMPORT"
        allowed = MAY_IMPORT[room] | {room}
    wrong = [
        f"{named(path)}:{line} imports {other}"
        for path in in_room(room)
        for other, line in own_rooms(path)
        if other not in allowed
    ]
    assert not wrong


def test_no_room_can_be_entered_twice() -> None:
    """The table itself has no circle: in some order, each room imports only earlier ones."""
    placed: set[str] = set()
    while ready := {room for room in MAY_IMPORT if room not in placed and MAY_IMPORT[room] <= placed}:
        placed |= ready
    assert placed == set(MAY_IMPORT)


def test_the_agent_can_be_read_by_python_3_9() -> None:
    for path in in_room("agent"):
        ast.parse(path.read_text(encoding="utf-8"), str(path), feature_version=(3, 9))


@pytest.mark.parametrize("library", sorted(DEVICE_LIBRARIES))
def test_a_device_library_is_imported_in_one_file_and_only_in_functions(library: str) -> None:
    places = {
        (named(path), eager) for path in modules() for name, _, eager in imports(path) if name.split(".")[0] == library
    }
    assert len({file for file, _ in places}) <= 1
    assert not [file for file, eager in places if eager]


@pytest.mark.parametrize("room", [room for room in rooms() if room in NO_ARRAYS_AT_START])
def test_start_up_rooms_import_no_arrays_and_no_runtime(room: str) -> None:
    heavy = [
        f"{named(path)}:{line} imports {name}"
        for path in in_room(room)
        for name, line, eager in imports(path)
        if eager and name.split(".")[0] in ARRAYS | RUNTIMES
    ]
    assert not heavy


def start_up_modules() -> list[str]:
    """Rooms that exist now and that pytest's start may import."""
    return [PACKAGE, *(f"{PACKAGE}.{room}" for room in rooms() if room in NO_ARRAYS_AT_START)]


def test_importing_a_start_up_room_loads_nothing_heavy() -> None:
    """One process for all: the first room that loads it is named."""
    program = f"""
import importlib, sys
for module in {start_up_modules()!r}:
    importlib.import_module(module)
    if heavy := [name for name in {ABSENT_AFTER_IMPORT!r} if name in sys.modules]:
        sys.exit(f"{{module}} loads {{heavy}}")
"""
    ran = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT.parent,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")
