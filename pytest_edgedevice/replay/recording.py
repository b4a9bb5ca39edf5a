"""Watch a device at work and write down what it answers, for ``replay:``.

Inputs are hashed and never written; outputs are. Arrays go to the file as they
come, so that memory does not grow with the recording.
"""

from __future__ import annotations

import contextlib
import dataclasses
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from pytest_edgedevice.errors import EdgeDeviceError, ModelError
from pytest_edgedevice.records import pack
from pytest_edgedevice.replay.archive import ArchiveWriter
from pytest_edgedevice.replay.recorded import KIND, REFUSALS, Asking, hashes_of
from pytest_edgedevice.runners.model_content import is_model, sha256_of
from pytest_edgedevice.runners.samples import batches

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pytest_edgedevice.interfaces import DeviceLike, LoadedModelLike
    from pytest_edgedevice.values import Run, Timing

SERIES = {"resources": "resources", "stream": "streams", "profile": "profiles", "stages": "stages"}
"""What a model tells besides, and where it is written."""


def recording_of(records: Path) -> Path:
    """The file of answers beside a file of records: ``run.npz`` beside ``run.jsonl``."""
    return records.with_suffix(".npz")


@contextlib.contextmanager
def record(device: DeviceLike, path: str | Path) -> Iterator[None]:
    """Record what a device answers in this block, for ``open_device("replay:PATH")``.

    Args:
        device: Open; watched from now on.
        path: The file, e.g. ``run.npz``; replaced when the block ends without an error.

    Raises:
        InfraError: The file cannot be written.
    """
    with Recorder(Path(path)) as recorder:
        recorder.watch(device)
        yield
        recorder.finish()


class Recorder:
    """Writes one recording; nothing stays of one that is not finished.

    Args:
        path: The file of answers.
    """

    def __init__(self, path: Path) -> None:
        self._archive = ArchiveWriter(path)
        self._devices: list[dict[str, Any]] = []
        self._members = 0
        self._known: dict[int, set[str]] = {}

    def watch(self, device: DeviceLike) -> None:
        """Write down what it answers from now on.

        Raises:
            InfraError: It cannot be watched.
        """
        found = [one for one in self._devices if one["name"] == device.name]
        if found:
            told = found[0]
        else:
            told = {"name": device.name, "facts": dict(device.facts), "conditions": _conditions(device), "loadings": []}
            self._devices.append(told)
        load = device.load

        def watched(path: Any, **options: Any) -> LoadedModelLike:
            return self._loading(told, load, path, options)

        device.load = watched  # type: ignore[method-assign]

    def _loading(
        self, told: dict[str, Any], load: Callable[..., LoadedModelLike], path: Any, options: dict[str, Any]
    ) -> LoadedModelLike:
        try:
            model = load(path, **options)
        except ModelError as error:
            if type(error).__name__ in REFUSALS and is_model(Path(path)):
                entry = _entry(told, _asking(sha256_of(Path(path)), options), Path(path).name)
                entry["refusal"] = {"type": type(error).__name__, "message": error.message, "hint": error.hint}
            raise
        entry = _entry(told, _asking(model.info.sha256, options), model.info.name)
        entry |= {
            "info": dataclasses.asdict(model.info),
            "placement": dataclasses.asdict(model.placement),
            "load_ms": model.load_ms,
        }
        self._watch_model(model, entry)
        return model

    def _watch_model(self, model: LoadedModelLike, entry: dict[str, Any]) -> None:
        run = model.run

        def running(inputs: Any, **given: Any) -> Run:
            answer = run(inputs, **given)
            self._take_run(entry, answer, inputs)
            return answer

        model.run = running  # type: ignore[method-assign]
        if hasattr(model, "run_each"):
            model.run_each = None  # then ``evaluate`` asks by ``run``, which is seen here
        if hasattr(model, "measure"):
            model.measure = _noting(model.measure, entry["measured"], _measured)  # type: ignore[method-assign]
        for name, place in SERIES.items():
            if hasattr(model, name):
                setattr(model, name, _noting(getattr(model, name), entry[place], dataclasses.asdict))

    def _take_run(self, entry: dict[str, Any], answer: Run, inputs: Any) -> None:
        samples = list(hashes_of(batches(inputs, answer.model.inputs), answer.model.inputs))
        known = self._known.setdefault(id(entry), set())
        if known.issuperset(samples):
            return
        known.update(samples)
        outputs = {name: self._added(values) for name, values in answer.outputs.items()}
        entry["blocks"].append({"samples": samples, "outputs": outputs, "inference_ns": pack(answer.inference_ns)})

    def _added(self, values: Any) -> str | list[str]:
        if isinstance(values, list | tuple):
            return [str(self._added(np.asarray(value))) for value in values]
        name = f"outputs.{self._members}"
        self._members += 1
        self._archive.add(name, values)
        return name

    def finish(self, **about: str) -> None:
        """Put the file in its place.

        Args:
            about: What else to say of it: ``version``, ``time``.

        Raises:
            InfraError: It cannot be written.
        """
        self._archive.finish(_finite({"kind": KIND, "schema": 1, **about, "devices": self._devices}))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._archive.abandon()

    def abandon(self) -> None:
        """Leave nothing behind; without effect after ``finish``."""
        self._archive.abandon()


def _entry(told: dict[str, Any], asked: Asking, name: str) -> dict[str, Any]:
    """What is known of a model that was loaded like this; a second loading adds to the first."""
    plain = dataclasses.asdict(asked)
    loadings: list[dict[str, Any]] = told["loadings"]
    for one in loadings:
        if one["asked"] == plain:
            one["refusal"] = None
            return one
    entry: dict[str, Any] = {
        "asked": plain,
        "name": name,
        **{place: [] for place in ("blocks", "measured", *SERIES.values())},
    }
    loadings.append(entry)
    return entry


def _asking(sha256: str, options: dict[str, Any]) -> Asking:
    given = {name: options[name] for name in ("delegate", "threads", "engine", "fallback") if name in options}
    more = {str(key): str(value) for key, value in (options.get("delegate_options") or {}).items()}
    return Asking(sha256, **given, options=more)


def _noting(method: Callable[..., Any], place: list[Any], plain: Callable[[Any], dict[str, Any]]) -> Callable[..., Any]:
    def noted(*values: Any, **given: Any) -> Any:
        found = method(*values, **given)
        place.append(plain(found))
        return found

    return noted


def _measured(timing: Timing) -> dict[str, Any]:
    plain = dataclasses.asdict(dataclasses.replace(timing, samples_ns=()))
    return {"timing": plain, "samples_ns": pack(timing.samples_ns)}


def _conditions(device: DeviceLike) -> dict[str, Any]:
    with contextlib.suppress(AttributeError, EdgeDeviceError):
        return dict(device.conditions())  # type: ignore[attr-defined]
    return {}


def _finite(value: Any) -> Any:
    """JSON has no infinities, nor numpy's numbers; a statistic that is none is left out as None."""
    if isinstance(value, dict):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    if hasattr(value, "item"):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value
