"""Words in the report that people read together: labels that do not touch, counts that say what they mean."""

from __future__ import annotations

import re
from typing import Any

import pytest

from pytest_edgedevice.reports.html.page import render
from pytest_edgedevice.reports.html.svg.series import histogram
from tests.report_records import record


@pytest.mark.parametrize("apart", [0.5, 2.5, 4.0])
def test_labels_of_lines_that_stand_close_are_below_each_other_or_apart(apart: float) -> None:
    drawn = histogram([10.0, 50.0], [("p50", 20.0, ""), ("p95", 20.0 + apart, "")], label="of a test")
    places = {
        word: (float(x), y) for x, y, word in re.findall(r'<text x="?([\d.]+)"? y="?(\d+)"?[^>]*>(p50|p95)<', drawn)
    }
    (first, upper), (second, lower) = places["p50"], places["p95"]
    assert upper != lower or second - first >= 7 * len("p50") + 7


@pytest.mark.parametrize(
    ("outputs", "said"),
    [
        ([{"close": True}, {"close": True}], "2 outputs, all close"),
        ([{"close": True}, {"close": False}], "2 outputs, 1 not close"),
        ([{}], "1 output"),
    ],
)
def test_what_was_seen_of_outputs_is_said_in_words(outputs: list[dict[str, Any]], said: str) -> None:
    page = render([record("close", numbers={"outputs": outputs})])
    assert f">{said}<" in page
