"""JUnit's XML of records, for CI systems that show one: a test case a test and device, its numbers as properties."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from pytest_edgedevice.records import properties_of_all, write_text

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pytest_edgedevice.records import Record

UNWELCOME = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that XML 1.0 cannot hold."""
ELEMENTS = {"failed": "failure", "inconclusive": "failure", "infra": "error", "skipped": "skipped"}
SEVERITY = ("passed", "skipped", "inconclusive", "failed", "infra")


def write_junit(records: Sequence[Record], path: Path) -> None:
    """Write one suite a device.

    Raises:
        InfraError: The file cannot be written.
    """
    suites: dict[str, dict[str, list[Record]]] = {}
    for record in records:
        suite = suites.setdefault(str(record["device"].get("name", "")), {})
        suite.setdefault(record["test"], []).append(record)
    root = ET.Element("testsuites", name="edge devices")
    for device, tests in suites.items():
        root.append(_suite(device, tests))
    ET.indent(root, " ")
    write_text(path, '<?xml version="1.0" encoding="utf-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n")


def _suite(device: str, tests: dict[str, list[Record]]) -> ET.Element:
    tests = {test: _tried(records) for test, records in tests.items()}
    outcomes = {test: _outcome(records) for test, records in tests.items()}
    kinds = [ELEMENTS.get(outcome) for outcome in outcomes.values()]
    suite = ET.Element(
        "testsuite",
        name=_clean(device or "no device"),
        tests=str(len(tests)),
        errors=str(kinds.count("error")),
        failures=str(kinds.count("failure")),
        skipped=str(kinds.count("skipped")),
        timestamp=_clean(min(str(record.get("time", "")) for records in tests.values() for record in records)),
    )
    for test, records in tests.items():
        suite.append(_case(test, records, outcomes[test]))
    return suite


def _case(test: str, records: Sequence[Record], outcome: str) -> ET.Element:
    place, bracket, parameters = test.partition("[")
    module, _, name = place.rpartition("::")
    classname = module.removesuffix(".py").replace(".py::", ".").replace("/", ".").replace("::", ".")
    case = ET.Element("testcase", classname=_clean(classname), name=_clean((name or place) + bracket + parameters))
    properties = ET.SubElement(case, "properties")
    for key, value in properties_of_all(records):
        ET.SubElement(properties, "property", name=_clean(key), value=_clean(value))
    if outcome in ELEMENTS:
        messages = [record["message"] for record in records if record["message"]]
        first = messages[0].split("\n", 1)[0] if messages else outcome
        told = ET.SubElement(case, ELEMENTS[outcome], message=_clean(first), type=outcome)
        told.text = _clean("\n\n".join(messages))
    return case


def _tried(records: list[Record]) -> list[Record]:
    """Without what only says that another attempt was skipped, such as that of a host whose device does not fit."""
    return [record for record in records if record["check"] != "skip"] or records


def _outcome(records: Sequence[Record]) -> str:
    """The gravest; a record without one, as a test that was killed leaves it, counts by its verdict."""
    by_verdict = {"pass": "passed", "fail": "failed"}
    told = [str(record.get("outcome") or by_verdict.get(record["verdict"], "")) for record in records]
    return max((one if one in SEVERITY else "inconclusive" for one in told), key=SEVERITY.index)


def _clean(text: str) -> str:
    return UNWELCOME.sub("?", text)
