"""The texts of `compare` and `compare commands`, and `show` with its change markers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from leafspine_embedded.vyos.tree import Node, Tree, leaf_lines, natural_key


def compare(old: Tree, new: Tree, level: Sequence[str] = ()) -> str:
    """What `compare` prints, "" without changes. `level` is the edit level.

    Paths in the [headers] start at the last word of the edit level, as VyOS shows them.
    A header is printed when the parent differs from that of the change before it
    (so changes of the first level that come first have none).
    """
    lines: list[str] = []
    shown: tuple[str, ...] = ()
    for change in _changes(old, new, level):
        if change.parent != shown:
            lines.append(f"[{' '.join(change.parent)}]")
            shown = change.parent
        lines.extend(f"{change.mark} {line}" for line in change.text())
    return "".join(f"{line}\n" for line in lines)


def compare_commands(old: Tree, new: Tree) -> str:
    """What `compare commands` prints: every delete, then every set; "" without changes."""
    deletes: list[str] = []
    sets: list[str] = []
    for change in _changes(old, new, ()):
        verb, target = ("delete", deletes) if change.mark == "-" else ("set", sets)
        target.extend(f"{verb} {line}" for line in change.paths())
    return "".join(f"{line}\n" for line in [*deletes, *sets])


class _Change:
    """A subtree (or some values of a leaf) that is only in one of the two trees."""

    def __init__(self, mark: str, parent: tuple[str, ...], name: str, node: Node) -> None:
        self.mark, self.parent, self.name, self.node = mark, parent, name, node

    def text(self) -> list[str]:
        return list(_render(self.name, self.node, 0))

    def paths(self) -> Iterator[str]:
        for path, values in _leaves([*self.parent, self.name], self.node):
            joined = " ".join(path)
            yield from [f"{joined} '{value}'" for value in values] or [joined]


def _leaves(path: list[str], node: Node) -> Iterator[tuple[list[str], list[str]]]:
    if not node.children:
        yield path, node.values
    for name, child in node.sorted():
        yield from _leaves([*path, name], child)


def _changes(old: Tree, new: Tree, level: Sequence[str]) -> Iterator[_Change]:
    left, right = old.get(level) or Node(), new.get(level) or Node()
    if level and left.kind == "leaf" and right.kind == "leaf":
        yield from _values((), level[-1], left, right)
        return
    yield from _walk(tuple(level[-1:]), left, right)


def _walk(path: tuple[str, ...], left: Node, right: Node) -> Iterator[_Change]:
    # VyOS visits what the old tree has in plain string order, then what only the new has.
    for name in sorted(left.children):
        before, after = left.children[name], right.children.get(name)
        if after is None:
            yield _Change("-", path, name, before)
        elif before != after:
            if before.kind == "leaf" or after.kind == "leaf":
                yield from _values(path, name, before, after)
            else:
                yield from _walk((*path, name), before, after)
    for name in sorted(set(right.children) - set(left.children)):
        yield _Change("+", path, name, right.children[name])


def _values(path: tuple[str, ...], name: str, left: Node, right: Node) -> Iterator[_Change]:
    gone = [v for v in left.values if v not in right.values]
    come = [v for v in right.values if v not in left.values]
    if gone:
        yield _Change("-", path, name, Node("leaf", sorted(gone, key=natural_key)))
    if come:
        yield _Change("+", path, name, Node("leaf", sorted(come, key=natural_key)))


def _render(name: str, node: Node, level: int) -> Iterator[str]:
    """Lines of one node; here every value is quoted and an empty node has no braces."""
    pad = " " * 4 * level
    if node.kind == "tag":
        for key, entry in node.sorted():
            yield from _block(f"{pad}{name} {key} {{", entry, level)
    elif node.children:
        yield from _block(f"{pad}{name} {{", node, level)
    elif node.values:
        for value in node.values:
            escaped = value.replace("\\", "\\\\").replace('"', '\\"')
            yield f'{pad}{name} "{escaped}"'
    else:
        yield f"{pad}{name}"


def _block(opening: str, node: Node, level: int) -> Iterator[str]:
    yield opening
    for name, child in node.sorted():
        yield from _render(name, child, level + 1)
    yield " " * 4 * level + "}"


def marked(old: Tree, new: Tree, path: Sequence[str] = ()) -> list[str]:
    """Lines of `show` in configuration mode: each starts with " ", "+", "-" or ">"."""
    left, right = old.get(path), new.get(path)
    node = right or left
    if node is None:
        return []
    if node.kind == "leaf":
        return list(_marked_leaf(path[-1], left, right, 0))
    return list(_marked_children(left, right, 0))


def _marked_children(left: Node | None, right: Node | None, level: int) -> Iterator[str]:
    names = {**(left.children if left else {}), **(right.children if right else {})}
    for name in sorted(names, key=natural_key):
        before = left.children.get(name) if left else None
        after = right.children.get(name) if right else None
        kind = names[name].kind
        if kind == "leaf":
            yield from _marked_leaf(name, before, after, level)
        elif kind == "node":
            yield from _marked_block(name, before, after, level)
        else:
            keys = {**(before.children if before else {}), **(after.children if after else {})}
            for key in sorted(keys, key=natural_key):
                yield from _marked_block(
                    f"{name} {key}",
                    before.children.get(key) if before else None,
                    after.children.get(key) if after else None,
                    level,
                )


def _marked_block(title: str, before: Node | None, after: Node | None, level: int) -> Iterator[str]:
    pad = " " * 4 * level
    mark = "-" if after is None else "+" if before is None else " "
    yield f"{mark}{pad}{title} {{"
    yield from _marked_children(before, after, level + 1)
    yield f"{mark}{pad}}}"


def _marked_leaf(name: str, before: Node | None, after: Node | None, level: int) -> Iterator[str]:
    pad = " " * 4 * level
    if before is None or after is None:
        mark = "-" if after is None else "+"
        for line in leaf_lines(name, before or after or Node("leaf")):
            yield f"{mark}{pad}{line}"
        return
    if len(before.values) <= 1 and len(after.values) <= 1:
        mark = " " if before.values == after.values else ">"
        for line in leaf_lines(name, after):
            yield f"{mark}{pad}{line}"
        return
    for value in dict.fromkeys([*before.values, *after.values]):
        mark = "-" if value not in after.values else "+" if value not in before.values else " "
        for line in leaf_lines(name, Node("leaf", [value])):
            yield f"{mark}{pad}{line}"
