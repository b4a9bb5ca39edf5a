"""The Open Inference Protocol without a server: addresses, tensors, and replies of every kind, also of no kind."""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING, Any

import hypothesis.extra.numpy as arrays
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_edgedevice.errors import InputError, ProtocolError, UsageError
from pytest_edgedevice.goldens.servers.oip.address import Address, Secret, parse_address
from pytest_edgedevice.goldens.servers.oip.client import _fits
from pytest_edgedevice.goldens.servers.oip.replies import error_text, parse_answer, parse_model, parse_server
from pytest_edgedevice.goldens.servers.oip.tensors import (
    DATATYPES,
    DTYPES,
    as_json,
    datatype_of,
    dtype_of,
    from_bytes,
    from_json,
    shape_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

MOST = 1 << 20
OUTPUT = {"name": "y", "datatype": "FP32", "shape": [2], "data": [1.5, 2]}

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["name", "datatype", "shape", "data", "parameters", "binary_data_size", "x"]), inner
        )
    ),
    max_leaves=12,
)
MEMBERS = {
    "name": st.just("y") | JSON,
    "datatype": st.sampled_from([*DTYPES, "BYTES"]) | JSON,
    "shape": st.lists(st.integers(-1, 3), max_size=3) | JSON,
    "data": st.lists(st.integers(-300, 300) | st.floats(), max_size=9) | JSON,
    "parameters": st.fixed_dictionaries({}, optional={"binary_data_size": st.integers(0, 9) | JSON}) | JSON,
}


def answer(document: Any, binary: bytes = b"", json_bytes: str | None = None) -> Any:
    body = json.dumps(document).encode()
    told = str(len(body)) if binary and json_bytes is None else json_bytes
    return parse_answer(body + binary, json_bytes=told, identity="me", most_bytes=MOST)


@contextlib.contextmanager
def refused_cleanly() -> Iterator[None]:
    """Whatever is refused is told in words that steer no terminal."""
    said = ""
    try:
        yield
    except ProtocolError as error:
        said = error.message
    assert said.isprintable()


class TestAddress:
    @pytest.mark.parametrize(
        ("text", "address"),
        [
            ("http://host/v2/models/m", Address("http", "host", 80, "", "m")),
            ("https://host/v2/models/m/", Address("https", "host", 443, "", "m")),
            ("http://[::1]:8000/v2/models/m/versions/3", Address("http", "::1", 8000, "", "m", "3")),
            ("http://10.0.0.1:8080/a/b/v2/models/my%20model", Address("http", "10.0.0.1", 8080, "/a/b", "my%20model")),
        ],
    )
    def test_what_is_meant_is_found(self, text: str, address: Address) -> None:
        assert parse_address(text) == address

    def test_its_text_names_the_model_and_the_port(self) -> None:
        assert str(parse_address("http://[::1]/v2/models/m/versions/3")) == "http://[::1]:80/v2/models/m/versions/3"

    @pytest.mark.parametrize(
        ("text", "said"),
        [
            ("http://user:pass@host/v2/models/m", "holds a name or password"),
            ("http://host/v2/models/m?token=abc", "query or fragment"),
            ("http://host/v2/models/m/infer", "is no address of a model"),
            ("http://host/v2/models/../m", "is no address of a model"),
            ("http://host/v1/models/m", "is no address of a model"),
            ("http://host:0/v2/models/m", "is no address of a model"),
            ("http:///v2/models/m", "is no address of a model"),
            ("ftp://host/v2/models/m", "is no address of a model"),
            ("http://host:port/v2/models/m", "cannot be understood"),
            ("http://[::1/v2/models/m", "cannot be understood"),
            (f"http://{'a' * 70}.x/v2/models/m", "cannot be understood"),
            ("http://ho st/v2/models/m", "is no address of a model"),
            ("http://host/v2/models/m\r\nX: y", "is no address of a model|cannot be understood"),
        ],
    )
    def test_what_is_none_is_refused(self, text: str, said: str) -> None:
        with pytest.raises(UsageError, match=said) as caught:
            parse_address(text)
        assert "pass@" not in caught.value.message

    @pytest.mark.parametrize(
        ("host", "local"), [("localhost", True), ("127.0.0.9", True), ("::1", True), ("10.0.0.1", False), ("h", False)]
    )
    def test_this_machine_is_known(self, host: str, local: bool) -> None:
        assert Address("http", host, 1, "", "m").local is local

    def test_a_secret_is_blotted_out_whole_and_in_part(self) -> None:
        secret = Secret("Authorization", "Bearer abcdefghij")
        assert secret.hidden("got 'Bearer abcdefghij' and abcdefghij") == "got '***' and ***"
        assert "abcdefghij" not in repr(secret)


