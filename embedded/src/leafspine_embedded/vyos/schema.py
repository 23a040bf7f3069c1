"""Which configuration paths exist: the table in `grammar/` as a tree of rules, and the walk of a line.

Notation of the table (one rule a line, children indented by two spaces):

    name            node with children          @name: CHECKS   tag node (its keys are checked)
    =name: CHECKS   leaf, one value             *name: CHECKS   leaf, several values
    !name           leaf without a value        ~name           exists in VyOS, not in this engine
    &block          the rules of that block     # ...           remark
    A `\\` at the end of a line joins the next one.

CHECKS are words: `num(1-255)`, `re(...)`, `one(a|b)`, a name of `checks.BY_NAME`, a name of a
`type` line, or `refuse(a|b)` (values VyOS accepts and this engine does not). A value is good
when any check passes. ` % text` is what VyOS prints when none does ("Invalid value" without it),
` | text` is the help.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from leafspine_embedded.vyos import checks
from leafspine_embedded.vyos.tree import Step


@dataclass(slots=True)
class Rule:
    """One row of the table."""

    name: str
    kind: str = "node"  # node | tag | leaf
    multi: bool = False
    valueless: bool = False
    supported: bool = True
    checks: list[checks.Check] = field(default_factory=list)
    refused: frozenset[str] = frozenset()
    choices: list[str] = field(default_factory=list)
    hints: list[tuple[str, str]] = field(default_factory=list)  # forms of a value and what they are, for `?`
    error: str = "Invalid value"
    help: str = ""
    children: dict[str, Rule] = field(default_factory=dict)

    def problems(self, value: str) -> list[str] | None:
        """Lines VyOS prints for a bad value, None for a good one."""
        if not self.checks:
            return None
        lines: list[str] = []
        for check in self.checks:
            failed = check(value)
            if failed is None:
                return None
            lines.extend(failed)
        return [*lines, *self.error.split("\\n")]


class PathError(Exception):
    """A line the table refuses. `lines` is the text between the command and `Set failed`."""

    def __init__(self, lines: list[str], *, unsupported: bool = False) -> None:
        super().__init__(" / ".join(lines))
        self.lines = lines
        self.unsupported = unsupported


@dataclass(slots=True)
class Walk:
    """A checked path: the steps to the node, the rule it ends at, and a leaf's value."""

    steps: list[Step]
    rule: Rule
    value: str | None
    key_missing: bool = False  # ends at a tag node without a key
    value_missing: bool = False  # ends at a leaf that wants a value

    @property
    def path(self) -> list[str]:
        return [name for name, _ in self.steps]

    @property
    def words(self) -> list[str]:
        return self.path if self.value is None else [*self.path, self.value]


def match(word: str, names: Sequence[str]) -> list[str]:
    """The names a word stands for: itself, or every name it is the beginning of."""
    return [word] if word in names else [name for name in names if word and name.startswith(word)]


def bracketed(before: Sequence[str], word: str) -> str:
    return " ".join([*before, f"[{word}]"])


def walk(root: Rule, words: Sequence[str], *, validate: bool = True) -> Walk:
    """Follow `words` from `root`. Raises PathError with VyOS's text.

    `validate=False` skips value checks (as `delete` and `show` do) and what is unsupported.
    """
    rule, steps = root, list[Step]()
    rest = list(words)
    shown: list[str] = []
    while rest:
        word = rest.pop(0)
        rule = _child(rule, word, shown)
        steps.append((rule.name, "leaf" if rule.kind == "leaf" else "tag" if rule.kind == "tag" else "node"))
        shown.append(rule.name)
        if not rule.supported and validate:
            raise PathError([f"Configuration path: [{' '.join(shown)}] is not supported by the embedded engine"], unsupported=True)
        if not rule.supported:
            continue
        if rule.kind == "node" or (rule.kind == "leaf" and rule.valueless):
            continue
        if not rest:
            return Walk(steps, rule, None, key_missing=rule.kind == "tag", value_missing=rule.kind == "leaf")
        value = rest.pop(0)
        if validate:
            _check(rule, value, shown)
        if rule.kind == "leaf":
            if rest:
                raise PathError([f"Configuration path: {bracketed([*shown, value], rest[0])} is not valid"])
            return Walk(steps, rule, value)
        steps.append((value, "node"))
        shown.append(value)
    return Walk(steps, rule, None)


def _child(rule: Rule, word: str, shown: list[str]) -> Rule:
    found = match(word, list(rule.children))
    if len(found) == 1:
        return rule.children[found[0]]
    where = bracketed(shown, word)
    if not found:
        raise PathError([f"Configuration path: {where} is not valid"])
    rows = [(name, rule.children[name].help) for name in sorted(found)]
    raise PathError([f"Configuration path: {where} is ambiguous", *possible_completions(rows)])


