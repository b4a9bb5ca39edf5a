"""Results of programs are hostile: whatever they hold, a sentence says what is wrong, and nothing else is raised."""

from __future__ import annotations

import contextlib
import io
import json
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from pytest_edgedevice.errors import ConfigError, ContractError, EdgeDeviceError
from pytest_edgedevice.runners.command.manifest import PLACEHOLDERS, ArgumentTemplate
from pytest_edgedevice.runners.command.outputs import read_outputs
from pytest_edgedevice.runners.command.result import OutputFile, Told, read_result
from pytest_edgedevice.values import TensorSpec

NONCE = "abc"
SCALED = {"scales": [1], "zero_points": [0]}
SOUND: dict[str, Any] = {
    "contract": 1,
    "nonce": NONCE,
    "engine": "e",
    "engine_version": "1",
    "variant": "int8",
    "format": "raw",
    "inference_ns": [5, 6],
    "first_ns": 9,
    "load_ns": 7,
    "tick_ns": 1,
    "memory": {"peak_kb": 3.5},
    "model": {
        "inputs": [{"name": "x", "dtype": "int8", "shape": [1, -1], "quantization": SCALED}],
        "outputs": [{"name": "y", "dtype": "float32", "shape": []}],
    },
    "placement": {
        "proven": "npu", "nodes": 3, "delegated": 2, "partitions": 1, "left_over": {"ADD": 1}, "evidence": "e",
    },
    "outputs": [{"name": "y", "file": "outputs/y.raw", "dtype": "float32", "shape": [2], "sample": 1}],
}  # fmt: skip


def read(found: Any) -> Told:
    return read_result(json.dumps(found).encode(), nonce=NONCE, requested="npu", program="'p' on desk")


def test_a_sound_result_is_read_field_by_field() -> None:
    told = read(SOUND)
    assert told.outputs == (OutputFile("y", "y.raw", "float32", (2,), 1),)
    assert (told.inference_ns, told.first_ns, told.load_ns, told.tick_ns) == ((5, 6), 9, 7, 1)
    assert (told.engine, told.engine_version, told.variant, told.format) == ("e", "1", "int8", "raw")
    assert told.inputs is not None
    assert told.inputs[0].shape == (1, -1)
    assert told.output_specs == (TensorSpec("y", "float32", ()),)
    assert told.placement is not None
    assert (told.placement.requested, dict(told.placement.left_over)) == ("npu", {"ADD": 1})
    assert told.memory == {"peak_kb": 3.5}


def test_almost_everything_may_be_left_out() -> None:
    assert read({"contract": 1, "nonce": NONCE}) == Told(memory={})


OUTPUT = SOUND["outputs"][0]
PLACEMENT = SOUND["placement"]
WRONG: list[tuple[dict[str, Any], str]] = [
    ({"contract": 2}, "has contract '2', not 1"),
    ({"contract": True}, "has contract 'True'"),
    ({"nonce": "old"}, "does not repeat the manifest's nonce"),
    ({"error": "failed"}, "has an error without a kind"),
    ({"error": {"kind": "gremlins", "message": "x"}}, "unknown kind 'gremlins': x"),
    ({"outputs": {}}, "outputs is no list of files"),
    ({"outputs": ["y"]}, "is malformed"),
    ({"outputs": [{**OUTPUT, "name": 3}]}, "not a short string"),
    ({"outputs": [{"name": "y"}]}, "lacks 'file'"),
    ({"outputs": [{**OUTPUT, "file": 3}]}, "file is no text"),
    ({"outputs": [{**OUTPUT, "file": ""}]}, "no plain name"),
    ({"outputs": [{**OUTPUT, "file": "/etc/passwd"}]}, "no plain name"),
    ({"outputs": [{**OUTPUT, "file": "outputs/../../x"}]}, "no plain name"),
    ({"outputs": [{**OUTPUT, "file": ".."}]}, "no plain name"),
    ({"outputs": [{**OUTPUT, "file": "-rf"}]}, "no plain name"),
    ({"outputs": [{**OUTPUT, "file": "a\nb"}]}, "no plain name"),
    ({"outputs": [{**OUTPUT, "file": "a\n"}]}, "no plain name"),
    ({"outputs": [{**OUTPUT, "dtype": "object"}]}, "dtype 'object'"),
    ({"outputs": [{**OUTPUT, "dtype": []}]}, "dtype"),
    ({"outputs": [{**OUTPUT, "shape": 4}]}, "shape is no list"),
    ({"outputs": [{**OUTPUT, "shape": [1] * 18}]}, "shape is no list"),
    ({"outputs": [{**OUTPUT, "shape": [-1]}]}, "negative: -1"),
    ({"outputs": [{**OUTPUT, "shape": [1.5]}]}, "not a whole number"),
    ({"outputs": [{**OUTPUT, "shape": [1 << 20, 1 << 20]}]}, "over 1073741824 bytes"),
    ({"outputs": [{**OUTPUT, "sample": -1}]}, "negative"),
    ({"inference_ns": None}, "is malformed"),
    ({"inference_ns": "12"}, "not a whole number"),
    ({"inference_ns": [0]}, "is its clock too coarse"),
    ({"inference_ns": [-1]}, "negative"),
    ({"inference_ns": [1 << 63]}, "no time that was measured"),
    ({"load_ns": 0}, "load_ns holds 0 ns"),
    ({"tick_ns": 1.5}, "not a whole number"),
    ({"format": "pickle"}, "format 'pickle' is none of npy, raw"),
    ({"format": []}, "format"),
    ({"engine": 3}, "not a short string"),
    ({"engine": "\ud800"}, "is malformed"),
    ({"placement": []}, "is malformed"),
    ({"placement": {**PLACEMENT, "proven": ""}}, "placement.proven is empty"),
    ({"placement": {**PLACEMENT, "delegated": 3}}, "3 nodes, 3 delegated and 1 left over"),
    ({"placement": {**PLACEMENT, "nodes": -1}}, "negative"),
    ({"placement": {**PLACEMENT, "nodes": 10**400}}, "too large: 1000"),
    ({"model": {"inputs": []}}, "lacks 'outputs'"),
    ({"model": [1]}, "is malformed"),
    ({"memory": {str(number): 1 for number in range(17)}}, "more than 16 entries"),
    ({"memory": {"peak": "much"}}, "no number from 0 on"),
    ({"memory": {"peak": True}}, "no number from 0 on"),
    ({"memory": {"peak": -1}}, "no number from 0 on"),
    ({"memory": [1]}, "is malformed"),
]


