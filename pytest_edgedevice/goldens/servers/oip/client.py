"""Asks one model on a server of the Open Inference Protocol."""

from __future__ import annotations

import contextlib
import json
import secrets
from typing import TYPE_CHECKING, Any, TypeVar

from pytest_edgedevice.errors import EdgeDeviceError, InfraError, ProtocolError
from pytest_edgedevice.goldens.servers.oip.address import parse_address, read_secret
from pytest_edgedevice.goldens.servers.oip.exchange import Reply, exchange
from pytest_edgedevice.goldens.servers.oip.replies import (
    Answer,
    ServerMetadata,
    error_text,
    parse_answer,
    parse_model,
    parse_server,
)
from pytest_edgedevice.goldens.servers.oip.tensors import as_json, datatype_of
from pytest_edgedevice.goldens.servers.server import Origin, Server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from pytest_edgedevice.goldens.servers.oip.tensors import Array

T = TypeVar("T")
TIMEOUT_S = 60.0
MOST_METADATA_BYTES = 4 << 20
MOST_REPLY_BYTES = 256 << 20
FINE = 200
OTHERWISE = "its own log says more; it may want another shape (--reshape, --transpose) or fewer samples (--batch)"
MISTOLD = "mend the metadata on the server: one of the two is not what you think it is"


