"""Whether a golden's inputs fit what a server says of its own, and how they are handed over.

Nothing is transposed, reshaped or rounded here: what does not fit is an error that says what would.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pytest_edgedevice.errors import GoldenError
from pytest_edgedevice.goldens.axes import fits, remedy
from pytest_edgedevice.goldens.fields import nearest

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pytest_edgedevice.goldens.samples import Array, Samples
    from pytest_edgedevice.values import TensorSpec


@dataclass(frozen=True, slots=True)
class Feed:
    """One input of the server.

    Attributes:
        samples: All samples; a list where their shapes vary.
        axis: Whether the server's tensor has an axis for the samples.
        fixed: How long that axis always is; 0 where it varies.
        dtype: What the server takes.
    """

    samples: Samples
    axis: bool
    fixed: int
    dtype: str

    def part(self, start: int, stop: int) -> Array:
        """Samples from ``start`` to before ``stop`` in one array; a single one without the axis where there is none."""
        if isinstance(self.samples, list) or not self.axis:
            one: Array = self.samples[start]
            part = one[np.newaxis] if self.axis else one
        else:
            part = self.samples[start:stop]
        return np.asarray(part, self.dtype, order="C")


def fitted(inputs: Mapping[str, Samples], specs: Sequence[TensorSpec], *, own: Mapping[str, str]) -> dict[str, Feed]:
    """Check inputs against a server's; one that says nothing of its inputs gets them as they are.

    Args:
        inputs: By the server's names.
        specs: What the server says.
        own: Server's name to the golden's, where they differ.

    Raises:
        GoldenError: A name, a dtype or a shape does not fit.
    """
    if not specs:
        return {name: Feed(samples, True, 0, samples[0].dtype.name) for name, samples in inputs.items()}
    known = {spec.name: spec for spec in specs}
    for name in inputs:
        if name not in known:
            raise GoldenError(
                f"the server has no input {name!r}",
                hint=f"{nearest(name, known)}; where names differ: --input-map GOLDEN=SERVER",
            )
    for name in known:
        if name not in inputs:
            raise GoldenError(
                f"there is nothing for the server's input {name!r}",
                hint=f"{nearest(name, inputs)}; where names differ: --input-map GOLDEN=SERVER",
            )
    return {name: _feed(samples, known[name], own.get(name, name)) for name, samples in inputs.items()}


def _feed(samples: Samples, spec: TensorSpec, own: str) -> Feed:
    dtype = samples[0].dtype.name
    if not _widens(dtype, spec.dtype):
        raise GoldenError(
            f"the server's input {spec.name!r} is {spec.dtype}, but the golden's samples are {dtype}",
            hint="store what the server takes; only a dtype that holds every value of the other is changed by itself",
        )
    axes = {_has_axis(tuple(one.shape), spec.shape) for one in samples}
    if None in axes or len(axes) > 1:
        shape = tuple(samples[0].shape)
        raise GoldenError(
            f"the server's input {spec.name!r} has shape {list(spec.shape)}, "
            f"but the golden's samples have {list(shape)} each",
            hint=remedy(shape, [spec.shape[1:], spec.shape], name=own),
        )
    axis = bool(axes.pop())
    return Feed(samples, axis, max(spec.shape[0], 0) if axis else 0, spec.dtype)


def _widens(dtype: str, target: str) -> bool:
    try:
        return np.can_cast(dtype, target, "safe")
    except TypeError:  # BYTES, strings
        return False


def _has_axis(sample: tuple[int, ...], told: tuple[int, ...]) -> bool | None:
    """Whether the server's shape begins with the samples' axis; None where it fits in neither way."""
    if fits(sample, told[1:]) and told:
        return True
    return False if fits(sample, told) else None
