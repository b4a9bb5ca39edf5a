"""What a sweep runs a model on: arrays of a file, or repeatable random ones."""

from __future__ import annotations

import zipfile
import zlib
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_edgedevice.errors import InputError
from pytest_edgedevice.runners.samples import has_batch_axis, random_sample

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pytest_edgedevice.values import Array, ModelInfo

BROKEN = (ValueError, EOFError, MemoryError, RuntimeError, zipfile.BadZipFile, zlib.error)
"""What numpy and zipfile raise for files that are cut, encrypted, of pickles, or claim to hold more than there is."""


def read_inputs(path: Path) -> dict[str, Array]:
    """Read arrays by name.

    Args:
        path: A file of ``numpy.savez``: input name to array, samples along the first axis.

    Raises:
        InputError: It is missing, no such file, or holds no arrays of numbers.
    """
    try:
        # opened here, because numpy leaves a file open that turns out to be broken
        with path.open("rb") as file:
            found = np.load(file, allow_pickle=False)
            if not isinstance(found, np.lib.npyio.NpzFile):
                raise InputError(f"{str(path)!r} holds one array without a name", hint="write it with numpy.savez")
            arrays = {name: found[name] for name in found.files}
    except OSError as error:
        raise InputError(f"inputs {str(path)!r} cannot be read: {error.strerror or error}") from error
    except BROKEN as error:
        # numpy takes all that it does not know for a pickle, and says how to load that unsafely
        why = "neither NPZ nor NPY, or of Python objects" if "pickle" in str(error) else str(error)[:200]
        raise InputError(
            f"inputs {str(path)!r} are no file of arrays: {why}",
            hint="write them with: numpy.savez(PATH, **{name: array})",
        ) from error
    if not arrays:
        raise InputError(f"inputs {str(path)!r} hold no array")
    return arrays


def random_inputs(info: ModelInfo) -> Mapping[str, Any]:
    """One sample of each input, the same every time and under every delegate."""
    samples = {spec.name: (spec, random_sample(spec)) for spec in info.inputs}
    return {name: sample[:, 0] if has_batch_axis(spec) else sample for name, (spec, sample) in samples.items()}
