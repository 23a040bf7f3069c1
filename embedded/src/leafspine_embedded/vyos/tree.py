"""The configuration tree of a VyOS router: parse, edit, and write it in the forms VyOS uses.

A tree holds three kinds of nodes: ``node`` (named children), ``tag`` (children keyed by
a value such as a neighbour's address) and ``leaf`` (zero, one or several values).
Nothing here knows which paths exist; that is `schema`. No I/O.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

Kind = Literal["node", "tag", "leaf"]
Step = tuple[str, Kind]


class TreeError(ValueError):
    """Text that is no configuration; the message names the line."""


@dataclass(slots=True)
class Node:
    """One node. `values` is used by leaves only, `children` by the two other kinds."""

    kind: Kind = "node"
    values: list[str] = field(default_factory=list)
    children: dict[str, Node] = field(default_factory=dict)

    def copy(self) -> Node:
        children = {name: child.copy() for name, child in self.children.items()}
        return Node(self.kind, list(self.values), children)

    def sorted(self) -> list[tuple[str, Node]]:
        """Children in the order VyOS prints them (digits compare as numbers)."""
        return sorted(self.children.items(), key=lambda item: natural_key(item[0]))


def natural_key(text: str) -> list[tuple[int, int, str]]:
    """Sort key that compares runs of digits as numbers, so eth2 stands before eth10."""
    parts = re.findall(r"\d+|\D+", text)
    return [(0, int(p), "") if p.isdigit() and p.isascii() else (1, 0, p) for p in parts]


class Tree:
    """A whole configuration (or a part of one)."""

    def __init__(self, root: Node | None = None) -> None:
        self.root = root or Node()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Tree) and self.root == other.root

    __hash__ = None  # type: ignore[assignment]

    def copy(self) -> Tree:
        return Tree(self.root.copy())

    @classmethod
    def parse(cls, text: str) -> Tree:
        """Read config.boot text. Raises TreeError with the line number."""
        from leafspine_embedded.vyos.boottext import parse_boot

        return cls(parse_boot(text))

    # -- reading -----------------------------------------------------------------

    def get(self, path: Sequence[str]) -> Node | None:
        """The node at `path`, or None. A leaf's value is not a node."""
        node = self.root
        for name in path:
            child = node.children.get(name)
            if child is None:
                return None
            node = child
        return node

    def exists(self, path: Sequence[str]) -> bool:
        """True when the node exists, or when the last word is a value of the leaf before it."""
        if self.get(path) is not None:
            return True
        if not path:
            return False
        leaf = self.get(path[:-1])
        return leaf is not None and leaf.kind == "leaf" and path[-1] in leaf.values

    def values(self, *path: str) -> list[str]:
        """All values of a leaf ([] when it does not exist)."""
        node = self.get(path)
        return list(node.values) if node is not None else []

    def value(self, *path: str) -> str | None:
        """The (last) value of a leaf, or None."""
        found = self.values(*path)
        return found[-1] if found else None

    def keys(self, *path: str) -> list[str]:
        """Names of the children, in VyOS's order."""
        node = self.get(path)
        return [name for name, _ in node.sorted()] if node is not None else []

    # -- editing -----------------------------------------------------------------

    def insert(self, steps: Sequence[Step], value: str | None = None, *, multi: bool = False) -> bool:
        """Create the node the typed `steps` lead to and give it `value`.

        Returns False when nothing changed (it existed already). A leaf that is not
        `multi` loses its old value.
        """
        node, changed = self.root, False
        for name, kind in steps:
            child = node.children.get(name)
            if child is None:
                child = node.children[name] = Node(kind)
                changed = True
            node = child
        if value is None:
            return changed
        if value in node.values:
            return changed
        node.values = [*node.values, value] if multi else [value]
        return True

    def delete(self, path: Sequence[str]) -> bool:
        """Remove a node, or one value of a leaf when the last word is a value.

        A tag node or leaf that loses its last entry goes too. False: nothing was there.
        """
        if not path:
            return False
        parent = self.get(path[:-1])
        if parent is None:
            return False
        if parent.kind == "leaf":
            if path[-1] not in parent.values:
                return False
            parent.values.remove(path[-1])
            if not parent.values:
                self.delete(path[:-1])
            return True
        if parent.children.pop(path[-1], None) is None:
            return False
        if parent.kind == "tag" and not parent.children:
            self.delete(path[:-1])
        return True

    def replace(self, path: Sequence[str], node: Node) -> None:
        """Put `node` at `path`; every parent exists already."""
        parent = self.get(path[:-1])
        if parent is None:
            raise KeyError(" ".join(path))
        parent.children[path[-1]] = node

    # -- writing -----------------------------------------------------------------

    def commands(self, path: Sequence[str] = ()) -> list[str]:
        """`set ...` lines below `path`, relative to it."""
        node = self.get(path)
        if node is None:
            return []
        if node.kind == "leaf":
            return list(_leaf_commands([path[-1]], node))
        return list(_commands([], node))

    def text(self, path: Sequence[str] = ()) -> str:
        """The braces form (config.boot without its footer), "" for an empty tree."""
        node = self.get(path)
        if node is None:
            return ""
        if node.kind == "leaf":
            return "".join(f"{line}\n" for line in leaf_lines(path[-1], node))
        return "".join(f"{line}\n" for line in _text(node, 0))


def _leaf_commands(path: list[str], node: Node) -> Iterator[str]:
    joined = " ".join(path)
    if not node.values:
        yield f"set {joined}"
    for value in node.values:
        yield f"set {joined} '{value}'"


def _commands(path: list[str], node: Node) -> Iterator[str]:
    for name, child in node.sorted():
        here = [*path, name]
        if child.kind == "leaf":
            yield from _leaf_commands(here, child)
        elif child.children:
            yield from _commands(here, child)
        else:
            yield "set " + " ".join(here)


def quoted(value: str) -> str:
    """A value as the braces form shows it: in double quotes only when it needs them."""
    if value and re.fullmatch(r"[^\s\"'{};]+", value):
        return value
    return f'"{value}"'


def leaf_lines(name: str, node: Node) -> list[str]:
    if not node.values:
        return [name]
    return [f"{name} {quoted(value)}" for value in node.values]


def _text(node: Node, level: int) -> Iterator[str]:
    pad = " " * 4 * level
    for name, child in node.sorted():
        if child.kind == "leaf":
            for line in leaf_lines(name, child):
                yield pad + line
            continue
        entries = child.sorted() if child.kind == "tag" else [("", child)]
        for key, entry in entries:
            yield f"{pad}{name} {key} {{" if key else f"{pad}{name} {{"
            yield from _text(entry, level + 1)
            yield f"{pad}}}"
