"""Three-way merge of configuration trees: my uncommitted changes on top of what others committed."""

from __future__ import annotations

from leafspine_embedded.vyos.tree import Node


def merge(base: Node, mine: Node, theirs: Node) -> Node:
    """`theirs` with the changes from `base` to `mine` applied; where both changed, mine wins."""
    if mine == base:
        return theirs.copy()
    if theirs == base or mine.kind != theirs.kind:
        return mine.copy()
    if mine.kind == "leaf":
        return Node("leaf", _values(base.values, mine.values, theirs.values))
    merged = Node(theirs.kind)
    for name in {**theirs.children, **mine.children}:
        child = _child(base.children.get(name), mine.children.get(name), theirs.children.get(name))
        if child is not None:
            merged.children[name] = child
    return merged


def _child(base: Node | None, mine: Node | None, theirs: Node | None) -> Node | None:
    if mine is None:
        return theirs.copy() if base is None and theirs is not None else None
    if theirs is None:
        return None if mine == base else mine.copy()
    return merge(base or Node(mine.kind), mine, theirs)


def _values(base: list[str], mine: list[str], theirs: list[str]) -> list[str]:
    if max(len(base), len(mine), len(theirs)) <= 1:
        return list(mine)
    kept = [v for v in theirs if v in mine or v not in base]
    return [*kept, *(v for v in mine if v not in base and v not in kept)]
