"""What a user may write after ``--device``, and what it means.

Owns the grammar of device specs and of selection expressions, and the
vocabulary of facts. Knows nothing of leases, links or pytest, and opens no
device: it turns text into values and says exactly where the text is wrong.
"""

from __future__ import annotations

from pytest_edgedevice.spec.device_spec import KINDS, DeviceSpec, parse_spec
from pytest_edgedevice.spec.expression import Expression
from pytest_edgedevice.spec.grammar import parse_expression
from pytest_edgedevice.spec.vocabulary import BUILT_IN, KEYWORDS, FactInfo, Vocabulary, closest_first

__all__ = [
    "BUILT_IN",
    "KEYWORDS",
    "KINDS",
    "DeviceSpec",
    "Expression",
    "FactInfo",
    "Vocabulary",
    "closest_first",
    "parse_expression",
    "parse_spec",
]
