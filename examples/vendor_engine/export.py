"""Writes ``digits.vend``, the digit classifier in the vendor engine's own format.

Run as ``python examples/vendor_engine/export.py`` from the repository's root. The weights are those of
``fixtures/models/digits_weights.npz``, so the golden set ``digits`` fits.

The format: ``VEND``, then version 1, inputs, hidden units and outputs as little-endian 32-bit integers, then the
weights and biases of both layers as little-endian float32, each matrix row by row with a row for each unit.
"""

import struct
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
WEIGHTS = HERE.parents[1] / "fixtures" / "models" / "digits_weights.npz"


def exported() -> bytes:
    """The content of the file."""
    with np.load(WEIGHTS) as stored:
        arrays = [stored[name] for name in ("hidden", "hidden_bias", "logits", "logits_bias")]
    (hidden, inputs), outputs = arrays[0].shape, len(arrays[3])
    head = struct.pack("<4s4I", b"VEND", 1, inputs, hidden, outputs)
    return head + b"".join(array.astype("<f4").tobytes() for array in arrays)


if __name__ == "__main__":
    (HERE / "digits.vend").write_bytes(exported())
