"""Files that are no inputs for a sweep, and what is said of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from pytest_edgedevice.cli.running_inputs import read_inputs
from pytest_edgedevice.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("kind", ["text", "objects"])
def test_nobody_is_told_to_load_a_foreign_file_unsafely(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "inputs"
    if kind == "text":
        path.write_text("time,commit\n")
    else:
        with path.open("wb") as file:
            np.savez(file, x=np.array([{}], dtype=object))
    with pytest.raises(InputError, match="are no file of arrays: neither NPZ nor NPY, or of Python objects") as caught:
        read_inputs(path)
    assert "allow_pickle" not in str(caught.value)
