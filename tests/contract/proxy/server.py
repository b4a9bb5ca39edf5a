"""The far side: opens the device where it is, and serves it to one client over its own standard streams.

The lease is taken here, with this side's lock folder. No path of the client's
is ever opened: models arrive as chunks under their hash. Everything ends with
the client: at the end of the input the device is closed, and a request that
nobody waits for any more is not waited for.
"""

from __future__ import annotations

import dataclasses
import hashlib
import os
import select
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_edgedevice import Device, LoadedModel, open_device
from pytest_edgedevice.agent.store import Store
from pytest_edgedevice.agent.writing import write_all
from pytest_edgedevice.errors import InputError
from pytest_edgedevice.inventory import load_inventory
from pytest_edgedevice.opening import Catalog
from tests.contract.proxy.plain import (
    FrameReader,
    Loaded,
    Opened,
    Tensors,
    WireError,
    arrays_of,
    encode,
    error_fields,
)

if TYPE_CHECKING:
    from pytest_edgedevice.agent.wire import Frame
    from pytest_edgedevice.values import Timing

FAREWELL_S = 30.0
"""After the client's end, an orderly close may take so long."""

Reply = tuple[dict[str, Any], Tensors]


class Server:
    """One device, its models by number, and the blobs that they are loaded from."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._store = Store(str(folder))
        self._device: Device | None = None
        self._models: list[LoadedModel] = []

    @property
    def _opened(self) -> Device:
        if self._device is None:
            raise WireError("no device is open")
        return self._device

    def answer(self, frame: Frame) -> Reply:
        """Do what one request asks for."""
        operation, given = frame.header.get("op"), frame.header.get("arguments")
        does = getattr(self, f"do_{operation}", None) if isinstance(operation, str) else None
        number = given.get("model", 0) if isinstance(given, dict) else -1
        if does is None or given is None or type(number) is not int or number < 0:
            raise WireError(f"request {str(frame.header)[:80]} is unknown")
        found = does(frame, **given)
        if dataclasses.is_dataclass(found) and not isinstance(found, type):
            found = dataclasses.asdict(found)
        fields, tensors = found if isinstance(found, tuple) else ({"result": found}, Tensors())
        if self._device is not None:
            fields["recovered"] = list(self._device.recovered)
        return fields, tensors

    def do_open(self, _: Frame, *, wait_s: float, timeout_s: float) -> Opened:
        """Lease the device here."""
        catalog = Catalog(load_inventory(Path("/var/tmp")))
        device = self._device = open_device("far", catalog=catalog, wait_s=wait_s, timeout_s=timeout_s)
        return Opened(device.name, device.identity, device.facts, device.shared)

    def do_have(self, _: Frame, *, sha256: str) -> bool:
        """Whether a model's content is here."""
        return self._store.has(sha256)

    def do_put(self, frame: Frame, *, sha256: str, offset: int, total: int) -> bool:
        """Take one chunk of a model's content."""
        return self._store.put(sha256, offset, total, frame.payload)

    def do_load(self, _: Frame, *, sha256: str, name: str, **given: Any) -> Loaded:
        """Load a content under a name for people, which must be no path."""
        if Path(name).name != name or name in ("", ".", ".."):
            raise InputError(f"{name!r} is no file name")
        place = self._folder / f"{sha256}.named" / name
        place.parent.mkdir(exist_ok=True)
        if not place.exists():
            place.hardlink_to(self._store.find(sha256))
        model = self._opened.load(place, **given)
        self._models.append(model)
        return Loaded(len(self._models) - 1, model.info, model.placement, model.load_ms)

    def do_run(self, frame: Frame, *, model: int, counts: list[int], **given: Any) -> Reply:
        """Run samples; they come as parts of one shape each."""
        run = self._models[model].run(_parts(frame, counts), **given)
        tensors = Tensors()
        for name, output in run.outputs.items():
            if isinstance(output, np.ndarray):
                tensors.add(name, output)
            else:
                for sample in output:
                    tensors.add(name, np.asarray(sample), role="sample")
        tensors.add("inference_ns", np.array(run.inference_ns, np.int64), role="timing")
        return {"result": run.samples, "names": list(run.outputs)}, tensors

    def do_measure(self, frame: Frame, *, model: int, counts: list[int] | None, **given: Any) -> Timing:
        """Measure; without counts on the sample that ran last."""
        inputs = None if counts is None else _parts(frame, counts)
        return self._models[model].measure(inputs, **given)

    def do_watch(self, frame: Frame, *, model: int, counts: list[int] | None, operation: str, **given: Any) -> Any:
        """Watch a model at work; without counts on the sample that ran last."""
        if operation not in ("resources", "stream", "profile", "stages"):
            raise WireError(f"a model has no call {operation[:40]!r}")
        inputs = None if counts is None else _parts(frame, counts)
        if operation == "stages":
            return self._models[model].stages(None, inputs, **given)
        return getattr(self._models[model], operation)(inputs, **given)

    def do_stages(self, frame: Frame, *, model: int, module: str, **given: Any) -> Any:
        """Time the stages of a module that came with the request."""
        content = module.encode("latin-1")
        place = self._folder / f"{hashlib.sha256(content).hexdigest()}.py"
        place.write_bytes(content)
        sample = {name: array for _, name, array in arrays_of(frame)}
        return self._models[model].stages(place, sample, **given)

    def do_close_model(self, _: Frame, *, model: int) -> None:
        """End one model."""
        self._models[model].close()

    def do_call(self, _: Frame, *, name: str, given: dict[str, Any]) -> Any:
        """One of the device's calls with plain arguments and a plain result."""
        if name not in ("reconnect", "waiters", "tell_waiters", "note_fault", "note_health", "close"):
            raise WireError(f"a device has no call {name[:40]!r}")
        return getattr(self._opened, name)(**given)


def _parts(frame: Frame, counts: list[int]) -> list[dict[str, Any]]:
    """Mappings of input name to array, as many tensors each as ``counts`` says."""
    tensors = iter(arrays_of(frame))
    return [{name: array for _, name, array in (next(tensors) for _ in range(count))} for count in counts]


def serve(source: int, sink: int, server: Server) -> None:
    """Answer until the client's end."""
    reader = FrameReader()
    busy = threading.Event()
    threading.Thread(target=_end_with_client, args=(source, busy), daemon=True).start()
    while count := os.readv(source, [reader.buffer()]):
        frame = reader.advance(count)
        if frame is None:
            continue
        busy.set()
        try:
            fields, tensors = server.answer(frame)
            buffers = encode({"id": frame.header["id"], "tensors": tensors.entries, **fields}, tensors.buffers)
        except Exception as error:  # noqa: BLE001 - whatever it is, the client is told
            buffers = encode({"id": frame.header.get("id"), "error": error_fields(error)})
        write_all(sink, buffers)
        busy.clear()


def _end_with_client(source: int, busy: threading.Event) -> None:
    """Wait for the end of the input, which a request that takes long would not notice."""
    poll = select.poll()
    poll.register(source, 0)  # the hang-up is always told
    poll.poll()
    if not busy.is_set():
        threading.Event().wait(FAREWELL_S)  # the process ends before, if all goes well
    os._exit(1)


def main() -> None:
    """Serve on the standard streams; what libraries print goes to standard error."""
    sink = os.dup(1)
    os.dup2(2, 1)
    with tempfile.TemporaryDirectory(prefix="edgedevice-proxy-", dir="/var/tmp") as folder:
        server = Server(Path(folder))
        try:
            serve(0, sink, server)
        finally:
            if server._device is not None:
                server._device.close()


if __name__ == "__main__":
    main()
