"""Models on this host: what is one, what it is called, and how a folder goes to a device."""

from __future__ import annotations

import hashlib
import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_edgedevice.agent.folders import read_manifest
from pytest_edgedevice.device import Device
from pytest_edgedevice.device.loading import model_file
from pytest_edgedevice.errors import DeviceFullError, EdgeDeviceError, ModelError, ProtocolError, TransportError
from pytest_edgedevice.runners import model_content
from pytest_edgedevice.runners.app import AppRunner, uploading
from pytest_edgedevice.runners.model_content import is_model, look_into, sha256_of, size_of
from pytest_edgedevice.runners.model_folders import one_file, push_model
from pytest_edgedevice.transports.local import LocalTransport
from tests.unit.runners.app_standin import Cable, StandIn

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_edgedevice.transports.progress import Progress

PATIENCE_S = 30.0
FILES = {"Manifest.json": b"{}", "Data/com.apple/model.mlmodel": b"a model", "Data/weights.bin": b"w" * 5000, "z": b""}


def make(folder: Path, files: dict[str, bytes]) -> Path:
    for path, content in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
    return folder


@pytest.fixture
def package(tmp_path: Path) -> Path:
    return make(tmp_path / "net.mlpackage", FILES)


@pytest.fixture(scope="module")
def local() -> Iterator[LocalTransport]:
    with LocalTransport() as link:
        yield link


def test_a_folder_is_a_model_by_its_name_or_by_what_is_at_its_top(tmp_path: Path) -> None:
    named = [make(tmp_path / name, {"a": b"1"}) for name in ("a.mlpackage", "B.MLMODELC", "c.savedmodel")]
    told = [make(tmp_path / name, {name: b"1"}) for name in ("Manifest.json", "coremldata.bin", "weights.bin")]
    assert [is_model(path) for path in named] == [True, True, False]
    assert [is_model(path) for path in told] == [True, True, False]
    assert [is_model(path) for path in (named[0] / "a", tmp_path / "none", Path("\0"), Path("x" * 5000))] == [
        True,
        False,
        False,
        False,
    ]


def test_a_folder_is_the_same_wherever_it_lies_and_another_with_any_change(tmp_path: Path, package: Path) -> None:
    same = make(tmp_path / "elsewhere" / "other.mlpackage", dict(reversed(FILES.items())))
    (same / ".DS_Store").write_bytes(b"the Finder was here")
    assert sha256_of(same) == sha256_of(package)
    assert size_of(package) == sum(map(len, FILES.values()))
    (same / "z").rename(same / "y")
    assert sha256_of(same) != sha256_of(package)


def test_a_folder_that_holds_nothing_is_a_part_of_the_model(tmp_path: Path, package: Path) -> None:
    """coremltools writes one for weights, and Core ML takes no package where it is missing."""
    before = sha256_of(package)
    (package / "Data" / "weights").mkdir()
    (package / "Data" / "weights" / ".DS_Store").write_bytes(b"the Finder was here")
    assert sha256_of(package) != before
    found = look_into(package)
    assert (found.empty, found.size_bytes) == (("Data/weights",), 5009)


def test_a_file_is_known_by_its_bytes(package: Path) -> None:
    assert sha256_of(package / "z") == hashlib.sha256(b"").hexdigest()
    assert size_of(package / "Data/weights.bin") == 5000


def link_outside(folder: Path) -> None:
    (folder / "Data" / "link").symlink_to("/etc/passwd")


def link_to_folder(folder: Path) -> None:
    (folder / "Data" / "more").symlink_to(folder)


def pipe(folder: Path) -> None:
    os.mkfifo(folder / "pipe")


def backslash(folder: Path) -> None:
    (folder / "a\\b").write_bytes(b"1")


