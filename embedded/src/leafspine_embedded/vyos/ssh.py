"""SSH logins: who may come in, and a terminal around a `Session`."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
import logging
import os
import socket
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

import asyncssh

from . import complete, login, sshoptions
from .session import Reply, Session
from .terminal import Complete, EndOfFile, Help, Interrupt, Line, Terminal

if TYPE_CHECKING:
    from .service import RouterState

log = logging.getLogger("cli")
WELCOME = "Welcome to VyOS's command line (leafspine embedded engine: FRR in a network namespace)\r\n\r\n"
LOGIN_TIMEOUT = 30
_FAILED_LOGIN_DELAY = 1.0

# Passwords that were right, as keyed hashes: checking one is slow by design, and Ansible logs in to the same router all the time.
_SECRET = os.urandom(32)
_known: dict[bytes, bool] = {}


async def password_is_right(router: RouterState, user: str, password: str) -> bool:
    """True when the router's running configuration lets the user in with this password."""
    stored = router.running.value("system", "login", "user", user, "authentication", "encrypted-password")
    if stored is None or user not in login.users(router.running):
        return False
    token = hmac.digest(_SECRET, "\0".join((user, stored, hashlib.sha256(password.encode()).hexdigest())).encode(), "sha256")
    if token not in _known and await asyncio.to_thread(login.check_password, router.running, user, password):
        if len(_known) > 1000:
            _known.clear()
        _known[token] = True
    return token in _known


class Server(asyncssh.SSHServer):
    """One connection."""

    def __init__(self, router: RouterState, connections: set[asyncssh.SSHServerConnection]) -> None:
        self.router = router
        self._connections = connections
        self._connection: asyncssh.SSHServerConnection

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self._connection = conn
        self._connections.add(conn)

    def connection_lost(self, exc: Exception | None) -> None:
        self._connections.discard(self._connection)

    def begin_auth(self, username: str) -> bool:
        text = sshoptions.banner(self.router.running, "pre-login")
        if text is not None:
            self._connection.send_auth_banner(text)
        return True

    def password_auth_supported(self) -> bool:
        return self.router.running.get(["service", "ssh", "disable-password-authentication"]) is None

    async def validate_password(self, username: str, password: str) -> bool:
        if await password_is_right(self.router, username, password):
            return True
        await asyncio.sleep(_FAILED_LOGIN_DELAY)
        return False

    def public_key_auth_supported(self) -> bool:
        return True

    def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        tree = self.router.running
        kind, data = key.export_public_key().decode().split()[:2]
        path = ("system", "login", "user", username, "authentication", "public-keys")
        if username not in login.users(tree):
            return False
        return any(tree.value(*path, name, "type") == kind and tree.value(*path, name, "key") == data for name in tree.keys(*path))

    def session_requested(self) -> asyncssh.SSHServerSession[str]:
        return Shell(self.router, str(self._connection.get_extra_info("username")))


