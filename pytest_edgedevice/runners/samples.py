"""From the user's arrays to one sample at a time, and back.

Owns the rule of the sample axis: samples run along the first axis; a leading
dimension of 1 in the model (or one that varies) *is* that axis, a tensor
without one gets a new first axis. Pure numpy; nothing is broadcast, squeezed,
cast or matched by position.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_edgedevice.agent.wire import describe
from pytest_edgedevice.errors import InputError

if TYPE_CHECKING:
    from pytest_edgedevice.values import Array, TensorSpec

Inputs = Mapping[str, Any] | Sequence[Mapping[str, Any]] | Any


@dataclass(frozen=True, slots=True)
class Batch:
    """Samples of one shape: input name to array (samples, *model shape)."""

    arrays: Mapping[str, Array]
    samples: int


def has_batch_axis(spec: TensorSpec) -> bool:
    """Whether the tensor's own first dimension is the sample axis."""
    return bool(spec.shape) and spec.shape[0] in (1, -1)


def batches(inputs: Inputs, specs: Sequence[TensorSpec]) -> list[Batch]:
    """Check inputs against a model and bring them into the model's shapes, without copying.

    Args:
        inputs: Name to array with samples along the first axis; a sequence of such
            mappings where shapes vary; or one array for a model with one input.
            A list under a name holds one array a sample.
        specs: The model's inputs.

    Raises:
        InputError: Wrong name, shape, dtype or count, or nothing to run.
    """
    if isinstance(inputs, Mapping):
        parts = _split_ragged(inputs)
    elif isinstance(inputs, Sequence) and not isinstance(inputs, str | bytes):
        parts = list(inputs)
        if not all(isinstance(part, Mapping) for part in parts):
            raise InputError("a sequence of inputs must hold mappings of input name to array")
    else:
        if len(specs) != 1:
            names = ", ".join(repr(spec.name) for spec in specs)
            raise InputError(f"the model has {len(specs)} inputs ({names}): give a mapping of name to array")
        parts = [{specs[0].name: inputs}]
    if not parts:
        raise InputError("there are no samples to run")
    return [_batch(part, specs) for part in parts]


