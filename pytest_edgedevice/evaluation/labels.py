"""What a metric with a name asks of outputs and labels; what does not fit is told with its sample."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_edgedevice.errors import UsageError

if TYPE_CHECKING:
    import numpy.typing as npt

    from pytest_edgedevice.evaluation.columns import Column
    from pytest_edgedevice.evaluation.dataset import Chunk

    Floats = npt.NDArray[np.float64]


def labels_in(chunk: Chunk, name: str) -> Column:
    """The labels, which the metric of that name needs."""
    if chunk.labels is None:
        raise UsageError(f"metric {name!r} compares with labels, and the data set has none")
    return chunk.labels


def one_output(outputs: Column, name: str) -> Any:
    """The only output."""
    if isinstance(outputs, dict):
        raise UsageError(
            f"metric {name!r} is of one output, and the model has {list(outputs)}", hint="name it: output="
        )
    return outputs


def flat(output: Any) -> npt.NDArray[Any]:
    """Each sample's values in a row."""
    if not isinstance(output, np.ndarray):
        raise UsageError("classes cannot be ranked in outputs whose shapes vary from sample to sample")
    found = output.reshape(len(output), -1)
    return found.astype(np.int64) if found.dtype.kind == "b" else found


def classes(labels: Column, chunk: Chunk, count: int) -> npt.NDArray[np.int64]:
    """The number of the right class of each sample."""
    try:
        found = np.asarray(labels)
    except ValueError:
        found = np.empty(0)
    if _are_outputs(found, chunk.samples, count):
        return np.asarray(found.reshape(len(found), -1).argmax(axis=1), np.int64)
    found = found.reshape(-1)
    if found.shape != (chunk.samples,) or found.dtype.kind not in "iufb" or not (found == np.floor(found)).all():
        raise UsageError(
            f"labels from sample {chunk.id_of(0)!r} on are no class numbers, and no outputs of {count} values",
            hint="a label is the position of the right class, from 0",
        )
    if outside := np.flatnonzero((found < 0) | (found >= count)).tolist():
        at = outside[0]
        raise UsageError(f"label {found[at]} of sample {chunk.id_of(at)!r} is no class from 0 to {count - 1}")
    return found.astype(np.int64)


def _are_outputs(found: npt.NDArray[Any], samples: int, count: int) -> bool:
    """Whether the labels are outputs too, one value a class."""
    if found.ndim < 2 or found.dtype.kind not in "iufb" or found.shape[0] != samples:
        return False
    return found[0].size == count and not np.isnan(found).any()


def pairs(output: Any, label: Any, name: str, sample: str) -> list[tuple[Floats, Floats]]:
    """Output and label of one sample, by output name where there are several."""
    if not isinstance(output, dict):
        label = next(iter(label.values())) if isinstance(label, dict) and len(label) == 1 else label
        output, label = {"": output}, {"": label}
    if not isinstance(label, dict) or output.keys() != label.keys():
        raise UsageError(f"metric {name!r}: the label of sample {sample!r} has no value for each of {list(output)}")
    found = []
    for key, real in output.items():
        ours, wanted = np.asarray(real), _array(label[key])
        if not are_comparable(ours, wanted):
            raise UsageError(
                f"metric {name!r}: the label of sample {sample!r} has shape {wanted.shape} ({wanted.dtype}), "
                f"the output {ours.shape} ({ours.dtype})",
                hint="both have to be numbers, at least one and as many",
            )
        found.append((ours.astype(np.float64), wanted.astype(np.float64)))
    return found


def are_comparable(output: npt.NDArray[Any], label: npt.NDArray[Any]) -> bool:
    """Whether both are real numbers, at least one and in one shape."""
    return all(one.dtype.kind in "fiub" for one in (output, label)) and output.shape == label.shape and output.size > 0


def _array(value: Any) -> npt.NDArray[Any]:
    """A label as an array; of objects where its rows have different lengths."""
    try:
        return np.asarray(value)
    except ValueError:
        return np.asarray(None)