def no_text(folder: Path) -> None:
    Path(os.fsdecode(os.fsencode(folder) + b"/\xff")).write_bytes(b"1")


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (link_outside, "'Data/link' in it is a symbolic link"),
        (link_to_folder, "'Data/more' in it is a symbolic link"),
        (pipe, "'pipe' in it is no regular file"),
        (backslash, r"'a\\b' is no path below a folder"),
        (no_text, "is no text"),
    ],
)
def test_what_cannot_be_sent_is_named(package: Path, local: LocalTransport, spoil: object, why: str) -> None:
    spoil(package)  # type: ignore[operator]
    with pytest.raises(ModelError) as raised:
        push_model(local, model_file(package), timeout_s=PATIENCE_S)
    assert raised.value.message.startswith(f"model {str(package)!r} cannot be sent: ")
    assert why.replace("\\\\", "\\") in raised.value.message.replace("\\\\", "\\")


def test_a_folder_with_too_much_in_it_is_none(package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_content, "MAX_FILES", 3)
    with pytest.raises(ModelError, match="over 3 files or folders"):
        model_file(package)


def test_a_folder_without_files_is_no_model(tmp_path: Path) -> None:
    (tmp_path / "empty.mlpackage" / "Data").mkdir(parents=True)
    with pytest.raises(ModelError, match="a folder without a file"):
        model_file(tmp_path / "empty.mlpackage")


def test_a_folder_that_cannot_be_read_says_so(package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path) -> None:
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr("os.scandir", refuse)
    with pytest.raises(ModelError, match="cannot be read: Permission denied"):
        model_file(package)


def test_any_other_folder_says_what_a_model_is(tmp_path: Path) -> None:
    with pytest.raises(ModelError) as raised:
        model_file(tmp_path)
    assert raised.value.message == f"model {str(tmp_path)!r} is a folder"
    assert raised.value.hint == "name the .tflite file in it; folders that are models end in .mlpackage or .mlmodelc"


def test_what_takes_one_file_refuses_a_folder(package: Path) -> None:
    with pytest.raises(ModelError, match=r"'net.mlpackage' is a folder, and benchmark_model takes one file"):
        one_file(package, "benchmark_model")


def test_a_folder_is_brought_file_by_file_and_named_by_its_manifest(package: Path) -> None:
    with LocalTransport() as local:
        check_pushed(package, local)


def check_pushed(package: Path, local: LocalTransport) -> None:
    first, second = (push_model(local, package, timeout_s=PATIENCE_S) for _ in range(2))
    manifest = Path(local.folder, first.sha256).read_bytes()
    assert {one.path: Path(local.folder, one.sha256).read_bytes() for one in read_manifest(manifest).files} == FILES
    assert (first.sha256, first.size_bytes) == (sha256_of(package), size_of(package))
    assert (first.sent_bytes, second.sent_bytes) == (size_of(package), 0)


def test_a_folder_that_changes_while_it_is_sent_is_no_model(
    package: Path, local: LocalTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    push_all = local.push_all

    def meanwhile(*arguments: object, **given: object) -> object:
        pushed = push_all(*arguments, **given)  # type: ignore[arg-type]
        (package / "Data/weights.bin").write_bytes(b"other")
        (package / "added").mkdir()
        return pushed

    monkeypatch.setattr(local, "push_all", meanwhile)
    with pytest.raises(TransportError, match=r"changed while it was sent: 'Data/weights\.bin', 'added'$"):
        push_model(local, package, timeout_s=PATIENCE_S)


def phone(app: StandIn, cable: Cable | None = None) -> Device:
    return Device(cable or Cable(), name="phone", facts={}, runner=AppRunner(port=app.port), timeout_s=PATIENCE_S)


def test_an_app_is_sent_what_it_does_not_have_and_each_content_once(package: Path) -> None:
    (package / "copy").write_bytes(FILES["Data/weights.bin"])
    with StandIn() as app, phone(app) as device:
        app.blobs[hashlib.sha256(b"a model").hexdigest()] = b"a model"
        first, second = device.push(package), device.push(package)
        model = device.load(package)
        sent = 5000 + len(b"{}") + len(app.blobs[first.sha256])
        assert (first.sha256, first.size_bytes, first.sent_bytes) == (sha256_of(package), size_of(package), sent)
        assert second.sent_bytes == 0
        assert (model.info.sha256, model.info.size_bytes) == (first.sha256, first.size_bytes)
        assert [one["folder"] for one in app.asked if one["op"] == "load"] == [True]


def test_a_large_model_goes_in_chunks_and_tells_how_far_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploading, "CHUNK_BYTES", 1000)
    monkeypatch.setattr("pytest_edgedevice.transports.progress.SHOW_EVERY_S", 0.001)
    model = tmp_path / "large.tflite"
    model.write_bytes(os.urandom(20_500))
    told: list[Progress] = []
    heard = threading.Event()

    class Patient(StandIn):
        def _put(self, header: dict[str, Any], chunk: memoryview, payload: Any) -> dict[str, Any]:
            assert heard.wait(30)
            return super()._put(header, chunk, payload)

    cable = Cable()

    def hear(progress: Progress) -> None:
        told.append(progress)
        heard.set()

    cable.on_progress = hear
    with Patient() as app, phone(app, cable) as device:
        assert device.push(model).sent_bytes == 20_500
        assert app.blobs[sha256_of(model)] == model.read_bytes()
        sizes = [one["total"] for one in app.asked if one["op"] == "put"]
    assert sizes == [20_500] * 21
    assert (told[-1].name, told[-1].sent_bytes, told[-1].over) == ("large.tflite", 20_500, True)


