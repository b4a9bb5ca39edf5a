"""Records: what every check saw, as one JSON object each, schema 1.

The one source for every report. Pure: built from values, written as lines,
read back with every field checked.
"""

from __future__ import annotations

from pytest_edgedevice.records.delegates import delegate_text, plan_of
from pytest_edgedevice.records.lines import Lines, read_lines, read_what_is_there, write_lines
from pytest_edgedevice.records.measurements import Measurement, measurements
from pytest_edgedevice.records.merging import IDENTITY, Merged, merge
from pytest_edgedevice.records.properties import properties_of_all
from pytest_edgedevice.records.record import SCHEMA, UNCHECKED, Record, build, with_conditions_after, with_outcome
from pytest_edgedevice.records.series import pack, unpack
from pytest_edgedevice.records.writing import write_text

__all__ = [
    "IDENTITY",
    "SCHEMA",
    "UNCHECKED",
    "Lines",
    "Measurement",
    "Merged",
    "Record",
    "build",
    "delegate_text",
    "measurements",
    "merge",
    "pack",
    "plan_of",
    "properties_of_all",
    "read_lines",
    "read_what_is_there",
    "unpack",
    "with_conditions_after",
    "with_outcome",
    "write_lines",
    "write_text",
]
