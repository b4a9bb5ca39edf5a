from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_edgedevice.errors import SpecError
from pytest_edgedevice.spec import BUILT_IN, FactInfo, parse_expression
from pytest_edgedevice.spec.expression import (
    Comparison,
    Conjunction,
    Disjunction,
    Expression,
    Flag,
    Negation,
    Term,
)

if TYPE_CHECKING:
    from pytest_edgedevice.values import Fact

PHONE: dict[str, Fact] = {
    "adb": True,
    "android": True,
    "linux": False,
    "arch": "arm64",
    "cores": 8,
    "memory_mb": 7500.5,
    "gpu": "Adreno 740",
    "sdk": 33,
    "model": "Pixel 8",
    "emulated": False,
}


@pytest.mark.parametrize(
    ("text", "fits"),
    [
        ("android", True),
        ("linux", False),
        ("npu", False),
        ("gpu", True),
        ("not linux", True),
        ("not not android", True),
        ("android and gpu and sdk>=33", True),
        ("android and gpu and sdk>33", False),
        ("linux or sdk==33", True),
        ("linux or sdk!=33", False),
        ("sdk<33 or sdk<=33", True),
        ("sdk<33", False),
        ("memory_mb>7500", True),
        ("memory_mb==7500.5", True),
        ("cores>=-1", True),
        ("cores<1e3", True),
        ("arch==arm64", True),
        ("arch!=x86_64", True),
        ('model=="Pixel 8"', True),
        ("model=='pixel 8'", False),
        ("emulated==false", True),
        ("emulated!=true", True),
        ("android==true", True),
        # and binds tighter than or, not tighter than and
        ("android or linux and linux", True),
        ("(android or linux) and linux", False),
        ("not linux and android", True),
        ("not (linux and android)", True),
    ],
)
def test_an_expression_selects(text: str, fits: bool) -> None:
    assert parse_expression(text).matches(PHONE) is fits


@pytest.mark.parametrize("operator", ["==", "!=", "<", "<=", ">", ">="])
def test_a_missing_number_fits_no_comparison(operator: str) -> None:
    assert not parse_expression(f"sdk{operator}33").matches({})


@pytest.mark.parametrize("text", ["arch==arm64", "arch!=arm64", "npu==true", "emulated==false", "emulated!=true"])
def test_a_missing_text_or_flag_fits_no_comparison(text: str) -> None:
    assert not parse_expression(text).matches({})


def test_not_turns_a_missing_fact_round() -> None:
    assert parse_expression("not (sdk>=33)").matches({})


@pytest.mark.parametrize("seen", [True, "many", float("nan"), float("inf"), "9" * 5000, ""])
def test_a_number_that_the_device_reports_as_something_else_counts_as_missing(seen: Fact) -> None:
    assert not parse_expression("cores!=2").matches({"cores": seen})


def test_a_number_reported_as_text_is_read() -> None:
    assert parse_expression("sdk>=33").matches({"sdk": " 34 "})


def test_a_huge_whole_number_is_compared_exactly() -> None:
    assert parse_expression("memory_mb<2").matches({"memory_mb": -(10**400)})


def test_a_flag_reported_as_text_counts_as_missing_in_a_comparison() -> None:
    assert not parse_expression("emulated!=true").matches({"emulated": "no"})


def test_a_text_fact_reported_as_flag_or_number_compares_by_its_word() -> None:
    assert parse_expression("gpu==true").matches({"gpu": True})
    assert parse_expression("model==8").matches({"model": 8})


def test_facts_used_are_all_facts() -> None:
    expression = parse_expression("linux and (cores>=2 or not arch==arm64)")
    assert expression.facts_used == {"linux", "cores", "arch"}


def test_repr_shows_the_text() -> None:
    assert repr(parse_expression(" linux  and cores >= 2")) == "Expression('linux and cores>=2')"


def test_free_facts_take_part() -> None:
    words = {**BUILT_IN, "camera": FactInfo("camera", "flag", "Tag.", "camera")}
    assert parse_expression("camera and not linux", vocabulary=words).matches({"camera": True})


