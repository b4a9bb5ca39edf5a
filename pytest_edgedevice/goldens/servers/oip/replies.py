"""What a server's replies say, checked member by member: they were written by others.

Raises only ``ProtocolError``. Knows no connection.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

from pytest_edgedevice.errors import ProtocolError
from pytest_edgedevice.goldens.servers.oip.exchange import cleaned
from pytest_edgedevice.goldens.servers.oip.tensors import MOST_DIMENSIONS, dtype_of, from_bytes, from_json, shape_of
from pytest_edgedevice.values import TensorSpec

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_edgedevice.goldens.servers.oip.tensors import Array

MOST_NAME = 1024
MOST_TENSORS = 4096
BINARY = "binary_tensor_data"


@dataclass(frozen=True, slots=True)
class ServerMetadata:
    """The server's name and version, and whether it takes tensors as raw bytes."""

    name: str = ""
    version: str = ""
    binary: bool = False


@dataclass(frozen=True, slots=True)
class ModelMetadata:
    """The model as its server tells it; a server may leave the tensors out."""

    name: str
    platform: str
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]


@dataclass(frozen=True, slots=True)
class Answer:
    """Outputs of one batch, and which version of the model gave them."""

    model: str
    version: str
    outputs: Mapping[str, Array]


def parse_server(body: bytes) -> ServerMetadata:
    """Read the reply to ``GET v2``."""
    document = _document(body)
    extensions = document.get("extensions", [])
    if not isinstance(extensions, list):
        _wrong("extensions", "a list")
    binary = any(isinstance(one, str) and one.startswith(BINARY) for one in extensions)
    return ServerMetadata(_label(document, "name"), _label(document, "version"), binary)


def parse_model(body: bytes) -> ModelMetadata:
    """Read the reply to ``GET v2/models/NAME``."""
    document = _document(body)
    return ModelMetadata(
        _label(document, "name"),
        _label(document, "platform"),
        _specs(document, "inputs"),
        _specs(document, "outputs"),
    )


def parse_answer(body: bytes, *, json_bytes: str | None, identity: str, most_bytes: int) -> Answer:
    """Read the reply to ``POST .../infer``.

    Args:
        body: JSON, followed by the bytes of binary tensors.
        json_bytes: The header that says how long the JSON is; None where the body is JSON only.
        identity: The request's; a reply that names another one is not ours.
        most_bytes: Largest tensor that is taken.
    """
    text, rest = _parts(body, json_bytes)
    document = _document(text)
    found = document.get("id", identity)
    if found not in (identity, "", None):
        raise ProtocolError(f"it answers another request: id {_brief(found)} instead of {identity!r}")
    entries = document.get("outputs")
    if not isinstance(entries, list) or not entries or len(entries) > MOST_TENSORS:
        _wrong("outputs", "a list of tensors that is not empty")
    outputs: dict[str, Array] = {}
    for index, entry in enumerate(entries):
        name, where = _tensor(entry, f"outputs[{index}]", outputs)
        dtype = dtype_of(entry.get("datatype"), where=where)
        shape = shape_of(entry.get("shape"), where=where, dtype=dtype, most_bytes=most_bytes)
        size = _binary_size(entry, where=where)
        if size is None:
            outputs[name] = from_json(entry.get("data"), shape, dtype, where=where)
        else:
            if size > len(rest):
                raise ProtocolError(f"{where} announces {size} bytes, but {len(rest)} are left of the reply")
            outputs[name] = from_bytes(rest[:size], shape, dtype, where=where)
            rest = rest[size:]
    if rest:
        raise ProtocolError(f"{len(rest)} bytes are left over behind the reply's tensors")
    return Answer(_label(document, "model_name"), _label(document, "model_version"), outputs)


def error_text(body: bytes) -> str:
    """What a server says of a failure, for a message: its ``error``, or the page it sent instead."""
    try:
        document = json.loads(body)
        said = next(document[key] for key in ("error", "detail", "message") if document.get(key))
    except (ValueError, AttributeError, StopIteration, RecursionError, TypeError):
        said = body[: 1 << 16].decode("utf-8", "replace")
    return cleaned(said if isinstance(said, str) else str(said)[:MOST_NAME]) or "no explanation"