def possible_completions(rows: list[tuple[str, str]], indent: str = "  ") -> list[str]:
    """The list VyOS prints below an ambiguous word: names and help, a tab stop at 24."""
    lines = ["Possible completions:"]
    for name, text in rows:
        width = len(indent) + len(name)
        if width > 23:
            lines += [f"{indent}{name}", f"{indent}\t\t\t{text}"]
        else:
            tabs = "\t" * max(1, (24 - width + 7) // 8)
            lines.append(f"{indent}{name}{tabs}{text}")
    return lines


def _check(rule: Rule, value: str, shown: list[str]) -> None:
    if '"' in value:
        raise PathError(['Cannot use the double quote (") character in a value string'])
    if "'" in value:
        raise PathError(["Cannot use the single quote (') character in a value string"])
    if any(ord(character) < 32 or 127 <= ord(character) < 160 for character in value):
        raise PathError(["Control characters are not allowed in a value", "Value validation failed"])
    if value in rule.refused:
        raise PathError([f"Configuration path: [{' '.join([*shown, value])}] is not supported by the embedded engine"], unsupported=True)
    failed = rule.problems(value)
    if failed is not None:
        failed = [line.replace("$KEY", shown[-3] if len(shown) > 2 else "") for line in failed]
        raise PathError([*failed, "Value validation failed"])


# -- reading the table ---------------------------------------------------------------


class _Types(dict[str, tuple[str, str | None]]):
    """Named CHECKS: name -> (checks, error text)."""


_LINE = re.compile(r"(?P<flag>[@=*!~&]?)(?P<name>[A-Za-z0-9_.\-]+)(?::\s*(?P<checks>[^%|]*(?:\([^)]*\)[^%|]*)*))?")


def _split(line: str) -> tuple[str, str | None, str]:
    body, _, text = line.partition(" | ")
    body, percent, error = body.partition(" % ")
    return body.strip(), error.strip() if percent else None, text.strip()


def _apply_checks(rule: Rule, words: str, types: _Types) -> None:
    for word in words.split():
        call = re.fullmatch(r"(\w+)\((.*)\)", word)
        if word in types:
            inner, error = types[word]
            if error is not None:
                rule.error = error
            _apply_checks(rule, inner, types)
        elif call is None:
            rule.checks.append(checks.BY_NAME[word])
            rule.hints.extend(checks.HINTS.get(word, []))
        elif call.group(1) in ("num", "range"):
            low, high = call.group(2).split("-")
            rule.checks.append(checks.number(int(low), int(high), ranges=call.group(1) == "range"))
            rule.hints.append((f"<{low}-{high}>", ""))
        elif call.group(1) == "re":
            rule.checks.append(checks.regex(call.group(2)))
        elif call.group(1) == "one":
            rule.choices.extend(call.group(2).split("|"))
            rule.checks.append(checks.regex("|".join(re.escape(w) for w in call.group(2).split("|"))))
        elif call.group(1) == "refuse":
            rule.refused = rule.refused | frozenset(call.group(2).split("|"))
        else:
            raise ValueError(f"unknown check {word!r}")


def _rule(line: str, types: _Types) -> Rule:
    body, error, text = _split(line)
    flag, rest = (body[0], body[1:]) if body[0] in "@=*!~" else ("", body)
    name, _, words = rest.partition(":")
    kind = {"@": "tag", "=": "leaf", "*": "leaf", "!": "leaf"}.get(flag, "node")
    rule = Rule(name.strip(), kind, multi=flag == "*", valueless=flag == "!", supported=flag != "~", help=text)
    _apply_checks(rule, words, types)
    if error is not None:
        rule.error = error
    return rule


def parse_table(text: str) -> Rule:
    """Read the notation. Raises ValueError or KeyError for a wrong row (a programming error)."""
    types, blocks, root = _Types(), dict[str, Rule](), Rule("")
    stack: list[tuple[int, Rule]] = [(-1, root)]
    for raw in re.sub(r"\\\n\s*", " ", text).split("\n"):
        line = raw.strip()
        if not line or line.startswith("# "):
            continue
        indent = len(raw) - len(raw.lstrip())
        while stack[-1][0] >= indent:
            stack.pop()
        parent = stack[-1][1]
        if line.startswith("type "):
            name, _, definition = line[5:].partition(" ")
            body, error, _ = _split(definition)
            types[name] = (body, error)
        elif line.startswith("block "):
            blocks[line[6:]] = Rule(line[6:])
            stack.append((indent, blocks[line[6:]]))
        elif line.startswith("&"):
            parent.children.update(blocks[line[1:]].children)
        else:
            rule = _rule(line, types)
            existing = parent.children.get(rule.name)
            rule = parent.children.setdefault(rule.name, rule)
            if existing is not None and rule.kind == "leaf":
                raise ValueError(f"{rule.name} stands twice in the table")
            stack.append((indent, rule))
    return root


@lru_cache(maxsize=1)
def grammar() -> Rule:
    """The whole table of the engine."""
    from leafspine_embedded.vyos import grammar as parts

    return parse_table("\n".join(parts.TEXTS))
