"""Calico's label selectors: `rack == 'rack0' && !has(spare) || kubernetes.io/hostname in {'a', 'b'}`.

Grammar, loosest first: `||`, `&&`, `!`, then a parenthesis, `all()`, `global()`, `has(label)` or one comparison of a label with
`==`, `!=`, `contains`, `starts with`, `ends with`, `in {...}`, `not in {...}`. Strings stand in single or double quotes. An empty selector
selects everything. A label that is missing fails every comparison except `!=` and `not in`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

Labels = Mapping[str, str]
Test = Callable[[Labels], bool]

_TOKEN = re.compile(
    r"""\s*(?:
    (?P<string>"[^"]*"|'[^']*')
  | (?P<call>(?:all|global)\s*\(\s*\))
  | has\s*\(\s*(?P<has>[A-Za-z0-9_./-]+)\s*\)
  | (?P<operator>==|!=|&&|\|\||!|\(|\)|\{|\}|,)
  | (?P<words>not\s+in(?=[\s{])|in(?=[\s{])|contains(?=[\s'"])|starts\s*with(?=[\s'"])|ends\s*with(?=[\s'"]))
  | (?P<label>[A-Za-z0-9_./-]{1,512})
    )""",
    re.VERBOSE,
)


class SelectorError(ValueError):
    """The text is not a selector; the message says where."""


def _tokens(text: str) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    position = 0
    while text[position:].strip():
        match = _TOKEN.match(text, position)
        if match is None:
            raise SelectorError(f"unexpected characters at {text[position:].strip()[:20]!r}")
        kind = match.lastgroup or ""
        value = match.group(kind)
        if kind == "words":
            # A label may be called "in": an operator word only stands after a label.
            kind, value = ("words", re.sub(r"\s+", "", value)) if found and found[-1][0] == "label" else ("label", value)
        found.append((kind, value[1:-1] if kind == "string" else value))
        position = match.end()
    return found


class _Parser:
    def __init__(self, text: str) -> None:
        self.left = _tokens(text)

    def _peek(self) -> tuple[str, str]:
        return self.left[0] if self.left else ("end", "")

    def _accept(self, operator: str) -> bool:
        if self._peek() == ("operator", operator):
            self.left.pop(0)
            return True
        return False

    def _expect(self, kind: str, what: str) -> str:
        if self._peek()[0] != kind:
            raise SelectorError(f"expected {what}, found {self._peek()[1] or 'the end'!r}")
        return self.left.pop(0)[1]

    def whole(self) -> Test:
        test = self.any_of()
        if self.left:
            raise SelectorError(f"unexpected {self.left[0][1]!r} after the expression")
        return test

    def any_of(self) -> Test:
        tests = [self.all_of()]
        while self._accept("||"):
            tests.append(self.all_of())
        return tests[0] if len(tests) == 1 else lambda labels: any(test(labels) for test in tests)

    def all_of(self) -> Test:
        tests = [self.term()]
        while self._accept("&&"):
            tests.append(self.term())
        return tests[0] if len(tests) == 1 else lambda labels: all(test(labels) for test in tests)

    def term(self) -> Test:
        if self._accept("!"):
            negated = self.term()
            return lambda labels: not negated(labels)
        if self._accept("("):
            inner = self.any_of()
            if not self._accept(")"):
                raise SelectorError("a parenthesis is not closed")
            return inner
        kind, value = self._peek()
        if kind == "call":
            self.left.pop(0)
            return lambda labels: True
        if kind == "has":
            self.left.pop(0)
            return lambda labels: value in labels
        return self.comparison()

    def comparison(self) -> Test:
        label = self._expect("label", "a label")
        kind, operator = self._peek()
        if (kind, operator) in (("operator", "=="), ("operator", "!="), *(("words", word) for word in ("contains", "startswith", "endswith"))):
            self.left.pop(0)
            return _compare(label, operator, self._expect("string", "a quoted string"))
        if kind == "words":
            self.left.pop(0)
            values = self._set()
            if operator == "in":
                return lambda labels: label in labels and labels[label] in values
            return lambda labels: label not in labels or labels[label] not in values
        raise SelectorError(f"expected an operator after {label!r}, found {operator or 'the end'!r}")

    def _set(self) -> frozenset[str]:
        if not self._accept("{"):
            raise SelectorError("expected {")
        values: list[str] = []
        while not self._accept("}"):
            if values and not self._accept(","):
                raise SelectorError("expected , or }")
            values.append(self._expect("string", "a quoted string"))
        return frozenset(values)


def _compare(label: str, operator: str, value: str) -> Test:
    if operator == "==":
        return lambda labels: labels.get(label) == value
    if operator == "!=":
        return lambda labels: labels.get(label) != value
    if operator == "contains":
        return lambda labels: label in labels and value in labels[label]
    if operator == "startswith":
        return lambda labels: label in labels and labels[label].startswith(value)
    return lambda labels: label in labels and labels[label].endswith(value)


def parse(text: str) -> Test:
    """The selector as a function of labels. Raises SelectorError."""
    return _Parser(text).whole() if text.strip() else lambda labels: True


def matches(text: str, labels: Labels) -> bool:
    """Whether the labels satisfy the selector. Raises SelectorError."""
    return parse(text)(labels)