def _parts(body: bytes, json_bytes: str | None) -> tuple[bytes, bytes]:
    if json_bytes is None:
        return body, b""
    length = int(json_bytes) if json_bytes.isascii() and json_bytes.isdecimal() and len(json_bytes) < 20 else -1
    if not 0 <= length <= len(body):
        raise ProtocolError(
            f"its header Inference-Header-Content-Length says {_brief(json_bytes)}, but the reply has {len(body)} bytes"
        )
    return body[:length], body[length:]


def _document(body: bytes) -> dict[str, Any]:
    try:
        document = json.loads(body.decode("utf-8-sig"), object_pairs_hook=_unique)
    except RecursionError as error:
        raise ProtocolError("its reply is nested too deeply") from error
    except ValueError as error:  # no UTF-8, no JSON, a number of 5,000 digits
        raise ProtocolError(f"its reply is no JSON: {cleaned(body[:200].decode('utf-8', 'replace'))!r:.120}") from error
    if not isinstance(document, dict):
        raise ProtocolError("its reply is no JSON object")
    return document


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        raise ProtocolError("its reply has a key twice in one object")
    return members


def _specs(document: Mapping[str, Any], key: str) -> tuple[TensorSpec, ...]:
    entries = document.get(key) or []
    if not isinstance(entries, list) or len(entries) > MOST_TENSORS:
        _wrong(key, "a list of tensors")
    specs: dict[str, TensorSpec] = {}
    for index, entry in enumerate(entries):
        name, where = _tensor(entry, f"{key}[{index}]", specs)
        datatype = entry.get("datatype")
        # a model may have a text output beside those that are wanted, so what cannot be held is refused when it comes
        dtype = datatype if datatype in ("BYTES", "BF16") else dtype_of(datatype, where=where)
        specs[name] = TensorSpec(name, dtype, _spec_shape(entry.get("shape"), where=where))
    return tuple(specs.values())


def _spec_shape(value: Any, *, where: str) -> tuple[int, ...]:
    sound = isinstance(value, list) and len(value) <= MOST_DIMENSIONS
    if not sound or any(type(size) is not int or not -1 <= size < 1 << 62 for size in value):
        _wrong(f"{where}.shape", "a list of sizes, -1 for those that vary")
    return tuple(value)


def _tensor(entry: Any, place: str, seen: Mapping[str, Any]) -> tuple[str, str]:
    """Name of an entry, and how messages call it."""
    if not isinstance(entry, dict):
        _wrong(place, "an object")
    name = entry.get("name")
    if not isinstance(name, str) or not name or len(name) > MOST_NAME or not name.isprintable():
        _wrong(f"{place}.name", "a name that can be printed")
    if name in seen:
        raise ProtocolError(f"its reply has {name!r} twice")
    return name, f"{place} ({name!r})"


def _binary_size(entry: Mapping[str, Any], *, where: str) -> int | None:
    parameters = entry.get("parameters") or {}
    if not isinstance(parameters, dict):
        _wrong(f"{where}.parameters", "an object")
    size = parameters.get("binary_data_size")
    if size is None:
        return None
    if type(size) is not int or size < 0 or "data" in entry:
        _wrong(f"{where}.parameters.binary_data_size", "a number of bytes, and no data beside it")
    return int(size)


def _label(document: Mapping[str, Any], key: str) -> str:
    """A name for the provenance; empty where there is none."""
    value = document.get(key)
    if value is None:
        return ""
    if isinstance(value, int) and not isinstance(value, bool):  # some servers count versions
        value = _brief(value)
    if not isinstance(value, str) or len(value) > MOST_NAME or not value.isprintable():
        _wrong(key, "a name that can be printed")
    return str(value)


def _brief(value: Any) -> str:
    try:
        text = json.dumps(value)
    except (ValueError, RecursionError):
        text = f"a {type(value).__name__}"
    return cleaned(text)[:60]


def _wrong(place: str, wanted: str) -> NoReturn:
    raise ProtocolError(f"its reply: {place} is not {wanted}")
