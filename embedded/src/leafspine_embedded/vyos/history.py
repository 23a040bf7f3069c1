"""The revisions of a router's configuration: one JSON line a commit, the newest last.

Root's alone on disk: they hold password hashes. Unlike a real router's archive they go with the router's namespace.
"""

from __future__ import annotations

import json
import logging
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..common.state import write_atomic
from . import transport
from .model import Revision
from .tree import Tree

log = logging.getLogger(__name__)
DEFAULT_LIMIT = 100


def limit(tree: Tree) -> int:
    """How many revisions a router keeps (`system config-management commit-revisions`)."""
    return int(tree.value("system", "config-management", "commit-revisions") or DEFAULT_LIMIT)


def to_data(revision: Revision) -> list[Any]:
    """Plain JSON data."""
    return [revision.when, revision.user, revision.via, revision.comment, transport.to_data(revision.tree)]


def from_data(data: Any) -> Revision:
    """Raises ValueError for anything that `to_data` would not have written."""
    if not isinstance(data, list) or len(data) != 5:
        raise ValueError("not a revision")
    when, user, via, comment, tree = data
    return Revision(str(when), str(user), str(via), None if comment is None else str(comment), transport.from_data(tree))


@dataclass(frozen=True)
class History:
    """The revisions in a file."""

    path: Path

    def start(self, booted: Tree) -> None:
        """Of a router that has just booted: the empty configuration and the one it booted."""
        now = time.strftime("%Y-%m-%d %H:%M:%S")
        self._write([Revision(now, "root", "vyos-boot-config-loader", None, booted), Revision(now, "root", "init", None, Tree())])

    def read(self) -> list[Revision]:
        """Newest first. A line that was cut off (the process was killed) is left out."""
        found = []
        try:
            text = self.path.read_text()
        except FileNotFoundError:
            return []
        for line in text.splitlines():
            try:
                found.append(from_data(json.loads(line)))
            except ValueError:
                log.warning("%s: a line that is no revision", self.path)
        return found[::-1][: limit(found[-1].tree)] if found else []

    def newest(self) -> Tree | None:
        revisions = self.read()
        return revisions[0].tree if revisions else None

    def add(self, revision: Revision) -> None:
        """Keep one more. The commit is done: what cannot be written is only logged."""
        try:
            before = self.path.read_bytes() if self.path.exists() else b""
            if before.count(b"\n") >= 2 * limit(revision.tree):
                self._write([revision, *self.read()])
                return
            with os.fdopen(os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600), "w") as out:
                # A process that was killed while it wrote leaves half a line.
                out.write(("\n" if before and not before.endswith(b"\n") else "") + json.dumps(to_data(revision)) + "\n")
        except OSError as error:
            log.error("%s: %s", self.path, error)

    def _write(self, revisions: list[Revision]) -> None:
        kept = revisions[: limit(revisions[0].tree)]
        write_atomic(self.path, "".join(f"{json.dumps(to_data(revision))}\n" for revision in reversed(kept)))
