"""The command line service of a lab: every router's SSH logins in one unprivileged process.

Started by the helper as root with two inherited sockets (calls, descriptors); it loads everything it will need, reads the host key, and
becomes nobody with group frrvty before it talks to anybody: the group lets it read FRR's vty sockets, everything else goes through the helper.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import grp
import json
import logging
import os
import pwd
import signal
import socket
import sys
from collections.abc import AsyncIterator, Awaitable
from pathlib import Path
from typing import Any

import asyncssh

from . import history, login, op, transport
from .files import StoreError
from .model import CommitError, CommitLocked, Revision
from .rpc import Channel, Refused, Send, open_channel
from .ssh import Listener
from .tree import Step, Tree

log = logging.getLogger("cli")


class RouterState:
    """One router as its logins see it (`model.Router`). The truth is the helper's; this is a copy kept up to date by commits."""

    def __init__(self, name: str, channel: Channel) -> None:
        self.name = name
        self.channel = channel
        self.running = Tree()
        self.saved = Tree()
        self.hostname = name
        self.revisions: list[Revision] = []
        self.sockets = Path()
        self._interfaces: set[str] = set()
        self.confirming = False
        self._commit = asyncio.Lock()

    @property
    def interfaces(self) -> set[str]:
        return self._interfaces

    def update(self, description: dict[str, Any], *, new: bool) -> None:
        """Take in what the helper says about the router; `new`: its configuration too (it, or this process, has just started, or it went back)."""
        self._interfaces = set(description["interfaces"])
        self.sockets = Path(description["sockets"])
        if not new:
            return
        self.saved = transport.from_data(description["saved"])
        self._set(transport.from_data(description["running"]))
        self.revisions = [history.from_data(item) for item in description["revisions"]]
        self.confirming = bool(description["confirming"])

    def _set(self, tree: Tree) -> None:
        self.running = tree.copy()
        self.hostname = tree.value("system", "host-name") or "vyos"

    async def commit(self, new: Tree, comment: str | None, user: str = "vyos", minutes: int | None = None) -> list[str]:
        """Make `new` the running configuration: all of it or nothing, with `minutes` until confirmed. Raises CommitError, CommitLocked."""
        if self._commit.locked():
            raise CommitLocked
        # A login that ends or presses Control-C in the middle must not leave the copy here behind what the router runs.
        return await asyncio.shield(asyncio.ensure_future(self._commit_all(new, comment, user, minutes)))

    async def _commit_all(self, new: Tree, comment: str | None, user: str, minutes: int | None) -> list[str]:
        async with self._commit:
            try:
                data = transport.to_data(new)
                revision = await self.channel.call("commit", router=self.name, tree=data, comment=comment, user=user, minutes=minutes)
            except Refused as error:
                section = str(error.data) if error.kind == "commit" and error.data else "system"
                raise CommitError(section, str(error)) from None
            self._set(new)
            if minutes is None:
                self.revisions = [history.from_data(revision), *self.revisions][: history.limit(new)]
            else:
                self.confirming = True
        return []

    async def save(self) -> None:
        """Write the running configuration to config.boot. Raises Refused."""
        await asyncio.shield(asyncio.ensure_future(self._save_all()))

    async def _save_all(self) -> None:
        async with self._commit:
            await self.channel.call("save", router=self.name)
            self.saved = self.running.copy()

    def op(self, words: list[str]) -> Awaitable[str] | AsyncIterator[str]:
        """An operational command in full words."""
        return op.run(self, words)

    async def read_file(self, key: str) -> str:
        """One of the router's own files (`files`). Raises FileNotFoundError."""
        try:
            return str(await self.channel.call("read_file", router=self.name, key=key))
        except Refused as error:
            raise FileNotFoundError(key) from error

    async def write_file(self, key: str) -> None:
        """Write the running configuration to one of the router's own files. Raises StoreError."""
        try:
            await self.channel.call("write_file", router=self.name, key=key)
        except Refused as error:
            raise StoreError(str(error)) from None

    async def confirm(self) -> bool:
        """Keep what commit-confirm committed; True when it waited for that."""
        return bool(await self.channel.call("confirm", router=self.name))