@pytest.mark.parametrize(
    ("text", "position", "expected"),
    [
        ("", 1, "a fact, 'not' or '('"),
        ("linux and", 10, "a fact, 'not' or '('"),
        ("and linux", 1, "a fact, 'not' or '('"),
        ("linux gpu", 7, "'and', 'or' or the end"),
        ("linux)", 6, "'and', 'or' or the end"),
        ("(linux", 7, "')', 'and' or 'or'"),
        ("()", 2, "a fact, 'not' or '('"),
        ("not", 4, "a fact, 'not' or '('"),
        ("cores", 6, "a comparison, as 'cores' is a number"),
        ("cores>=", 8, "a number, as 'cores' is one"),
        ("cores>=and", 8, "a number, as 'cores' is one"),
        ("cores>=many", 8, "a number, as 'cores' is one"),
        ("cores>='2'", 8, "a number, as 'cores' is one"),
        ("cores>=1e999", 8, "a number, as 'cores' is one"),
        ("cores>=" + "9" * 31, 8, "a number, as 'cores' is one"),
        ("arch==", 7, "a value to compare 'arch' with"),
        ("arch==not", 7, "a value to compare 'arch' with"),
        ("arch==(", 7, "a value to compare 'arch' with"),
        ("arch>=arm64", 5, "'==' or '!=', as 'arch' is text"),
        ("linux<true", 6, "'==' or '!=', as 'linux' is a flag"),
        ("linux==1", 8, "true or false, as 'linux' is a flag"),
        ("linux=='true'", 8, "true or false, as 'linux' is a flag"),
        ("true", 1, "a fact, 'not' or '('"),
        ("'linux'", 1, "a fact, 'not' or '('"),
        ("33<=sdk", 1, "a known fact"),
        ("sdk==33==33", 8, "'and', 'or' or the end"),
        ("l\u0131nux", 2, "a fact, an operator or a value"),
        ("linux\x00", 6, "a fact, an operator or a value"),
    ],
)
def test_an_error_shows_the_place_and_what_was_expected(text: str, position: int, expected: str) -> None:
    with pytest.raises(SpecError) as caught:
        parse_expression(text)
    first, shown, caret = caught.value.message.split("\n")
    assert expected in first
    assert f"at character {position} " in first
    assert caret.index("^") - 2 == position - 1
    assert len(shown) == len(text) + 2


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("sdk=33", "'=='"),
        ("linux & gpu", "'and'"),
        ("linux | gpu", "'or'"),
        ("!linux", "'not'"),
        ("model=='Pixel", "not closed"),
        ('model=="Pixel', "not closed"),
    ],
)
def test_habits_from_other_languages_get_a_hint(text: str, hint: str) -> None:
    with pytest.raises(SpecError) as caught:
        parse_expression(text)
    assert hint in caught.value.hint


def test_an_unknown_fact_names_the_known_ones_closest_first() -> None:
    with pytest.raises(SpecError) as caught:
        parse_expression("linux and corse>=2")
    assert caught.value.hint.startswith("known facts, closest first: cores, ")
    assert all(name in caught.value.hint for name in BUILT_IN)


@pytest.mark.parametrize("text", ["(" * 1000, "not " * 400 + "linux", "(" * 41 + "linux" + ")" * 41])
def test_depth_is_bounded(text: str) -> None:
    with pytest.raises(SpecError, match="at most 40 levels"):
        parse_expression(text)


def test_brackets_side_by_side_are_not_deep() -> None:
    assert parse_expression(" and ".join(["(linux)"] * 100)).matches({"linux": True})


def test_length_is_bounded() -> None:
    with pytest.raises(SpecError, match="has 2001 characters; 2000 are allowed"):
        parse_expression("a" * 2001)


def test_a_long_text_is_shown_around_the_place() -> None:
    with pytest.raises(SpecError) as caught:
        parse_expression("linux and " * 100 + "x" * 500)
    assert max(len(line) for line in caught.value.message.split("\n")) < 200


def terms() -> st.SearchStrategy[Term]:
    texts = st.one_of(st.sampled_from(["and", "true", "3.10", ""]), st.text(max_size=5).filter(lambda t: '"' not in t))
    leaves = st.one_of(
        st.sampled_from(["linux", "gpu", "emulated"]).map(Flag),
        st.builds(Comparison, st.just("arch"), st.sampled_from(["==", "!="]), texts),
        st.builds(Comparison, st.just("npu"), st.just("=="), st.just('say "x"')),
        st.builds(Comparison, st.just("emulated"), st.sampled_from(["==", "!="]), st.booleans()),
        st.builds(Comparison, st.just("cores"), st.sampled_from(["<", ">=", "=="]), st.integers(-(10**9), 10**9)),
        st.builds(Comparison, st.just("sdk"), st.sampled_from(["<", ">="]), st.floats(-1e20, 1e20)),
    )
    return st.recursive(
        leaves,
        lambda inner: st.one_of(
            inner.map(Negation),
            st.lists(inner, min_size=2, max_size=3).map(lambda t: Conjunction(tuple(t))),
            st.lists(inner, min_size=2, max_size=3).map(lambda t: Disjunction(tuple(t))),
        ),
        max_leaves=8,
    )


@given(terms())
def test_every_expression_reads_back_from_its_text(term: Term) -> None:
    expression = Expression(term)
    assert parse_expression(str(expression)) == expression


@given(st.text(alphabet="linuxcoresandorot ()=<>!\"'0123456789.", max_size=60))
def test_any_text_is_an_expression_or_a_spec_error(text: str) -> None:
    with contextlib.suppress(SpecError):
        assert parse_expression(text).matches(PHONE) in {True, False}
