"""node status: the BGP sessions of the node in whose network namespace the tool runs."""

from __future__ import annotations

import os
import re
from pathlib import Path

from leafspine_embedded.calico import birdctl

from .crud import Result
from .errors import CommandError
from .tables import boxed

_TYPES = {"Global": "global", "Mesh": "node-to-node mesh", "Node": "node specific"}
_NAME = re.compile(r"(Global|Node|Mesh)_(.+)")


def node_directory(run_root: Path, netns: Path = Path("/run/netns")) -> Path | None:
    """The agent's directory of the node whose namespace this process is in; None outside every node."""
    mine = os.stat("/proc/self/ns/net")
    for directory in sorted(run_root.glob("clusters/*/calico/*")):
        try:
            there = os.stat(netns / directory.name)
        except OSError:
            continue
        if (there.st_dev, there.st_ino) == (mine.st_dev, mine.st_ino):
            return directory
    return None


def peers(reply: birdctl.Reply) -> list[list[str]]:
    """Rows of the table from BIRD's `show protocols`."""
    rows = []
    for code, text in reply:
        columns = text.split()
        match = _NAME.fullmatch(columns[0]) if code == 1002 and len(columns) >= 6 and columns[1] == "BGP" else None
        if match:
            rows.append([match[2].replace("_", "."), _TYPES[match[1]], columns[3], columns[4], " ".join(columns[5:])])
    return rows


def status(run_root: Path) -> Result:
    """Raises CommandError: not root, or no calico-node in this namespace."""
    if os.geteuid() != 0:
        raise CommandError("Need super user privileges: Operation not permitted", stdout=True)
    directory = node_directory(run_root)
    try:
        if directory is None:
            raise CommandError("Calico process is not running.")
        reply = birdctl.ask(birdctl.control_socket(directory), "show protocols")
    except (OSError, birdctl.BirdError):
        raise CommandError("Calico process is not running.") from None
    rows = peers(reply)
    table = boxed(("PEER ADDRESS", "PEER TYPE", "STATE", "SINCE", "INFO"), rows) if rows else "No IPv4 peers found.\n"
    return Result(f"Calico process is running.\n\nIPv4 BGP status\n{table}\nIPv6 BGP status\nNo IPv6 peers found.\n\n")
