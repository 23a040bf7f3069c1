"""One router alone in a container of its own: what the init of images/router runs.

The container's own network namespace is the router's. containerlab adds links only after a container has started, and again after it has
repaired them: the router boots once every interface of its configuration is there, and is brought back to what it runs whenever one has come.
Needs CAP_NET_ADMIN, CAP_NET_RAW and CAP_SYS_ADMIN; not --privileged.
"""

from __future__ import annotations

import asyncio
import logging
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

from ..common import netns
from ..common.errors import EngineError
from . import daemons, kernel, transport
from .apply import Box
from .helper import Helper
from .kernel import Baseline
from .machine import Machine
from .schema import PathError
from .tree import Tree, TreeError

log = logging.getLogger("boot")
CONFIG_BOOT = Path("/opt/vyatta/etc/config/config.boot")
RUN = Path("/run/leafspine")
NAMESPACE = "router"
# As a router's: forward, take asymmetric paths, no address from outside.
SYSCTLS = {
    "net/ipv4/ip_forward": "1",
    "net/ipv6/conf/all/forwarding": "1",
    "net/ipv4/conf/all/rp_filter": "0",
    "net/ipv4/conf/default/rp_filter": "0",
    "net/ipv6/conf/all/accept_ra": "0",
    "net/ipv6/conf/default/accept_ra": "0",
}


def configured_interfaces(text: str) -> set[str]:
    """The Ethernet interfaces that a config.boot names. Raises TreeError, PathError for one that cannot be read."""
    return set(transport.typed(Tree.parse(text)).keys("interfaces", "ethernet"))


def present_interfaces() -> set[str]:
    return {path.name for path in Path("/sys/class/net").iterdir()}


def prepare(root: Path = Path("/proc/sys")) -> None:
    """Name the container's own namespace as the engine looks for it, and make its kernel a router's. Raises EngineError."""
    netns.DIRECTORY.mkdir(parents=True, exist_ok=True)
    link = netns.DIRECTORY / NAMESPACE
    link.unlink(missing_ok=True)
    link.symlink_to("/proc/self/ns/net")
    # A container that is started again has its files still: a router boots what it saved, not what it ran, and its process ids are others'.
    shutil.rmtree(RUN, ignore_errors=True)
    RUN.mkdir(mode=0o755, parents=True)
    # A container that is not privileged has /proc/sys read-only; its own namespace's part is ours to write all the same.
    subprocess.run(["mount", "-o", "remount,rw", str(root)], check=False, capture_output=True)
    for name, value in SYSCTLS.items():
        try:
            path = root / name
            if path.exists() and path.read_text().strip() != value:
                path.write_text(value)
        except OSError as error:
            raise EngineError(f"{root / name} cannot be set to {value}: {error.strerror}; the container needs the capability SYS_ADMIN") from None


def machines(_directory: Path, *, finished: bool = False) -> dict[str, Machine]:
    """The one router, as `Helper` asks for it; what its interfaces were made with is what they have now."""
    name = socket.gethostname()
    baselines = {interface: Baseline(state.mtu, state.mac) for interface, state in kernel.read(NAMESPACE).items() if state.kind == "ethernet"}
    return {name: Machine(name, netns.inode(NAMESPACE), CONFIG_BOOT, Box(name, NAMESPACE, RUN / NAMESPACE, baselines))}


class Boot:
    """Waits for links, then lets the helper start FRR and take up the router, and again whatever dies."""

    def __init__(self) -> None:
        self.directory = RUN / "cli"
        self.directory.mkdir(parents=True, exist_ok=True)
        self.helper = Helper(self.directory, machines)
        self.taken_up: set[str] = set()

    async def sync(self) -> None:
        """Take up the router, or bring it back to what it runs; what goes wrong is a line in the log, for the next link may mend it."""
        there = present_interfaces()
        if errors := await self.helper.sync():
            log.error("%s", "; ".join(errors.values()))
        else:
            self.taken_up = there
            log.info("%s: runs with %s", socket.gethostname(), ", ".join(sorted(there)))

    async def run(self) -> None:
        """Until SIGTERM."""
        wanted = configured_interfaces(CONFIG_BOOT.read_text())
        log.info("%s: waiting for %s", socket.gethostname(), ", ".join(sorted(wanted - present_interfaces())) or "nothing")
        monitor = await asyncio.create_subprocess_exec("ip", "-o", "monitor", "link", stdout=asyncio.subprocess.PIPE, stdin=asyncio.subprocess.DEVNULL)
        assert monitor.stdout is not None
        # Looked at after the monitor has started, so that no link is missed in between.
        while not wanted <= present_interfaces():
            await monitor.stdout.readline()
        await asyncio.to_thread(daemons.prepare, RUN / NAMESPACE)
        helper = asyncio.ensure_future(self.helper.run())
        await self.sync()
        events = asyncio.ensure_future(self.follow(monitor.stdout))
        await asyncio.wait({helper, events}, return_when=asyncio.FIRST_COMPLETED)
        events.cancel()
        monitor.terminate()

    async def follow(self, events: asyncio.StreamReader) -> None:
        """Bring the router back to what it runs whenever its set of interfaces has changed."""
        while await events.readline():
            if present_interfaces() != self.taken_up:
                await self.sync()


def main() -> int:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(levelname)s %(message)s")
    logging.Formatter.converter = time.localtime
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        daemons.check_installed()
        prepare()
        asyncio.run(Boot().run())
    except FileNotFoundError as error:
        log.error("%s: bind the router's configuration there", error.filename)
        return 1
    except (EngineError, TreeError) as error:
        log.error("%s", error)
        return 1
    except PathError as error:
        log.error("%s: %s", CONFIG_BOOT, " ".join(error.lines))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