def upload_error(app: StandIn, model: Path) -> EdgeDeviceError:
    with phone(app) as device, pytest.raises(EdgeDeviceError) as raised:
        device.push(model)
    return raised.value


def test_a_full_phone_is_told_and_nothing_more_is_sent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploading, "CHUNK_BYTES", 1000)
    model = tmp_path / "large.tflite"
    model.write_bytes(bytes(50_000))
    with StandIn() as app:
        app.changes["put"] = {"op": "error", "kind": "full", "message": "no space left on the device"}
        error = upload_error(app, model)
        assert app.operations().count("put") <= 4
    assert (type(error), error.message) == (DeviceFullError, "phone: no space left on the device")


def test_an_app_that_calls_half_a_model_complete_is_not_believed(package: Path) -> None:
    with StandIn() as app:
        app.changes["put"] = {"complete": False}
        error = upload_error(app, package / "Data" / "weights.bin")
    assert type(error) is ProtocolError
    assert error.message == "phone: the agent's reply to 'put' says complete: False at the wrong chunk"


@pytest.mark.parametrize("content", [b"shorter", b"w" * 4999 + b"x", b"w" * 9000])
def test_a_file_that_changes_before_it_is_sent_never_becomes_a_model(
    package: Path, monkeypatch: pytest.MonkeyPatch, content: bytes
) -> None:
    weights = package / "Data" / "weights.bin"
    ask = uploading._absent

    def meanwhile(*arguments: object, **given: object) -> object:
        absent = ask(*arguments, **given)  # type: ignore[arg-type]
        weights.write_bytes(content)
        return absent

    monkeypatch.setattr(uploading, "CHUNK_BYTES", 1000)
    monkeypatch.setattr(uploading, "_absent", meanwhile)
    with StandIn() as app:
        error = upload_error(app, weights)
        assert not [name for name in app.blobs if not name.endswith(".part")]
    assert (type(error), error.message) == (TransportError, f"model {str(weights)!r} changed while it was sent")


def test_a_file_that_goes_before_it_is_sent_is_told(package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ask = uploading._absent

    def meanwhile(*arguments: object, **given: object) -> object:
        absent = ask(*arguments, **given)  # type: ignore[arg-type]
        (package / "z").unlink()
        return absent

    monkeypatch.setattr(uploading, "_absent", meanwhile)
    with StandIn() as app:
        error = upload_error(app, package)
    assert error.message == f"cannot read {str(package / 'z')!r}: No such file or directory"


def test_a_model_that_cannot_be_read_at_all_is_told(package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: Path) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(uploading, "_blobs", refuse)
    with StandIn() as app:
        assert upload_error(app, package).message == f"cannot read {str(package)!r}: Permission denied"