class Shell(asyncssh.SSHServerSession[str]):
    """One login's terminal. Typed-ahead lines wait while a command runs; Control-C ends it."""

    def __init__(self, router: RouterState, user: str) -> None:
        self.session = Session(router, user)
        self.terminal = Terminal(echo=False)
        self._interactive = False
        self._channel: asyncssh.SSHServerChannel[str]
        self._typed = ""
        self._task: asyncio.Task[None] | None = None
        self._idle: asyncio.TimerHandle | None = None
        self._writable = asyncio.Event()
        self._writable.set()

    # -- what asyncssh calls ---------------------------------------------------------

    def connection_made(self, chan: asyncssh.SSHServerChannel[str]) -> None:
        self._channel = chan

    def pty_requested(self, term_type: str, term_size: tuple[int, int, int, int], term_modes: object) -> bool:
        self.terminal.echo = self._interactive = True
        return True

    def shell_requested(self) -> bool:
        return True

    def exec_requested(self, command: str) -> bool:
        """A command without a login: VyOS's shell refuses operational commands there (measured)."""
        word = command.split()[0] if command.split() else ""
        asyncio.get_running_loop().call_soon(self._refuse, word)
        return True

    def _refuse(self, word: str) -> None:
        self._channel.write(f"\n  Invalid command: [{word}]\n\n")
        self._channel.exit(1)

    def session_started(self) -> None:
        if self._channel.get_command() is None:
            self._print(sshoptions.banner(self.session.router.running, "post-login") or WELCOME)
            self._ask()

    def data_received(self, data: str, datatype: asyncssh.DataType) -> None:
        self._wait_for_a_key()
        if self._task is not None and "\x03" in data:
            self._typed = data.rpartition("\x03")[2]
            self._write("^C\r\n")
            self._task.cancel()
            return
        self._typed += data
        self._read()

    def eof_received(self) -> bool:
        """The end of what is typed: what came before it is still worked through, so the channel stays open for the answers."""
        self._typed += "\x04"
        self._read()
        return True

    def break_received(self, msec: int) -> bool:
        self.data_received("\x03", None)
        return True

    def signal_received(self, signal: str) -> None:
        if signal == "INT":
            self.data_received("\x03", None)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._idle is not None:
            self._idle.cancel()
        if self._task is not None:
            self._task.cancel()

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    # -- terminal --------------------------------------------------------------------

    def _write(self, text: str) -> None:
        if text and not self._channel.is_closing():
            self._channel.write(text)

    def _print(self, text: str) -> None:
        self._write(text.replace("\r\n", "\n").replace("\n", "\r\n"))

    def _ask(self) -> None:
        prompt = self.session.prompt
        self._write(prompt)
        self._wait_for_a_key()
        self.terminal.start(prompt)
        self.terminal.completes = self._interactive and self.session.question is None

    def _read(self) -> None:
        """Work through what was typed until a command runs."""
        screen = ""
        while self._typed and self._task is None:
            character, self._typed = self._typed[0], self._typed[1:]
            shown, event = self.terminal.key(character)
            screen += shown
            if event is None:
                continue
            if isinstance(event, Complete | Help):
                screen += self._completed(event)
                continue
            self._write(screen)
            screen = ""
            if isinstance(event, Line):
                self._start(self._run(event.text))
            elif isinstance(event, Interrupt):
                self._start(self._interrupt())
            elif isinstance(event, EndOfFile):
                self._print("exit\n" if self.session.configuring else "logout\n")
                self._leave()
                return
        self._write(screen)

    def _completed(self, event: Complete | Help) -> str:
        """The rest of a word, or the list of what is possible with the line once more behind it."""
        if isinstance(event, Help) and not self.session.query_help:
            return self.terminal.insert("?")
        rows = complete.complete(self.session, event.text)
        rest = complete.extension(event.text, rows) if isinstance(event, Complete) else ""
        if rest:
            return self.terminal.insert(rest)
        if not rows and isinstance(event, Complete):
            return ""
        return complete.listing(rows).replace("\n", "\r\n") + self.terminal.again()

    def _wait_for_a_key(self) -> None:
        """A login at whose prompt nobody types ends after `system login timeout`."""
        if self._idle is not None:
            self._idle.cancel()
        seconds = sshoptions.idle_seconds(self.session.router.running)
        self._idle = None if seconds is None else asyncio.get_running_loop().call_later(seconds, self._nobody_types)

    def _nobody_types(self) -> None:
        if self._task is None:
            self._print("\ntimed out waiting for input: auto-logout\n")
            self._leave()

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        self._task = asyncio.ensure_future(self._then_go_on(work))

    async def _then_go_on(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except asyncio.CancelledError:
            if self._channel.is_closing():
                raise
        except Exception:
            log.exception("%s: a login ends", self.session.router.hostname)
            self._leave()
            return
        finally:
            self._task = None
        if not self._channel.is_closing():
            self._ask()
            self._read()

    async def _run(self, text: str) -> None:
        reply = await self.session.line(text)
        await self._show(reply)

    async def _interrupt(self) -> None:
        await self._show(await self.session.interrupt())

    async def _show(self, reply: Reply) -> None:
        self._print(reply.output)
        if reply.stream is not None:
            async with contextlib.aclosing(reply.stream) as stream:  # type: ignore[type-var]
                async for piece in stream:
                    self._print(piece)
                    await self._writable.wait()
        if reply.close:
            self._leave()

    def _leave(self) -> None:
        if not self._channel.is_closing():
            self._channel.exit(0)


class Listener:
    """A router's listening sockets and its connections."""

    def __init__(self, router: RouterState, key: asyncssh.SSHKey) -> None:
        self.router = router
        self.key = key
        self.connections: set[asyncssh.SSHServerConnection] = set()
        self._acceptors: list[asyncssh.SSHAcceptor] = []

    async def replace(self, sockets: list[socket.socket], options: dict[str, Any]) -> None:
        """Listen on these sockets instead of the former ones, with these options (`sshoptions.options`); connections stay."""
        self.close(sessions=False)
        factory: Callable[[], Server] = lambda: Server(self.router, self.connections)  # noqa: E731
        for each in sockets:
            each.setblocking(False)
            self._acceptors.append(
                await asyncssh.listen(
                    sock=each,
                    server_factory=factory,
                    server_host_keys=[self.key],
                    encoding="utf-8",
                    errors="replace",
                    line_editor=False,
                    login_timeout=LOGIN_TIMEOUT,
                    keepalive_interval=60,
                    gss_host=None,
                    allow_scp=False,
                    agent_forwarding=False,
                    x11_forwarding=False,
                    compression_algs=None,
                    server_version="VyOS-embedded",
                    **{**sshoptions.DEFAULTS, **options},
                )
            )

    def update(self, options: dict[str, Any]) -> None:
        """Other options for the connections that come."""
        for acceptor in self._acceptors:
            acceptor.update(**{**sshoptions.DEFAULTS, **options})

    def close(self, *, sessions: bool) -> None:
        """Stop listening; with `sessions` end every connection too."""
        for acceptor in self._acceptors:
            acceptor.close()
        self._acceptors = []
        if sessions:
            for connection in list(self.connections):
                connection.close()
