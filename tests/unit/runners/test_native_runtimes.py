"""Which inference library the native agent opens: named, kept, this host's own, or how to get one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from pytest_edgedevice.errors import MissingExtraError, UsageError
from pytest_edgedevice.runners.native import runtimes
from pytest_edgedevice.runners.native.runtimes import Chosen, engine_of, find_runtime, kept_runtime
from pytest_edgedevice.runners.native.targets import Target, this_host
from tests.unit.runners.made import LITERT, TFLITE, archive, built

PHONE = Target("android", "aarch64")
HERE = replace(this_host() or PHONE, libc="glibc 2.36")


@pytest.fixture(autouse=True)
def surroundings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("EDGEDEVICE_RUNTIME", raising=False)


def find(target: Target = PHONE, named: str = "", engine: str = "") -> Chosen:
    return find_runtime(target, named=named, engine=engine, name="phone")


def library(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(built())
    return path


def test_the_file_that_the_table_names_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGEDEVICE_RUNTIME", str(library(tmp_path / "other.so")))
    library(kept_runtime(PHONE.key, "tflite"))
    named = library(tmp_path / "named.so")
    assert find(named=str(named)).path == named


def test_the_environment_names_one_for_every_device(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    library(kept_runtime(PHONE.key, "tflite"))
    monkeypatch.setenv("EDGEDEVICE_RUNTIME", str(library(tmp_path / "named.so")))
    assert find().path == tmp_path / "named.so"


def test_a_library_on_the_device_is_left_there() -> None:
    assert find(named="device:/vendor/lib64/a.so") == Chosen(None, "/vendor/lib64/a.so")
    assert find(named="device:/vendor/lib64/a.so").gpu is None


def test_an_archive_is_unpacked(tmp_path: Path) -> None:
    path = archive(tmp_path / "lib.AAR", {"jni/arm64-v8a/libtensorflowlite_jni.so": built()})
    found = find(named=str(path))
    assert found.path is not None
    assert (found.path.name, found.path.read_bytes()) == ("libtensorflowlite_jni.so", built())


@pytest.mark.parametrize("where", ["table", "environment"])
def test_a_named_file_that_is_not_there_is_told_with_who_names_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    path = str(tmp_path / "absent.so")
    monkeypatch.setenv("EDGEDEVICE_RUNTIME", path)
    origin = "in its table" if where == "table" else "named by EDGEDEVICE_RUNTIME"
    with pytest.raises(UsageError, match=rf"phone: the runtime '.*absent\.so' \({origin}\) is no file"):
        find(named=path if where == "table" else "")


def test_kept_libraries_are_found_by_engine() -> None:
    kept = {engine: library(kept_runtime(PHONE.key, engine)) for engine in ("tflite", "litert")}
    assert [find(engine=engine).path for engine in ("tflite", "litert", "")] == [*kept.values(), kept["tflite"]]


def test_this_hosts_own_library_is_taken_for_a_system_like_it() -> None:
    import ai_edge_litert

    own = Path(str(ai_edge_litert.__file__)).parent / "libLiteRt.so"
    assert find(HERE).path == own
    assert find(HERE, engine="litert").path == own


def test_without_that_package_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtimes, "find_spec", lambda _name: None)
    with pytest.raises(MissingExtraError):
        find(HERE)


@pytest.mark.parametrize(
    ("target", "engine", "texts"),
    [
        (PHONE, "", ("for android-arm64-v8a", "--runtime FILE --abi arm64-v8a", "libtensorflowlite_c.so or libLiteRt")),
        (PHONE, "litert", ("library of litert for", "libLiteRt.so out of an app or an .aar")),
        (HERE, "tflite", ("library of tflite for linux", "libtensorflowlite_c.so out of a wheel")),
        (Target("linux", "armv7l"), "", ("for linux-armv7l", "--abi armv7l")),
    ],
)
def test_where_there_is_none_the_way_to_one_is_told(target: Target, engine: str, texts: tuple[str, ...]) -> None:
    with pytest.raises(MissingExtraError) as raised:
        find(target, engine=engine)
    assert all(text in str(raised.value) for text in texts)
    assert "EDGEDEVICE_RUNTIME" in raised.value.hint


def test_a_gpu_delegate_beside_a_library_goes_with_it(tmp_path: Path) -> None:
    path = library(tmp_path / "libtensorflowlite_c.so")
    assert find(named=str(path)).gpu is None
    gpu = library(tmp_path / "libtensorflowlite_gpu_delegate.so")
    assert find(named=str(path)).gpu == gpu


@pytest.mark.parametrize(("sign", "engine"), [(TFLITE, "tflite"), (LITERT, "litert"), (b"\0TfLiteVersionX\0", "")])
def test_an_engine_is_told_by_what_its_library_exports(sign: bytes, engine: str) -> None:
    assert engine_of(built(more=sign)) == engine
