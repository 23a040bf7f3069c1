"""The FRR daemons of one router: start them in its namespace, wait until they answer, know which are missing.

Each router has its own directory: <router>/frr holds the vty and zserv sockets (owner frr, group frrvty), <router>/<daemon>.pid
is the supervisor's view; logs are the lab's (`common.logs`). The configuration files are nearly empty: everything else comes through the
vty sockets by commits.
"""

from __future__ import annotations

import shutil
import socket
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

from ..common import logs, process
from ..common.errors import EngineError
from ..common.state import ensure_dir, write_atomic

PROGRAMS = Path("/usr/lib/frr")
# Each daemon keeps its last log lines in <daemon>.<process id> here, for the case that it crashes.
LAST_LOGS = Path("/var/tmp/frr")
# Every daemon that was ever started has a pid file, and is then expected to run: staticd and bfdd only on routers whose configuration
# asked for them (7 MB each, and half of the start-up time).
KNOWN = ("zebra", "mgmtd", "bgpd", "staticd", "bfdd")
START_TIMEOUT = 20.0


def base() -> tuple[str, ...]:
    """The daemons every router runs. FRR 10 moved static routes' configuration into mgmtd, which exists from FRR 9 on."""
    return ("zebra", "mgmtd", "bgpd") if (PROGRAMS / "mgmtd").exists() else ("zebra", "bgpd")


def check_installed() -> None:
    """Raises EngineError when FRR is not there."""
    absent = [name for name in base() if not (PROGRAMS / name).exists()]
    if absent:
        raise EngineError(f"FRR is not installed: {', '.join(str(PROGRAMS / name) for name in absent)} missing (Debian package frr)")


def socket_dir(router: Path) -> Path:
    """Directory of the router's vty sockets."""
    return router / "frr"


def expected(router: Path) -> list[str]:
    """Daemons that should run: the base ones and those that were started."""
    return [name for name in KNOWN if name in base() or (router / f"{name}.pid").exists()]


def missing(router: Path) -> list[str]:
    """Daemons that should run and do not."""
    return [name for name in expected(router) if not process.alive(router, name)]


def prepare(router: Path) -> None:
    """Make the router's directories with the owners FRR's privilege drop needs."""
    ensure_dir(router)
    sockets = socket_dir(router)
    sockets.mkdir(exist_ok=True)
    shutil.chown(sockets, "frr", "frrvty")
    sockets.chmod(0o750)
    for name in KNOWN:
        # Kernel nexthop objects: FRR 8.4 loses ECMP next hops with them after a link flap.
        text = "no zebra nexthop kernel enable\n" if name == "zebra" else ""
        write_atomic(sockets / f"{name}.conf", text, mode=0o640)
        shutil.chown(sockets / f"{name}.conf", "frr", "frr")
    write_atomic(sockets / "vtysh.conf", "", mode=0o640)  # the machine's own is not for the command line's user
    shutil.chown(sockets / "vtysh.conf", "frr", "frrvty")


def _arguments(router: Path, name: str) -> list[str]:
    sockets = socket_dir(router)
    return [
        str(PROGRAMS / name),
        *("-f", str(sockets / f"{name}.conf"), "-i", str(sockets / f"{name}.pid"), "-z", str(sockets / "zserv.api")),
        *("--vty_socket", str(sockets), "-A", "127.0.0.1", "-P", "0"),
        # Without this every bfdd of the machine would take the same path from the one before.
        *(("--bfdctl", str(sockets / "bfdd.sock")) if name == "bfdd" else ()),
        *("--log", "stdout", "--log-level", "informational", "--limit-fds", "1024"),
    ]


