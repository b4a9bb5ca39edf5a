"""A Python callable as the server: found by name, its own exceptions told with their place."""

from __future__ import annotations

import importlib
import importlib.util
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_edgedevice.errors import EdgeDeviceError, GoldenError, UsageError
from pytest_edgedevice.goldens.framework import guessed
from pytest_edgedevice.goldens.hashing import file_sha256
from pytest_edgedevice.goldens.servers.server import Origin, Server

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from types import ModuleType

FORM = "module:function or file.py:function"


class CallableServer(Server):
    """Calls a function of the user's: ``{input name: array (n, ...)}`` in, ``{output name: array (n, ...)}`` out.

    Args:
        call: The function.
        name: What messages and the provenance call it.
        file: The file that it is in; its hash goes into the provenance.
    """

    batch = -1

    def __init__(
        self, call: Callable[[Mapping[str, Any]], Mapping[str, Any]], *, name: str = "", file: str = ""
    ) -> None:
        self._call = call
        self._name = name or getattr(call, "__qualname__", type(call).__name__)
        self._file = file

    def answer(self, inputs: Mapping[str, Any], outputs: Sequence[str]) -> Mapping[str, Any]:  # noqa: ARG002 - it gives all
        """See ``Server``; what the callable gives is judged by whoever asked."""
        try:
            return self._call(inputs)
        except EdgeDeviceError:
            raise
        except Exception as error:
            frame = traceback.extract_tb(error.__traceback__)[-1]
            place = f"{Path(frame.filename).name}, line {frame.lineno}"
            raise GoldenError(
                f"{self._name} raised {type(error).__name__}: {error} ({place})",
                hint="it gets {input name: array (n, ...)}, read-only, and gives {output name: array (n, ...)}",
            ) from error

    def origin(self) -> Origin:
        """See ``Server``."""
        source = {"kind": "python", "call": self._name}
        if self._file:
            source["sha256"] = file_sha256(Path(self._file))
        return Origin(*guessed(self._call), source=source)


def find_callable(text: str) -> CallableServer:
    """Find ``module:function`` or ``file.py:function``; dots lead into objects.

    Raises:
        UsageError: There is no such file, module or function, or importing it fails.
    """
    place, _, path = text.rpartition(":")
    if not place or not path:
        raise UsageError(f"{text[:200]!r} names no function", hint=f"write {FORM}")
    found: Any = _from_file(Path(place)) if place.endswith(".py") else _imported(place)
    file = getattr(found, "__file__", None) or ""
    for step in path.split("."):
        found = getattr(found, step, None)
    if not callable(found):
        what = "has no" if found is None else "has a value that cannot be called as"
        raise UsageError(f"{place!r} {what} {path!r}", hint=f"write {FORM}")
    return CallableServer(found, name=f"{Path(place).name if place.endswith('.py') else place}:{path}", file=file)


def _from_file(file: Path) -> ModuleType:
    if not file.is_file():
        raise UsageError(f"{str(file)!r} does not exist", hint=f"paths are relative to {Path.cwd()}")
    spec = importlib.util.spec_from_file_location(f"_edgedevice_{file.stem}", file)
    if spec is None or spec.loader is None:
        raise UsageError(f"{str(file)!r} is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # pickles and dataclasses look their module up there
    # what lies beside the file can be imported, as if it were started
    with _beside(file.parent):
        _run(lambda: spec.loader.exec_module(module) if spec.loader else None, str(file))
    return module


def _imported(name: str) -> ModuleType:
    with _beside(Path.cwd()):
        return _run(lambda: importlib.import_module(name), name)  # type: ignore[no-any-return]


class _beside:  # noqa: N801 - reads as a word in front of its folder
    """Puts a folder first on the path of imports, for a while."""

    def __init__(self, folder: Path) -> None:
        self._folder = str(folder.resolve())

    def __enter__(self) -> None:
        sys.path.insert(0, self._folder)

    def __exit__(self, *_: object) -> None:
        if self._folder in sys.path:
            sys.path.remove(self._folder)


def _run(load: Callable[[], Any], name: str) -> Any:
    try:
        return load()
    except Exception as error:
        raise UsageError(
            f"{name!r} cannot be imported: {type(error).__name__}: {error}",
            hint="run it with the Python of your server's environment, where its libraries are",
        ) from error
