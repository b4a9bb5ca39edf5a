"""What models on the device under test were asked: needed to ask again, and to record a run.

A device's ``load`` and its models' ``run`` are watched where they are opened, so that it
makes no difference whether a test loads by ``edge_model`` or by ``edge_device``.
"""

from __future__ import annotations

import collections
import contextlib
import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_edgedevice.interfaces import DeviceLike, LoadedModelLike
    from pytest_edgedevice.values import Run

MOST_MARKED = 4096
MOST_RUNS = 16
"""How many runs of one device are remembered, the latest ones: their inputs stay in memory as long."""


@dataclasses.dataclass(frozen=True, slots=True)
class Asked:
    """One run and what led to it.

    Attributes:
        times: What tells it from other runs, and stays when somebody derives another ``Run`` from it.
        sha256: The model's hash.
        path: The model's file.
        options: What else it was loaded with.
        inputs: What was run.
        device: Where.
        mark: Of the inputs as they were: whoever fills one array again and again changes them.
    """

    times: tuple[int, ...]
    sha256: str
    path: Path
    options: dict[str, Any]
    inputs: Any
    device: DeviceLike
    mark: int


def mark_of(inputs: Any) -> int:
    """A mark of some thousand values all over the inputs, which tells whether they are still the same."""
    if isinstance(inputs, Mapping):
        return hash(tuple((str(name), mark_of(values)) for name, values in inputs.items()))
    if isinstance(inputs, list | tuple):
        return hash(tuple(mark_of(values) for values in inputs))
    import numpy as np

    array = np.asarray(inputs)
    if array.dtype.hasobject:
        return hash(array.shape)
    return hash((array.shape, array.ravel("K")[:: max(1, array.size // MOST_MARKED)].tobytes()))


class Memory:
    """The latest runs on one device."""

    def __init__(self) -> None:
        self._runs: collections.deque[Asked] = collections.deque(maxlen=MOST_RUNS)

    def watch(self, device: DeviceLike) -> None:
        """Remember from now on what the device's models are asked; one that cannot be watched is left alone."""
        load = device.load

        def watched(path: Any, **options: Any) -> LoadedModelLike:
            model = load(path, **options)
            with contextlib.suppress(AttributeError):
                model.run = self._remembering(device, model, path, options)  # type: ignore[method-assign]
            return model

        with contextlib.suppress(AttributeError):
            device.load = watched  # type: ignore[method-assign]

    def _remembering(
        self, device: DeviceLike, model: LoadedModelLike, path: Any, options: dict[str, Any]
    ) -> Callable[..., Run]:
        run, known = model.run, {key: value for key, value in options.items() if key != "timeout_s"}

        def remembered(inputs: Any, **given: Any) -> Run:
            answer = run(inputs, **given)
            asked = Asked(answer.inference_ns, answer.model.sha256, Path(path), known, inputs, device, mark_of(inputs))
            self._runs.append(asked)
            return answer

        return remembered

    def of(self, run: Run) -> Asked | None:
        """What led to a run, or to the one that it was derived from."""
        # a run that is derived from another one has its very times; equal ones alone may be chance
        fitting = [one for one in self._runs if one.sha256 == run.model.sha256 and one.times == run.inference_ns]
        very = [one for one in fitting if one.times is run.inference_ns]
        found = very or (fitting if len(fitting) == 1 else [])
        return found[-1] if found and found[-1].mark == mark_of(found[-1].inputs) else None

    def forget(self) -> None:
        """Let go of all inputs."""
        self._runs.clear()
