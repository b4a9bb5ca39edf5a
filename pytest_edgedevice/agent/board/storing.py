"""What the host asks of files: to take one, to go on with one, to give one that stayed, and to forget them all."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Callable, Dict, List

from pytest_edgedevice.agent.board.files import SHA256, Upload, kept_parts

if TYPE_CHECKING:
    from pytest_edgedevice.agent.board.line import Line
    from pytest_edgedevice.agent.board.models import Models
    from pytest_edgedevice.agent.wire import Header

Handler = Callable[["Header", memoryview], None]


class Storing:
    """The files of one session.

    Args:
        line: The stream to the host.
        folder: The session's folder.
        models: Those that stay on the board.
        alive: Called now and then, as hashing may take long.

    Attributes:
        handlers: Operation to what does it; each is called with a header whose ``id`` is a number, and a payload.
    """

    def __init__(self, line: Line, folder: str, models: Models, alive: Callable[[], None]) -> None:
        self._line = line
        self._folder = folder
        self._models = models
        self._alive = alive
        self._uploads: Dict[int, Upload] = {}
        self._kept: Dict[str, str] = {}
        self.handlers: Dict[str, Handler] = {
            "put": self._put,
            "commit": lambda header, _: self._stored(header, self._uploads.pop(header["id"])),
            "store": self._store,
            "have": self._have,
            "drop": lambda header, _: self._uploads.pop(header["id"]).drop(),
        }

    def hello(self) -> Dict[str, Any]:
        """What a cut left of files, and the sizes of models that stayed."""
        parts = kept_parts(os.path.dirname(self._folder))
        self._kept = {part["sha256"]: part.pop("path") for part in parts}
        return {"parts": parts, "models": self._models.sizes()}

    def takes(self, number: int, payload: memoryview) -> bool:
        """Write bytes to a file that is on its way; whether there is one of that number."""
        upload = self._uploads.get(number)
        if upload is None:
            return False
        upload.write(payload)
        self._line.send({"op": "took", "id": number, "bytes": len(payload)})
        return True

    def forget(self, number: int) -> None:
        """Expect no more of a file that has failed."""
        self._uploads.pop(number, None)

    def _put(self, header: Header, _payload: memoryview) -> None:
        number = header["id"]
        upload = self._uploads[number] = Upload(self._folder, number, int(header["size"]))
        kept = str(header.get("resume", ""))
        if kept in self._kept:
            upload.resume(self._kept.pop(kept), kept, self._alive)
        self._line.send({"op": "ready", "id": number, "have": upload.have})

    def _store(self, header: Header, payload: memoryview) -> None:
        """A file that is small enough for one frame."""
        upload = Upload(self._folder, header["id"], len(payload))
        upload.write(payload)
        self._stored(header, upload)

    def _stored(self, header: Header, upload: Upload) -> None:
        path = upload.commit(header.get("sha256"))
        if header.get("keep") is True:
            self._models.keep(path)
        self._line.send({"op": "stored", "id": header["id"], "path": path})

    def _have(self, header: Header, _payload: memoryview) -> None:
        """A model that may be here from an earlier session."""
        number, sha256 = header["id"], str(header.get("sha256"))
        if SHA256.fullmatch(sha256) and self._models.give(number, sha256):
            self._line.send({"op": "stored", "id": number, "path": os.path.join(self._folder, sha256)})
        else:
            self._line.send({"op": "absent", "id": number})

    def put_aside(self) -> List[str]:
        """Keep what has arrived for the next session; where, for what is worth it."""
        return [upload.keep(os.path.dirname(self._folder)) for upload in self._uploads.values()]

    def end(self) -> None:
        """Let nothing be hashed any more."""
        for upload in self._uploads.values():
            upload.end()
