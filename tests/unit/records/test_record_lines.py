"""Records on disk: written whole or not at all, read with suspicion."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_edgedevice.errors import InfraError, UsageError
from pytest_edgedevice.records import build, read_lines, read_what_is_there, write_lines
from pytest_edgedevice.records.lines import MOST_FAULTS

if TYPE_CHECKING:
    from pytest_edgedevice.values import Evidence

MINIMAL = '"schema": 1, "test": "t", "check": "size", "verdict": "pass", "message": "", "numbers": {}'
BROKEN = [
    ("{", "not JSON"),
    ("[" * 100_000, "not JSON"),
    ("[1]", "not a record of schema 1, but list"),
    ('"text"', "not a record of schema 1, but str"),
    ('{"schema": 2}', "not a record of schema 1, but 2"),
    ("{}", "not a record of schema 1, but None"),
    ('{"schema": 1}', "'test' is missing or not a str"),
    ("{" + MINIMAL + "}", "'device' is missing or not a dict"),
    ("{" + MINIMAL + ', "device": []}', "'device' is missing or not a dict"),
    ("{" + MINIMAL + ', "device": {"name": 3}}', "'device.name' is missing or not a str"),
    ("{" + MINIMAL + ', "device": {}, "model": 3}', "'model' is missing or not a dict"),
    ("{" + MINIMAL + ', "device": {}, "model": {}}', "'model.name' is missing or not a str"),
    ("{" + MINIMAL + ', "device": {}, "outcome": 3}', "'outcome' is missing or not a str"),
    ('{"schema": true}', "not a record of schema 1, but True"),
    ('{"schema": 1, "numbers": NaN}', "NaN is no number of JSON"),
]


@pytest.fixture
def record(evidence: Evidence) -> dict[str, object]:
    return build(evidence, test="t.py::test_\ud800\n", facts={"host": "käse"}, version="0", time="now")


def test_what_was_written_reads_back(tmp_path: Path, record: dict[str, object]) -> None:
    write_lines(tmp_path / "out.jsonl", [record, record])
    assert read_lines(tmp_path / "out.jsonl") == [record, record]


def test_every_record_is_one_line(tmp_path: Path, record: dict[str, object]) -> None:
    write_lines(tmp_path / "out.jsonl", [record, record])
    assert (tmp_path / "out.jsonl").read_bytes().count(b"\n") == 2


def test_folders_on_the_way_are_made(tmp_path: Path) -> None:
    write_lines(tmp_path / "a" / "b" / "out.jsonl", [])
    assert read_lines(tmp_path / "a" / "b" / "out.jsonl") == []


def test_a_file_has_the_mode_that_open_would_have_given_it(tmp_path: Path) -> None:
    write_lines(tmp_path / "out.jsonl", [])
    (tmp_path / "plain").touch()
    assert stat.S_IMODE((tmp_path / "out.jsonl").stat().st_mode) == stat.S_IMODE((tmp_path / "plain").stat().st_mode)


def test_a_link_stays_a_link(tmp_path: Path, record: dict[str, object]) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real" / "out.jsonl")
    write_lines(tmp_path / "link", [record])
    assert (tmp_path / "link").is_symlink()
    assert read_lines(tmp_path / "real" / "out.jsonl") == [record]


@pytest.fixture
def pipe(tmp_path: Path) -> Path:
    os.mkfifo(tmp_path / "pipe")
    return tmp_path / "pipe"


def through(pipe: Path, records: list[dict[str, object]]) -> list[str]:
    """Write records into a pipe while somebody reads it; the lines that arrived."""
    end = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    os.set_blocking(end, True)
    held = os.open(pipe, os.O_WRONLY)  # without a writer the reader would see the end at once
    read: list[str] = []

    def drain() -> None:
        with os.fdopen(end) as stream:
            read.extend(stream)

    reader = threading.Thread(target=drain)
    reader.start()
    try:
        write_lines(pipe, records)
    finally:
        os.close(held)
        reader.join(20)
    return read


@pytest.mark.parametrize("count", [1, 5000], ids=["one", "more than a pipe holds"])
def test_a_pipe_that_is_read_gets_everything(pipe: Path, record: dict[str, object], count: int) -> None:
    assert [json.loads(line) for line in through(pipe, [record] * count)] == [record] * count


def test_a_pipe_is_not_replaced(pipe: Path, record: dict[str, object]) -> None:
    through(pipe, [record])
    assert stat.S_ISFIFO(pipe.stat().st_mode)


def test_a_pipe_that_nobody_reads_is_said_at_once(pipe: Path, record: dict[str, object]) -> None:
    with pytest.raises(InfraError, match=r"(?s)pipe': nobody reads from it.*hint: a pipe needs a program"):
        write_lines(pipe, [record])


def test_a_pipe_whose_reader_stopped_is_given_up(
    pipe: Path, record: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pytest_edgedevice.records.writing.PATIENCE_S", 0.0)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        with pytest.raises(InfraError, match=r"its reader left \d+ bytes for 0 s"):
            write_lines(pipe, [record] * 5000)  # more than a pipe holds
    finally:
        os.close(reader)


def test_a_stream_that_refuses_is_said(record: dict[str, object]) -> None:
    with pytest.raises(InfraError, match="No space left on device"):
        write_lines(Path("/dev/full"), [record])


def test_standard_output_is_written_to_even_where_it_is_a_file(tmp_path: Path) -> None:
    program = (
        "from pathlib import Path; from pytest_edgedevice.records import write_lines\n"
        "print('before', flush=True); write_lines(Path('/dev/stdout'), [{'schema': 1}])"
    )
    with (tmp_path / "log").open("w") as log:
        subprocess.run([sys.executable, "-c", program], stdout=log, check=True, timeout=30)
    assert (tmp_path / "log").read_text() == 'before\n{"schema": 1}\n'


@pytest.mark.parametrize("kind", ["folder", "below a file", "null byte", "too long"])
def test_a_path_that_cannot_be_written_is_said(tmp_path: Path, kind: str) -> None:
    (tmp_path / "file").touch()
    paths = {
        "folder": tmp_path,
        "below a file": tmp_path / "file" / "out.jsonl",
        "null byte": tmp_path / "a\0b",
        "too long": tmp_path / ("x" * 300),
    }
    with pytest.raises(InfraError, match="cannot write the report"):
        write_lines(paths[kind], [])


def test_a_full_disk_keeps_the_old_file_and_leaves_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "out.jsonl"
    path.write_text("old")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pytest_edgedevice.records.writing._share", full)
    with pytest.raises(InfraError, match="No space left on device"):
        write_lines(path, [])
    assert [(one.name, one.read_text()) for one in tmp_path.iterdir()] == [("out.jsonl", "old")]


@pytest.mark.parametrize(("line", "text"), BROKEN)
def test_a_line_that_is_no_record_is_named(tmp_path: Path, line: str, text: str) -> None:
    path = tmp_path / "out.jsonl"
    path.write_text("\n" + line + "\n")
    with pytest.raises(UsageError, match=text) as caught:
        read_lines(path)
    assert caught.value.message.startswith(f"{path}:2: ")


def test_a_file_without_end_is_not_read_to_its_end(tmp_path: Path) -> None:
    with (tmp_path / "out.jsonl").open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(UsageError, match="larger than 512 MiB, too large for records"):
        read_lines(tmp_path / "out.jsonl")


def test_a_line_ends_where_json_lines_end(tmp_path: Path, record: dict[str, object]) -> None:
    path = tmp_path / "out.jsonl"
    path.write_text(json.dumps({**record, "test": "a\u2028b"}, ensure_ascii=False) + "\r\n", encoding="utf-8")
    assert [one["test"] for one in read_lines(path)] == ["a\u2028b"]


@pytest.mark.parametrize("content", [None, b"\xff\xfe"])
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "out.jsonl"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UsageError, match=r"cannot read records from|not text in UTF-8"):
        read_lines(path)


def test_whole_lines_are_kept_and_the_others_told(tmp_path: Path, record: dict[str, object]) -> None:
    path, line = tmp_path / "out.jsonl", json.dumps(record)
    path.write_bytes(f"{line}\ngarbage\n{line}\n".encode() + b"\xff\n" + b'{"schema": 2}\n' + line[:50].encode())
    found = read_what_is_there(path)
    assert list(found.records) == [record, record]
    places = [fault.removeprefix(f"{path}:")[:1] for fault in found.faults]
    assert places == ["2", "4", "5", "6"]
    assert found.faults[-1].endswith("; the line is cut off")


def test_a_huge_line_is_told_and_the_lines_after_it_are_read(
    tmp_path: Path, record: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    line = json.dumps(record)
    monkeypatch.setattr("pytest_edgedevice.records.lines.MOST_LINE_BYTES", len(line))
    (tmp_path / "out.jsonl").write_text(f"{'x' * 5 * len(line)}\n{line}\n{'y' * 3 * len(line)}")
    found = read_what_is_there(tmp_path / "out.jsonl")
    assert list(found.records) == [record]
    assert [fault.rpartition(":")[2] for fault in found.faults] == [" longer than 0 MiB, too long for a record"] * 2


@pytest.mark.parametrize("kind", ["folder", "pipe"])
def test_what_is_no_file_is_not_waited_for(tmp_path: Path, kind: str) -> None:
    (tmp_path / "it").mkdir() if kind == "folder" else os.mkfifo(tmp_path / "it")
    with pytest.raises(UsageError, match="it is no regular file"):
        read_what_is_there(tmp_path / "it")


def test_records_may_come_through_a_pipe_of_the_shell(tmp_path: Path, record: dict[str, object]) -> None:
    read, write = os.pipe()
    os.write(write, json.dumps(record).encode())
    os.close(write)
    try:
        assert list(read_what_is_there(Path(f"/dev/fd/{read}")).records) == [record]
    finally:
        os.close(read)


def test_a_file_of_something_else_is_given_up_soon(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("x\n" * (MOST_FAULTS + 1))
    with pytest.raises(
        UsageError, match=r"is no file of records: more than 1000 of its lines are none, such as .*log:1: not JSON"
    ):
        read_what_is_there(tmp_path / "log")
