"""Reader of the braces form of a configuration (config.boot)."""

from __future__ import annotations

import re

from leafspine_embedded.vyos.tree import Node, TreeError

_WORD = re.compile(r'"((?:[^"\\]|\\.)*)"|\'([^\']*)\'|([^\s{}"\'][^\s{}]*)')
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r"}


def parse_boot(text: str) -> Node:
    """The root node of a config.boot text; `//` lines (the version footer) are skipped.

    Which names are tag nodes follows from the text: `name value {`. Raises TreeError.
    """
    root = Node()
    stack = [root]
    for number, raw in enumerate(_without_comments(text), 1):
        line = raw.strip()
        if not line or line.startswith("//"):
            continue
        if line == "}":
            if len(stack) == 1:
                raise TreeError(f"line {number}: unexpected '}}'")
            stack.pop()
        elif line.endswith("{"):
            stack.append(_open(stack[-1], _words(line[:-1], number), number))
        else:
            _leaf(stack[-1], _words(line, number), number)
    if len(stack) != 1:
        raise TreeError("unexpected end of the configuration: a '}' is missing")
    return root


def _without_comments(text: str) -> list[str]:
    """The lines, with /* ... */ at the start of a line blanked out (line numbers stay)."""
    return re.sub(r"(?ms)^[ \t]*/\*.*?\*/", lambda m: "\n" * m.group(0).count("\n"), text).split("\n")


def _words(line: str, number: int) -> list[str]:
    words: list[str] = []
    rest = line.strip()
    while rest:
        match = _WORD.match(rest)
        if match is None:
            raise TreeError(f"line {number}: cannot read {rest!r}")
        double, single, plain = match.groups()
        if double is not None:
            words.append(re.sub(r"\\(.)", lambda m: _ESCAPES.get(m.group(1), m.group(1)), double))
        else:
            words.append(single if single is not None else plain)
        rest = rest[match.end() :].lstrip()
    return words


def _open(parent: Node, words: list[str], number: int) -> Node:
    if len(words) == 1:
        return _child(parent, words[0], "node", number)
    if len(words) == 2:
        tag = _child(parent, words[0], "tag", number)
        return _child(tag, words[1], "node", number)
    raise TreeError(f"line {number}: a block has a name and at most one key")


def _child(parent: Node, name: str, kind: str, number: int) -> Node:
    child = parent.children.get(name)
    if child is None:
        child = parent.children[name] = Node(kind)  # type: ignore[arg-type]
    elif child.kind != kind:
        raise TreeError(f"line {number}: '{name}' is used in two forms")
    return child


def _leaf(parent: Node, words: list[str], number: int) -> None:
    if len(words) > 2:
        raise TreeError(f"line {number}: a setting has a name and at most one value")
    leaf = _child(parent, words[0], "leaf", number)
    if len(words) == 2 and words[1] not in leaf.values:
        leaf.values.append(words[1])
