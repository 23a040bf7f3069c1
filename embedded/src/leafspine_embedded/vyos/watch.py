"""Starts the FRR daemons of a lab's routers again when they die, within a limit; puts back NAT rules that somebody changed; keeps the lab's logs small.

The helper is their parent, so it knows how they ended. After a start the router is brought back to its running configuration. What dies too
often stays dead until somebody deploys the lab again, and `crashes.jsonl` says so.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path

from ..common import crashes, logs, netns, process
from ..common.errors import EngineError
from . import daemons, kernel
from .machine import Machine
from .model import CommitError

log = logging.getLogger("watch")
EVERY = 1.0
RULES_EVERY = 10.0


class Watch:
    """home: the lab's state directory."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self._budgets: dict[tuple[str, str], crashes.Budget] = {}
        self._left: set[tuple[str, str]] = set()

    def forget(self, router: str) -> None:
        """A router is made or mended by a deploy: what was counted against its daemons is over."""
        self._budgets = {key: budget for key, budget in self._budgets.items() if key[0] != router}
        self._left = {key for key in self._left if key[0] != router}

    async def run(self, machines: dict[str, Machine], lock: Callable[[str], asyncio.Lock]) -> None:
        """Look at every router once a second, for ever."""
        rotate_at, rules_at = 0.0, 0.0
        while True:
            await asyncio.sleep(EVERY)
            for machine in list(machines.values()):
                if self._lost(machine):
                    await self._mend(machine, lock(machine.name), machines)
            process.reap()
            now = asyncio.get_running_loop().time()
            if now >= rules_at:
                rules_at = now + RULES_EVERY
                for machine in list(machines.values()):
                    await self._mend_rules(machine, lock(machine.name), machines)
            if now >= rotate_at:
                rotate_at = now + logs.EVERY
                try:
                    await asyncio.to_thread(logs.rotate, logs.directory(self.home))
                except OSError as error:
                    log.error("logs cannot be rotated: %s", error)

    def _lost(self, machine: Machine) -> list[str]:
        return [name for name in daemons.missing(machine.box.directory) if (machine.name, name) not in self._left]

    async def _mend(self, machine: Machine, lock: asyncio.Lock, machines: dict[str, Machine]) -> None:
        """Start what died again. Under the router's lock: a commit that is under way, or a deploy, comes first."""
        async with lock:
            lost = self._lost(machine)
            if not lost or machines.get(machine.name) is not machine:
                return
            again, pause = self._count(machine, lost)
        if not again:
            return
        await asyncio.sleep(pause)
        async with lock:
            if machines.get(machine.name) is not machine:
                return
            try:
                await asyncio.to_thread(_start, machine, again)
                log.info("%s: %s started again", machine.name, ", ".join(again))
            except (CommitError, EngineError, kernel.KernelError, OSError) as error:
                log.error("%s: %s cannot be started again: %s", machine.name, ", ".join(again), error)

    async def _mend_rules(self, machine: Machine, lock: asyncio.Lock, machines: dict[str, Machine]) -> None:
        """A router whose commit is under way is looked at the next time, one whose namespace is gone or another's not at all."""
        if lock.locked():
            return
        async with lock:
            try:
                known = machines.get(machine.name) is machine and netns.inode(machine.box.namespace) == machine.inode
                if known and await asyncio.to_thread(machine.box.mend_nat):
                    log.warning("%s: its NAT rules were not those of its configuration: loaded again", machine.name)
            except FileNotFoundError:
                return
            except (kernel.KernelError, OSError) as error:
                log.error("%s: NAT rules cannot be loaded again: %s", machine.name, error)

    def _count(self, machine: Machine, lost: list[str]) -> tuple[list[str], float]:
        """Write the deaths down; the daemons that are worth another start, and seconds to wait before it."""
        again, longest = [], 0.0
        for name in lost:
            key = (machine.name, name)
            budget = self._budgets.setdefault(key, crashes.Budget())
            pause = budget.pause(asyncio.get_running_loop().time())
            why = _why(machine, name)
            crashes.note(self.home, f"{machine.name}-{name}", why, restarts=len(budget.spent), gave_up=pause is None)
            if pause is None:
                self._left.add(key)
                log.error("%s: %s %s; it is not started again", machine.name, name, why)
            else:
                log.warning("%s: %s %s; it starts again in %g s", machine.name, name, why, pause)
                again.append(name)
                longest = max(longest, pause)
        return again, longest


def _why(machine: Machine, name: str) -> str:
    directory = machine.box.directory
    try:
        number = int((directory / f"{name}.pid").read_text().split()[0])
    except (FileNotFoundError, ValueError, IndexError):
        return "was not started"
    daemons.remove_logs([number])
    return crashes.reason(process.returncode(number), daemons.log_file(directory, name))


def _start(machine: Machine, names: list[str]) -> None:
    lost = [name for name in names if name in daemons.missing(machine.box.directory)]
    if lost:
        daemons.start_missing(machine.box.directory, machine.box.namespace, lost)
        machine.start()
