"""Which inference library the native agent opens on a device: named, kept from before, or this host's own."""

from __future__ import annotations

import os
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_edgedevice.errors import MissingExtraError, UsageError
from pytest_edgedevice.runners.native.building import cache_folder
from pytest_edgedevice.runners.native.finding import is_like_this_host
from pytest_edgedevice.runners.native.unpacking import ARCHIVES, GPU_FILES, unpacked

if TYPE_CHECKING:
    from pytest_edgedevice.runners.native.targets import Target

VARIABLE = "EDGEDEVICE_RUNTIME"
ON_DEVICE = "device:"
FILES = {"tflite": "libtensorflowlite_c.so", "litert": "libLiteRt.so"}
"""Engine to the name that its library is kept under; the first is preferred."""
_SIGNS = {"tflite": b"\0TfLiteVersion\0", "litert": b"\0LiteRtCreateEnvironment\0"}


@dataclass(frozen=True, slots=True)
class Chosen:
    """A library.

    Attributes:
        path: The file of this host; None where it is on the device already.
        there: Its path on the device, where it is there already; else empty.
    """

    path: Path | None
    there: str = ""

    @property
    def gpu(self) -> Path | None:
        """The library with its GPU delegate, where one lies beside it."""
        places = [self.path.with_name(name) for name in GPU_FILES] if self.path else []
        return next((place for place in places if place.is_file()), None)


def find_runtime(target: Target, *, named: str, engine: str, name: str) -> Chosen:
    """The library for a device.

    Args:
        target: What it must be built for.
        named: The file or archive that the device's table names, or ``device:`` and a path there; empty to search.
        engine: ``litert`` or ``tflite``, where one is asked for; else empty.
        name: The device's name, for messages.

    Raises:
        MissingExtraError: There is none; the hint says how to get one.
        UsageError: What is named holds none for this device.
    """
    wish = named or os.environ.get(VARIABLE, "")
    if wish.startswith(ON_DEVICE):
        return Chosen(None, wish.removeprefix(ON_DEVICE))
    if wish:
        path = Path(wish)
        if path.suffix.lower() in ARCHIVES:
            return Chosen(unpacked(path, target, engine=engine))
        if not path.is_file():
            origin = "in its table" if named else f"named by {VARIABLE}"
            raise UsageError(f"{name}: the runtime {wish!r} ({origin}) is no file")
        return Chosen(path)
    for one in (engine,) if engine else FILES:
        kept = kept_runtime(target.key, one)
        if kept.is_file():
            return Chosen(kept)
    if engine in ("", "litert") and is_like_this_host(target) and (installed := _installed()):
        return Chosen(installed)
    raise MissingExtraError(
        f"{name} needs an inference library{f' of {engine}' if engine else ''} for {target.key}, and none is known",
        hint=f"run: edgedevice build-agent --runtime FILE --abi {target.abi}, with {_files(target, engine)}; "
        f"or name it with 'runtime' in edgedevice.toml or in {VARIABLE}",
    )


def kept_runtime(key: str, engine: str) -> Path:
    """Where ``edgedevice build-agent --runtime`` keeps the library of an engine for a kind of device."""
    return cache_folder() / "runtimes" / key / FILES[engine]


def engine_of(content: bytes) -> str:
    """The engine that a library is, by the functions that it exports; empty for one that is none."""
    return next((engine for engine, sign in _SIGNS.items() if sign in content), "")


def _installed() -> Path | None:
    """The library inside the package that the Python agent uses; nothing of it is imported."""
    spec = find_spec("ai_edge_litert")
    places = list(spec.submodule_search_locations or ()) if spec else []
    return next((path for place in places if (path := Path(place) / FILES["litert"]).is_file()), None)


def _files(target: Target, engine: str) -> str:
    where = "out of an app or an .aar" if target.system == "android" else "out of a wheel"
    return f"{FILES[engine] if engine else ' or '.join(FILES.values())} {where}"
