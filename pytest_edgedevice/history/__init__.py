"""What was measured before: baselines of latency, the records of past runs, and what a new run shows against them.

Knows values and records; nothing of devices or pytest.
"""

from __future__ import annotations

from pytest_edgedevice.history.baselines import Baselines, Key, key_of, key_of_record, read_baselines, update_baselines
from pytest_edgedevice.history.regression import compare

__all__ = ["Baselines", "Key", "compare", "key_of", "key_of_record", "read_baselines", "update_baselines"]
