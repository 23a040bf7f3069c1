"""One router as the helper keeps it: its box, the running and the saved configuration, and where both are on disk.

routers/<name>/running.json is the running configuration (root only: it holds password hashes), so that a restarted helper takes a router up
as it is; commits.jsonl beside it are its revisions, confirm.json is a commit-confirm that waits. The saved configuration is the file bound to
/opt/vyatta/etc/config/config.boot.
"""

from __future__ import annotations

import contextlib
import errno
import json
import logging
import os
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..common import netns
from ..common.errors import EngineError
from ..common.state import write_atomic
from ..containerlab import record
from ..containerlab.model import Endpoint, mac_address
from . import daemons, history, kernel, logs, transport
from .apply import Box
from .files import Store
from .history import History
from .kernel import Baseline
from .login import hash_password
from .model import CommitError, Revision
from .schema import PathError
from .tree import Node, Tree, TreeError
from .verify import verify

log = logging.getLogger(__name__)
MAX_LOG = 512 * 1024  # bytes of each daemon that are looked at
FOOTER = """

// Warning: Do not remove the following line.
// vyos-config-version: "bgp@4:broadcast-relay@1:config-management@1:interfaces@29:nat@6:ntp@2:policy@7:quagga@11:ssh@2:system@26"
// Release version: 1.4-embedded
"""


@dataclass
class Pending:
    """A commit-confirm that waits. deadline: on the clock that runs since the machine's boot; unknown to a kernel that booted later."""

    deadline: float
    revision: Revision

    @property
    def left(self) -> float:
        """Seconds until it goes back."""
        return self.deadline - boot_clock()


def boot_clock() -> float:
    """Seconds since the kernel booted: the same for every process, and nobody sets it."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


@dataclass
class Machine:
    """A router. inode: of its namespace, by which a machine made anew is told from the one that was there."""

    name: str
    inode: int
    config_boot: Path
    box: Box
    running: Tree = field(default_factory=Tree)
    saved: Tree = field(default_factory=Tree)
    started: bool = False
    pending: Pending | None = None

    @property
    def history(self) -> History:
        return History(self.box.directory / "commits.jsonl")

    @property
    def files(self) -> Store:
        return Store(self.box.directory / "files")

    def write_file(self, key: str) -> None:
        """Write the running configuration to a user's file. Raises FileNotFoundError, StoreError, OSError."""
        self.files.write(key, self.running.text() + FOOTER)

    def log_text(self, program: str | None = None) -> str:
        """What `show log` prints: of all programs, or of one."""
        entries = logs.commits((r.when, r.user, r.via, r.comment) for r in self.history.read()) if program is None else []
        for path in self.log_files(program):
            with contextlib.suppress(FileNotFoundError), path.open("rb") as log_file:
                log_file.seek(max(0, os.fstat(log_file.fileno()).st_size - MAX_LOG))
                entries += logs.parse(log_file.read().decode(errors="replace"))
        return logs.shown(entries, self.running.value("system", "host-name") or "vyos")

    def log_files(self, program: str | None = None) -> list[Path]:
        """Where FRR's daemons write, whether they have or not."""
        return [daemons.log_file(self.box.directory, name) for name in daemons.KNOWN if program in (None, name)]

    @property
    def _confirm_file(self) -> Path:
        return self.box.directory / "confirm.json"

    @property
    def _running_file(self) -> Path:
        return self.box.directory / "running.json"

    def start(self) -> None:
        """Boot a router, or bring one that runs back to what it runs. Raises CommitError, EngineError."""
        if self.started:
            self.box.restore(self.running)
            return
        kept = self._kept()
        self.saved = self._read_boot()
        if kept is not None:
            self.running = kept
            self.pending = self._kept_pending()
            self.box.restore(kept)
        else:
            self._forget_pending()
            tree = _encrypted(self.saved)
            verify(tree, Tree(), interfaces=self.interfaces())
            self.box.commit(tree)
            self.running = tree
            self._keep()
            self.history.start(tree)
        self.started = True

    def commit(self, tree: Tree, *, user: str, comment: str | None = None, minutes: int | None = None) -> Revision:
        """Make a tree the running one; with `minutes` until they are over, unless `confirm` comes. Raises CommitError; then nothing has changed."""
        problems = transport.problems(tree)
        if problems:
            raise CommitError(" ".join(problems[0].split()[:2]), "\n".join(problems))
        if minutes is not None and self.pending is not None:
            raise CommitError("system", "Another confirm is pending")
        verify(tree, self.running, interfaces=self.interfaces())
        revision = Revision(time.strftime("%Y-%m-%d %H:%M:%S"), user, "cli", comment, tree)
        if minutes is None:
            self._apply(tree)
            self.history.add(revision)
            return revision
        # First the promise to go back, then what it is about: whoever is killed in between goes back.
        self._promise(Pending(boot_clock() + 60 * minutes, revision))
        try:
            self._apply(tree)
        except CommitError:
            self._forget_pending()
            raise
        return revision

    def _apply(self, tree: Tree) -> None:
        self.box.commit(tree)
        self.running = tree
        self._keep()

    def confirm(self) -> bool:
        """Keep what commit-confirm committed; False when nothing waits."""
        if self.pending is None:
            return False
        revision = self.pending.revision
        self._forget_pending()
        self.history.add(revision)
        return True

    def go_back(self) -> None:
        """Nobody confirmed: the saved configuration, as a real router that boots again. Raises CommitError; then it waits no more all the same."""
        log.warning("%s: commit-confirm was not confirmed: going back to the saved configuration", self.name)
        tree = _encrypted(self.saved)
        try:
            self._apply(tree)
        finally:
            self._forget_pending()
        if self.history.newest() != tree:
            self.history.add(Revision(time.strftime("%Y-%m-%d %H:%M:%S"), "root", "vyos-boot-config-loader", None, tree))

    def save(self) -> None:
        """Write the running configuration to the bound file, keeping its owner and mode."""
        there = self.config_boot.stat() if self.config_boot.exists() else None
        text = self.running.text() + FOOTER
        try:
            write_atomic(self.config_boot, text, mode=there.st_mode & 0o777 if there is not None else 0o600)
        except OSError as error:
            if error.errno != errno.EBUSY:
                raise
            # In a container the file itself is a mount, which can be written but not replaced.
            self.config_boot.write_text(text)
        if there is not None:
            os.chown(self.config_boot, there.st_uid, there.st_gid)
        self.saved = self.running.copy()

    def interfaces(self) -> set[str]:
        """The router's Ethernet interfaces."""
        return {name for name, state in kernel.read(self.box.namespace).items() if state.kind == "ethernet"}

    def describe(self) -> dict[str, Any]:
        """What the service needs to answer for the router."""
        return {
            "running": transport.to_data(self.running),
            "saved": transport.to_data(self.saved),
            "interfaces": sorted(self.interfaces()),
            "sockets": str(self.box.directory / "frr"),
            "revisions": [history.to_data(revision) for revision in self.history.read()],
            "confirming": self.pending is not None,
        }

    def _keep(self) -> None:
        write_atomic(self._running_file, json.dumps({"inode": self.inode, "tree": transport.to_data(self.running)}))

    def _kept(self) -> Tree | None:
        """The running configuration of this very namespace, None when it has not booted."""
        try:
            data = json.loads(self._running_file.read_text())
            return transport.from_data(data["tree"]) if data["inode"] == self.inode else None
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            return None

    def _promise(self, pending: Pending) -> None:
        self.pending = pending
        data = {"inode": self.inode, "deadline": pending.deadline, "revision": history.to_data(pending.revision)}
        write_atomic(self._confirm_file, json.dumps(data))

    def _forget_pending(self) -> None:
        self.pending = None
        self._confirm_file.unlink(missing_ok=True)

    def _kept_pending(self) -> Pending | None:
        """What waited when the former process ended."""
        try:
            data = json.loads(self._confirm_file.read_text())
            return Pending(float(data["deadline"]), history.from_data(data["revision"])) if data["inode"] == self.inode else None
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            return None

    def _read_boot(self) -> Tree:
        try:
            return transport.typed(Tree.parse(self.config_boot.read_text()))
        except (OSError, UnicodeDecodeError, TreeError) as error:
            raise EngineError(f"{self.config_boot}: {error}") from None
        except PathError as error:
            raise EngineError(f"{self.config_boot}: {' '.join(error.lines)}") from None


