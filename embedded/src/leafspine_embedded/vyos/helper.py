"""The root helper of a lab: takes up routers when a deploy says so, applies commits, runs the few programs that need a router's namespace.

Started by the containerlab drop-in as `python -m leafspine_embedded.vyos.helper <lab directory>`, below a supervisor; it starts the routers'
daemons and the unprivileged command line service, again when they die. The drop-in speaks to it over control.sock (root only), the
service over a socket pair (`rpc`). Whatever comes from the service is checked here again: the service faces the network.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import json
import logging
import os
import signal
import socket
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from ..common import crashes, logs, netns, process
from ..common.errors import EngineError
from . import daemons, history, kernel, shell, sshoptions, tools, transport
from .control import control_socket
from .files import StoreError
from .machine import Machine, load, ssh_addresses
from .model import CommitError
from .rpc import Channel, Refused, Send, open_channel
from .tree import Tree
from .watch import Watch

log = logging.getLogger("helper")
MAX_STREAM = 3600.0
# Also files that are not there yet, and without a title before each.
FOLLOW = ["tail", "-q", "-n", "0", "-F"]
STREAMS = {**tools.STREAMS, **shell.STREAMS}


class Helper:
    """All routers of one lab."""

    def __init__(self, directory: Path, routers: Callable[..., dict[str, Machine]] = load) -> None:
        """routers: says which there are (called with the directory)."""
        self.directory = directory
        self.routers = routers
        self.machines: dict[str, Machine] = {}
        self.locks: dict[str, asyncio.Lock] = {}
        self.timers: dict[str, asyncio.Task[None]] = {}
        self.channel: Channel
        self._descriptors: socket.socket
        self._syncing = asyncio.Lock()
        self._serving = asyncio.Event()  # the service is there
        self.watch = Watch(directory)

    # -- what the containerlab drop-in asks ------------------------------------------

    async def control(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection of the drop-in: a request line, an answer line."""
        try:
            answer = await self._control(json.loads(await reader.readline()))
        except Exception as error:  # the deploy must hear of it and end
            log.exception("control request")
            answer = {"error": f"{type(error).__name__}: {error}"}
        with contextlib.suppress(ConnectionError):
            writer.write(json.dumps(answer).encode() + b"\n")
            await writer.drain()
        writer.close()

    async def sync(self) -> dict[str, str]:
        """Take up every router, or bring it back to what it runs; router -> what went wrong. Waits for the service."""
        await self._serving.wait()
        async with self._syncing:
            return await self._sync()

    async def _control(self, request: dict[str, Any]) -> dict[str, Any]:
        if request.get("do") == "sync":
            return {"errors": await self.sync()}
        await self._serving.wait()
        async with self._syncing:
            if request.get("do") == "drop":
                for name in request["routers"]:
                    await self._drop(str(name))
                return {"dropped": True}
            return {"error": f"unknown request {request.get('do')!r}"}

    async def _sync(self, *, finished: bool = False) -> dict[str, str]:
        """Take up every router of the lab's record (or only those that a deploy had finished); router -> what went wrong."""
        wanted = await asyncio.to_thread(self.routers, self.directory, finished=finished)
        for name in [name for name in self.machines if name not in wanted]:
            await self._drop(name)
        results = await asyncio.gather(*(self._take_up(machine) for machine in wanted.values()))
        return {name: text for name, text in zip(wanted, results, strict=True) if text is not None}

    async def _take_up(self, machine: Machine) -> str | None:
        """Boot a new router, or bring a known one back to its configuration; None or what went wrong."""
        known = self.machines.get(machine.name)
        if known is not None and known.inode == machine.inode:
            known.box.baselines = machine.box.baselines
            machine = known
        elif known is not None:
            await self._drop(machine.name)
        try:
            async with self.locks.setdefault(machine.name, asyncio.Lock()):
                self.watch.forget(machine.name)
                await asyncio.to_thread(daemons.start_missing, machine.box.directory, machine.box.namespace)
                await asyncio.to_thread(machine.start)
        except (CommitError, EngineError, kernel.KernelError, OSError) as error:
            log.error("%s: %s", machine.name, error)
            return str(error)
        new = machine.name not in self.machines
        self.machines[machine.name] = machine
        if new:
            self._watch(machine)
        await self.channel.call("router", router=machine.name, new=new, **await asyncio.to_thread(machine.describe))
        if new:
            await self._listen(machine)
        return None

    async def _drop(self, name: str) -> None:
        self.machines.pop(name, None)
        self._unwatch(name)
        await self.channel.call("gone", router=name)

    async def _listen_again(self, machine: Machine, before: Tree) -> None:
        """Take up what a commit changed in `service ssh`: other sockets, or only other options of the present ones."""
        if ssh_addresses(machine.running) != ssh_addresses(before):
            await self._listen(machine)
        elif sshoptions.options(machine.running) != sshoptions.options(before):
            await self.channel.call("ssh", router=machine.name, options=sshoptions.options(machine.running))

    async def _listen(self, machine: Machine) -> None:
        """Open the listening sockets that `service ssh` asks for inside the router, and hand them to the service."""
        sockets = []
        for address, port in ssh_addresses(machine.running):
            try:
                sockets.append(netns.listen(machine.box.namespace, address, port))
            except OSError as error:
                log.warning("%s: ssh cannot listen on %s port %s: %s", machine.name, address, port, error)
        header = json.dumps({"name": machine.name, "sockets": len(sockets), "options": sshoptions.options(machine.running)}).encode()
        socket.send_fds(self._descriptors, [header], [each.fileno() for each in sockets])
        for each in sockets:
            each.close()
        await self.channel.call("listening", router=machine.name)

    # -- what the service asks ---------------------------------------------------------

    async def answer(self, name: str, arguments: dict[str, Any], send: Send) -> Any:
        """A call of the service. Raises Refused."""
        machine = self.machines.get(str(arguments.get("router")))
        if machine is None:
            raise Refused("no such router", "gone")
        calls: dict[str, Callable[[], Awaitable[Any]]] = {
            "commit": lambda: self._commit(machine, arguments),
            "confirm": lambda: self._confirm(machine),
            "save": lambda: asyncio.to_thread(machine.save),
            "read": lambda: self._read(machine, arguments.get("what")),
            "read_file": lambda: self._file(machine.files.read, arguments.get("key")),
            "write_file": lambda: self._file(machine.write_file, arguments.get("key")),
            "log": lambda: self._log(machine, arguments.get("program")),
            "run": lambda: self._run(machine, arguments.get("program"), arguments.get("options"), send),
        }
        if name not in calls:
            raise Refused(f"unknown call {name!r}")
        return await calls[name]()

    async def _commit(self, machine: Machine, arguments: dict[str, Any]) -> Any:
        """Commit; the revision it made."""
        comment, minutes = arguments.get("comment"), arguments.get("minutes")
        try:
            tree = transport.from_data(arguments.get("tree"))
        except ValueError as error:
            raise Refused(str(error)) from None
        if minutes is not None and (type(minutes) is not int or not 1 <= minutes <= 99999):
            raise Refused(f"{minutes} is no number of minutes")
        async with self.locks[machine.name]:
            before = machine.running
            try:
                user, comment = str(arguments.get("user")), None if comment is None else str(comment)
                revision = await asyncio.to_thread(machine.commit, tree, user=user, comment=comment, minutes=minutes)
            except CommitError as error:
                raise Refused(error.text, "commit", error.section) from None
            self._watch(machine)
        await self._listen_again(machine, before)
        return history.to_data(revision)

    async def _confirm(self, machine: Machine) -> bool:
        async with self.locks[machine.name]:
            if not await asyncio.to_thread(machine.confirm):
                return False
            self._unwatch(machine.name)
            await self._tell(machine)
        return True

    def _watch(self, machine: Machine) -> None:
        """Go back in time when a commit-confirm waits."""
        if machine.pending is not None and machine.name not in self.timers:
            self.timers[machine.name] = asyncio.ensure_future(self._go_back(machine))

    def _unwatch(self, name: str) -> None:
        timer = self.timers.pop(name, None)
        if timer is not None:
            timer.cancel()

    async def _go_back(self, machine: Machine) -> None:
        while machine.pending is not None and machine.pending.left > 0:
            await asyncio.sleep(machine.pending.left)
        async with self.locks[machine.name]:
            if machine.pending is None:
                return
            before = machine.running
            # From here it is not cancelled any more: who asks to confirm waits for the lock and comes too late.
            self.timers.pop(machine.name, None)
            try:
                await asyncio.to_thread(machine.go_back)
            except CommitError as error:
                log.error("%s: commit-confirm: going back failed: %s", machine.name, error)
            await self._tell(machine)
        await self._listen_again(machine, before)

    async def _tell(self, machine: Machine) -> None:
        """The service's copy becomes what the router is."""
        await self.channel.call("router", router=machine.name, new=True, **await asyncio.to_thread(machine.describe))

    async def _read(self, machine: Machine, what: Any) -> str:
        argv = tools.READS.get(str(what))
        if argv is None:
            raise Refused(f"nothing to read under {what!r}")
        try:
            return await asyncio.to_thread(kernel.run, machine.box.namespace, *argv)
        except kernel.KernelError as error:
            raise Refused(str(error), "tool") from None

    async def _file(self, work: Callable[[str], Any], key: Any) -> Any:
        try:
            return await asyncio.to_thread(work, str(key))
        except (OSError, UnicodeDecodeError, StoreError) as error:
            raise Refused(str(error), "file") from None

    async def _log(self, machine: Machine, program: Any) -> str:
        if program not in (None, *daemons.KNOWN):
            raise Refused(f"no log of {program!r}")
        return await asyncio.to_thread(machine.log_text, program)

    async def _run(self, machine: Machine, program: Any, options: Any, send: Send) -> int:
        """Run ping, traceroute or a program of the shell, sending what it prints as it comes; the exit code. Cancelling ends the program as Control-C does."""
        if program not in (*STREAMS, "log") or not isinstance(options, dict):
            raise Refused(f"unknown program {program!r}")
        try:
            argv = [*FOLLOW, *map(str, machine.log_files())] if program == "log" else STREAMS[program](options)
        except (tools.BadOption, KeyError, TypeError) as error:
            raise Refused(str(error), "option") from None
        child = await asyncio.create_subprocess_exec(
            *netns.prefix(machine.box.namespace),
            *argv,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        assert child.stdout is not None
        try:
            async with asyncio.timeout(MAX_STREAM):
                while piece := await child.stdout.read(65536):
                    await send(piece.decode(errors="replace"))
        except asyncio.CancelledError:
            child.send_signal(signal.SIGINT)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(1):
                    await send((await child.stdout.read()).decode(errors="replace"))
            raise
        except TimeoutError:
            await send(f"{program}: ended after {MAX_STREAM:g} s\n")
        finally:
            if child.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    child.kill()
        return await child.wait()

    # -- life --------------------------------------------------------------------------

    async def run(self) -> None:
        """Answer the drop-in and the service, start again what dies, until told to end."""
        path = control_socket(self.directory)
        server = await asyncio.start_unix_server(self.control, path)
        os.chmod(path, 0o600)
        work = asyncio.gather(self._keep_service(), self.watch.run(self.machines, lambda name: self.locks.setdefault(name, asyncio.Lock())))
        for sign in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(sign, work.cancel)
        with contextlib.suppress(asyncio.CancelledError):
            await work
        log.info("ending")
        server.close()

    async def _keep_service(self) -> None:
        """Run the command line service, again when it dies; one that dies too often is left until the next deploy."""
        budget = crashes.Budget()
        while True:
            serving = await self._start_service()
            try:
                async with self._syncing:
                    self._serving.set()
                    await self._resume()
                await serving
            except Refused as error:  # it died meanwhile
                log.error("command line service: %s", error)
                await serving
            finally:
                self._serving.clear()
                serving.cancel()
            number = int((self.directory / "cli.pid").read_text().split()[0])
            why = crashes.reason(await asyncio.to_thread(process.ended, number, 1.0), self._log_file("cli"))
            pause = budget.pause(asyncio.get_running_loop().time())
            crashes.note(self.directory, "cli", why, restarts=len(budget.spent), gave_up=pause is None)
            log.error("command line service: %s", why)
            await asyncio.sleep(pause if pause is not None else float("inf"))

    async def _start_service(self) -> asyncio.Future[None]:
        calls, theirs = socket.socketpair()
        self._descriptors, their_descriptors = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        arguments = [str(self.directory), str(theirs.fileno()), str(their_descriptors.fileno())]
        argv, environment = process.python("leafspine_embedded.vyos.service", *arguments)
        descriptors = (theirs.fileno(), their_descriptors.fileno())
        process.spawn(argv, name="cli", run_dir=self.directory, env=environment, pass_fds=descriptors, log=self._log_file("cli"))
        theirs.close()
        their_descriptors.close()
        self.channel = await open_channel(calls.detach(), self.answer)
        return asyncio.ensure_future(self.channel.serve())

    def _log_file(self, name: str) -> Path:
        return logs.directory(self.directory) / f"{name}.log"

    async def _resume(self) -> None:
        """Tell a new service about the routers. A helper that has just started takes up what an earlier one left first."""
        if not self.machines:
            try:
                await self._sync(finished=True)
            except EngineError as error:  # nothing was deployed yet
                log.info("nothing to take up: %s", error)
            return
        for machine in self.machines.values():
            await self.channel.call("router", router=machine.name, new=True, **await asyncio.to_thread(machine.describe))
            await self._listen(machine)


def main() -> int:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(levelname)s %(message)s")
    logging.Formatter.converter = time.localtime
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG: it ends with its supervisor, two of one lab must never run
    asyncio.run(Helper(Path(sys.argv[1])).run())
    return 0


if __name__ == "__main__":
    sys.exit(main())
