"""What the native agent does when memory, disk, host or runtime are gone."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from pytest_edgedevice.agent import SENTINEL
from pytest_edgedevice.agent.wire import describe, encode
from pytest_edgedevice.errors import DeviceFullError, InputError, MissingExtraError, ModelError
from pytest_edgedevice.runners.client import AgentClient
from pytest_edgedevice.transports.pipes import ChildProcess
from tests.native.agents import PATIENCE_S, TINY
from tests.native.wire import FIELDS, PREFIX, Wire, load

if TYPE_CHECKING:
    from tests.native.agents import Agents


def resident_kilobytes(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    return int(status.partition("VmRSS:")[2].split()[0])


def test_memory_grows_with_what_came_and_not_with_what_was_promised(agents: Agents) -> None:
    wire = Wire(agents.process("tflite"))
    before = resident_kilobytes(wire.hello["pid"])
    header = json.dumps({"op": "put", "id": 1}).encode()
    wire.send(PREFIX.pack(b"EDG1", len(header), 1 << 30) + header, bytes(100_000))
    deadline = time.monotonic() + PATIENCE_S
    while resident_kilobytes(wire.hello["pid"]) < before + 90:  # the bytes have arrived
        assert time.monotonic() < deadline
    assert resident_kilobytes(wire.hello["pid"]) < before + 4096
    wire.process.kill()


def test_a_payload_that_memory_does_not_suffice_for_is_dropped_and_answered(agents: Agents) -> None:
    limited = ["bash", "-c", 'ulimit -v 300000; exec "$0" "$@"']
    command = agents.program.command(str(agents.program.path), str(agents.folder), str(agents.runtimes["tflite"]))
    wire = Wire(ChildProcess([*limited, *command]))
    reply = wire.ask(1, "put", bytes(600 << 20), sha256="0" * 64, offset=0, total=600 << 20).header
    assert (reply["kind"], reply["id"]) == ("memory", 1)
    assert wire.ask(2, "facts").header["op"] == "facts"
    wire.process.kill()


def until(condition: Any) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.parametrize("sent", [b"", b"EDG1\x10\0\0\0", PREFIX.pack(b"EDG1", 4, 9) + b"{}  abc"], ids=str)
def test_the_end_of_input_ends_it_and_wipes(agents: Agents, tmp_path: Path, sent: bytes) -> None:
    kept = tmp_path / "kept"
    kept.mkdir()
    (kept / "precious").touch()
    (agents.folder / "deep" / "er").mkdir(parents=True)
    (agents.folder / "link").symlink_to(kept)
    command = agents.program.command(str(agents.program.path), str(agents.folder), str(agents.runtimes["tflite"]))
    done = subprocess.run(command, input=sent, capture_output=True, timeout=PATIENCE_S, check=True)
    assert done.stdout.startswith(SENTINEL)
    assert not agents.folder.exists()
    assert (kept / "precious").exists()


def test_a_host_that_vanishes_in_an_inference_is_noticed(agents: Agents) -> None:
    wire = Wire(agents.process("tflite"))
    load(wire, "slow")
    steps = np.array([[2**31 - 1]], np.int32)
    tensors = [describe("steps", "int32", (1, 1))]
    wire.send(
        b"".join(
            bytes(part) for part in encode({"op": "run", "id": 9, "samples": 1, "tensors": tensors}, [steps.tobytes()])
        )
    )
    pid = wire.hello["pid"]
    stat = Path(f"/proc/{pid}/stat")
    until(lambda: int(stat.read_text().rsplit(")", 1)[1].split()[11]) > 20)  # it computes
    wire.process.stream.close()
    assert wire.process.wait(timeout_s=PATIENCE_S) == 0
    wire.process.kill()
    assert not agents.folder.exists()


def test_requests_are_read_while_it_computes(agents: Agents) -> None:
    wire = Wire(agents.process("tflite"))
    load(wire, "slow")
    steps = np.array([[200_000]], np.int32)
    entry = [describe("steps", "int32", (1, 1))]
    for number in range(wire.hello["window"]):
        header = {"op": "run", "id": number, "samples": 1, "tensors": entry}
        wire.send(*(bytes(part) for part in encode(header, [steps.tobytes()])))
    for number in range(wire.hello["window"]):
        assert wire.receive().header["id"] == number
    wire.process.kill()


@pytest.mark.parametrize("length", [1, 4, 7, 8, 16, 64, 200, 400, 550])
@pytest.mark.parametrize("runtime", ["tflite", "litert"])
def test_a_truncated_model_is_a_model_error(sanitized: Agents, tmp_path: Path, runtime: str, length: int) -> None:
    path = tmp_path / "cut.tflite"
    path.write_bytes((TINY / "add_float32.tflite").read_bytes()[:length])
    with pytest.raises(ModelError, match="Flatbuffer"):
        sanitized.load(path, runtime)


def test_a_runtime_that_is_not_there_is_told_at_the_load(agents: Agents) -> None:
    with pytest.raises(MissingExtraError, match=r"runtime '/no/such.so' cannot be used: /no/such.so: cannot open"):
        agents.load(TINY / "nan.tflite", "/no/such.so")


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("int x;", "exports neither TfLiteVersion nor LiteRtCreateEnvironment"),
        ('const char *TfLiteVersion(void) { return "2.4.0"; }', "a TensorFlow Lite library without TfLiteModelCreate"),
        ("int LiteRtCreateEnvironment(void) { return 1; }", "a LiteRT library without LiteRtCreateModelFromBuffer"),
    ],
)
def test_a_library_that_is_no_runtime_is_told_at_the_load(
    agents: Agents, tmp_path: Path, source: str, text: str
) -> None:
    library = tmp_path / "lib.so"
    (tmp_path / "lib.c").write_text(source)
    subprocess.run(["cc", "-shared", "-fPIC", "-o", str(library), str(tmp_path / "lib.c")], check=True)
    with pytest.raises(MissingExtraError, match=text):
        agents.load(TINY / "nan.tflite", str(library))


def test_without_a_runtime_it_says_what_to_push(agents: Agents) -> None:
    agents.runtimes = {"none": Path()}
    process_command = [str(agents.program.path), "--folder", str(agents.folder)]

    client = AgentClient(ChildProcess(process_command), where="desk")
    content = (TINY / "nan.tflite").read_bytes()
    sha256 = hashlib.sha256(content).hexdigest()
    (agents.folder / sha256).write_bytes(content)
    assert client.hello["engines"] == {}
    with pytest.raises(MissingExtraError, match=r"push libtensorflowlite_c\.so"):
        client.request("load", {"sha256": sha256, **FIELDS}, timeout_s=PATIENCE_S)
    client.close()


@pytest.mark.parametrize("arguments", [[], ["--folder"], ["--warp"], ["--wipe"]])
def test_arguments_that_are_wrong_are_explained(agents: Agents, arguments: list[str]) -> None:
    command = [str(agents.program.path), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    assert done.returncode == 2
    assert "usage: edgedevice-agent --folder FOLDER" in done.stderr


@pytest.mark.skipif(os.getuid() != 0 or sys.platform != "linux", reason="mounting needs root on Linux")
def test_a_full_disk_is_told_and_nothing_is_left(agents: Agents) -> None:
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "edgedevice-test", str(agents.folder)], check=True)
    try:
        client = agents.start()
        fields = {"sha256": "0" * 64, "offset": 0, "total": 2 << 20}
        with pytest.raises(DeviceFullError, match="No space left"):
            client.request("put", fields, [bytes(2 << 20)], timeout_s=PATIENCE_S)
        assert list(agents.folder.iterdir()) == []
        client.close()
    finally:
        subprocess.run(["umount", str(agents.folder)], check=True)


def test_an_input_error_leaves_the_model_usable(agents: Agents) -> None:
    with agents.load(TINY / "dynamic.tflite", delegate="xnnpack") as model:
        with pytest.raises(InputError):
            model.run({"image": np.zeros((1, 1, 2**31, 3, 0), np.float32)})
        assert model.run({"image": np.ones((1, 2, 2, 3), np.float32)}).samples == 1
