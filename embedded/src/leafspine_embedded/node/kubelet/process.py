"""One run of one container as processes of this machine: start, find again, signal, wait for, read the exit code of.

    sh (shim, keeps the exit code) -> unshare (namespaces, waits) -> init.py, which becomes the container's command (process 1 in there)

The shim is no child the engine depends on: when the engine is restarted, `find` takes up the same process again by process id *and*
start time, and its exit code still ends up in a file. Shell and unshare cost about 1.5 MB together, of which most is shared.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from leafspine_embedded.common import process
from leafspine_embedded.common.state import ensure_dir, write_atomic
from leafspine_embedded.images.catalogue import interpreter
from leafspine_embedded.node import waiting

_INIT = Path(__file__).with_name("init.py")
# unshare of util-linux 2.38 cannot repeat its child's SIGKILL on itself: it complains and exits 1. Its standard error is its own file
# (init.py gives the container the log instead), so the complaint tells a kill from a command that exited 1.
_SHIM = '"$@" 2>"$0.err"; code=$?; [ "$code" = 1 ] && [ -s "$0.err" ] && code=137; echo "$code" >"$0"'
START_TIMEOUT = 20.0  # seconds for init.py to reach the command


class StartError(Exception):
    """The command could not be started; the text is a container runtime's."""


@dataclass(frozen=True)
class Description:
    """What init.py needs. netns: name of the network namespace. root: an empty directory to mount the container's root on."""

    argv: Sequence[str]
    env: Mapping[str, str]
    hostname: str
    netns: str
    mounts: Sequence[Mapping[str, Any]]
    capabilities: Sequence[int]
    cwd: str = "/"
    uid: int = 0
    gid: int = 0
    groups: Sequence[int] = ()
    no_new_privileges: bool = False
    read_only_root: bool = False

    def text(self, root: Path) -> str:
        """As JSON for init.py. Holds the environment, hence secrets: written 0600."""
        return json.dumps(
            {
                "argv": list(self.argv),
                "env": dict(self.env),
                "hostname": self.hostname,
                "root": str(root),
                "mounts": list(self.mounts),
                "capabilities": list(self.capabilities),
                "cwd": self.cwd,
                "uid": self.uid,
                "gid": self.gid,
                "groups": list(self.groups),
                "no_new_privileges": self.no_new_privileges,
                "read_only_root": self.read_only_root,
                "tty": False,
                "merge_errors": True,
            }
        )


def unshare_argv(description: Path, status: int) -> list[str]:
    """The command that turns into a container; used for runs and, with another status descriptor, for exec into an agent's container."""
    return [
        "/usr/bin/unshare", "--mount", "--uts", "--ipc", "--pid", "--fork", "--kill-child", "--",
        interpreter(), "-I", "-S", str(_INIT), str(description), str(status),
    ]  # fmt: skip


def join_argv(description: Path, status: int, member: int) -> list[str]:
    """The command that runs another program in the container of process `member`."""
    return [interpreter(), "-I", "-S", str(_INIT), str(description), str(status), str(member)]