class TestTensors:
    @settings(max_examples=40, deadline=None)
    @given(st.data())
    def test_every_value_comes_back_as_it_went(self, data: st.DataObject) -> None:
        dtype = data.draw(st.sampled_from(sorted(DATATYPES)))
        elements = {"allow_nan": False, "allow_infinity": False} if dtype.startswith("float") else None
        array = data.draw(arrays.arrays(dtype, arrays.array_shapes(min_dims=0, max_side=4), elements=elements))
        told = json.loads(json.dumps(as_json(array, where="x")))
        nested = json.loads(json.dumps(array.tolist())) if array.ndim else told
        for values in (told, nested):
            assert from_json(values, array.shape, dtype, where="x").tobytes() == array.tobytes()
        raw = array.astype(array.dtype.newbyteorder("<")).tobytes()
        assert from_bytes(raw, array.shape, dtype, where="x").tobytes() == array.tobytes()

    @pytest.mark.parametrize("dtype", DTYPES.values())
    def test_every_datatype_has_its_dtype(self, dtype: str) -> None:
        assert DTYPES[datatype_of(np.zeros(1, dtype), where="x")] == dtype

    def test_infinities_need_binary_tensors(self) -> None:
        with pytest.raises(InputError, match="infinities, which JSON cannot carry"):
            as_json(np.array([np.inf]), where="x")

    def test_a_dtype_that_the_protocol_lacks(self) -> None:
        with pytest.raises(InputError, match="x is complex64"):
            datatype_of(np.zeros(1, np.complex64), where="x")

    @pytest.mark.parametrize(
        ("data", "dtype", "said"),
        [
            ([1.5], "int32", "holds 1.5, but int32"),
            ([True], "int32", "holds True, but int32"),
            ([1], "bool", "holds 1, but bool"),
            ([300], "uint8", "holds 300, which is beyond uint8"),
            ([-1], "uint64", "holds -1, which is beyond uint64"),
            ([10**400], "float64", "a whole number beyond float64"),
            ([1e39], "float32", "which is beyond float32"),
            ([70000], "float16", "which is beyond float16"),
            ([[1]], "float32", "holds a list"),
            ([], "float32", "has 0 values"),
            ({}, "float32", "data is no list"),
        ],
    )
    def test_values_of_another_kind_are_refused(self, data: Any, dtype: str, said: str) -> None:
        with pytest.raises(ProtocolError, match=said):
            from_json(data, (1,), dtype, where="x")

    def test_bytes_that_are_no_booleans(self) -> None:
        with pytest.raises(ProtocolError, match="no booleans"):
            from_bytes(b"\x02", (1,), "bool", where="x")

    def test_not_a_number_is_left_to_the_judgement_over_references(self) -> None:
        assert np.isnan(from_json(json.loads("[NaN]"), (1,), "float32", where="x")).all()

    @pytest.mark.parametrize("datatype", [None, 5, [], "FP128", "fp32"])
    def test_unknown_datatypes(self, datatype: Any) -> None:
        with pytest.raises(ProtocolError, match="known are BOOL"):
            dtype_of(datatype, where="x")

    def test_a_shape_of_many_dimensions(self) -> None:
        with pytest.raises(ProtocolError, match="at most 32 sizes"):
            shape_of([1] * 33, where="x", dtype="int8", most_bytes=MOST)


