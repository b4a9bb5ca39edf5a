"""The text of LiteRT's profiler, as it was seen and as nobody would write it."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_edgedevice.runners.profile_table import MOST_OPERATORS, read_profile

SEEN = Path(__file__).with_name("profiles")
FACE = (SEEN / "face_detector_xnnpack.txt").read_text()
PARTIAL = (SEEN / "partial_delegate.txt").read_text()
HEAD = "=== Summary by node type ===\n  [Node type]  [count]  [avg ms]   [avg %]   [cdf %]  [mem KB] [times called]\n"


def row(name: str, share: str = "50.000", calls: int = 10) -> str:
    return f"   {name}          1      0.001   {share}%   100.000%      0.000           {calls}\n"


def total(microseconds: int) -> str:
    return f"\nTimings (microseconds): count=1 curr={microseconds}\n"


def test_a_model_that_a_delegate_took_whole() -> None:
    found = read_profile(FACE, runs=50, delegate="xnnpack")
    first = found.operators[0]
    assert (first.name, first.delegate, first.count) == ("Fully Connected (NC, F32) GEMM", "xnnpack", 20)
    assert first.time_ms == pytest.approx(18_338 / 50 / 1000, rel=1e-4)
    assert first.share == pytest.approx(0.33598)
    assert found.total_ms == pytest.approx(54.580 / 50)
    assert sum(one.count for one in found.operators) == 89
    assert sum(one.share for one in found.operators) == pytest.approx(1, abs=1e-3)
    assert [one.time_ms for one in found.operators] == sorted((one.time_ms for one in found.operators), reverse=True)
    assert (found.problem, found.runs) == ("", 50)


def test_a_model_that_a_delegate_took_in_part() -> None:
    found = read_profile(PARTIAL, runs=10, delegate="xnnpack")
    assert {(one.name, one.delegate, one.count) for one in found.operators} == {
        ("CUMSUM", "cpu", 1),
        ("Negate (NC)", "xnnpack", 2),
    }


def test_built_in_kernels_are_the_processors() -> None:
    found = read_profile((SEEN / "partial_builtin.txt").read_text(), runs=10)
    assert {one.delegate for one in found.operators} == {"cpu"}
    assert {one.name for one in found.operators} == {"CUMSUM", "NEG"}


def test_operators_too_short_for_the_clock_are_counted_all_the_same() -> None:
    (one,) = read_profile(HEAD + row("Delegate/Add (ND)", "0.000") + total(0), runs=10).operators
    assert (one.count, one.time_ms, one.share) == (1, 0.0, 0.0)


@pytest.mark.parametrize("text", ["", "\0" * 100, "Summary by node type", FACE[: FACE.index("Summary by")], total(5)])
def test_a_text_without_a_table_says_so(text: str) -> None:
    found = read_profile(text, runs=3)
    assert (found.operators, found.problem, found.runs) == ((), "the profiler found no operator", 3)


def test_the_last_table_counts() -> None:
    found = read_profile(HEAD + row("OLD") + total(1) + HEAD + row("NEW") + total(40), runs=10)
    assert [one.name for one in found.operators] == ["NEW"]
    assert found.total_ms == pytest.approx(0.004)


def test_a_name_of_spaces_and_numbers_is_a_name() -> None:
    (one,) = read_profile(HEAD + row("My Op 3 4.5 (x)") + total(1), runs=10).operators
    assert one.name == "My Op 3 4.5 (x)"


def test_names_cannot_steer_a_terminal() -> None:
    (one,) = read_profile(HEAD + row("A\x1b[2JB") + total(1), runs=10).operators
    assert one.name == "A [2JB"


def test_a_delegate_without_a_name_keeps_its_own() -> None:
    assert read_profile(HEAD + row("Delegate/") + total(1), runs=10).operators[0].name == "Delegate/"


def test_a_table_without_end_is_cut() -> None:
    text = HEAD + "".join(row(f"OP{at}") for at in range(MOST_OPERATORS + 500)) + total(1)
    assert len(read_profile(text, runs=1).operators) == MOST_OPERATORS


def test_numbers_beyond_reason_are_bounded() -> None:
    (one,) = read_profile(HEAD + row("OP", "999.9", 999_999_999_999) + total(10**17), runs=1).operators
    assert one.share == 1.0
    assert one.time_ms == pytest.approx(10**14)


def test_a_line_that_is_almost_a_row_is_read_in_little_time() -> None:
    nearly = HEAD + ("a " * 900 + "\n") * 200 + row("OP") + total(1)
    assert [one.name for one in read_profile(nearly, runs=1).operators] == ["OP"]


lines = st.one_of(
    st.text(max_size=80),
    st.sampled_from(FACE.splitlines()),
    st.builds(
        lambda name, share, calls: row(name, share, calls).rstrip("\n"),
        st.text(max_size=20),
        st.sampled_from(["0.000", "100.000", "-1", "1e9", "nan", "5", "...", "1.2.3"]),
        st.integers(-5, 10**15),
    ),
)


@settings(max_examples=150, deadline=None)
@given(text=st.lists(lines, max_size=20).map("\n".join), runs=st.integers(1, 1000))
def test_whatever_the_text_is_the_numbers_make_sense(text: str, runs: int) -> None:
    found = read_profile(HEAD + text, runs=runs)
    assert bool(found.operators) != bool(found.problem)
    assert all(one.count >= 1 and 0 <= one.share <= 1 and 0 <= one.time_ms < 1e16 for one in found.operators)
    assert all(one.name.isprintable() for one in found.operators)


@settings(max_examples=75, deadline=None)
@given(at=st.integers(0, len(FACE)), gone=st.integers(0, 200), other=st.text(max_size=5))
def test_a_profile_that_was_damaged_is_survived(at: int, gone: int, other: str) -> None:
    found = read_profile(FACE[:at] + other + FACE[at + gone :], runs=50)
    assert bool(found.operators) != bool(found.problem)
