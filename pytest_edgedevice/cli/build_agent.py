"""``edgedevice build-agent``: compile the native agent for a kind of device, and keep inference libraries for it."""

from __future__ import annotations

import hashlib
import json
import shlex
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_edgedevice.cli.ndk import TRIPLES, find_ndk
from pytest_edgedevice.cli.text import printable
from pytest_edgedevice.errors import InfraError, MissingExtraError, UsageError
from pytest_edgedevice.runners.native.building import PROGRAM, STRICT, build_native_agent
from pytest_edgedevice.runners.native.files import Built, read_built
from pytest_edgedevice.runners.native.finding import AGENT, kept_agent
from pytest_edgedevice.runners.native.runtimes import engine_of, kept_runtime
from pytest_edgedevice.runners.native.targets import ABIS, BITS, Target, compiler_of
from pytest_edgedevice.runners.native.unpacking import ARCHIVES, GPU_FILES, keys_in, unpacked

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

SCHEMA = 1
BOTH = "x86_64"
"""What Android and other Linux systems call the same."""
KNOWN = (*TRIPLES, *(machine for machine in BITS if machine not in TRIPLES))


@dataclass(frozen=True, slots=True)
class Wish:
    """What the command was asked.

    Attributes:
        ndk: Folder of Android's development kit; empty to look for it.
        abis: Kinds of devices to build for; empty for the usual one.
        api: Least API level of Android.
        compiler: Compile with this instead, and what it always needs; empty for the NDK's.
        runtime: Inference library, or archive with some, to keep; empty for none.
        output: Folder for copies; empty for none.
    """

    ndk: str = ""
    abis: tuple[str, ...] = ()
    api: int = 24
    compiler: str = ""
    runtime: str = ""
    output: str = ""

    @property
    def builds(self) -> bool:
        """Whether the agent is built; a library can be kept without."""
        return bool(self.ndk or self.compiler or not self.runtime)


def build_agent(wish: Wish, *, as_json: bool) -> None:
    """Build, keep, and say where.

    Raises:
        EdgeDeviceError: It cannot be done; what was done before stays.
    """
    for abi in wish.abis:
        if abi not in KNOWN:
            raise UsageError(f"there is no ABI {abi[:60]!r}", hint=f"ABIs: {', '.join(KNOWN)}")
    done = []
    for entry in (*_agents(wish), *_runtimes(wish)):
        done.append(entry)
        if not as_json:
            print(_line(entry), flush=True)
    if as_json:
        print(json.dumps({"schema": SCHEMA, "built": done}, indent=2))


def _line(entry: dict[str, Any]) -> str:
    what = "agent" if entry["kind"] == "agent" else f"{entry['engine']} library"
    return printable(f"{what} for {entry['key']}: {entry['path']} ({entry['size_bytes']} bytes, {entry['sha256']})")


def _agents(wish: Wish) -> Iterator[dict[str, Any]]:
    if not wish.builds:
        return
    if wish.compiler and (wish.ndk or len(wish.abis) > 1):
        other = "--ndk" if wish.ndk else "several --abi"
        raise UsageError(f"--compiler and {other} exclude each other: a compiler builds for one kind of device")
    if wish.ndk and (others := [abi for abi in wish.abis if abi not in TRIPLES]):
        raise UsageError(f"an NDK compiles for Android alone, not for {others[0]}", hint="give --compiler CC instead")
    for abi in wish.abis or ("" if wish.compiler else "arm64-v8a",):
        built = _built(wish, abi)
        key = _key(built, android=abi in TRIPLES and (abi != BOTH or not wish.compiler))
        yield _kept(built, kept_agent(key), wish, key, kind="agent", mode=0o755)


def _built(wish: Wish, abi: str) -> Built:
    built = build_native_agent(compiler=_compiler(wish, abi), flags=STRICT)
    program = read_built(built.path, what=AGENT)
    machine = ABIS.get(abi, abi)
    if machine and (program.header.machine, program.header.bits) != (machine, BITS[machine]):
        raise InfraError(
            f"the compiler built {AGENT} for {program.header.machine} with {program.header.bits} bits, not for {abi}",
            hint="name the compiler for this ABI with --compiler, or leave --abi out",
        )
    return program


