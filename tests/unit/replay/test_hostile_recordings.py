"""Files that claim to be recordings or kept comparisons and are none: an error that says so, never a crash."""

from __future__ import annotations

import copy
import io
import json
import os
import zipfile
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pytest_edgedevice.errors import EdgeDeviceError, UsageError
from pytest_edgedevice.replay import open_replay, read_kept
from pytest_edgedevice.replay.archive import Archive, ArchiveWriter
from pytest_edgedevice.replay.plain import rebuild
from pytest_edgedevice.replay.recorded import KIND, RecordedDevice
from pytest_edgedevice.values import ModelInfo, Timing
from tests.unit.replay.conftest import ROWS, TINY

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def npy(array: Any, *, pickled: bool = False) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array, allow_pickle=pickled)
    return stream.getvalue()


def lying_header(shape: str) -> bytes:
    """An array whose header promises more than there is."""
    header = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header.encode() + b"\0" * 16


def rewritten(source: Path, target: Path, change: Callable[[dict[str, bytes]], None]) -> Path:
    """The archive with other members."""
    with zipfile.ZipFile(source) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    change(members)
    with zipfile.ZipFile(target, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return target


def described(change: Callable[[dict[str, Any]], Any]) -> Callable[[dict[str, bytes]], None]:
    """Changes the description of an archive."""

    def changed(members: dict[str, bytes]) -> None:
        told = json.loads(np.load(io.BytesIO(members["description.npy"])).tobytes())
        change(told)
        members["description.npy"] = npy(np.frombuffer(json.dumps(told).encode(), np.uint8))

    return changed


def first(told: dict[str, Any]) -> Any:
    return told["devices"][0]["loadings"][0]


MEMBERS: dict[str, Callable[[dict[str, bytes]], Any]] = {
    "no description": lambda members: members.pop("description.npy"),
    "description of floats": lambda members: members.update({"description.npy": npy(np.ones(3))}),
    "description is no JSON": lambda members: members.update({"description.npy": npy(np.zeros(3, np.uint8))}),
    "deep JSON": lambda members: members.update(
        {"description.npy": npy(np.frombuffer(b"[" * 100_000, np.uint8))}),
    "of another kind": described(lambda told: told.update(kind="something")),
    "of another schema": described(lambda told: told.update(schema=2)),
    "no devices": described(lambda told: told.update(devices=[])),
    "devices are a number": described(lambda told: told.update(devices=7)),
    "a device without a name": described(lambda told: told["devices"][0].pop("name")),
    "a device with more": described(lambda told: told["devices"][0].update(more=1)),
    "threads are text": described(lambda told: first(told)["asked"].update(threads="2")),
    "infinite load time": described(lambda told: first(told).update(load_ms=float("inf"))),
    "info is a list": described(lambda told: first(told).update(info=[])),
    "facts are lists": described(lambda told: told["devices"][0].update(facts={"cores": [1]})),
}  # fmt: skip
ANSWERS: dict[str, Callable[[dict[str, bytes]], Any]] = {
    "no array": lambda members: members.pop("outputs.0.npy"),
    "array of objects": lambda members: members.update(
        {"outputs.0.npy": npy(np.array([{}], dtype=object), pickled=True)}),
    "array of text": lambda members: members.update({"outputs.0.npy": npy(np.array(["a"]))}),
    "no array at all": lambda members: members.update({"outputs.0.npy": b"rubbish"}),
    "cut array": lambda members: members.update({"outputs.0.npy": members["outputs.0.npy"][:-4]}),
    "promises terabytes": lambda members: members.update({"outputs.0.npy": lying_header("(1000000000000, 4)")}),
    "promises less than nothing": lambda members: members.update({"outputs.0.npy": lying_header("(-1, 4)")}),
    "no sample axis": lambda members: members.update({"outputs.0.npy": npy(np.float32(1))}),
    "fewer samples": lambda members: members.update({"outputs.0.npy": npy(np.ones((1, 4), np.float32))}),
    "another output": described(lambda told: first(told)["blocks"][0]["outputs"].pop("doubled")),
    "times without end": described(lambda told: first(told)["blocks"][0].update(inference_ns={"count": 1 << 60})),
    "no info": described(lambda told: first(told).update(info=None)),
    "an array elsewhere": described(
        lambda told: first(told)["blocks"][0]["outputs"].update(doubled="../../etc/passwd")),
}  # fmt: skip


@pytest.mark.parametrize("fault", MEMBERS)
def test_what_is_no_recording_is_not_opened(recording: Path, tmp_path: Path, fault: str) -> None:
    path = rewritten(recording.with_suffix(".npz"), tmp_path / "run.npz", MEMBERS[fault])
    with pytest.raises(UsageError, match=r"run\.npz"):
        open_replay(str(path))


@pytest.mark.parametrize("fault", ANSWERS)
def test_an_answer_that_is_broken_is_none(recording: Path, tmp_path: Path, fault: str) -> None:
    path = rewritten(recording.with_suffix(".npz"), tmp_path / "run.npz", ANSWERS[fault])
    with open_replay(str(path)) as device, pytest.raises(UsageError, match=r"run\.npz"):
        device.load(TINY / "two_outputs.tflite", delegate="xnnpack", threads=2).run({"x": ROWS[:2]})


@pytest.mark.parametrize("series", [{"count": 0}, {}, [], [0, 5], [-1]])
def test_a_latency_that_is_broken_is_none(recording: Path, tmp_path: Path, series: Any) -> None:
    change = described(lambda told: [one.update(samples_ns=series) for one in first(told)["measured"]])
    path = rewritten(recording.with_suffix(".npz"), tmp_path / "run.npz", change)
    with pytest.raises(UsageError), open_replay(str(path)) as device:
        device.load(TINY / "two_outputs.tflite", delegate="xnnpack", threads=2).measure(budget_ms=5)


def test_a_refusal_of_no_known_type_is_none(recording: Path, tmp_path: Path) -> None:
    change = described(lambda told: told["devices"][0]["loadings"][2]["refusal"].update(type="SystemExit"))
    path = rewritten(recording.with_suffix(".npz"), tmp_path / "run.npz", change)
    with open_replay(str(path)) as device, pytest.raises(UsageError, match="no known type"):
        device.load(TINY / "custom_op.tflite")


@pytest.mark.parametrize("content", [b"", b"rubbish", b"PK\x03\x04" + b"\0" * 100])
def test_what_is_no_archive_is_said(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "run.npz").write_bytes(content)
    for read in (lambda path: open_replay(str(path)), read_kept):
        with pytest.raises(UsageError, match="cannot be read"):
            read(tmp_path / "run.npz")


def test_a_compressed_archive_is_refused_before_it_grows(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "run.npz", description=np.zeros(1 << 20, np.uint8))
    with pytest.raises(UsageError, match="compressed"):
        open_replay(str(tmp_path / "run.npz"))


def test_one_array_is_not_read_for_sample_after_sample(recording: Path) -> None:
    with Archive(recording.with_suffix(".npz"), kind=KIND) as archive:
        name = next(one.removesuffix(".npy") for one in archive._zip.namelist() if one.startswith("outputs."))
        assert len(archive.samples((name,))) == 1
        with pytest.raises(UsageError, match="gives one array for several samples"):
            archive.samples((name,) * 1000)


def test_members_that_overlap_are_refused(tmp_path: Path) -> None:
    bomb = tmp_path / "bomb.npz"
    with zipfile.ZipFile(bomb, "w") as archive:
        archive.writestr("a.npy", npy(np.zeros(100_000)))
        for number in range(50):
            again = copy.copy(archive.infolist()[0])
            again.filename = f"{number}.npy"
            archive.filelist.append(again)
            archive.NameToInfo[again.filename] = again
    with pytest.raises(UsageError, match="overlap"):
        Archive(bomb, kind=KIND)


@pytest.mark.parametrize("shape", [(0, 10**30), (2**62, 0), (-1, 4)], ids=str)
def test_a_shape_that_no_array_has_is_refused(tmp_path: Path, shape: tuple[int, ...]) -> None:
    path = tmp_path / "odd.npz"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.npy", lying_header(str(shape)).rstrip(b"\0"))
        told = json.dumps({"kind": KIND, "schema": 1}).encode()
        archive.writestr("description.npy", npy(np.frombuffer(told, np.uint8)))
    with Archive(path, kind=KIND) as found, pytest.raises(UsageError, match="'a' cannot be read"):
        found.array("a")


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UsageError, match="it is no file"):
        read_kept(tmp_path / "pipe")