@pytest.mark.parametrize(("change", "message"), WRONG, ids=[f"{number}" for number in range(len(WRONG))])
def test_what_is_wrong_is_said(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ContractError, match=message):
        read({**SOUND, **change})


@pytest.mark.parametrize(
    "content",
    [b"", b"[]", b"\xff", b"{", b'{"a": NaN}', b'{"a": -Infinity}', b"[" * 100_000, b'{"a": ' + b"9" * 5000 + b"}"],
    ids=["empty", "list", "bytes", "cut", "nan", "infinity", "deep", "long"],
)
def test_what_is_no_json_is_said(content: bytes) -> None:
    with pytest.raises(ContractError, match=r"result.json of 'p' on desk (is no JSON|has contract)"):
        read_result(content, nonce=NONCE, requested="npu", program="'p' on desk")


@pytest.mark.parametrize("content", [b'{"nonce": 1, "a": {}, "nonce": 1}', b'{"a": [{"nonce": 1, "nonce": 2}]}'])
def test_a_key_that_is_there_twice_is_refused(content: bytes) -> None:
    with pytest.raises(ContractError, match="is no JSON: the key 'nonce' is there twice"):
        read_result(content, nonce=NONCE, requested="npu", program="'p' on desk")


def test_a_message_cannot_steer_a_terminal() -> None:
    with pytest.raises(EdgeDeviceError, match=r"'p' on desk failed: \[31mred two$"):
        read({**SOUND, "error": {"kind": "model", "message": "\x1b[31mred\n\x07two"}})


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from([*SOUND, *OUTPUT, *PLACEMENT]), inner),
    max_leaves=12,
)


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(st.sampled_from(list(SOUND)), JUNK, max_size=4))
def test_any_change_is_read_or_refused(change: dict[str, Any]) -> None:
    try:
        told = read({**SOUND, **change})
    except EdgeDeviceError:
        return
    assert all("/" not in one.file and one.size_bytes <= 1 << 30 for one in told.outputs)
    assert all(time > 0 for time in told.inference_ns)


class Files:
    """Stands in for the folder of a process."""

    def __init__(self, **content: bytes) -> None:
        self.content = {name.replace("_npy", ".npy"): value for name, value in content.items()}

    def sizes(self, names: list[str], *, folder: str = "") -> dict[str, int]:
        return {name: len(self.content[name]) for name in names if name in self.content}

    def read(self, sizes: dict[str, int], *, folder: str = "") -> dict[str, bytes]:
        return {name: self.content[name] for name in sizes}


def npy(
    dtype: str = "<f4", shape: str = "(2, 3)", order: str = "False", version: int = 1, body: bytes = bytes(24)
) -> bytes:
    header = f"{{'descr': '{dtype}', 'fortran_order': {order}, 'shape': {shape}, }}\n".encode()
    return b"\x93NUMPY" + bytes([version, 0]) + len(header).to_bytes(2 if version == 1 else 4, "little") + header + body


