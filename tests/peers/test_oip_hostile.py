"""Servers that do their worst: each ends in one of our errors within the deadline, and never in a golden."""

from __future__ import annotations

import socket
import time
from typing import TYPE_CHECKING

import numpy as np
import pytest

from pytest_edgedevice.errors import DeadlineError, EdgeDeviceError, GoldenError, InfraError, ProtocolError, UsageError
from pytest_edgedevice.goldens import load_golden, record
from pytest_edgedevice.goldens.servers.oip import OpenInferenceServer
from tests.peers.oip_server import (
    METADATA,
    Act,
    OipServer,
    answering,
    as_json,
    double,
    forever,
    framed,
    saying,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

X = np.array([[1, 2], [3, 4], [5, 6]], np.float32)
SHORT_S = 0.5
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
SECRET = "Bearer s3cret-token-of-mine"


@pytest.fixture
def server() -> Iterator[OipServer]:
    one = OipServer()
    yield one
    one.close()


def asked(server: OipServer, timeout_s: float = 30.0, header_env: str = "") -> dict[str, np.ndarray]:
    opened = OpenInferenceServer(server.address, timeout_s=timeout_s, header_env=header_env)
    return dict(opened.answer({"x": X}, ()))


def test_a_proper_server_is_understood(server: OipServer) -> None:
    assert asked(server)["y"].tolist() == (2 * X).tolist()


def test_nested_values_are_the_same_as_flat_ones(server: OipServer) -> None:
    server.infer = answering(data=[[1, 2], [3, 4], [5.5, 6]])
    assert asked(server)["y"].tolist() == [[1, 2], [3, 4], [5.5, 6]]


def test_an_answer_in_chunks_is_put_together(server: OipServer) -> None:
    def chunked(connection: socket.socket, request: tuple[str, dict[str, str], bytes]) -> None:
        connection.sendall(HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
        for byte in as_json(double(request[2])):
            connection.sendall(b"1\r\n%c\r\n" % byte)
        connection.sendall(b"0\r\n\r\n")

    server.infer = chunked
    assert asked(server)["y"].tolist() == (2 * X).tolist()


def test_a_server_that_says_nothing_of_itself_is_taken(server: OipServer) -> None:
    server.server = saying(framed(b"", status="404 Not Found"))
    assert OpenInferenceServer(server.address).origin().framework == ""


def test_binary_tensors_are_used_where_they_are_offered(server: OipServer) -> None:
    server.server = saying(framed(as_json({"name": "t", "extensions": ["binary_tensor_data"]})))

    def binary(connection: socket.socket, request: tuple[str, dict[str, str], bytes]) -> None:
        length = int(request[1]["inference-header-content-length"])
        values = np.frombuffer(request[2][length:], "<f4") * 2
        output = {"name": "y", "datatype": "FP32", "shape": [3, 2], "parameters": {"binary_data_size": 24}}
        head = as_json({"model_name": "model", "outputs": [output]})
        sent = head + values.astype("<f4").tobytes()
        connection.sendall(framed(sent, Inference_Header_Content_Length=str(len(head))))

    server.infer = binary
    assert asked(server)["y"].tolist() == (2 * X).tolist()


@pytest.mark.parametrize(
    "act",
    [
        pytest.param(lambda connection, _: time.sleep(30), id="never answers"),
        pytest.param(forever(b"x", pause_s=0.05), id="drips its status line"),
        pytest.param(forever(b"A: b\r\n", head=HEAD, pause_s=0.02), id="drips headers"),
        pytest.param(forever(b" ", head=HEAD + b"Content-Length: 100000\r\n\r\n", pause_s=0.05), id="drips a body"),
        pytest.param(
            forever(b"1\r\n \r\n", head=HEAD + b"Transfer-Encoding: chunked\r\n\r\n", pause_s=0.05), id="chunks"
        ),
        pytest.param(forever(b" ", head=HEAD + b"\r\n", pause_s=0.05), id="drips a body without an end"),
        pytest.param(forever(b"HTTP/1.1 100 Continue\r\n\r\n", pause_s=0.02), id="continues"),
    ],
)
def test_one_deadline_ends_whatever_it_does(server: OipServer, act: Act) -> None:
    server.infer = act
    with pytest.raises(DeadlineError, match=r"did not finish its answer to POST .*/infer within 0\.5 s"):
        asked(server, SHORT_S)


def test_a_server_that_accepts_nobody_meets_the_deadline() -> None:
    one = OipServer()
    one.server = lambda connection, _: time.sleep(30)
    with pytest.raises(DeadlineError, match="GET /v2 within"):
        asked(one, SHORT_S)
    one.close()


@pytest.mark.parametrize(
    ("act", "text"),
    [
        (saying(b""), "speaks no proper HTTP: Remote end closed"),
        (saying(b"SSH-2.0-OpenSSH_9.2\r\n"), "speaks no proper HTTP: SSH-2.0"),
        (saying(HEAD + b"Content-Length: 999999999999\r\n\r\n"), "has 999999999999 bytes; at most"),
        (saying(HEAD + b"Content-Length: 50\r\n\r\n{}"), "ends after 2 of 50 bytes"),
        (saying(HEAD + b"Content-Length: -5\r\n\r\n{}"), "has shape|outputs is not"),
        (saying(HEAD + b"Transfer-Encoding: chunked\r\n\r\nff\r\n{}"), "speaks no proper HTTP: IncompleteRead"),
        (saying(HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n{}"), "speaks no proper HTTP"),
        (saying(HEAD + b"Content-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}"), "packed .gzip."),
        (saying(framed(b"<html><h1>It works!</h1></html>", Content_Type="text/html")), "no JSON: 'It works!'"),
        (saying(framed(b"[" * 100_000)), "nested too deeply|no JSON"),
        (saying(framed(b'{"outputs": ' + b"1" * 5000 + b"}")), "no JSON"),
        (saying(framed(b'{"a": 1, "a": 2}')), "a key twice"),
        (saying(framed(b"[]")), "no JSON object"),
        (saying(framed(b"{}")), "outputs is not a list of tensors"),
        (answering(name="y\x1b[31m"), "a name that can be printed"),
        (answering(datatype="BF16", data=[1] * 6), "BF16: bfloat16, which numpy does not have"),
        (answering(datatype="BYTES", data=["a"] * 6), "BYTES: texts and files"),
        (answering(datatype="FP8"), "the datatype 'FP8'; known are BOOL"),
        (answering(datatype="INT64", data=[1] * 6), "is int64, but its metadata says float32"),
        (answering(shape=[3, 3], data=[1] * 9), r"shape \[3, 3\], but its metadata says \[-1, 2\]"),
        (answering(shape=[1 << 40, 1 << 40]), r"claims 4\.836e\+24 bytes"),
        (answering(shape=[0, 1 << 62]), "claims 0 bytes; at most"),
        (answering(shape=[-3, -2]), "holds -3, which is no size"),
        (answering(shape=[True, 2]), "holds True, which is no size"),
        (answering(shape="3,2"), "no list of at most 32 sizes"),
        (answering(data=[1, 2, 3]), "has 3 values, but shape .3, 2. has 6"),
        (answering(data=[[1, 2], [3, 4], [5]]), "not nested like its shape"),
        (answering(data=[None] * 6), "holds null, but float32 was announced; some servers write NaN that way"),
        (answering(data=["1"] * 6), "holds '1', but float32"),
        (answering(data=[1e300] * 6), r"holds 1e\+300, which is beyond float32"),
        (answering(data=None), "data is no list"),
        (answering(data=None, parameters={"binary_data_size": 24}), "announces 24 bytes, but 0 are left"),
        (answering(parameters={"binary_data_size": 24}), "and no data beside it"),
    ],
)
def test_a_broken_answer_is_told_as_what_it_is(server: OipServer, act: Act, text: str) -> None:
    server.infer = act
    with pytest.raises(ProtocolError, match=text) as caught:
        asked(server)
    assert str(server.port) in caught.value.message
    assert caught.value.message.isprintable()


def test_a_body_without_an_end_is_cut_at_its_largest_size(server: OipServer, monkeypatch: pytest.MonkeyPatch) -> None:
    server.infer = forever(b" " * 65536, head=HEAD + b"\r\n")
    monkeypatch.setattr("pytest_edgedevice.goldens.servers.oip.client.MOST_REPLY_BYTES", 1 << 20)
    with pytest.raises(ProtocolError, match="has more than 1048576 bytes"):
        asked(server)


@pytest.mark.parametrize(
    ("binary", "header", "text"),
    [
        (b"\0" * 23, None, "24 bytes, but 23 are left"),
        (b"\0" * 25, None, "1 bytes are left over"),
        (b"\0" * 24, "999999", "says .*999999.*, but the reply has"),
        (b"\0" * 24, "-1", "Inference-Header-Content-Length"),
    ],
)
def test_binary_tensors_are_as_long_as_they_say(
    server: OipServer, binary: bytes, header: str | None, text: str
) -> None:
    output = {"name": "y", "datatype": "FP32", "shape": [3, 2], "parameters": {"binary_data_size": 24}}
    head = as_json({"outputs": [output]})
    server.infer = saying(framed(head + binary, Inference_Header_Content_Length=header or str(len(head))))
    with pytest.raises(ProtocolError, match=text):
        asked(server)


def test_another_requests_answer_is_not_taken(server: OipServer) -> None:
    server.infer = lambda connection, request: connection.sendall(
        framed(as_json(double(request[2]) | {"id": "somebody else's"}))
    )
    with pytest.raises(ProtocolError, match="answers another request"):
        asked(server)


def test_another_models_answer_is_not_taken(server: OipServer) -> None:
    server.infer = lambda connection, request: connection.sendall(
        framed(as_json(double(request[2]) | {"model_name": "other"}))
    )
    with pytest.raises(ProtocolError, match="'other' answered instead of 'model'"):
        asked(server)


def test_a_version_that_changes_while_it_is_recorded_is_told(server: OipServer) -> None:
    opened = OpenInferenceServer(server.address)
    opened.answer({"x": X}, ())
    server.infer = lambda connection, request: connection.sendall(
        framed(as_json(double(request[2]) | {"model_version": "2"}))
    )
    with pytest.raises(InfraError, match="version '2' answered instead of '1'"):
        opened.answer({"x": X}, ())


def test_redirects_are_not_followed(server: OipServer) -> None:
    elsewhere = f"http://127.0.0.1:{server.port}/v2/models/other\x1b[2J"
    server.metadata = saying(framed(b"", status="302 Found", Location=elsewhere))
    with pytest.raises(InfraError, match="sends elsewhere: status 302") as caught:
        asked(server)
    assert caught.value.message.isprintable()
    assert len(server.requests) == 2  # the server's own metadata, and the model's


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (as_json({"error": "model \x1b[31m'model' is\nnot ready"}), "model [31m'model' is not ready"),
        (b"<html><style>p{}</style><h1>502</h1><p>Bad Gateway</p>", "502 Bad Gateway"),
        (b"", "no explanation"),
        (as_json({"detail": [{"loc": "inputs"}]}), "[{'loc': 'inputs'}]"),
        (b"\xff" * 5000, "..."),
    ],
)
def test_a_servers_own_words_are_told_clean(server: OipServer, body: bytes, said: str) -> None:
    server.infer = saying(framed(body, status="503 Service Unavailable"))
    with pytest.raises(InfraError, match="answers with status 503") as caught:
        asked(server)
    assert said in caught.value.message
    assert caught.value.message.isprintable()
    assert caught.value.hint == "see whether the model is loaded yet"


def test_a_refusal_is_read_although_the_request_was_not(server: OipServer) -> None:
    """A gateway with a size limit answers at once and closes, while we are still sending."""
    opened = OpenInferenceServer(server.address)

    def refuse(connection: socket.socket) -> None:
        connection.sendall(framed(as_json({"error": "too large"}), status="413 Payload Too Large"))
        connection.shutdown(socket.SHUT_WR)
        connection.recv(100)

    server.greet = refuse
    with pytest.raises(InfraError, match=r"status 413: too large|cannot be reached|no proper HTTP"):
        opened.answer({"x": np.zeros((1 << 16, 2), np.float32)}, ())


class TestSecrets:
    def test_the_header_is_sent_and_never_shown(self, server: OipServer, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("MY_HEADER", f"Authorization: {SECRET}")
        server.infer = lambda connection, request: connection.sendall(
            framed(as_json({"error": f"{request[1]['authorization']} is not welcome"}), status="403 Forbidden")
        )
        with pytest.raises(InfraError, match="is not welcome") as caught:
            asked(server, header_env="MY_HEADER")
        assert "s3cret" not in repr(caught.value) + str(caught.value.__cause__)
        assert all(request[1]["authorization"] == SECRET for request in server.requests)

    def test_a_server_that_repeats_the_header_brings_it_into_no_golden(
        self, server: OipServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("MY_HEADER", f"Authorization: {SECRET}")
        server.server = saying(framed(as_json({"name": f"for {SECRET}", "version": SECRET})))
        server.metadata = saying(framed(as_json(METADATA | {"platform": SECRET})))
        origin = OpenInferenceServer(server.address, header_env="MY_HEADER").origin()
        assert "s3cret" not in repr(origin)
        assert origin.source["platform"] == "***"

    @pytest.mark.parametrize("content", ["", "no header", "Host: evil", "X: a\r\nY: b", "Content-Length: 5"])
    def test_a_variable_that_holds_no_header_is_refused(
        self, server: OipServer, monkeypatch: pytest.MonkeyPatch, content: str
    ) -> None:
        monkeypatch.setenv("MY_HEADER", content)
        with pytest.raises(UsageError, match="MY_HEADER"):
            asked(server, header_env="MY_HEADER")
        assert server.requests == []

    def test_a_header_does_not_leave_the_machine_unencrypted(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("MY_HEADER", f"Authorization: {SECRET}")
        with pytest.raises(UsageError, match=r"would travel to models\.example unencrypted"):
            OpenInferenceServer("http://models.example/v2/models/m", header_env="MY_HEADER")


def slow_resolver(*_: object, **__: object) -> list[object]:
    time.sleep(2)
    return []


class TestReaching:
    def test_nobody_there(self) -> None:
        one = OipServer()
        one.close()
        with pytest.raises(InfraError, match="cannot be reached: Connection refused"):
            asked(one)

    def test_a_host_that_nobody_knows(self) -> None:
        with pytest.raises(InfraError, match="cannot be reached"):
            OpenInferenceServer("http://no-such-host.invalid/v2/models/m", timeout_s=20)

    def test_a_resolver_that_never_answers_meets_the_deadline(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("socket.getaddrinfo", slow_resolver)
        with pytest.raises(DeadlineError, match=r"within 0\.2 s"):
            OpenInferenceServer("http://slow.example/v2/models/m", timeout_s=0.2)

    def test_a_server_without_encryption_behind_https(self, server: OipServer) -> None:
        server.greet = lambda connection: connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        with pytest.raises(InfraError, match=r"cannot be reached: .*(?i:version|ssl|reset)"):
            OpenInferenceServer(server.address.replace("http:", "https:"), timeout_s=20)


class TestNothingIsWritten:
    @pytest.mark.parametrize(
        ("act", "error", "text"),
        [
            (answering(data=[float("nan")] * 6), GoldenError, "'y' is not finite in sample '0'"),
            (answering(data=[7.0] * 6), GoldenError, "all equal"),
            (answering(shape=[2, 2], data=[1, 2, 3, 4]), GoldenError, r"'y' with shape \(2, 2\) for 3 samples"),
            (saying(framed(b"{}", status="500 Oh")), InfraError, "status 500"),
        ],
    )
    def test_by_answers_that_are_worth_nothing(
        self, server: OipServer, tmp_path: Path, act: Act, error: type[EdgeDeviceError], text: str
    ) -> None:
        np.save(tmp_path / "x.npy", X)
        server.infer = act
        with pytest.raises(error, match=text):
            record(tmp_path / "goldens" / "g", server.address, inputs={"x": tmp_path / "x.npy"})
        assert [path.name for path in tmp_path.iterdir()] == ["x.npy"]

    def test_but_a_proper_answer_becomes_a_golden(self, server: OipServer, tmp_path: Path) -> None:
        np.save(tmp_path / "x.npy", X)
        record(tmp_path / "g", server.address, inputs=[tmp_path / "x.npy"])
        golden = load_golden(tmp_path / "g", inputs=[tmp_path])
        assert np.asarray(golden.references["y"]).tolist() == (2 * X).tolist()
        assert golden.provenance.source["model_version"] == "1"
        assert (golden.provenance.framework, golden.provenance.version) == ("hand-made", "0.1")


def test_metadata_are_as_hostile_as_answers(server: OipServer) -> None:
    server.metadata = saying(framed(as_json(METADATA | {"inputs": [{"name": "x", "datatype": 5, "shape": []}]})))
    with pytest.raises(ProtocolError, match=r"inputs\[0\] \('x'\) has the datatype 5"):
        asked(server)


def test_a_large_request_meets_the_deadline_where_nobody_reads_it(server: OipServer) -> None:
    opened = OpenInferenceServer(server.address, timeout_s=SHORT_S)
    server.greet = lambda connection: time.sleep(5)
    with pytest.raises(DeadlineError):
        opened.answer({"x": np.zeros((1 << 20, 2), np.float32)}, ())