def _encrypted(tree: Tree) -> Tree:
    """The tree with every plaintext-password replaced by its hash, as a router does at boot."""
    new = tree.copy()
    for name in new.keys("system", "login", "user"):
        node = new.get(["system", "login", "user", name, "authentication"])
        plain = new.value("system", "login", "user", name, "authentication", "plaintext-password")
        if node is not None and "plaintext-password" in node.children:
            del node.children["plaintext-password"]
            if plain:
                node.children["encrypted-password"] = Node("leaf", [hash_password(plain)])
    return new


def ssh_addresses(tree: Tree) -> list[tuple[str, int]]:
    """Address and port pairs that `service ssh` listens on; none when it is not configured."""
    if tree.get(["service", "ssh"]) is None:
        return []
    ports = [int(port) for port in tree.values("service", "ssh", "port")] or [22]
    addresses = tree.values("service", "ssh", "listen-address") or ["0.0.0.0"]
    return [(address, port) for address in addresses for port in ports]


def load(directory: Path, *, finished: bool = False) -> dict[str, Machine]:
    """The routers of a lab's record whose namespaces exist, not started; finished: only those whose deploy came to its end.

    Raises EngineError.
    """
    kept = record.read(directory.name)
    if kept is None:
        raise EngineError(f"{directory}: no state")
    found = {}
    for name, built in kept.nodes.items():
        if not built.router or not netns.exists(built.node.container):
            continue
        if finished and built.inode != netns.inode(built.node.container):
            continue
        assert built.node.config_boot is not None
        box = Box(name, built.node.container, kept.router_dir(name), _baselines(kept, name))
        found[name] = Machine(name, netns.inode(built.node.container), built.node.config_boot, box)
    return found


def _baselines(kept: record.Record, node: str) -> dict[str, Baseline]:
    """MTU and address that the deploy gave each interface of a node."""
    found = {"eth0": Baseline(kept.management.mtu, mac_address(kept.name, Endpoint(node, "eth0")))}
    for link in kept.links:
        for end in link.ends:
            if end.node == node:
                found[end.interface] = Baseline(link.mtu, mac_address(kept.name, end))
    return found
