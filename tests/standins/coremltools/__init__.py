"""A stand-in for coremltools 9.0 on a Mac: the same calls with the same signatures, and arithmetic for a model.

Made after the package's own code and that of its binding to Core ML, with what trips people there: ``predict``
changes the dictionary that it is given, takes no array that cannot be written to and no float16, gives float16
widened and arrays with gaps; a model that Core ML refuses only warns; what is a model goes by its name.
"""

from __future__ import annotations

import enum

__version__ = "9.0"


class ComputeUnit(enum.Enum):
    """As in coremltools."""

    ALL = 1
    CPU_AND_GPU = 2
    CPU_ONLY = 3
    CPU_AND_NE = 4


from coremltools import models  # noqa: E402 - as in the real one, whose models need the names above

__all__ = ["ComputeUnit", "models"]
