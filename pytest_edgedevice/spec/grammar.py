"""From the text of a selection expression to a tree: a tokenizer and a recursive descent.

    expression  = conjunction { "or" conjunction }
    conjunction = negation { "and" negation }
    negation    = { "not" } ( "(" expression ")" | FACT [ OPERATOR VALUE ] )
    OPERATOR    = "==" | "!=" | "<=" | ">=" | "<" | ">"
    VALUE       = number | quoted string | bare word

Nothing is ever evaluated. Length and depth are bounded, so that hostile text
costs an error and nothing else.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn

from pytest_edgedevice.errors import SpecError
from pytest_edgedevice.spec.expression import (
    Comparison,
    Conjunction,
    Disjunction,
    Expression,
    Flag,
    Negation,
    Term,
    number,
)
from pytest_edgedevice.spec.vocabulary import BUILT_IN, KEYWORDS, FactInfo, Vocabulary, closest_first

if TYPE_CHECKING:
    from pytest_edgedevice.values import Fact

MAX_CHARS = 2000
MAX_DEPTH = 40
_SHOWN = 60

_TOKEN = re.compile(
    r"""(?P<space>[ \t\r\n]+)
      | (?P<string>"[^"]*"|'[^']*')
      | (?P<operator>==|!=|<=|>=|<|>)
      | (?P<bracket>[()])
      | (?P<word>[A-Za-z0-9_.+-]+)""",
    re.VERBOSE,
)
_HINTS = {
    "=": "compare with '=='",
    "&": "write 'and'",
    "|": "write 'or'",
    "!": "write 'not', or '!=' to compare",
    '"': "the string is not closed",
    "'": "the string is not closed",
}


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str  # string, operator, bracket, word, end
    text: str
    at: int

    def __str__(self) -> str:
        return "the end" if self.kind == "end" else repr(self.text)


def parse_expression(text: str, *, vocabulary: Vocabulary = BUILT_IN) -> Expression:
    """Parse a selection expression such as ``linux and cores>=2``.

    Args:
        text: At most 2,000 characters, brackets and ``not`` at most 40 deep.
        vocabulary: The facts that may be used, with their types.

    Raises:
        SpecError: The text is no expression; the message shows the place and what was expected there.
    """
    return _Parser(text, vocabulary).parse()


class _Parser:
    def __init__(self, text: str, vocabulary: Vocabulary) -> None:
        self._text = text
        self._vocabulary = vocabulary
        if len(text) > MAX_CHARS:
            raise SpecError(
                f"the device expression has {len(text)} characters; {MAX_CHARS} are allowed",
                hint="give the devices a tag in edgedevice.toml and select by it",
            )
        self._tokens = self._tokenize()
        self._next = 0
        self._depth = 0

    def parse(self) -> Expression:
        term = self._disjunction()
        if self._peek.kind != "end":
            self._fail(self._peek, "'and', 'or' or the end")
        return Expression(term)

    @property
    def _peek(self) -> _Token:
        return self._tokens[self._next]

    def _take(self) -> _Token:
        token = self._peek
        self._next += token.kind != "end"
        return token

    def _took(self, text: str) -> bool:
        if self._peek.kind in {"word", "bracket"} and self._peek.text == text:
            self._next += 1
            return True
        return False

    def _disjunction(self) -> Term:
        terms = [self._conjunction()]
        while self._took("or"):
            terms.append(self._conjunction())
        return terms[0] if len(terms) == 1 else Disjunction(tuple(terms))

    def _conjunction(self) -> Term:
        terms = [self._negation()]
        while self._took("and"):
            terms.append(self._negation())
        return terms[0] if len(terms) == 1 else Conjunction(tuple(terms))

    def _negation(self) -> Term:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            self._fail(self._peek, f"at most {MAX_DEPTH} levels of brackets and 'not'")
        term: Term
        if self._took("not"):
            term = Negation(self._negation())
        elif self._took("("):
            term = self._disjunction()
            if not self._took(")"):
                self._fail(self._peek, "')', 'and' or 'or'")
        else:
            term = self._fact()
        self._depth -= 1
        return term

    def _fact(self) -> Term:
        token = self._take()
        if token.kind != "word" or token.text in KEYWORDS:
            self._fail(token, "a fact, 'not' or '('")
        info = self._vocabulary.get(token.text)
        if info is None:
            known = ", ".join(closest_first(token.text, self._vocabulary))
            self._fail(token, "a known fact", hint=f"known facts, closest first: {known}")
        if self._peek.kind != "operator":
            if info.type == "number":
                self._fail(self._peek, f"a comparison, as {info.name!r} is a number: {info.example}")
            return Flag(info.name)
        operator = self._take()
        if info.type != "number" and operator.text not in {"==", "!="}:
            is_what = "a flag" if info.type == "flag" else "text"
            self._fail(operator, f"'==' or '!=', as {info.name!r} is {is_what}")
        return Comparison(info.name, operator.text, self._value(info))

    def _value(self, info: FactInfo) -> Fact:
        token = self._take()
        if info.type == "number":
            return self._number(token, info)
        if info.type == "flag":
            if token.kind != "word" or token.text not in {"true", "false"}:
                self._fail(token, f"true or false, as {info.name!r} is a flag")
            return token.text == "true"
        if token.kind == "string":
            return token.text[1:-1]
        if token.kind != "word" or token.text in {"and", "or", "not"}:
            self._fail(token, f"a value to compare {info.name!r} with")
        return token.text

    def _number(self, token: _Token, info: FactInfo) -> Fact:
        value = number(token.text) if token.kind == "word" else None
        if value is None:
            self._fail(token, f"a number, as {info.name!r} is one: {info.example}")
        return value

    def _tokenize(self) -> list[_Token]:
        tokens = []
        at = 0
        while at < len(self._text):
            match = _TOKEN.match(self._text, at)
            if match is None:
                odd = self._text[at]
                self._fail(_Token("odd", odd, at), "a fact, an operator or a value", hint=_HINTS.get(odd, ""))
            if match.lastgroup != "space":
                tokens.append(_Token(str(match.lastgroup), match.group(), at))
            at = match.end()
        tokens.append(_Token("end", "", len(self._text.rstrip())))
        return tokens

    def _fail(self, token: _Token, expected: str, *, hint: str = "") -> NoReturn:
        start = max(0, token.at - _SHOWN // 2)
        window = self._text[start : start + _SHOWN]
        shown = "".join(char if char.isprintable() else "?" for char in window)
        found = str(token) if len(token.text) <= _SHOWN else f"{token.text[:_SHOWN]!r}..."
        raise SpecError(
            f"expected {expected}, found {found} at character {token.at + 1} of the device expression\n"
            f"  {shown}\n  {' ' * (token.at - start)}^",
            hint=hint,
        )
