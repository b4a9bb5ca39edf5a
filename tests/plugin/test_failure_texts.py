"""What a user reads when a test fails: their own line, a short reason, the next step, and no frames of ours."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

DIGITS = Path(__file__).parents[2] / "examples" / "goldens" / "digits"
TEST = """
import numpy as np, pytest
ONES = {"a": np.ones((1, 4), "float32"), "b": np.ones((1, 4), "float32")}
def test_delegate(edge_model):
    edge_model("partial.tflite", delegate="xnnpack")
def test_missing(edge_model):
    edge_model("nope.tflite")
def test_input(edge_model):
    edge_model("add_float32.tflite").run({"x": ONES["a"]})
def test_close(edge_model, edge_check):
    run = edge_model("add_float32.tflite").run(ONES)
    edge_check.close(run, {"sum": np.zeros((1, 4), "float32")}, atol=0.5)
def test_crash(edge_model):
    edge_model("crash_on_load.tflite")
def test_deep(edge_model):
    def helper():
        return edge_model("nope.tflite")
    helper()
@pytest.fixture
def loaded(edge_model):
    return edge_model("nope.tflite")
def test_in_fixture(loaded):
    pass
"""
NAMES = ["delegate", "missing", "input", "close", "crash", "deep", "in_fixture"]
WITH_HINTS = ["delegate", "missing", "input"]
STYLES = ["auto", "long", "short", "line", "native", "no"]


def section(lines: list[str], name: str) -> list[str]:
    """The lines of one test's failure."""
    start = next(number for number, line in enumerate(lines) if line.strip("_ ").endswith(f"test_{name}"))
    end = next(number for number, line in enumerate(lines[start + 1 :], start + 1) if line.startswith(("____", "====")))
    return lines[start:end]


def assert_well_said(lines: list[str], name: str) -> None:
    """The traceback ends at the user's line, and the reason is short; where there is a next step, it is part of it."""
    assert not [line for line in lines if "pytest_edgedevice/" in line], lines
    assert lines[-1].startswith("test_it.py:"), lines
    reason = [line for line in lines if line.startswith("E ")]
    assert 1 <= len(reason) <= 6, lines
    if name in WITH_HINTS:
        assert [line for line in reason if line.startswith("E         hint: ")], lines


@pytest.mark.parametrize("style", STYLES)
def test_every_style_of_traceback_works_and_shows_no_frame_of_ours(pytester: pytest.Pytester, style: str) -> None:
    pytester.makepyfile(test_it=TEST)
    result = pytester.runpytest(f"--tb={style}")
    result.assert_outcomes(failed=5, errors=2)
    assert "INTERNALERROR" not in result.stdout.str()
    assert not [line for line in result.outlines if "pytest_edgedevice/" in line and "_pytest" not in line]
    if style == "auto":
        for name in NAMES:
            assert_well_said(section(result.outlines, name), name)


def test_all_frames_are_there_on_request(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_it=TEST)
    printed = pytester.runpytest("-k", "test_missing", "--full-trace").outlines
    assert [line for line in printed if "plugin/session.py" in line]


@pytest.mark.parametrize("style", STYLES)
def test_a_device_that_cannot_be_opened_is_a_message_without_frames(pytester: pytest.Pytester, style: str) -> None:
    pytester.makepyfile("def test_a(edge_device): pass")
    result = pytester.runpytest("--device", "cores>=4000", f"--tb={style}")
    result.assert_outcomes(errors=1)
    printed = result.stdout.str()
    if style != "no":
        assert "no device matches 'cores>=4000'" in printed
    if style not in ("native", "no"):
        assert "opening.py" not in printed
        assert "_pytest" not in printed
    if style not in ("line", "no"):
        assert "hint: see: edgedevice list" in printed


def test_such_a_message_is_shown_with_all_frames_on_request(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_a(edge_device): pass")
    assert "catalog.py" in pytester.runpytest("--device", "cores>=4000", "--full-trace").stdout.str()


def test_a_mistake_of_the_users_in_a_callable_of_theirs_shows_their_lines_only(pytester: pytest.Pytester) -> None:
    golden = shutil.copytree(DIGITS, pytester.path / "digits")
    pytester.makepyfile(
        test_it="from pathlib import Path\n"
        "def server(inputs):\n    raise ZeroDivisionError('mine')\n"
        "def test_it(edge_golden):\n    edge_golden(GOLDEN, reference=server)\n".replace("GOLDEN", repr(str(golden)))
    )
    result = pytester.runpytest("--edge-update-goldens")
    result.assert_outcomes(failed=1)
    assert not [line for line in result.outlines if "recording.py" in line or "plugin/goldens.py" in line]


def test_a_foreign_exception_below_us_keeps_its_frames(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(
        "import pytest\n@pytest.fixture(autouse=True)\ndef broken(monkeypatch):\n"
        "    monkeypatch.setattr('pytest_edgedevice.plugin.recording.datetime', None)\n"
    )
    pytester.makepyfile("def test_it(edge_check):\n    edge_check.metric('top1', 1.0)")
    result = pytester.runpytest()
    result.assert_outcomes(failed=1)
    assert [line for line in result.outlines if "recording.py" in line]
