"""A convenient view of one part of a configuration tree for the renderers and checks."""

from __future__ import annotations

from collections.abc import Iterator

from leafspine_embedded.vyos.tree import Tree


class Section:
    """The configuration below a path. Names may be given as several words in one string
    where no key can contain a space (`value("timers keepalive")`)."""

    def __init__(self, tree: Tree, *path: str) -> None:
        self.tree = tree
        self.path = path

    def at(self, *path: str) -> Section:
        return Section(self.tree, *self.path, *path)

    def has(self, *path: str) -> bool:
        return self.tree.get([*self.path, *path]) is not None

    def keys(self, *path: str) -> list[str]:
        return self.tree.keys(*self.path, *path)

    def value(self, name: str) -> str | None:
        return self.tree.value(*self.path, *name.split())

    def values(self, name: str) -> list[str]:
        return self.tree.values(*self.path, *name.split())

    def flag(self, name: str, line: str) -> Iterator[str]:
        """`line` when the node exists."""
        if self.has(*name.split()):
            yield line

    def one(self, name: str, line: str) -> Iterator[str]:
        """`line` with the leaf's value, when it has one."""
        value = self.value(name)
        if value is not None:
            yield line.format(value)