class OpenInferenceServer(Server):
    """One model behind ``http(s)://HOST[:PORT]/v2/models/NAME[/versions/VERSION]``.

    Args:
        address: Where it is served.
        timeout_s: Deadline of each request, from finding the host to the last byte of its answer.
        header_env: Environment variable with a header, ``Name: value``, for servers that ask who comes.

    Raises:
        UsageError: The address or the variable is no such thing.
        InfraError: The server cannot be reached, or has no such model.
        ProtocolError: It speaks another protocol.
    """

    def __init__(self, address: str, *, timeout_s: float = TIMEOUT_S, header_env: str = "") -> None:
        self._address = parse_address(address)
        self._secret = read_secret(header_env, self._address) if header_env else None
        self._timeout_s = timeout_s
        self._version = self._address.version
        self._answered = False
        with self._hiding():
            self._server = self._ask_server()
            reply = self._send("GET", self._address.model_path, most_bytes=MOST_METADATA_BYTES)
            self._model = self._parsed(lambda: parse_model(self._good(reply).body))
        self.inputs = self._model.inputs
        self.outputs = self._model.outputs

    def answer(self, inputs: Mapping[str, Array], outputs: Sequence[str]) -> Mapping[str, Array]:
        """See ``Server``; one request."""
        with self._hiding():
            return self._answer(inputs, outputs)

    def origin(self) -> Origin:
        """See ``Server``."""
        source = {
            "kind": "open-inference-protocol",
            "address": str(self._address),
            "model": self._model.name or self._address.model,
            "model_version": self._version,
            "platform": self._model.platform,
        }
        version = self._server.version or "unknown"
        told = {key: self._hidden(text) for key, text in source.items()}
        return Origin(self._hidden(self._server.name), self._hidden(version), source=told)

    def _answer(self, inputs: Mapping[str, Array], outputs: Sequence[str]) -> Mapping[str, Array]:
        identity = secrets.token_hex(8)
        body, headers = self._request(inputs, outputs, identity)
        path = f"{self._address.model_path}/infer"
        reply = self._good(self._send("POST", path, body=body, headers=headers, most_bytes=MOST_REPLY_BYTES))
        answer = self._parsed(
            lambda: parse_answer(
                reply.body,
                json_bytes=reply.headers.get("inference-header-content-length"),
                identity=identity,
                most_bytes=MOST_REPLY_BYTES,
            )
        )
        self._same_model(answer)
        self._as_announced(answer)
        return answer.outputs

    def _ask_server(self) -> ServerMetadata:
        """Who the server is; gateways that route models only do not say."""
        reply = self._send("GET", self._address.server_path, most_bytes=MOST_METADATA_BYTES)
        if reply.status != FINE:
            return ServerMetadata()
        return self._parsed(lambda: parse_server(reply.body))

    def _request(
        self, inputs: Mapping[str, Array], outputs: Sequence[str], identity: str
    ) -> tuple[bytes, dict[str, str]]:
        entries: list[dict[str, Any]] = []
        blobs: list[bytes] = []
        for name, array in inputs.items():
            where = f"input {name!r}"
            entry: dict[str, Any] = {
                "name": name,
                "shape": list(array.shape),
                "datatype": datatype_of(array, where=where),
            }
            if self._server.binary:
                blobs.append(array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes())
                entry["parameters"] = {"binary_data_size": len(blobs[-1])}
            else:
                entry["data"] = as_json(array, where=where)
            entries.append(entry)
        document: dict[str, Any] = {"id": identity, "inputs": entries}
        if outputs:
            document["outputs"] = [{"name": name} for name in outputs]
        if not self._server.binary:
            return json.dumps(document).encode(), {"Content-Type": "application/json"}
        document["parameters"] = {"binary_data_output": True}
        head = json.dumps(document).encode()
        headers = {"Content-Type": "application/octet-stream", "Inference-Header-Content-Length": str(len(head))}
        return b"".join([head, *blobs]), headers

    def _send(
        self,
        method: str,
        path: str,
        *,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        most_bytes: int,
    ) -> Reply:
        sent = {"Accept": "application/json, application/octet-stream", "Connection": "close", **(headers or {})}
        if self._secret:
            sent[self._secret.name] = self._secret.value
        return exchange(
            self._address,
            method,
            path,
            body=body,
            headers=sent,
            timeout_s=self._timeout_s,
            most_bytes=most_bytes,
        )

    def _good(self, reply: Reply) -> Reply:
        if reply.status == FINE:
            return reply
        said = error_text(reply.body)
        hints = {
            401: "name an environment variable that holds a header, 'Authorization: ...', with --header-env",
            403: "see whether the credentials in --header-env may use this model",
            404: "see which models it serves, and how they are spelt",
            413: "send less at once with --batch N",
            503: "see whether the model is loaded yet",
        }
        hint = hints.get(reply.status, OTHERWISE)
        raise InfraError(f"{self._address} answers with status {reply.status}: {said}", hint=hint)

    def _parsed(self, parse: Callable[[], T]) -> T:
        try:
            return parse()
        except ProtocolError as error:
            hint = error.hint or "is that a server of the Open Inference Protocol, version 2?"
            raise ProtocolError(f"{self._address}: {error.message}", hint=hint) from None

    @contextlib.contextmanager
    def _hiding(self) -> Iterator[None]:
        """No error shows the secret, also not one that repeats what the server said; nor does its cause."""
        try:
            yield
        except EdgeDeviceError as error:
            raise type(error)(self._hidden(error.message), hint=error.hint) from None

    def _hidden(self, text: str) -> str:
        return self._secret.hidden(text) if self._secret else text

    def _same_model(self, answer: Answer) -> None:
        """One golden speaks for one model, also when a new version is rolled out while it is recorded."""
        expected = self._model.name
        if expected and answer.model and answer.model != expected:
            raise ProtocolError(f"{self._address}: model {answer.model!r} answered instead of {expected!r}")
        if (self._answered or self._address.version) and answer.version and answer.version != self._version:
            raise InfraError(
                f"{self._address}: version {answer.version!r} answered instead of {self._version!r}",
                hint="pin the version: name it in the address as .../versions/VERSION",
            )
        self._version = answer.version or self._version
        self._answered = True

    def _as_announced(self, answer: Answer) -> None:
        told = {spec.name: spec for spec in self.outputs}
        for name, array in answer.outputs.items():
            spec = told.get(name)
            if spec is not None and spec.dtype != array.dtype.name:
                raise ProtocolError(
                    f"{self._address}: output {name!r} is {array.dtype.name}, but its metadata says {spec.dtype}",
                    hint=MISTOLD,
                )
            if spec is not None and not _fits(array.shape, spec.shape):
                raise ProtocolError(
                    f"{self._address}: output {name!r} has shape {list(array.shape)}, "
                    f"but its metadata says {list(spec.shape)}",
                    hint=MISTOLD,
                )


def _fits(shape: tuple[int, ...], told: tuple[int, ...]) -> bool:
    """Whether a shape is what metadata announce; some servers leave the axis of the batch out."""
    if len(shape) == len(told):
        shape, told = shape[1:], told[1:]
    elif len(shape) == len(told) + 1:
        shape = shape[1:]
    return len(shape) == len(told) and all(one in (-1, size) for one, size in zip(told, shape, strict=True))
