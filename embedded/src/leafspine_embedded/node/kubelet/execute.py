"""Commands inside a running container: `kubectl exec`, exec probes.

In a container that is a process the command joins its namespaces; an agent's container has none, so the command gets a fresh set
over the node's network. With a terminal, the container's own /dev/pts provides it.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import json
import os
import signal
import struct
import termios
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from leafspine_embedded.common import netns
from leafspine_embedded.common.state import ensure_dir
from leafspine_embedded.images import catalogue
from leafspine_embedded.kube.objects import Object

from .agentrun import AgentRun
from .describe import Place, describe
from .env import PATH, ConfigError
from .host import Host
from .process import ContainerProcess, children, join_argv, unshare_argv

_TIOCGPTPEER, _TIOCSPTLCK = 0x5441, 0x40045431
OUTPUT_LIMIT = 10 << 10  # bytes of a probe's output


class ExecError(Exception):
    """The command cannot be run; the text is a container runtime's."""


class Exec:
    """A running command. stdout, stderr: its output (one stream with a terminal)."""

    def __init__(self, child: asyncio.subprocess.Process, stdout: asyncio.StreamReader, stderr: asyncio.StreamReader | None, master: int | None) -> None:
        self.stdout, self.stderr = stdout, stderr
        self._child, self._master = child, master
        self._feeder: asyncio.Task[None] | None = None

    async def wait(self) -> int:
        """The exit code; 128 + n for signal n."""
        code = await self._child.wait()
        if self._feeder is not None:
            self._feeder.cancel()
        self._close()
        return code if code >= 0 else 128 - code

    def kill(self) -> None:
        """End the command and whatever it started. init.py, which waits for the command, then ends by itself: were it killed too, nobody
        would collect the command."""
        if self._child.returncode is None:
            for pid in _descendants(self._child.pid) or [self._child.pid]:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)

    def resize(self, columns: int, rows: int) -> None:
        if self._master is not None:
            with contextlib.suppress(OSError):
                fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def _close(self) -> None:
        if self._master is not None:
            # Closing the terminal hangs up whatever was left in the background; the reader has its own descriptor.
            os.close(self._master)
            self._master = None

    def feed(self, source: asyncio.StreamReader) -> None:
        """Copy the client's input to the command."""
        self._feeder = asyncio.create_task(self._copy(source))

    async def _copy(self, source: asyncio.StreamReader) -> None:
        with contextlib.suppress(ConnectionError, OSError):
            while data := await source.read(65536):
                if self._master is not None:
                    await asyncio.to_thread(_write_all, self._master, data)
                elif self._child.stdin is not None:
                    self._child.stdin.write(data)
                    await self._child.stdin.drain()
            if self._master is None and self._child.stdin is not None:
                self._child.stdin.close()


def _write_all(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]


def _descendants(pid: int) -> list[int]:
    found = []
    for child in children(pid):
        found += [*_descendants(child), child]
    return found


async def start(
    host: Host,
    pod: Object,
    container: Object,
    place: Place,
    process: ContainerProcess | AgentRun,
    command: Sequence[str],
    *,
    stdin: bool = False,
    tty: bool = False,
) -> Exec:
    """Run a command in a container. Raises ExecError, ConfigError."""
    description = describe(host, pod, container, catalogue.find(container["image"]), place, argv=command)
    values: dict[str, Any] = asdict(description)
    values.update(root=str(ensure_dir(place.directory / container["name"] / "root", 0o700)), tty=tty, merge_errors=False)
    if tty:
        values["env"] = {**values["env"], "TERM": values["env"].get("TERM", "xterm")}
    member = process.pid
    master, slave = _terminal(member) if tty else (None, None)
    try:
        child = await _launch(description.netns, member, values, slave, stdin=stdin)
    except BaseException:
        if master is not None:
            os.close(master)
        raise
    finally:
        if slave is not None:
            os.close(slave)
    if master is not None:
        return Exec(child, await _reader(master), None, master)
    assert child.stdout is not None
    return Exec(child, child.stdout, child.stderr, None)


async def _launch(namespace: str, member: int | None, values: Mapping[str, Any], slave: int | None, *, stdin: bool) -> asyncio.subprocess.Process:
    """Start init.py for the command and wait until it says that the command runs. Raises ExecError."""
    # The description goes through a pipe: it holds secrets, which belong neither in a file nor on a command line.
    source, feed = os.pipe()
    status, report = os.pipe()
    try:
        name = Path(f"/dev/fd/{source}")
        argv = join_argv(name, report, member) if member is not None else [*netns.prefix(namespace), *unshare_argv(name, report)]
        pipe, null = asyncio.subprocess.PIPE, asyncio.subprocess.DEVNULL
        streams: dict[str, Any] = {"stdin": pipe if stdin else null, "stdout": pipe, "stderr": pipe}
        if slave is not None:
            streams = dict.fromkeys(streams, slave)
        child = await asyncio.create_subprocess_exec(*argv, **streams, env={"PATH": PATH}, cwd="/", start_new_session=True, pass_fds=(source, report))
    except BaseException:
        os.close(feed)
        os.close(status)
        raise
    finally:
        os.close(source)
        os.close(report)
    text = await asyncio.to_thread(_converse, feed, json.dumps(dict(values)).encode(), status)
    if text == "ready":
        return child
    with contextlib.suppress(ProcessLookupError):
        child.kill()
    await child.wait()
    raise ExecError(text.removeprefix("error ") or "the container ended before the command could start")


def _converse(feed: int, description: bytes, status: int) -> str:
    """Hand over the description, read the answer; closes both descriptors. In a thread: the reader may be slow to start."""
    try:
        with contextlib.suppress(BrokenPipeError):
            _write_all(feed, description)
    finally:
        os.close(feed)
    try:
        return os.read(status, 4096).decode(errors="replace").strip()
    finally:
        os.close(status)


def _terminal(member: int | None) -> tuple[int, int]:
    """A pseudo terminal, of the container's own /dev/pts where it has one: (master, slave)."""
    if member is None:
        return os.openpty()
    master = os.open(f"/proc/{member}/root/dev/pts/ptmx", os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
    try:
        fcntl.ioctl(master, _TIOCSPTLCK, struct.pack("i", 0))
        return master, fcntl.ioctl(master, _TIOCGPTPEER, os.O_RDWR | os.O_NOCTTY)
    except BaseException:
        os.close(master)
        raise


class _Terminal(asyncio.StreamReaderProtocol):
    """A terminal whose other side is closed reads as an error (EIO); for the client it is the end of the output."""

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(None)


async def _reader(master: int) -> asyncio.StreamReader:
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: _Terminal(reader), os.fdopen(os.dup(master), "rb", buffering=0))
    return reader


async def collect(host: Host, pod: Object, container: Object, place: Place, process: ContainerProcess | AgentRun | None, command: list[str]) -> tuple[int, str]:
    """Run a command to its end: (exit code, output, at most OUTPUT_LIMIT). Cancelling kills it. A command that cannot start counts as 126."""
    if process is None:
        return 126, "container is not running"
    try:
        running = await start(host, pod, container, place, process, command)
    except (ExecError, ConfigError) as error:
        return 126, str(error)
    try:
        output, errors = await asyncio.gather(_limited(running.stdout), _limited(running.stderr))
        return await running.wait(), (output + errors).decode(errors="replace")
    finally:
        running.kill()


async def _limited(stream: asyncio.StreamReader | None) -> bytes:
    """Everything, of which the first part is kept."""
    kept = b""
    while stream is not None and (data := await stream.read(65536)):
        kept += data[: max(0, OUTPUT_LIMIT - len(kept))]
    return kept