def outputs(content: bytes, dtype: str = "float32", shape: tuple[int, ...] = (2, 3), name: str = "y.npy") -> Any:
    told = Told(outputs=(OutputFile("y", name, dtype, shape, None),))
    files: Any = Files(**{name.replace(".npy", "_npy"): content})
    return read_outputs(told, files, samples=2, specs=None, program="'p' on desk")["y"][0]


@pytest.mark.parametrize("version", [1, 2, 3])
def test_every_version_of_npy_is_read(version: int) -> None:
    body = np.arange(6, dtype="<f4").tobytes()
    assert outputs(npy(version=version, body=body)).tolist() == [[0, 1, 2], [3, 4, 5]]


@pytest.mark.parametrize("dtype", ["bool", "int8", "uint64", "float16", "complex64", "complex128"])
def test_what_numpy_writes_is_read(dtype: str) -> None:
    made = io.BytesIO()
    sent = np.ones((2, 3), dtype)
    np.save(made, sent)
    got = outputs(made.getvalue(), dtype)
    assert (got.dtype, got.tolist()) == (sent.dtype, sent.tolist())


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"no numpy at all, but long enough", "does not begin like one"),
        (npy(version=4), "does not begin like one"),
        (npy(dtype="|O"), "lacks a plain little-endian dtype"),
        (npy(dtype=">f4"), "lacks a plain little-endian dtype"),
        (npy(dtype="<z9"), "is no .npy file as told"),
        (npy(dtype="<f8"), r"says float64 \(2, 3\), told was float32"),
        (npy(order="True"), "or C order"),
        (npy(shape="(3, 2)"), r"says float32 \(3, 2\)"),
        (npy(shape="(2, x)"), "lacks"),
        (npy(shape="(" + "9" * 5000 + ",)"), "is no .npy file as told"),
        (npy()[:10] + bytes(80), "lacks a plain"),
        (b"\x93NUMPY\x01\x00\xff\xff" + bytes(100), "its header does not end"),
        (npy(body=bytes(30)), "wrote 30 bytes to 'y.npy', where"),
        (npy(body=bytes(23)), "wrote 23 bytes"),
        (b"1", "wrote 1 bytes"),
    ],
)  # fmt: skip
def test_an_npy_file_must_be_what_was_told(content: bytes, message: str) -> None:
    with pytest.raises(ContractError, match=message):
        outputs(content)


def test_a_bool_is_0_or_1() -> None:
    with pytest.raises(ContractError, match="as bool with bytes other than 0 and 1"):
        outputs(b"\0\1\2\0\1\1", "bool", name="y")


def test_something_must_be_told() -> None:
    files: Any = Files()
    with pytest.raises(ContractError, match="told of no outputs"):
        read_outputs(Told(), files, samples=1, specs=None, program="p")


def test_outputs_have_a_limit_together() -> None:
    many = tuple(OutputFile("y", f"{number}", "int8", (1 << 29,), number) for number in range(3))

    class Huge(Files):
        def sizes(self, names: list[str], *, folder: str = "") -> dict[str, int]:
            return dict.fromkeys(names, 1 << 29)

    files: Any = Huge()
    with pytest.raises(ContractError, match="have 1610612736 bytes; 1073741824 are the most"):
        read_outputs(Told(outputs=many), files, samples=3, specs=None, program="p")


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=60), st.integers(0, 80), st.integers(0, 20))
def test_any_damage_to_an_npy_file_is_read_or_refused(junk: bytes, at: int, cut: int) -> None:
    whole = npy()
    content = whole[:at] + junk + whole[at + cut :]
    with contextlib.suppress(ContractError):
        assert outputs(content).shape == (2, 3)


def test_a_template_fills_only_what_it_knows() -> None:
    values = {name: f"<{name}>" for name in PLACEHOLDERS}
    values["model"] = "{folder} {{"  # what is filled in is not filled again
    assert ArgumentTemplate(["{model}{threads}", "{{{runs}}}", "plain"]).filled(values) == [
        "{folder} {{<threads>",
        "{<runs>}",
        "plain",
    ]
    assert ArgumentTemplate([]).filled(values) == ["<manifest>"]


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("--in={input}", "has the placeholder '{input}', which is unknown"),
        ("{}", "placeholder '{}'"),
        ("{model.path}", "unknown"),
        ("{", "a brace alone"),
        ("a}", "a brace alone"),
    ],
)
def test_a_placeholder_that_is_unknown_is_said(argument: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as raised:
        ArgumentTemplate([argument])
    assert "{folder} {manifest} {model} {inputs} {outputs} {delegate} {threads} {runs}" in raised.value.hint