def start(router: Path, netns: str, names: Iterable[str]) -> None:
    """Start the daemons (not waiting for them). A socket left by a dead one is removed first, so that waiting sees the new one."""
    for name in names:
        for left in (f"{name}.vty", f"{name}.pid", *(("zserv.api",) if name == "zebra" else ())):
            (socket_dir(router) / left).unlink(missing_ok=True)
        # bfdd must answer within milliseconds however busy the machine is: a router's own hardware would. A refused priority is only a warning.
        first = ["nice", "-n", "-20"] if name == "bfdd" else []
        # One malloc arena per process: bgpd's threads would otherwise each reserve their own.
        process.spawn([*first, *_arguments(router, name)], name=name, run_dir=router, netns=netns, env={"MALLOC_ARENA_MAX": "1"}, log=log_file(router, name))


def answers(path: Path) -> bool:
    """True when somebody accepts connections on the socket."""
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(path))
        except OSError:
            return False
    return True


def wait(routers: Sequence[Path], names: Iterable[str], timeout: float = START_TIMEOUT) -> None:
    """Wait until every daemon accepts commands; zebra also clients. Raises EngineError with the end of the log of one that does not."""
    waiting = {(router, name, file) for router in routers for name in names for file in _sockets(name)}
    deadline = time.monotonic() + timeout
    while True:
        waiting = {entry for entry in waiting if not answers(socket_dir(entry[0]) / entry[2])}
        if not waiting:
            return
        for router, name, _ in waiting:
            if not process.alive(router, name) or time.monotonic() > deadline:
                raise EngineError(f"{name} of {router.name} did not start: {_log(router, name)}")
        time.sleep(0.003)


def _sockets(name: str) -> list[str]:
    return [f"{name}.vty", "zserv.api"] if name == "zebra" else [f"{name}.vty"]


def log_file(router: Path, name: str) -> Path:
    """Log of a daemon, in the folder of the lab that the router's directory (<lab>/routers/<router>) belongs to."""
    return logs.directory(router.parent.parent) / f"{router.name}-{name}.log"


def forget_logs(router: Path) -> None:
    """Remove the logs of a router that is no more, older ones as well."""
    for name in KNOWN:
        newest = log_file(router, name)
        for path in (newest, *newest.parent.glob(f"{newest.stem}.*.log")):
            path.unlink(missing_ok=True)


def _log(router: Path, name: str) -> str:
    return " / ".join(logs.tail(log_file(router, name), 3)) or "it says nothing"


def start_missing(router: Path, netns: str, names: Sequence[str] | None = None) -> list[str]:
    """Start what should run and does not (or the given names), and wait until it answers; returns what was started.

    Without zebra the others have lost their routes and their connection: then all start again. Raises EngineError.
    """
    lost = list(missing(router) if names is None else names)
    if "zebra" in lost:
        lost = expected(router)
        stop(router)
    if lost:
        prepare(router)
        start_all([(router, netns, lost)])
    return lost


def start_all(routers: Sequence[tuple[Path, str, Sequence[str]]]) -> None:
    """Start daemons of several routers at once: (directory, namespace, names). zebra goes first, the others connect to it at once
    (a client that finds no zebra tries again only after ten seconds)."""
    first = [(router, netns) for router, netns, names in routers if "zebra" in names]
    for router, netns in first:
        start(router, netns, ["zebra"])
    wait([router for router, _ in first], ["zebra"])
    rest = [(router, netns, [name for name in KNOWN if name in names and name != "zebra"]) for router, netns, names in routers]
    for router, netns, names in rest:
        start(router, netns, names)
    for router, _, names in rest:
        wait([router], names)


def stop(router: Path, names: Iterable[str] | None = None, timeout: float = 3.0) -> None:
    """End the router's daemons (all, or the named ones) at once, not one after the other."""
    chosen = [name for name in KNOWN if names is None or name in names]
    process.kill([number for name in chosen if (number := process.pid(router, name)) is not None], timeout)
    for name in chosen:
        for path in (router / f"{name}.pid", socket_dir(router) / f"{name}.vty"):
            path.unlink(missing_ok=True)


def remove_logs(numbers: Iterable[int]) -> None:
    """Remove the last log lines of daemons that were killed (one that ends by itself removes its own)."""
    for number in numbers:
        for path in LAST_LOGS.glob(f"*.{number}"):
            shutil.rmtree(path, ignore_errors=True)
