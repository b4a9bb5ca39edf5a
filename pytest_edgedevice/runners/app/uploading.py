"""Models on their way to an app, which keeps blobs itself: what it has is asked, the rest is sent in chunks."""

from __future__ import annotations

import hashlib
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pytest_edgedevice.errors import TransportError
from pytest_edgedevice.runners.model_content import look_into
from pytest_edgedevice.runners.model_folders import refuse_change
from pytest_edgedevice.transports.base import Pushed
from pytest_edgedevice.transports.progress import shown

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from pytest_edgedevice.runners.client import AgentClient
    from pytest_edgedevice.transports.progress import Moved, Told

CHUNK_BYTES = 1 << 20
MOST_AHEAD = 8


@dataclass(frozen=True, slots=True)
class Blob:
    """Something to be sent.

    Attributes:
        sha256: Its name.
        size_bytes: How long it is.
        content: The file that holds it, or the bytes themselves.
    """

    sha256: str
    size_bytes: int
    content: Path | bytes

    def chunks(self) -> Iterator[bytes]:
        """Its bytes, piece by piece; an empty one is one empty piece. The last comes when all are known to be right.

        Raises:
            TransportError: The file cannot be read, or holds something else by now.
        """
        if isinstance(self.content, bytes):
            yield self.content
            return
        digest, sent, kept = hashlib.sha256(), 0, b""
        try:
            with self.content.open("rb") as file:
                while chunk := file.read(CHUNK_BYTES):
                    digest.update(chunk)
                    sent += len(chunk)
                    if sent > self.size_bytes:
                        break
                    if kept:
                        yield kept
                    kept = chunk
        except OSError as error:
            raise _unreadable(self.content, error) from error
        if digest.hexdigest() != self.sha256:
            raise TransportError(f"model {str(self.content)!r} changed while it was sent")
        yield kept


def upload(client: AgentClient, source: Path, *, timeout_s: float, told: Told | None) -> Pushed:
    """Bring a model's file or folder to an app that does not have it.

    Args:
        client: The conversation.
        source: The model.
        timeout_s: Deadline for each answer, seconds.
        told: Told about once a second how far it is.

    Raises:
        ModelError: A folder that cannot be sent.
        TransportError: It cannot be read, or changed meanwhile.
        DeviceFullError: No room there; nothing is left of it.
        InfraError: The world failed.
    """
    try:
        blobs = _blobs(source)
    except OSError as error:
        raise _unreadable(source, error) from error
    wanted = _absent(client, blobs, timeout_s=timeout_s)
    with shown(told, source.name, sum(blob.size_bytes for blob in wanted)) as moved:
        sent = _send(client, wanted, timeout_s=timeout_s, moved=moved)
    model = blobs[-1]
    size = sum(blob.size_bytes for blob in blobs[:-1]) if source.is_dir() else model.size_bytes
    return Pushed(model.sha256, size, sent)


def _blobs(source: Path) -> list[Blob]:
    """What has to be there for a model, its own name last."""
    if not source.is_dir():
        return [_file_blob(source)]
    found = look_into(source)
    blobs = [_file_blob(part.file) for part in found.parts]
    refuse_change(found, [blob.size_bytes for blob in blobs])
    manifest = found.manifest([(blob.sha256, blob.size_bytes) for blob in blobs])
    return [*blobs, Blob(hashlib.sha256(manifest).hexdigest(), len(manifest), manifest)]


def _file_blob(file: Path) -> Blob:
    digest, size = hashlib.sha256(), 0
    with file.open("rb") as stream:
        while chunk := stream.read(CHUNK_BYTES):
            digest.update(chunk)
            size += len(chunk)
    return Blob(digest.hexdigest(), size, file)


def _absent(client: AgentClient, blobs: list[Blob], *, timeout_s: float) -> list[Blob]:
    """Those that the app does not have, each content once."""
    once = list({blob.sha256: blob for blob in blobs}.values())
    asked = (("have", {"sha256": blob.sha256}, b"") for blob in once)
    answers = _pipelined(client, asked, timeout_s=timeout_s)
    return [blob for blob, answer in zip(once, answers, strict=True) if answer.get("present") is not True]


def _send(client: AgentClient, blobs: list[Blob], *, timeout_s: float, moved: Moved) -> int:
    """Send blobs; how many bytes went."""
    sizes: deque[int] = deque()
    last: deque[bool] = deque()

    def requests() -> Iterator[tuple[str, dict[str, Any], bytes]]:
        for blob in blobs:
            offset = 0
            for chunk in blob.chunks():
                sizes.append(len(chunk))
                last.append(offset + len(chunk) == blob.size_bytes)
                yield "put", {"sha256": blob.sha256, "offset": offset, "total": blob.size_bytes}, chunk
                offset += len(chunk)

    for answer in _pipelined(client, requests(), timeout_s=timeout_s):
        moved.sent_bytes += sizes.popleft()
        if answer.get("complete") is not last.popleft():
            raise client.broken(f"says complete: {str(answer.get('complete'))[:20]} at the wrong chunk")
    return moved.sent_bytes


def _pipelined(
    client: AgentClient, requests: Iterable[tuple[str, dict[str, Any], bytes]], *, timeout_s: float
) -> Iterator[dict[str, Any]]:
    """The headers of the replies, in order; as many requests are on their way as the app allows.

    An error ends the conversation: replies to what was sent after it are still to come.
    """
    ahead = min(client.hello["window"], MOST_AHEAD)
    waiting: deque[tuple[str, int]] = deque()

    def received() -> dict[str, Any]:
        operation, number = waiting.popleft()
        return client.receive(operation, number, timeout_s=timeout_s, max_reply_bytes=0).header

    try:
        for operation, fields, chunk in requests:
            if len(waiting) == ahead:
                yield received()
            waiting.append((operation, client.send(operation, fields, [chunk], timeout_s=timeout_s)))
        while waiting:
            yield received()
    except BaseException:
        client.kill()
        raise


def _unreadable(source: Path, error: OSError) -> TransportError:
    return TransportError(f"cannot read {str(source)!r}: {error.strerror or error}")
