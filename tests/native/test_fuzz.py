"""Bytes of every kind into the native agent's readers, under sanitizers; a frame is what Python's codec takes."""

from __future__ import annotations

import json
import shutil
import struct
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from pytest_edgedevice.agent.wire import FrameReader, WireError
from pytest_edgedevice.runners.native.building import SOURCES
from tests.native.agents import MODELS, TINY
from tests.native.builds import STRICT, harness_of
from tests.native.wire import PREFIX

if TYPE_CHECKING:
    from collections.abc import Iterator

HARNESS = Path(__file__).with_name("fuzz.c")
FLAGS = ["-std=c11", "-D_GNU_SOURCE", "-g", "-O1", *STRICT, f"-I{SOURCES}"]
SANITIZERS = "address,undefined"
ROUNDS = 5_000


class Harness:
    """The readers in a process of their own, which dies at the first overrun."""

    def __init__(self, program: Path) -> None:
        self._process = subprocess.Popen([str(program)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def tell(self, data: bytes) -> str:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(struct.pack("<I", len(data)) + data)
        self._process.stdin.flush()
        answer = self._process.stdout.readline().decode("utf-8", "replace")
        assert answer, f"the readers died on {data!r}"
        return answer.strip()

    def close(self) -> None:
        self._process.communicate(timeout=60)
        assert self._process.returncode == 0, "memory was leaked"


@pytest.fixture(scope="module")
def harness() -> Iterator[Harness]:
    readers = Harness(harness_of(HARNESS, "cc", f"-fsanitize={SANITIZERS}", *FLAGS))
    yield readers
    readers.close()


def python_takes(data: bytes) -> bool:
    """Whether Python's codec reads these bytes as frames to the end."""
    reader = FrameReader()
    try:
        while data:
            view = reader.buffer()
            count = min(len(view), len(data))
            view[:count] = data[:count]
            reader.advance(count)
            data = data[count:]
    except WireError:
        return False
    return True


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)
entries = st.fixed_dictionaries(
    {},
    optional={
        "name": st.text(max_size=3) | st.integers(),
        "dtype": st.sampled_from(["int8", "float32", "complex128", "x", 7]),
        "shape": st.lists(st.integers(-1, 3) | st.sampled_from([2**47, 2**48, 2**63, 1.5]), max_size=18),
        "role": st.sampled_from(["tensor", "sample", "timing", "boss"]),
    },
)
headers = st.dictionaries(st.text(max_size=4), json_values, max_size=4) | st.fixed_dictionaries(
    {"op": st.text(max_size=4), "id": st.integers(), "tensors": st.lists(entries, max_size=4)}
)
ordinary = settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@ordinary
@given(header=headers, payload=st.binary(max_size=64), escaped=st.booleans())
def test_every_frame_that_python_writes_is_read(
    harness: Harness, header: dict[str, object], payload: bytes, escaped: bool
) -> None:
    text = json.dumps(header, ensure_ascii=escaped, indent=None if len(payload) % 2 else 1).encode("utf-8", "replace")
    assert harness.tell(b"\1" + PREFIX.pack(b"EDG1", len(text), len(payload)) + text + payload) == "end"


@ordinary
@given(
    text=st.text(alphabet='{}[]",:\\u0dDeE+-.19tfn \ud83d\udc00x', max_size=30).map(lambda text: '{"a":' + text + "}")
)
@example(text='{"a":"\\ud83d\\ude00\\ud83d"}')
@example(text='{"a":-}')
@example(text='{"a":1}\n ')
def test_what_is_a_header_is_what_python_takes(harness: Harness, text: str) -> None:
    data = text.encode("utf-8", "surrogatepass")
    whole = PREFIX.pack(b"EDG1", len(data), 0) + data
    assert (harness.tell(b"\1" + whole) == "end") == python_takes(whole)


@ordinary
@given(data=st.binary(max_size=200))
def test_bytes_of_any_kind_are_survived(harness: Harness, data: bytes) -> None:
    assert harness.tell(b"\1" + data)
    assert harness.tell(b"\0" + data) == "refused"


@pytest.mark.parametrize(
    "path", [*sorted(TINY.glob("*.tflite")), *sorted(MODELS.glob("digits*.tflite"))], ids=lambda p: p.stem
)
def test_every_model_is_read_and_every_cut_of_it_is_survived(harness: Harness, path: Path) -> None:
    content = path.read_bytes()
    assert harness.tell(b"\0" + content) == ("refused" if path.stem == "string" else "model")
    for length in range(0, len(content), max(len(content) // 60, 1)):
        assert harness.tell(b"\0" + content[:length]) in ("model", "refused")


@ordinary
@given(data=st.data())
def test_models_with_wrong_bytes_are_survived(harness: Harness, data: st.DataObject) -> None:
    content = bytearray(data.draw(st.sampled_from(sorted(TINY.glob("*.tflite")))).read_bytes())
    for _ in range(data.draw(st.integers(1, 8))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    assert harness.tell(b"\0" + bytes(content)) in ("model", "refused")


@pytest.mark.slow
@pytest.mark.parametrize("what", ["frames", "models"])
def test_a_fuzzer_finds_nothing(tmp_path: Path, what: str) -> None:
    assert shutil.which("clang"), "install clang: its libFuzzer looks for inputs that break the readers"
    program = harness_of(HARNESS, "clang", f"-fsanitize=fuzzer,{SANITIZERS}", "-DLIBFUZZER", *FLAGS)
    seeds = tmp_path / "seeds"
    seeds.mkdir()
    if what == "models":
        for path in TINY.glob("*.tflite"):
            (seeds / path.stem).write_bytes(b"\0" + path.read_bytes())
    else:
        header = (
            b'{"op":"run","id":3,"samples":2,"tensors":[{"name":"x","dtype":"int16","shape":[2,1],"role":"tensor"}]}'
        )
        (seeds / "run").write_bytes(b"\1" + PREFIX.pack(b"EDG1", len(header), 4) + header + bytes(4))
    options = [f"-runs={ROUNDS}", "-seed=7", "-max_len=4096", f"-artifact_prefix={tmp_path}/"]
    done = subprocess.run([str(program), *options, str(seeds)], capture_output=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr.decode("utf-8", "replace")[-3000:]