class Service:
    """All routers, their listeners, and the channel to the helper."""

    def __init__(self, key: asyncssh.SSHKey, descriptors: socket.socket) -> None:
        self.key = key
        self.descriptors = descriptors
        self.routers: dict[str, RouterState] = {}
        self.listeners: dict[str, Listener] = {}
        self.channel: Channel

    async def answer(self, name: str, arguments: dict[str, Any], send: Send) -> Any:
        """A call of the helper."""
        router = str(arguments.pop("router"))
        if name == "router":
            state = self.routers.setdefault(router, RouterState(router, self.channel))
            state.update(arguments, new=bool(arguments["new"]))
        elif name == "listening":
            await self._listen()
        elif name == "ssh":
            if router in self.listeners:
                self.listeners[router].update(dict(arguments["options"]))
        elif name == "gone":
            self.routers.pop(router, None)
            listener = self.listeners.pop(router, None)
            if listener is not None:
                listener.close(sessions=True)
        else:
            raise Refused(f"unknown call {name!r}")

    async def _listen(self) -> None:
        """Take the listening sockets that the helper sent just before: they replace the router's former ones, its logins go on."""
        data, numbers, _, _ = socket.recv_fds(self.descriptors, 65536, 64)
        sockets = [socket.socket(fileno=number) for number in numbers]
        header = json.loads(data)
        name = header["name"]
        listener = self.listeners.get(name)
        if listener is None:
            listener = self.listeners[name] = Listener(self.routers[name], self.key)
        await listener.replace(sockets, header["options"])


def host_key(directory: Path) -> asyncssh.SSHKey:
    """The lab's host key, made at its first start; root's alone."""
    path = directory / "ssh_host_ed25519_key"
    if not path.exists():
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as out:
            out.write(asyncssh.generate_private_key("ssh-ed25519").export_private_key())
    return asyncssh.read_private_key(path)


def _load_all() -> None:
    """Load what would be loaded at first use: afterwards the interpreter's files may not be readable."""

    from . import schema

    schema.grammar()
    _warm_up_passwords()


def _warm_up_passwords() -> None:
    """The password library loads its parts at first use."""
    from passlib.hash import sha512_crypt

    path: list[Step] = [("system", "node"), ("login", "node"), ("user", "tag"), ("x", "node"), ("authentication", "node"), ("encrypted-password", "leaf")]
    tree = Tree()
    tree.insert(path, sha512_crypt.using(rounds=1000).hash("x"))
    login.check_password(tree, "x", "x")


def become_nobody() -> None:
    """Give up root for good."""
    group = grp.getgrnam("frrvty").gr_gid
    user = pwd.getpwnam("nobody")
    ctypes.CDLL(None).prctl(38, 1, 0, 0, 0)  # PR_SET_NO_NEW_PRIVS
    os.setgroups([])
    os.setresgid(group, group, group)
    os.setresuid(user.pw_uid, user.pw_uid, user.pw_uid)


async def serve(directory: Path, calls: int, descriptors: int) -> None:
    """Answer until the helper closes the channel."""
    service = Service(host_key(directory), socket.socket(fileno=descriptors))
    await asyncio.to_thread(_load_all)  # also starts the thread that later work uses
    become_nobody()
    service.channel = await open_channel(calls, service.answer)
    serving = asyncio.ensure_future(service.channel.serve())
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, serving.cancel)
    with contextlib.suppress(asyncio.CancelledError):
        await serving


def main() -> int:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(levelname)s %(message)s")
    logging.getLogger("asyncssh").setLevel(logging.WARNING)
    asyncio.run(serve(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])))
    return 0


if __name__ == "__main__":
    sys.exit(main())
