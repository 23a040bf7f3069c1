"""Configuration trees between the processes and on disk, and the check that a tree has only what the path table allows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from . import schema
from .schema import PathError
from .tree import Node, Tree

_KINDS = ("node", "tag", "leaf")


def to_data(tree: Tree) -> Any:
    """The tree as plain JSON data: [kind, values, {name: child}]."""
    return _node_data(tree.root)


def _node_data(node: Node) -> list[Any]:
    return [node.kind, node.values, {name: _node_data(child) for name, child in node.children.items()}]


def from_data(data: Any) -> Tree:
    """Raises ValueError for anything that `to_data` would not have written."""
    return Tree(_node(data, 0))


def _node(data: Any, depth: int) -> Node:
    if not isinstance(data, list) or len(data) != 3 or data[0] not in _KINDS or depth > 40:
        raise ValueError("not a configuration")
    kind, values, children = data
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values) or not isinstance(children, dict):
        raise ValueError("not a configuration")
    return Node(kind, list(values), {str(name): _node(child, depth + 1) for name, child in children.items()})


def lines(node: Node, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The words of every `set` line that makes up the tree."""
    for name, child in node.sorted():
        here = (*path, name)
        if child.kind == "leaf":
            yield from [(*here, value) for value in child.values] or [here]
        elif child.children:
            yield from lines(child, here)
        else:
            yield here


def problems(tree: Tree) -> list[str]:
    """What in the tree the path table refuses, one text a line; [] for a good one."""
    found = []
    for words in lines(tree.root):
        try:
            walk = schema.walk(schema.grammar(), words)
        except PathError as error:
            found.append(" ".join(error.lines))
            continue
        if walk.key_missing or walk.value_missing:
            found.append(f"Configuration path: [{' '.join(words)}] requires a value")
    return found


def typed(tree: Tree) -> Tree:
    """The tree rebuilt by the path table, so that what is a tag node or a leaf is what the table says (a text leaves it open).

    Raises PathError for a line the table refuses.
    """
    new = Tree()
    for words in lines(tree.root):
        walk = schema.walk(schema.grammar(), words)
        new.insert(walk.steps, walk.value, multi=walk.rule.multi)
    return new
