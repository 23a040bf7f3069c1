"""What a session needs of its router, and the errors that pass between them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Sequence
from dataclasses import dataclass
from typing import Protocol

from leafspine_embedded.vyos.tree import Tree


class CommitError(Exception):
    """A commit that was refused. `section` is the configuration path printed in [[...]], `text` the reason."""

    def __init__(self, section: str, text: str) -> None:
        super().__init__(text)
        self.section = section
        self.text = text


class CommitLocked(Exception):
    """Another commit is in progress."""


class OpUnsupported(Exception):
    """An operational command VyOS has and this engine does not run; the message names what."""


@dataclass(slots=True)
class Revision:
    """One commit. `when` is `YYYY-MM-DD HH:MM:SS`."""

    when: str
    user: str
    via: str
    comment: str | None
    tree: Tree


class Router(Protocol):
    """One router as its sessions see it.

    `commit` makes `new` the running configuration or raises CommitError (nothing changed then) or
    CommitLocked; it returns warnings without the `WARNING: ` prefix. The session has already run
    `verify.verify`. With `minutes` the router goes back to its saved configuration unless `confirm`
    (True when a timer ran) comes in time; the revision counts only then. `op` runs an operational
    command given in full words and returns its output, whole or in pieces; `["vtysh", "show ...", ...]`
    stands for `vtysh -c`. It may raise OpUnsupported.
    """

    running: Tree
    saved: Tree

    @property
    def hostname(self) -> str: ...

    @property
    def revisions(self) -> Sequence[Revision]: ...  # newest first

    @property
    def interfaces(self) -> set[str]: ...  # names of the Ethernet interfaces the router has

    @property
    def confirming(self) -> bool: ...  # a commit waits for its `confirm`

    async def commit(self, new: Tree, comment: str | None, user: str = "vyos", minutes: int | None = None) -> list[str]: ...

    async def save(self) -> None: ...

    def op(self, words: list[str]) -> Awaitable[str] | AsyncIterator[str]: ...

    async def read_file(self, key: str) -> str: ...  # a key of `files.key`; raises FileNotFoundError

    async def write_file(self, key: str) -> None: ...  # writes the running configuration; raises files.StoreError

    async def confirm(self) -> bool: ...
