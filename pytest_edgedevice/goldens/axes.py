"""Shapes of samples against shapes that somebody announced, and what would make them fit. Pure."""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_edgedevice.values import TensorSpec

Shape = tuple[int, ...]
MOST_PERMUTED = 5  # axes whose orders are tried


def fits(shape: Shape, told: Shape) -> bool:
    """Whether a shape is the announced one, in which -1 stands for any size."""
    return len(shape) == len(told) and all(one in (-1, size) for one, size in zip(told, shape, strict=True))


def sample_shape(spec: TensorSpec) -> Shape:
    """Shape of one sample of a model's tensor: a leading dimension of 1, or one that varies, is the samples' axis."""
    return spec.shape[1:] if spec.shape[:1] in ((1,), (-1,)) else spec.shape


def remedy(sample: Shape, wanted: Sequence[Shape], *, name: str) -> str:
    """The option of ``edgedevice record`` that would make a sample fit; many a server has its channels first."""
    for axes in itertools.permutations(range(len(sample))) if len(sample) <= MOST_PERMUTED else ():
        moved = tuple(sample[axis] for axis in axes)
        if any(fits(moved, told) for told in wanted):
            return f"if it is the order of the axes: --transpose '{name}={','.join(map(str, axes))}'"
    for told in wanted:
        if told and min(told) > 0 and math.prod(told) == math.prod(sample):
            return f"if it is the same values in another shape: --reshape '{name}={','.join(map(str, told))}'"
    return "see whether these are the inputs and outputs of this model"
