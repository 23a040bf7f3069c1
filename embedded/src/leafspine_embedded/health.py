"""`python -m leafspine_embedded.health [--lab NAME] [--cluster NAME]`: which daemons of a lab run, what died and why, as one JSON document.

Reads state directories and /proc only, changes nothing, needs root. Without arguments: every lab and cluster of this host. Document:
{"healthy": bool, "processes": [...], "crashes": [...]}; a process is {"process", "device", "owner", "state", "pid", "user", "seconds",
"log", "crashes", "last_crash"}, state one of "running", "dead" (its supervisor is about to start it) and "gave up" (it died too often;
deploying the lab again starts it). `crashes` are the entries of `common.crashes`, oldest first, at most the last twenty.
"""

from __future__ import annotations

import argparse
import json
import os
import pwd
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from .common import crashes, process, state
from .common.errors import EngineError

SHOWN = 20


def routers(lab: str) -> Iterator[dict[str, Any]]:
    """The daemons of one lab: helper, command line service, FRR of each router. Raises EngineError for a record that cannot be read."""
    from .containerlab import record
    from .vyos import daemons

    have = record.read(lab)
    home = state.lab_dir(lab)
    if have is None:
        return
    died = crashes.read(home)
    names = [name for name, built in have.nodes.items() if built.router]
    for name in ("helper", "cli") if names else ():
        yield _process(home, name, "", process.pid(home, name), died)
    for name in names:
        directory = have.router_dir(name)
        for daemon in daemons.expected(directory):
            yield _process(home, f"{name}-{daemon}", name, process.pid(directory, daemon), died)


def nodes(cluster: str) -> Iterator[dict[str, Any]]:
    """The daemons of one cluster: the server's supervisor, and BIRD of every node whose agent has started one."""
    home = state.cluster_dir(cluster)
    died = crashes.read(home)
    yield _process(home, "server", "", process.pid(home, "server"), died)
    for directory in sorted((home / "calico").glob("*")):
        if (directory / "bird.conf").exists():
            yield _process(home, f"{directory.name}-bird", directory.name, process.pid(directory, "bird"), died)


def _process(home: Path, name: str, device: str, pid: int | None, died: Sequence[dict[str, Any]]) -> dict[str, Any]:
    mine = [entry for entry in died if entry.get("process") == name]
    gave_up = pid is None and bool(mine) and bool(mine[-1].get("gave_up"))
    return {
        "process": name,
        "device": device,
        "owner": f"{home.parent.name.rstrip('s')} {home.name}",
        "state": "running" if pid is not None else "gave up" if gave_up else "dead",
        "pid": pid,
        "user": _user(pid) if pid is not None else None,
        "seconds": _age(pid) if pid is not None else None,
        "log": os.path.realpath(home / "log" / f"{name}.log"),
        "crashes": len(mine),
        "last_crash": mine[-1] if mine else None,
    }


def _user(pid: int) -> str | None:
    try:
        return pwd.getpwuid(os.stat(f"/proc/{pid}").st_uid).pw_name
    except (OSError, KeyError):
        return None


def _age(pid: int) -> float | None:
    started = process.start_time(pid)
    if started is None:
        return None
    return round(max(0.0, time.clock_gettime(time.CLOCK_BOOTTIME) - started / os.sysconf("SC_CLK_TCK")), 1)


def look(labs: Sequence[str], clusters: Sequence[str]) -> dict[str, Any]:
    """The document. Raises EngineError."""
    found = [entry for lab in labs for entry in routers(lab)] + [entry for cluster in clusters for entry in nodes(cluster)]
    homes = [state.lab_dir(lab) for lab in labs] + [state.cluster_dir(cluster) for cluster in clusters]
    died = sorted((entry for home in homes for entry in crashes.read(home)), key=lambda entry: str(entry.get("time")))
    return {"healthy": all(entry["state"] == "running" for entry in found), "processes": found, "crashes": died[-SHOWN:]}


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="health", description="which daemons of a lab run, what died and why, as JSON")
    parser.add_argument("--lab", action="append", help="a lab of containerlab's; may be repeated")
    parser.add_argument("--cluster", action="append", help="a cluster of kind's; may be repeated")
    given = parser.parse_args(arguments)
    every = given.lab is None and given.cluster is None
    labs = state.list_labs() if every else given.lab or []
    clusters = state.list_clusters() if every else given.cluster or []
    try:
        print(json.dumps(look(labs, clusters), indent=1))
    except EngineError as error:
        print(f"ERROR: {error}", file=sys.stderr)
        return 1
    except PermissionError as error:
        print(f"ERROR: {error}; this needs root", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