@pytest.mark.parametrize("address", ["", "nope.jsonl", "#", "nope#left", "x" * 5000])
def test_a_recording_that_is_not_there_is_named(address: str) -> None:
    with pytest.raises(UsageError):
        open_replay(address)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_flipped_bytes_are_found_or_harmless(recording: Path, tmp_path: Path, data: st.DataObject) -> None:
    content = bytearray(recording.with_suffix(".npz").read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path / "flipped.npz"
    path.write_bytes(bytes(content[: data.draw(st.integers(len(content) // 2, len(content)))]))
    try:
        with open_replay(str(path)) as device:
            device.load(TINY / "two_outputs.tflite", delegate="xnnpack", threads=2).run({"x": ROWS[:2]})
    except EdgeDeviceError:
        pass


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=10,
)


@settings(max_examples=100, deadline=None)
@given(JSON)
def test_nothing_but_its_own_form_becomes_a_value(value: Any) -> None:
    for kind in (ModelInfo, Timing, RecordedDevice):
        with pytest.raises(ValueError, match=r"no|missing"):
            rebuild(kind, value)


def test_a_writer_that_does_not_finish_leaves_nothing(tmp_path: Path) -> None:
    with ArchiveWriter(tmp_path / "deep" / "a.npz") as archive:
        archive.add("x", np.ones(3))
    assert list((tmp_path / "deep").iterdir()) == []


def test_arrays_come_back_as_they_were(tmp_path: Path) -> None:
    columns = np.asfortranarray(np.arange(6, dtype=np.int16).reshape(2, 3))
    with ArchiveWriter(tmp_path / "a.npz") as archive:
        archive.add("x", columns)
        archive.add("empty", np.ones((0, 3), np.complex64))
        archive.finish({"kind": KIND, "schema": 1})
    with Archive(tmp_path / "a.npz", kind=KIND) as read:
        assert np.array_equal(read.array("x"), columns)
        assert read.array("empty").shape == (0, 3)
        with pytest.raises(UsageError, match="too large"):
            read.array("x", most_bytes=10)
    assert np.array_equal(np.load(tmp_path / "a.npz", allow_pickle=False)["x"], columns)