class ContainerProcess:
    """Run number `run` of a container whose files are in `directory` (<run>.log, <run>.pid, <run>.exit, <run>.json)."""

    def __init__(self, directory: Path, run: int) -> None:
        self.directory, self.run = directory, run
        self.shim: int | None = None
        self.pid: int | None = None  # of the container's command, as the machine sees it
        self._ended = asyncio.Event()
        self._pidfd: int | None = None

    @property
    def log(self) -> Path:
        return self.directory / f"{self.run}.log"

    @property
    def _exit_file(self) -> Path:
        return self.directory / f"{self.run}.exit"

    async def start(self, description: Description) -> None:
        """Start the command. Raises StartError with the reason when it cannot run."""
        ensure_dir(self.directory, 0o700)
        root = ensure_dir(self.directory / "root", 0o700)
        file = self.directory / f"{self.run}.json"
        write_atomic(file, description.text(root))
        self._exit_file.unlink(missing_ok=True)
        reader, writer = os.pipe()
        try:
            argv = ["/bin/sh", "-c", _SHIM, str(self._exit_file), *unshare_argv(file, writer)]
            process.spawn(argv, name=str(self.run), run_dir=self.directory, netns=description.netns, pass_fds=[writer])
        finally:
            os.close(writer)
        try:
            await self._await_ready(reader)
        finally:
            file.unlink(missing_ok=True)
        if not self.find():
            return  # ended within the same moment: its exit code is in the file
        self.watch()

    async def _await_ready(self, reader: int) -> None:
        """Read what init.py says. Nothing: it was killed before it could say anything."""
        loop = asyncio.get_running_loop()
        arrived = loop.create_future()

        def readable() -> None:
            data = os.read(reader, 4096)
            loop.remove_reader(reader)
            if not arrived.done():
                arrived.set_result(data)

        loop.add_reader(reader, readable)
        try:
            async with asyncio.timeout(START_TIMEOUT):
                data: bytes = await arrived
        except TimeoutError:
            self.signal(signal.SIGKILL)
            raise StartError("context deadline exceeded") from None
        finally:
            loop.remove_reader(reader)
            os.close(reader)
        text = data.decode(errors="replace").strip()
        if text.startswith("error "):
            self.find()
            raise StartError(text.removeprefix("error "))
        if not text:
            complaint = self._exit_file.with_name(f"{self._exit_file.name}.err")
            raise StartError(complaint.read_text(errors="replace").strip() if complaint.exists() else "the container's first process was killed")

    async def listening(self, port: int, timeout: float) -> None:
        """Wait until somebody listens on a TCP port in the container's network, the container has ended, or the time is over."""
        deadline = time.monotonic() + timeout
        while not self.ended and self.pid is not None and time.monotonic() < deadline and not _listens(self.pid, port):
            await asyncio.sleep(0.01)

    def find(self) -> bool:
        """Whether the very process that was started still runs; sets `shim` and `pid`."""
        self.shim = process.pid(self.directory, str(self.run))
        self.pid = None
        if self.shim is None:
            self._ended.set()
            return False
        for middle in children(self.shim):
            self.pid = next(iter(children(middle)), self.pid)
        return True

    def watch(self) -> None:
        """Have `wait` return when the shim ends; a pidfd works for processes that are not our children, too."""
        if self.shim is None or self._pidfd is not None:
            return
        try:
            self._pidfd = os.pidfd_open(self.shim)
        except ProcessLookupError:
            self._ended.set()
            return
        asyncio.get_running_loop().add_reader(self._pidfd, self._gone)

    def _gone(self) -> None:
        self.unwatch()
        process.pid(self.directory, str(self.run))  # reaps our own child
        self._ended.set()

    def unwatch(self) -> None:
        """Stop listening (the process itself is left alone)."""
        if self._pidfd is not None:
            with contextlib.suppress(RuntimeError):
                asyncio.get_running_loop().remove_reader(self._pidfd)
            os.close(self._pidfd)
            self._pidfd = None

    async def wait(self) -> int:
        """The exit code, once the container has ended (128 + n for signal n)."""
        await self._ended.wait()
        return self.exit_code()

    @property
    def ended(self) -> bool:
        return self._ended.is_set()

    def exit_code(self) -> int:
        """What the shim wrote; 137 when it was killed before it could."""
        try:
            return int(self._exit_file.read_text())
        except (FileNotFoundError, ValueError):
            return 137

    def signal(self, number: int) -> None:
        """Send a signal to the container's command. SIGKILL takes everything in its PID namespace along."""
        target = self.pid
        if number == signal.SIGKILL and target is None:
            target = self.shim
        if target is not None and self.shim is not None and process.start_time(self.shim) is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(target, number)

    async def stop(self, grace: float) -> int:
        """SIGTERM, after `grace` seconds SIGKILL; returns the exit code."""
        if not self.ended and grace > 0:
            self.signal(signal.SIGTERM)
            await waiting.event(self._ended, grace)
        if not self.ended:
            self.signal(signal.SIGKILL)
            if await waiting.event(self._ended, 5):
                return self.exit_code()
            process.kill([pid for pid in (self.pid, self.shim) if pid is not None], 0.1)
            self._ended.set()
        return self.exit_code()


def _listens(pid: int, port: int) -> bool:
    try:
        lines = Path(f"/proc/{pid}/net/tcp").read_text().splitlines()
    except OSError:
        return False
    return any(fields[3] == "0A" and fields[1].endswith(f":{port:04X}") for fields in (line.split() for line in lines[1:]))


def children(pid: int) -> list[int]:
    """Child processes. The kernel's list where it keeps one, else a look at every process."""
    try:
        return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except FileNotFoundError:
        if not os.path.exists(f"/proc/{pid}"):
            return []
    except ProcessLookupError:
        return []
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            with contextlib.suppress(OSError, ValueError):
                if int(Path(f"/proc/{entry}/stat").read_text().rpartition(")")[2].split()[1]) == pid:
                    found.append(int(entry))
    return found


def remove_old(directory: Path, keep: int) -> None:
    """Drop the files of runs before `keep` (as a kubelet keeps one dead container)."""
    if not directory.is_dir():
        return
    for file in directory.iterdir():
        stem = file.name.partition(".")[0]
        if stem.isdigit() and int(stem) < keep and file.is_file():
            file.unlink(missing_ok=True)