class TestReplies:
    @pytest.mark.parametrize(
        ("document", "said"),
        [
            ({"outputs": []}, "not empty"),
            ({"outputs": [5]}, r"outputs\[0\] is not an object"),
            ({"outputs": [OUTPUT, OUTPUT]}, "has 'y' twice"),
            ({"outputs": [OUTPUT | {"parameters": 5}]}, "parameters is not an object"),
            ({"outputs": [OUTPUT | {"parameters": {"binary_data_size": -1}}]}, "binary_data_size"),
            ({"outputs": [OUTPUT], "model_name": [1]}, "model_name is not a name"),
            ({"outputs": [OUTPUT], "model_version": "\x1b"}, "model_version is not a name"),
            ({"outputs": [OUTPUT], "id": {"a": [1] * 100}}, "answers another request"),
        ],
    )
    def test_malformed_answers(self, document: Any, said: str) -> None:
        with pytest.raises(ProtocolError, match=said):
            answer(document)

    def test_binary_and_json_tensors_stand_side_by_side(self) -> None:
        raw = {"name": "z", "datatype": "INT16", "shape": [1], "parameters": {"binary_data_size": 2}}
        found = answer({"outputs": [OUTPUT, raw], "model_version": 3}, b"\x05\x00")
        assert (found.outputs["y"].tolist(), found.outputs["z"].tolist(), found.version) == ([1.5, 2], [5], "3")

    @pytest.mark.parametrize(
        ("body", "said"),
        [
            (b'{"extensions": 5}', "extensions is not a list"),
            (b'{"name": 1.5}', "name is not a name"),
            (b"\xff", "no JSON"),
        ],
    )
    def test_malformed_metadata_of_a_server(self, body: bytes, said: str) -> None:
        with pytest.raises(ProtocolError, match=said):
            parse_server(body)

    @pytest.mark.parametrize(
        ("inputs", "said"),
        [
            (5, "inputs is not a list"),
            ([{"name": "x", "datatype": "FP32", "shape": [-2]}], "shape is not a list of sizes"),
            ([{"name": "x", "datatype": "FP32", "shape": [True]}], "shape is not a list of sizes"),
            ([{"name": "", "datatype": "FP32", "shape": []}], "name is not a name"),
        ],
    )
    def test_malformed_metadata_of_a_model(self, inputs: Any, said: str) -> None:
        with pytest.raises(ProtocolError, match=said):
            parse_model(json.dumps({"name": "m", "inputs": inputs}).encode())

    def test_a_text_output_beside_others_is_no_reason_to_refuse_the_model(self) -> None:
        tensor = {"name": "label", "datatype": "BYTES", "shape": [-1]}
        assert parse_model(json.dumps({"name": "m", "outputs": [tensor]}).encode()).outputs[0].dtype == "BYTES"

    @pytest.mark.parametrize(
        ("shape", "told", "fits"),
        [
            ((4, 2), (-1, 2), True),
            ((4, 2), (2,), True),
            ((4, 3), (2,), False),
            ((4,), (1, 4, 4), False),
            ((), (), True),
        ],
    )
    def test_metadata_may_leave_the_axis_of_the_batch_out(
        self, shape: tuple[int, ...], told: tuple[int, ...], fits: bool
    ) -> None:
        assert _fits(shape, told) is fits

    @settings(max_examples=60, deadline=None)
    @given(
        st.lists(st.fixed_dictionaries({}, optional=MEMBERS) | JSON, max_size=3) | JSON,
        st.binary(max_size=9),
        st.none() | st.integers(-9, 200).map(str) | st.text(max_size=3),
    )
    def test_whatever_a_server_sends_is_understood_or_refused(
        self, outputs: Any, binary: bytes, json_bytes: str | None
    ) -> None:
        document = {"outputs": outputs, "model_name": "m"}
        with refused_cleanly():
            found = answer(document, binary, json_bytes)
            assert all(array.nbytes <= MOST and name.isprintable() for name, array in found.outputs.items())

    @settings(max_examples=60, deadline=None)
    @given(st.binary(max_size=64) | JSON.map(lambda value: json.dumps(value).encode()))
    def test_any_bytes_are_a_reply_or_refused(self, body: bytes) -> None:
        assert error_text(body).isprintable()
        for parse in (parse_server, parse_model):
            with refused_cleanly():
                parse(body)
