"""Distance of floats in units in the last place: how many representable numbers lie between them.

Owns the definition. Knows numpy only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import numpy.typing as npt

from pytest_edgedevice.metrics.arguments import check_bound
from pytest_edgedevice.metrics.metric import Finding, Metric
from pytest_edgedevice.metrics.structure import Samples, Tensor, kind_of, paired, place
from pytest_edgedevice.metrics.sums import pieces

if TYPE_CHECKING:
    from pytest_edgedevice.metrics.structure import Array

_UNSIGNED: dict[int, Any] = {2: np.uint16, 4: np.uint32, 8: np.uint64}


def ulp_distances(actual: Tensor, reference: Tensor) -> npt.NDArray[np.uint64]:
    """Distance of each pair, flat: of the monotone integer images of the IEEE bits.

    Both zeros are the same number. Where the types differ, the wider side is rounded to the narrower
    type first, so that a float64 reference can be compared with a float32 output. NaN is as far from
    everything as the type allows.

    Raises:
        ValueError: The structures differ, or a side is no float of 16, 32 or 64 bits.
    """
    ours, theirs = paired(actual, reference)
    _check_floats(ours, theirs)
    return np.concatenate([_distances(d, r).reshape(-1) for _, _, d, r in pieces(ours, theirs)])


def _check_floats(*sides: Samples) -> None:
    for side in sides:
        if kind_of(side) != "float" or any(part.dtype.itemsize not in _UNSIGNED for part in side):
            raise ValueError("units in the last place are of floats of 16, 32 or 64 bits")


def _distances(d: Array, r: Array) -> npt.NDArray[np.uint64]:
    dtype = min(d.dtype, r.dtype, key=lambda one: one.itemsize).newbyteorder("=")
    with np.errstate(over="ignore"):
        left, right = np.ascontiguousarray(d, dtype), np.ascontiguousarray(r, dtype)
    images = _image(left), _image(right)
    apart = np.maximum(*images) - np.minimum(*images)  # unsigned, so that nothing overflows
    apart[np.isnan(left) | np.isnan(right)] = np.iinfo(apart.dtype).max
    return apart.astype(np.uint64)


def _image(values: Array) -> Array:
    """Integers in the order of the floats; both zeros in the middle of the unsigned range."""
    unsigned = _UNSIGNED[values.dtype.itemsize]
    middle = unsigned(1 << (8 * values.dtype.itemsize - 1))
    bits = values.view(unsigned)
    size = bits & ~middle
    image: Array = np.where(bits & middle, middle - size, middle + size)
    return image


@dataclass(frozen=True, slots=True)
class Ulp(Metric):
    """No element further than so many units in the last place: for one processor against another.

    Args:
        at_most: Largest distance that passes.
    """

    at_most: int
    name: ClassVar[str] = "ulp"
    needs_variation: ClassVar[bool] = False

    def __post_init__(self) -> None:
        check_bound("at_most", self.at_most, low=0)

    @property
    def bound(self) -> str:
        """What passes, in words."""
        return f"at most {self.at_most} units in the last place"

    def judge(self, actual: Samples, reference: Samples) -> Finding:
        """Judge an output; see ``Metric.judge``."""
        _check_floats(actual, reference)
        most, beyond, where = -1, 0, (0, 0)
        per_sample = np.zeros(len(actual))
        for rows, start, d, r in pieces(actual, reference):
            far = _distances(d, r)
            beyond += int(np.count_nonzero(far > self.at_most))
            per_sample[rows] = np.maximum(per_sample[rows], far.max(axis=1).astype(np.float64))
            row, column = np.unravel_index(far.argmax(), far.shape)
            if int(far[row, column]) > most:
                most, where = int(far[row, column]), (rows.start + int(row), start + int(column))
        elements = sum(part.size for part in actual)
        return Finding(
            metric="ulp",
            passed=not beyond,
            values={"ulp_max": float(most), "ulp_share_beyond": beyond / elements},
            saw=f"{most} units in the last place, {beyond} of {elements} elements beyond {self.at_most}",
            needed=f"ulp(at_most={most})" if beyond else "",
            sample=where[0],
            index=place(actual, *where),
            per_sample=per_sample,
            bad_samples=int(np.count_nonzero(per_sample > self.at_most)),
        )
