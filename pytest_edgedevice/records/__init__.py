"""Records: what every check saw, as one JSON object each, schema 1.

The one source for every report. Pure: built from values, written as lines,
read back with every field checked.
"""

from __future__ import annotations

from pytest_edgedevice.records.lines import read_lines, write_lines
from pytest_edgedevice.records.record import SCHEMA, Record, build, with_outcome

__all__ = ["SCHEMA", "Record", "build", "read_lines", "with_outcome", "write_lines"]
