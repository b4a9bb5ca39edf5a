"""A recording in the place of the device that it was made on: ``--device replay:run.jsonl``.

It answers what was recorded and nothing else, takes no lease and touches no hardware.
Latencies are the recorded ones, judged by the budget that is asked for now.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from pytest_edgedevice.device.loading import check_arguments, check_seconds, model_file
from pytest_edgedevice.errors import DelegateImpossibleError, InputError, UsageError
from pytest_edgedevice.replay.archive import Archive
from pytest_edgedevice.replay.model import ReplayedModel
from pytest_edgedevice.replay.plain import rebuild
from pytest_edgedevice.replay.recorded import KIND, REFUSALS, RecordedDevice
from pytest_edgedevice.replay.recording import recording_of
from pytest_edgedevice.runners.model_content import sha256_of

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping, Sequence
    from types import TracebackType

    from pytest_edgedevice.leases import Quarantine
    from pytest_edgedevice.replay.recorded import Loading
    from pytest_edgedevice.values import Fact

SEPARATOR = "#"
MOST_TOLD = 6
MOST_SHOWN = 200
SHORT = 12


def open_replay(address: str) -> ReplayedDevice:
    """Open a recording.

    Args:
        address: ``PATH`` as it was given to ``--edge-record-run``, or the file of answers itself; ``PATH#NAME`` for
            one device of several.

    Raises:
        UsageError: There is no such recording, it is broken, or it holds several devices and none is named.
    """
    named, name = _parted(address)
    path = recording_of(named) if named.name else named
    if not _is_file(path):
        raise UsageError(
            f"there is no recording {address[:MOST_SHOWN]!r}: {path.name[:MOST_SHOWN]} is not there",
            hint="make one with: pytest --device DEVICE --edge-record-run run.jsonl, then: --device replay:run.jsonl",
        )
    archive = Archive(path, kind=KIND)
    try:
        device = _chosen(archive, path, name)
        return ReplayedDevice(archive, device, path)
    except BaseException:
        archive.close()
        raise


def _parted(address: str) -> tuple[Path, str]:
    """Path and device; a sign that separates may also be part of a path that is there."""
    text, separator, name = address.rpartition(SEPARATOR)
    return (Path(text), name) if separator and not _is_file(Path(address)) else (Path(address), "")


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # longer than any file's name, or with a NUL in it
        return False


def _chosen(archive: Archive, path: Path, name: str) -> RecordedDevice:
    told = archive.description.get("devices")
    try:
        devices = [rebuild(RecordedDevice, one) for one in told] if isinstance(told, list) else []
    except ValueError as error:
        raise UsageError(f"{str(path)!r} cannot be read: {error}", hint="record again") from error
    names = [one.name for one in devices]
    if not devices:
        raise UsageError(f"{str(path)!r} holds no device: no test of the recorded run used one")
    if not name and len(devices) == 1:
        return devices[0]
    if name not in names:
        what = f"has no device {name!r}" if name else "holds several devices"
        raise UsageError(f"{str(path)!r} {what}: {', '.join(names)}", hint=f"write replay:PATH{SEPARATOR}{names[0]}")
    return devices[names.index(name)]


class ReplayedDevice:
    """A recorded device; see ``DeviceLike``. Made by ``open_replay``.

    Of ``testing.DeviceContract`` it keeps what a model computes and how it is told (``RunningContract``); there is
    nothing to lease, to wait for, to kill or to measure.
    """

    def __init__(self, archive: Archive, recorded: RecordedDevice, path: Path) -> None:
        self.name = f"{recorded.name} (replayed)"
        self.facts: dict[str, Fact] = {**recorded.facts, "replayed": True}
        where = f"{path.resolve()}{SEPARATOR}{recorded.name}"
        self.identity = f"replay-{hashlib.sha256(where.encode()).hexdigest()[:16]}"
        self.shared = False
        self.recovered: tuple[str, ...] = ()
        self._archive = archive
        self._recorded = recorded
        self._path = path
        self._models: list[ReplayedModel] = []
        self._closed = False

    def __repr__(self) -> str:
        return f"<ReplayedDevice {self._recorded.name} of {self._path}>"

    def load(
        self,
        path: str | os.PathLike[str],
        *,
        delegate: str = "default",
        threads: int = 1,
        engine: str = "",
        fallback: str = "fail",
        delegate_options: Mapping[str, Any] | None = None,
        timeout_s: float | None = None,
    ) -> ReplayedModel:
        """The model as it was loaded when it was recorded; found by the file's content, delegate and threads.

        Raises:
            InputError: The recording does not know that file, or not with these arguments; it says what it knows.
            DelegateImpossibleError: It knows the file, and not with that delegate.
            ModelError: It could not be loaded then.
        """
        check_arguments(delegate, threads, fallback, engine=engine, options=delegate_options)
        if timeout_s is not None:
            check_seconds("timeout_s", timeout_s)
        self._check_open()
        source = model_file(path)
        sha256 = sha256_of(source)
        options = {str(key): str(value) for key, value in (delegate_options or {}).items()}
        same = [one for one in self._recorded.loadings if one.asked.sha256 == sha256]
        if not same:
            known = _listed(f"{one.name} ({one.asked.sha256[:SHORT]})" for one in self._recorded.loadings)
            raise InputError(
                f"the recording {self._path} does not know {source.name} ({sha256[:SHORT]}); it knows: {known}",
                hint="its content has changed, or it was never loaded: record again with --edge-record-run",
            )
        by_delegate = [one for one in same if one.asked.delegate == delegate]
        if not by_delegate:
            known = _listed(one.asked.delegate for one in same)
            raise DelegateImpossibleError(
                f"the recording {self._path} has {source.name} with the delegates {known}, not with {delegate!r}"
            )
        wanted = {"threads": threads, "engine": engine, "fallback": fallback, "options": options}
        model = self._loaded(_nearest(by_delegate, wanted, name=source.name, where=self._path), name=source.name)
        self._models.append(model)
        return model

    def _loaded(self, loading: Loading, *, name: str) -> ReplayedModel:
        if loading.refusal is not None:
            kind = REFUSALS.get(loading.refusal.type)
            if kind is None:
                raise UsageError(f"the recording {self._path} has an error of no known type for {name}")
            raise kind(f"{loading.refusal.message} (replayed)", hint=loading.refusal.hint)
        return ReplayedModel(self._archive, loading, device_name=self.name, path=self._path)

    def conditions(self) -> Mapping[str, Fact]:
        """The recorded ones."""
        return dict(self._recorded.conditions)

    def reconnect(self, *, wait_s: float) -> None:
        """It cannot be lost; its models end, as those of a device do."""
        check_seconds("wait_s", wait_s, zero=True)
        self._check_open()
        self._end_models()
        self.recovered = (*self.recovered, "lost and back")

    def waiters(self) -> int:
        """Nobody has to wait for a file."""
        return 0

    def tell_waiters(self, test: str) -> None:
        """Nobody waits."""

    def note_fault(self, reason: str) -> Quarantine | None:  # noqa: ARG002 - there is nothing to count
        """Nothing to set aside."""
        return None

    def note_health(self) -> None:
        """Nothing to count."""

    def _check_open(self) -> None:
        if self._closed:
            raise InputError(f"device {self.name!r} is closed; open it again")

    def _end_models(self) -> None:
        for model in self._models:
            model.close()
        self._models.clear()

    def close(self) -> None:
        """End every model; idempotent."""
        if not self._closed:
            self._closed = True
            self._end_models()
            self._archive.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _nearest(known: Sequence[Loading], wanted: Mapping[str, Any], *, name: str, where: Path) -> Loading:
    """The loading with these arguments; an engine that was not named is any, and so is what was allowed in vain."""
    for loose in ((), ("engine",), ("engine", "fallback")):
        for one in known:
            engine = one.info.engine if one.info else wanted["engine"]
            fits = all(getattr(one.asked, key) == value for key, value in wanted.items() if key not in loose)
            if fits and wanted["engine"] in ("", one.asked.engine, engine) and _may(one, wanted["fallback"]):
                return one
    differing = (key for key, value in wanted.items() if all(getattr(one.asked, key) != value for one in known))
    other = next(differing, "fallback")
    told = _listed(str(getattr(one.asked, other)) for one in known)
    raise InputError(f"the recording {where} has {name} with {other} {told}, not {wanted[other]}")


def _may(one: Loading, fallback: str) -> bool:
    """Whether a device would have given this model, as much as it left over."""
    complete = one.placement is None or one.placement.complete or one.asked.delegate == "default"
    return one.asked.fallback == fallback or (one.refusal is None and (complete or fallback == "allow"))


def _listed(values: Any) -> str:
    found = list(dict.fromkeys(values))
    more = f" and {len(found) - MOST_TOLD} more" if len(found) > MOST_TOLD else ""
    return ", ".join(found[:MOST_TOLD]) + more if found else "none"
