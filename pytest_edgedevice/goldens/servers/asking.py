"""Asks a server for a golden's samples: in its names, shapes and batches, and back.

Owns what lies between a golden and a server whose tensors look different: names,
axes and shapes are changed where somebody said so, and nowhere else. Raises
``GoldenError`` where the two do not fit.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_edgedevice.errors import GoldenError
from pytest_edgedevice.goldens.fields import nearest
from pytest_edgedevice.goldens.samples import Array, Samples, stack
from pytest_edgedevice.goldens.servers.fitting import Feed, fitted

if TYPE_CHECKING:
    from pytest_edgedevice.goldens.servers.server import Server

REQUEST_BYTES = 1 << 20  # of raw values at once, where nobody named a batch: about 5 MB of JSON
MOST_SAMPLES = 64
OnAnswers = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Wishes:
    """How a server is asked.

    Attributes:
        input_map: Golden's input name to the server's, where they differ.
        outputs: Server outputs that are wanted; empty for all that it gives.
        extra_outputs: Asked for besides those that the server tells of, when ``outputs`` is empty.
        transpose: Axes of one sample, counted without the sample axis: of an input (by the golden's name) on its
            way to the server, or of an output (by the server's name) on its way back.
        reshape: Shape of one sample, likewise; applied after ``transpose``. One size may be -1.
        batch: Most samples at once; 0 leaves it to the server and to the size of a sample.
    """

    input_map: Mapping[str, str] = field(default_factory=dict)
    outputs: Sequence[str] = ()
    extra_outputs: Sequence[str] = ()
    transpose: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    reshape: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    batch: int = 0


class Asking:
    """A server as the callable that ``record_references`` takes.

    Args:
        server: Who is asked.
        wishes: How.
        on_answers: Called after each batch with the numbers of samples that are answered, and of all.
    """

    def __init__(self, server: Server, wishes: Wishes, *, on_answers: OnAnswers | None = None) -> None:
        self._server = server
        self._wishes = wishes
        self._on_answers = on_answers

    def __call__(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """Answers to all samples, by the server's output names.

        Raises:
            GoldenError: Golden and server do not fit, or an option names what there is not.
        """
        wishes = self._wishes
        _known_names("--input-map", wishes.input_map, inputs)
        renamed = {wishes.input_map.get(name, name): self._shaped(name, inputs[name]) for name in inputs}
        if len(renamed) < len(inputs):
            raise GoldenError(f"two inputs have one name for the server: {sorted(renamed)}", hint="mend --input-map")
        answers = self._answers(renamed, len(next(iter(inputs.values()))))
        for option, names in (("--transpose", wishes.transpose), ("--reshape", wishes.reshape)):
            _known_names(option, names, [*inputs, *answers])
        return {name: self._shaped(name, samples) for name, samples in answers.items()}

    def _shaped(self, name: str, samples: Any) -> Any:
        axes, shape = self._wishes.transpose.get(name), self._wishes.reshape.get(name)
        if axes is None and shape is None:
            return samples
        return stack([_changed(np.asarray(one), axes, shape, name=name) for one in samples])

    def _answers(self, inputs: Mapping[str, Samples], count: int) -> dict[str, Any]:
        if self._server.batch < 0 and not self._wishes.batch:  # whoever takes all may also say what it likes of shapes
            return self._chosen(self._server.answer(inputs, self._asked()))
        own = {server: golden for golden, server in self._wishes.input_map.items()}
        feeds = fitted(inputs, self._server.inputs, own=own)
        size = self._batch(feeds, count)
        single = any(not feed.axis for feed in feeds.values())
        rows: dict[str, list[Array]] = {}
        for start in range(0, count, size):
            stop = min(start + size, count)
            batch = {name: feed.part(start, stop) for name, feed in feeds.items()}
            given = self._chosen(self._server.answer(batch, self._asked()))
            if start and given.keys() != rows.keys():
                raise GoldenError(
                    f"the server gave {sorted(given)} for sample {start} and on, but {sorted(rows)} before",
                    hint="name the outputs that are wanted with --output",
                )
            for name, value in given.items():
                rows.setdefault(name, []).extend(_rows(name, value, stop - start, single=single))
            if self._on_answers:
                self._on_answers(stop, count)
        return {name: _together(name, values) for name, values in rows.items()}

    def _asked(self) -> Sequence[str]:
        wishes = self._wishes
        if wishes.outputs or not wishes.extra_outputs:
            return wishes.outputs
        return list(dict.fromkeys([*(spec.name for spec in self._server.outputs), *wishes.extra_outputs]))

    def _chosen(self, given: Any) -> dict[str, Any]:
        if not isinstance(given, Mapping):
            raise GoldenError(
                f"the reference callable gave {type(given).__name__}, not outputs by name",
                hint="return {output name: array}, samples along the first axis",
            )
        for name in self._wishes.outputs:
            if name not in given:
                raise GoldenError(f"the server gave no output {name!r}", hint=nearest(name, map(str, given)))
        return {name: given[name] for name in self._wishes.outputs or given}

    def _batch(self, feeds: Mapping[str, Feed], count: int) -> int:
        """How many samples go at once."""
        wanted = self._wishes.batch
        if any(not feed.axis or isinstance(feed.samples, list) for feed in feeds.values()):
            return 1
        fixed = max(feed.fixed for feed in feeds.values())
        if fixed and (count % fixed or wanted not in (0, fixed)):
            raise GoldenError(
                f"the server takes exactly {fixed} samples at once, and there are {count}",
                hint=f"record a multiple of {fixed} samples, and leave --batch out",
            )
        if fixed or wanted:
            return fixed or min(wanted, count)
        size_bytes = sum(feed.samples[0].nbytes for feed in feeds.values())
        return max(1, min(count, MOST_SAMPLES, REQUEST_BYTES // max(size_bytes, 1)))


def _rows(name: str, value: Any, count: int, *, single: bool) -> list[Array]:
    """One array a sample. The axis of the samples is a first one of that length; one sample may come without."""
    try:
        array = value if isinstance(value, list) else np.asarray(value)
    except Exception as error:
        raise GoldenError(f"the server's {name!r} is no array: {error}") from error
    if not isinstance(array, list) and count == 1 and (single or array.shape[:1] != (1,)):
        return [array]
    if len(array) != count if isinstance(array, list) else array.shape[:1] != (count,):
        shape = f"{len(array)} entries" if isinstance(array, list) else f"shape {array.shape}"
        raise GoldenError(
            f"the server gave {name!r} with {shape} for {count} samples",
            hint="samples run along the first axis; if it mixes them, record with --batch 1",
        )
    return [np.asarray(one) for one in array]


def _together(name: str, rows: list[Array]) -> Samples:
    dtypes = sorted({row.dtype.name for row in rows})
    if len(dtypes) > 1:
        raise GoldenError(f"the server gave {name!r} as {' and as '.join(dtypes)}", hint="let it always be one dtype")
    return stack(rows)


def _changed(sample: Array, axes: tuple[int, ...] | None, shape: tuple[int, ...] | None, *, name: str) -> Array:
    try:
        moved = sample if axes is None else sample.transpose(axes)
        return np.ascontiguousarray(moved if shape is None else moved.reshape(shape))
    except ValueError as error:
        option = "--reshape" if axes is None else "--transpose" if shape is None else "--transpose or --reshape"
        raise GoldenError(
            f"{option} does not fit {name!r}, whose samples have shape {sample.shape}: {error}",
            hint="axes and sizes are those of one sample, without the axis of the samples",
        ) from error


def _known_names(option: str, names: Mapping[str, Any], known: Collection[str]) -> None:
    for name in names:
        if name not in known:
            raise GoldenError(f"{option}: there is no {name!r}", hint=nearest(name, known))