def _compiler(wish: Wish, abi: str) -> Sequence[str]:
    if wish.compiler:
        # a path may hold spaces, and a compiler may need arguments of its own
        words = [wish.compiler] if Path(wish.compiler).is_file() else _words(wish.compiler)
        if shutil.which(words[0]) is None:
            raise MissingExtraError(f"the compiler {words[0]!r} is not here", hint="install it, or give its whole path")
        return words
    if abi in TRIPLES:
        return find_ndk(wish.ndk).compiler(abi, wish.api)
    name = compiler_of(abi)
    if shutil.which(name) is None:
        raise MissingExtraError(f"no compiler for {abi} is here: {name} is not on PATH", hint="name one: --compiler CC")
    return [name]


def _words(text: str) -> list[str]:
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise UsageError(f"--compiler {text!r} cannot be read: {error}") from None
    if not words:
        raise UsageError("--compiler names nothing")
    return words


def _key(built: Built, *, android: bool) -> str:
    """What a file is for: Android, where that was asked for or where it says so itself."""
    return Target("android" if android or built.header.android is not None else "linux", built.header.machine).key


def _runtimes(wish: Wish) -> Iterator[dict[str, Any]]:
    if not wish.runtime:
        return
    source = Path(wish.runtime)
    if source.suffix.lower() not in ARCHIVES:
        if len(wish.abis) > 1:
            raise UsageError("one library is for one ABI; give one --abi, or none")
        abi = "".join(wish.abis)
        yield from _library(source, wish, abi, android=abi in TRIPLES and abi != BOTH)
        return
    folders = keys_in(source)
    for abi in wish.abis or folders or ("",):
        android = abi in TRIPLES and (abi != BOTH or abi in folders)
        target = Target("android" if android else "linux", ABIS.get(abi, abi))
        yield from _library(unpacked(source, target), wish, abi, android=android)


def _library(source: Path, wish: Wish, abi: str, *, android: bool) -> Iterator[dict[str, Any]]:
    built = read_built(source, what="the runtime")
    machine = ABIS.get(abi, abi)
    if machine and (built.header.machine, built.header.bits) != (machine, BITS[machine]):
        raise UsageError(f"the runtime {built}, and not for {abi}")
    engine = engine_of(built.content)
    if not engine:
        raise UsageError(
            f"the runtime {str(source)!r} is no inference library: it has neither TfLiteVersion nor "
            "LiteRtCreateEnvironment",
            hint="take libtensorflowlite_c.so, libtensorflowlite_jni.so or libLiteRt.so",
        )
    key = _key(built, android=android)
    place = kept_runtime(key, engine)
    yield _kept(built, place, wish, key, kind="runtime", engine=engine)
    for name in GPU_FILES:
        beside = source.with_name(name)
        if beside.is_file():
            gpu = read_built(beside, what="the runtime")
            yield _kept(gpu, place.with_name(name), wish, key, kind="runtime", engine=f"{engine} GPU")


def _kept(built: Built, place: Path, wish: Wish, key: str, *, mode: int = 0o644, **more: str) -> dict[str, Any]:
    """Put a file into the cache, and beside it where the user wants it."""
    copies = [place] + ([Path(wish.output).absolute() / key / place.name] if wish.output else [])
    for copy in copies:
        _write(built.content, copy, mode)
    digest = hashlib.sha256(built.content).hexdigest()
    facts = {"key": key, "path": str(copies[-1]), "kept": str(place), "sha256": digest}
    return {**more, **facts, "size_bytes": len(built.content)}


def _write(content: bytes, place: Path, mode: int) -> None:
    """Write beside the place and move it there: whoever starts or reads it meanwhile has the old one, whole."""
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=place.parent) as work:
            made = Path(work) / PROGRAM
            made.write_bytes(content)
            made.chmod(mode)
            made.replace(place)
    except OSError as error:
        raise InfraError(f"cannot write {place}: {error.strerror or error}", hint="free space, or --output") from None
