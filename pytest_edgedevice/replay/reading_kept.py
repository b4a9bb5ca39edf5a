"""A kept comparison, read back with suspicion."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_edgedevice.errors import UsageError
from pytest_edgedevice.replay.archive import Archive
from pytest_edgedevice.replay.asked import from_json
from pytest_edgedevice.replay.kept import KIND, Kept, Reference
from pytest_edgedevice.replay.plain import rebuild
from pytest_edgedevice.values import ModelInfo, Placement, Run

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


def read_kept(path: Path) -> Kept:
    """Read a file that ``keep`` wrote.

    Raises:
        UsageError: It is none, or it is broken.
    """
    with Archive(path, kind=KIND) as archive:
        told = archive.description
        try:
            members = rebuild(_Members, told["members"])
            sides = {
                side: {name: archive.samples(where) for name, where in getattr(members, side).items()}
                for side in ("device", "reference", "inputs")
            }
            model, placement = rebuild(ModelInfo, told["model"]), rebuild(Placement, told["placement"])
            other = rebuild(ModelInfo, told["reference_model"]) if told["reference_model"] is not None else None
            texts = rebuild(_Texts, {name: told[name] for name in ("golden", "device", "test", "cut", "ids", "unkept")})
            arguments = {name: from_json(value) for name, value in dict(told["arguments"]).items()}
        except (KeyError, ValueError, TypeError) as error:
            raise UsageError(f"{str(path)!r} cannot be read: its description is wrong: {error}") from error
    counts = {len(values) for side in ("device", "reference") for values in sides[side].values()}
    if len(counts) != 1 or not all(isinstance(name, str) for name in arguments):
        raise UsageError(f"{str(path)!r} cannot be read: its sides do not have the same samples, or there are none")
    count = counts.pop()
    run = Run(sides["device"], count, (0,) * count, model, placement, texts.device)
    reference: Reference | Run = Reference(texts.golden, sides["reference"], texts.ids)
    if other is not None:
        reference = Run(sides["reference"], count, run.inference_ns, other, placement, "")
    return Kept(run, reference, sides["inputs"], arguments, texts.unkept, texts.test, texts.cut)


@dataclass(frozen=True, slots=True)
class _Members:
    """Tensor name to the name of its array, or of one array a sample."""

    device: Mapping[str, str | tuple[str, ...]]
    reference: Mapping[str, str | tuple[str, ...]]
    inputs: Mapping[str, str | tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class _Texts:
    golden: str
    device: str
    test: str
    cut: str
    ids: tuple[str, ...]
    unkept: tuple[str, ...]