def _split_ragged(inputs: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """A mapping whose values are lists of arrays becomes one mapping a sample."""
    if not any(isinstance(value, list | tuple) for value in inputs.values()):
        return [inputs]
    for name, value in inputs.items():
        if not isinstance(value, list | tuple) and np.ndim(value) == 0:
            raise InputError(f"input {name!r} is one value where others are lists of one array a sample")
    counts = {name: len(value) for name, value in inputs.items()}
    if len(set(counts.values())) != 1:
        raise InputError(f"inputs have different numbers of samples: {counts}")
    return [
        {name: np.asarray(value[at])[np.newaxis] for name, value in inputs.items()}
        for at in range(next(iter(counts.values())))
    ]


def _batch(part: Mapping[str, Any], specs: Sequence[TensorSpec]) -> Batch:
    _check_names(part, specs)
    if not specs:
        return Batch({}, 1)  # a model without inputs has one thing to say
    arrays = {}
    counts = {}
    for spec in specs:
        array = _check_array(spec, part[spec.name])
        counts[spec.name] = len(array)
        arrays[spec.name] = array[:, np.newaxis] if has_batch_axis(spec) else array
    if len(set(counts.values())) != 1:
        raise InputError(f"inputs have different numbers of samples: {counts}")
    samples = next(iter(counts.values()))
    if samples == 0:
        raise InputError("there are no samples to run: the first axis has length 0")
    return Batch(arrays, samples)


def _check_names(part: Mapping[str, Any], specs: Sequence[TensorSpec]) -> None:
    names = [spec.name for spec in specs]
    for name in part:
        if name not in names:
            close = get_close_matches(str(name), names, n=1) or names
            raise InputError(
                f"the model has no input {name!r}; its inputs are {names}", hint=f"did you mean {close[0]!r}?"
            )
    missing = [name for name in names if name not in part]
    if missing:
        raise InputError(f"input {missing[0]!r} is missing; the model's inputs are {names}")


def _check_array(spec: TensorSpec, value: Any) -> Array:
    try:
        array: Array = np.asarray(value)
    except Exception as error:  # an object's own __array__ may raise anything
        raise InputError(f"input {spec.name!r} is not an array: {error}") from error
    wanted = spec.shape[1:] if has_batch_axis(spec) else spec.shape
    if array.dtype.name != spec.dtype:
        raise InputError(
            f"input {spec.name!r} needs {spec.dtype}, got {array.dtype}",
            hint=_dtype_hint(array, spec),
        )
    if array.dtype.byteorder not in "=|" and not array.dtype.isnative:
        raise InputError(f"input {spec.name!r} is not in this machine's byte order")
    if array.ndim != len(wanted) + 1 or any(
        want not in (-1, got) for want, got in zip(wanted, array.shape[1:], strict=False)
    ):
        shown = ", ".join(["n", *("any" if size == -1 else str(size) for size in wanted)])
        raise InputError(
            f"input {spec.name!r} needs shape ({shown}{',' if not wanted else ''}) with n samples, got {array.shape}",
            hint=_shape_hint(array, wanted),
        )
    return array


def _dtype_hint(array: Array, spec: TensorSpec) -> str:
    if array.dtype.kind not in "fiubc":
        return "give numbers: one array, or a mapping of input name to array"
    if array.dtype.kind == "f" and spec.quantization:
        return "the model is quantised: golden.inputs_for(model.info), or pytest_edgedevice.goldens.quantize(x, spec)"
    return f"cast it yourself: x.astype({spec.dtype!r})"


def refuse_nan(arrays: Mapping[str, Array], specs: Sequence[TensorSpec], *, first: int) -> None:
    """Look for NaN in samples that are about to be sent.

    Args:
        arrays: Input name to array (samples, *model shape).
        specs: The model's inputs.
        first: Position of the first sample among all, for the message.

    Raises:
        InputError: There is one; the message says where.
    """
    for spec in specs:
        array = arrays[spec.name]
        if array.dtype.kind in "fc" and array.size and np.isnan(array.min()):
            at = [int(index) for index in np.unravel_index(int(np.argmax(np.isnan(array))), array.shape)]
            inner = at[2:] if has_batch_axis(spec) else at[1:]
            raise InputError(
                f"input {spec.name!r} holds NaN, first at sample {first + at[0]} {inner}",
                hint="run(..., allow_nan=True) if that is what the model must bear",
            )


def _shape_hint(array: Array, wanted: tuple[int, ...]) -> str:
    if array.shape == wanted:
        return "a single sample needs the sample axis too: x[None]"
    if array.ndim == len(wanted) + 1 and sorted(array.shape[1:]) == sorted(wanted):
        order = [1 + array.shape[1:].index(size) for size in wanted] if len(set(wanted)) == len(wanted) else []
        if order:
            return f"the dimensions fit in another order: x.transpose({[0, *order]})"
        return "the dimensions fit in another order (NCHW and NHWC?)"
    if array.ndim == len(wanted) + 2 and array.shape[1] == 1:
        return "the model's batch dimension is the sample axis: drop the extra one, x[:, 0]"
    return ""


def join(collected: Sequence[Array], spec: TensorSpec, *, batch_varies: bool) -> Array | list[Array]:
    """Bring one output's pieces back to samples along the first axis.

    Args:
        collected: Arrays (samples, *shape in the model), in order.
        spec: The output.
        batch_varies: Whether the model's inputs have a first dimension that varies.

    Returns:
        (n, ...) where every sample has one shape, a list of arrays otherwise.
    """
    pieces = list(collected)
    own_axis = bool(spec.shape) and (spec.shape[0] == 1 or (spec.shape[0] == -1 and batch_varies))
    if own_axis and all(piece.ndim > 1 and piece.shape[1] == 1 for piece in pieces):
        pieces = [piece[:, 0] for piece in pieces]
    if len({piece.shape[1:] for piece in pieces}) == 1:
        return pieces[0] if len(pieces) == 1 else np.concatenate(pieces)
    return [sample for piece in pieces for sample in piece]


def packed(arrays: Mapping[str, Array]) -> tuple[list[dict[str, Any]], list[memoryview]]:
    """Arrays as they go over the wire: the header's entries, and the bytes behind them without a copy."""
    whole: dict[str, Any] = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    entries = [describe(name, array.dtype.name, array.shape) for name, array in whole.items()]
    return entries, [memoryview(array.reshape(-1).view(np.uint8)) for array in whole.values()]


def random_sample(spec: TensorSpec, *, seed: int = 0) -> Array:
    """One sample of repeatable values: 0 to 1 for floats, the whole range for 8 bit integers, else 0 or 1."""
    generator = np.random.default_rng(seed)
    shape = (1, *(1 if size == -1 else size for size in spec.shape))
    kind = np.dtype(spec.dtype)
    if kind.kind in "fc":
        return generator.random(shape).astype(kind)
    if kind.itemsize == 1 and kind.kind != "b":
        bounds = np.iinfo(kind)
        return generator.integers(bounds.min, bounds.max, shape, dtype=kind, endpoint=True)
    return generator.integers(0, 2, shape).astype(kind)
