"""A container that is no process: an agent which runs as a coroutine of the engine's own process (calico-node).

A Python process per node would cost more memory than everything else on it. It has the same face as process.ContainerProcess.
"""

from __future__ import annotations

import asyncio
import contextlib
import traceback
from collections.abc import Mapping
from pathlib import Path

from leafspine_embedded.common.state import ensure_dir
from leafspine_embedded.kube.context import ClusterContext
from leafspine_embedded.kube.objects import now_micro
from leafspine_embedded.kube.store import Store
from leafspine_embedded.node import waiting

from .process import StartError

LOG_LIMIT = 4 << 20  # bytes; the older half is dropped


class AgentRun:
    """Run number `run` of an agent container; its log is a file like any container's."""

    pid: int | None = None

    def __init__(self, directory: Path, run: int, agent: str, store: Store, cluster: ClusterContext, node: str) -> None:
        self.directory, self.run, self._agent = directory, run, agent
        self._store, self._cluster, self._node = store, cluster, node
        self._stop, self._ended = asyncio.Event(), asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._code = 0

    @property
    def log(self) -> Path:
        return self.directory / f"{self.run}.log"

    @property
    def ended(self) -> bool:
        return self._ended.is_set()

    def write(self, text: str) -> None:
        """One line for the container's log."""
        with contextlib.suppress(FileNotFoundError):
            if self.log.stat().st_size > LOG_LIMIT:
                self.log.write_bytes(self.log.read_bytes()[-LOG_LIMIT // 2 :])
        with contextlib.suppress(FileNotFoundError), self.log.open("a") as out:
            out.write(f"{now_micro()} {text}\n")

    async def start(self, env: Mapping[str, str]) -> None:
        """Start the coroutine. Raises StartError for an agent that nobody wrote."""
        if self._agent != "calico-node":
            raise StartError(f'the engine has no agent "{self._agent}"')
        from leafspine_embedded.calico.node import run_node

        ensure_dir(self.directory, 0o700)
        self.write(f"{self._agent} starts on {self._node}")
        self._task = asyncio.create_task(self._run(run_node(self._store, self._cluster, self._node, env, self._stop, self.write)))

    async def _run(self, body: object) -> None:
        try:
            await body  # type: ignore[misc]
        except asyncio.CancelledError:
            self._code = 143
            raise
        except Exception as error:
            self._code = 1
            self.write(f"{type(error).__name__}: {error}")
            if not type(error).__module__.startswith("leafspine_embedded"):
                self.write(traceback.format_exc())
        finally:
            self._ended.set()

    def find(self) -> bool:
        return self._task is not None and not self._task.done()

    def watch(self) -> None:
        """Nothing to do: the task itself tells."""

    def unwatch(self) -> None:
        """The engine's process ends: cancel, which leaves the node's daemons alone for the next process to adopt."""
        if self._task is not None:
            self._task.cancel()

    async def wait(self) -> int:
        await self._ended.wait()
        return self._code

    def exit_code(self) -> int:
        return self._code

    def signal(self, number: int) -> None:
        """Every signal asks for the end."""
        self._stop.set()

    async def stop(self, grace: float) -> int:
        """Ask for the end, after `grace` seconds (at least two: an agent has daemons to put away) cancel."""
        self._stop.set()
        if await waiting.event(self._ended, max(grace, 2.0)):
            return self._code
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        self._code = 137
        return self._code
