"""One BIRD process in a node's namespace: start or adopt it, hand it a new configuration, end it.

Ending is abrupt on purpose (SIGKILL, no BGP notification): with graceful restart negotiated the neighbours keep the node's routes for
their restart time, and `persist` keeps the kernel's. That is what happens when a calico-node pod restarts. BIRD outlives the process
that started it; a new one adopts it.
"""

from __future__ import annotations

import asyncio
import os
import pwd
import signal
from pathlib import Path

from leafspine_embedded.common import crashes, logs, netns, process, state

from . import birdctl

BIRD = "/usr/sbin/bird"
USER = "bird"  # the package's; BIRD keeps the capabilities it needs for routes and port 179


def _account() -> pwd.struct_passwd | None:
    """BIRD's own user; None on a machine that has none."""
    try:
        return pwd.getpwnam(USER)
    except KeyError:
        return None


class Bird:
    """The BIRD of one node. directory: the node's own; namespace: the network namespace it runs in; home: the cluster's directory, which
    has the folder for logs and the list of crashes (default: the node's own)."""

    def __init__(self, directory: Path, namespace: str, home: Path | None = None) -> None:
        self.directory = directory
        self.home = home or directory
        self.name = f"{directory.name}-bird"
        self.budget = crashes.Budget()
        self.namespace = namespace
        self.configuration = directory / "bird.conf"
        self.socket = birdctl.control_socket(directory)

    def alive(self) -> bool:
        return process.alive(self.directory, "bird")

    def at_home(self) -> bool:
        """Whether it runs in the namespace that has the node's name now."""
        number = process.pid(self.directory, "bird")
        try:
            return number is not None and os.stat(f"/proc/{number}/ns/net").st_ino == netns.inode(self.namespace)
        except FileNotFoundError:
            return False

    def read(self) -> str | None:
        """The configuration it was last given, None before the first."""
        try:
            return self.configuration.read_text()
        except FileNotFoundError:
            return None

    @property
    def log(self) -> Path:
        return logs.directory(self.home) / f"{self.name}.log"

    async def apply(self, text: str) -> str:
        """Make BIRD run with this configuration; returns what was done: started, configured or nothing.

        Raises BirdError when BIRD refuses the text (it goes on with what it had) or does not come up.
        """
        before = self.read()
        if self.alive():
            if before == text:
                return "nothing"
            return await self._configure(text, before)
        await self._after_crash()
        await self._start(text, restarted=before is not None)
        return "started"

    async def _after_crash(self) -> None:
        """Write down that it died unasked, and wait a little before it is started again. Raises BirdError when that happens too often."""
        try:
            number = int((self.directory / "bird.pid").read_text().split()[0])
        except (FileNotFoundError, ValueError, IndexError):
            return
        why = crashes.reason(process.returncode(number), self.log)
        pause = self.budget.pause(asyncio.get_running_loop().time())
        crashes.note(self.home, self.name, why, restarts=len(self.budget.spent), gave_up=pause is None)
        (self.directory / "bird.pid").unlink(missing_ok=True)
        if pause is None:
            raise birdctl.BirdError(f"BIRD died more than {self.budget.most} times within {self.budget.window:g} s: {why}")
        await asyncio.sleep(pause)

    def _write(self, text: str) -> None:
        """The configuration may hold passwords: for root and BIRD's own group."""
        state.write_atomic(self.configuration, text, mode=0o640)
        account = _account()
        if account is not None:
            os.chown(self.configuration, 0, account.pw_gid)

    async def _configure(self, text: str, before: str | None) -> str:
        self._write(text)
        try:
            await birdctl.ask_async(self.socket, "configure")
        except birdctl.BirdError:
            if before is not None:
                self._write(before)
            raise
        return "configured"

    async def _start(self, text: str, *, restarted: bool) -> None:
        state.ensure_dir(self.directory)
        self.socket.parent.mkdir(parents=True, exist_ok=True)
        self.socket.unlink(missing_ok=True)
        self._write(text)
        # -R only when an earlier BIRD left routes behind: it waits for the neighbours before it touches the kernel's table.
        argv = [BIRD, "-f", *(["-R"] if restarted else []), "-c", str(self.configuration), "-s", str(self.socket)]
        argv += ["-u", USER, "-g", USER] if _account() is not None else []
        process.spawn(argv, name="bird", run_dir=self.directory, netns=self.namespace, log=self.log)
        deadline = asyncio.get_running_loop().time() + 5.0
        pause = 0.005
        while True:
            try:
                await birdctl.ask_async(self.socket, "show status", timeout=1.0)
                return
            except birdctl.BirdError as error:
                if not self.alive() or asyncio.get_running_loop().time() > deadline:
                    raise birdctl.BirdError(f"BIRD did not come up: {self._last_words() or error}") from None
            await asyncio.sleep(pause)
            pause = min(pause * 2, 0.1)

    def _last_words(self) -> str:
        return "".join(logs.tail(self.log))

    def kill(self) -> None:
        """End it without telling the neighbours; they keep its routes for their restart time."""
        number = process.pid(self.directory, "bird")
        if number is not None:
            os.kill(number, signal.SIGKILL)
        process.stop(self.directory, "bird", timeout=1.0)
        self.socket.unlink(missing_ok=True)
