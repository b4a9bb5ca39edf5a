"""From a run and its reference to a verdict with evidence.

Checks know values, errors and metrics. Where a run came from, how a golden is
stored and what becomes of the evidence is not theirs to know.
"""

from pytest_edgedevice.checks.check import EdgeCheck
from pytest_edgedevice.checks.close import CloseResult, OutputResult
from pytest_edgedevice.checks.faster import Comparison
from pytest_edgedevice.checks.limits import MetricResult, SizeResult
from pytest_edgedevice.checks.seams import GoldenLike, Measurable
from pytest_edgedevice.checks.verdict import BaselineWarning, CheckFailed, InconclusiveWarning

__all__ = [
    "BaselineWarning",
    "CheckFailed",
    "CloseResult",
    "Comparison",
    "EdgeCheck",
    "GoldenLike",
    "InconclusiveWarning",
    "Measurable",
    "MetricResult",
    "OutputResult",
    "SizeResult",
]
