"""Golden sets on disk: inputs, pre-processing, reference outputs, provenance.

``FORMAT.md`` beside this file is the reference for ``golden.json``. The room
knows models only by ``ModelInfo`` and ``TensorSpec``, and no devices.
"""

from __future__ import annotations

from pytest_edgedevice.goldens.golden import Golden, load_golden
from pytest_edgedevice.goldens.making import Recorded, record
from pytest_edgedevice.goldens.provenance import Provenance
from pytest_edgedevice.goldens.quantization import dequantize, dequantized, quantize
from pytest_edgedevice.goldens.recording import Changes, record_references
from pytest_edgedevice.goldens.servers.asking import Wishes

__all__ = [
    "Changes",
    "Golden",
    "Provenance",
    "Recorded",
    "Wishes",
    "dequantize",
    "dequantized",
    "load_golden",
    "quantize",
    "record",
    "record_references",
]
