"""The agent's process: descriptors, threads and the end of it all.

The protocol runs over the descriptors that were standard input and output.
Whatever a runtime prints goes to standard error instead. Threads read
ahead and write behind, so that samples travel while others are computed; when the peer is
gone the process ends at once, even in the middle of an inference.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import hashlib
import os
import queue
import shutil
import sys
import threading
from typing import TYPE_CHECKING, List, NoReturn, Optional, Sequence, Union

from pytest_edgedevice.agent import SENTINEL
from pytest_edgedevice.agent.session import WINDOW, Session
from pytest_edgedevice.agent.sites import usable
from pytest_edgedevice.agent.wire import Buffer, Frame, FrameReader, Header, WireError, encode
from pytest_edgedevice.agent.writing import write_all

if TYPE_CHECKING:
    from pytest_edgedevice.agent.tensors import Reply

EXIT_PROTOCOL = 65
KEEP_BYTES = 64 << 20


def main(arguments: Optional[Sequence[str]] = None) -> int:
    """Serve one conversation on standard input and output; the exit status."""
    parser = argparse.ArgumentParser(prog="edgedevice-agent", description="Runs models for pytest-edgedevice.")
    parser.add_argument("--folder", required=True, help="folder with the blobs")
    parser.add_argument("--wipe", action="store_true", help="remove the folder when the peer vanishes without a bye")
    parser.add_argument(
        "--site", action="append", default=[], help="folder with packages that go before this Python's own; repeatable"
    )
    options = parser.parse_args(arguments)
    sys.path[:0] = usable(options.site)
    _keep_freed_memory()
    source, sink = _claim_descriptors()
    session = Session(options.folder, _own_hash())
    inbox: queue.Queue[Union[Frame, WireError]] = queue.Queue(maxsize=WINDOW)
    lost = options.folder if options.wipe else None
    outbox: queue.Queue[Optional[Reply]] = queue.Queue(maxsize=WINDOW)
    writer = threading.Thread(target=_write, args=(sink, outbox, lost), daemon=True)
    threading.Thread(target=_read, args=(source, inbox, lost), daemon=True).start()
    os.write(sink, SENTINEL)
    writer.start()
    outbox.put((session.hello(), []))
    status = _serve(session, inbox, outbox)
    outbox.put(None)
    writer.join()
    return status


def _serve(session: Session, inbox: queue.Queue[Union[Frame, WireError]], outbox: queue.Queue[Optional[Reply]]) -> int:
    while not session.ended:
        message = inbox.get()
        if isinstance(message, WireError):
            outbox.put(({"op": "error", "id": None, "kind": "protocol", "message": str(message)}, []))
            return EXIT_PROTOCOL
        outbox.put(session.answer(message))
    return 0


def _write(sink: int, outbox: queue.Queue[Optional[Reply]], lost: Optional[str]) -> None:
    """Send replies while the next samples are computed."""
    try:
        while True:
            reply = outbox.get()
            if reply is None:
                return
            write_all(sink, _encoded(*reply))
    except OSError:
        _vanish(lost)


def _encoded(header: Header, payload: List[Buffer]) -> List[Buffer]:
    """A reply as buffers; one that the wire cannot carry becomes an error that it can."""
    try:
        return encode(header, payload)
    except WireError as error:
        text = f"the reply to {header['op']!r} cannot be sent: {error}"
        return encode({"op": "error", "id": header["id"], "kind": "model", "message": text})


def _claim_descriptors() -> tuple[int, int]:
    """Move the protocol away from descriptors 0 and 1, which runtimes print to."""
    source, sink = os.dup(0), os.dup(1)
    with open(os.devnull, "rb") as nothing:
        os.dup2(nothing.fileno(), 0)
    os.dup2(2, 1)
    return source, sink


def _keep_freed_memory() -> None:
    """Have glibc keep one request's buffers for the next: fresh ones cost page faults beside the inference."""
    trim_threshold, mmap_threshold = -1, -3
    with contextlib.suppress(OSError, AttributeError):  # another C library
        library = ctypes.CDLL(None)
        library.mallopt(trim_threshold, KEEP_BYTES)
        library.mallopt(mmap_threshold, KEEP_BYTES)


def _own_hash() -> str:
    """Hash of the zipapp this code came from; empty when it runs from a folder."""
    archive = getattr(globals()["__loader__"], "archive", "")  # what imports from zipapps knows which it is
    try:
        with open(archive, "rb") as file:
            return hashlib.sha256(file.read()).hexdigest()
    except OSError:
        return ""


def _read(source: int, inbox: queue.Queue[Union[Frame, WireError]], lost: Optional[str]) -> None:
    reader = FrameReader()
    try:
        while True:
            count = os.readv(source, [reader.buffer()])
            if count == 0:
                break  # in the middle of a frame or not: nobody is left to be told
            frame = reader.advance(count)
            if frame is not None:
                inbox.put(frame)
                if frame.header.get("op") == "bye":
                    return
    except WireError as error:
        inbox.put(error)
        return
    except OSError:
        pass
    _vanish(lost)


def _vanish(folder: Optional[str]) -> NoReturn:
    """The peer is gone: leave nothing behind, wait for nobody."""
    if folder:
        shutil.rmtree(folder, ignore_errors=True)
    os._exit(0)


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        sys.exit(main())
