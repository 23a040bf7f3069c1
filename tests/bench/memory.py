"""Memory of a running lab's processes, from the kernel's own accounts. Needs root for other users' processes.

Run by itself it prints ``[{"process": ..., "pid": ..., "pss_mb": ..., "rss_mb": ...}]``: ``memory.py LAB CLUSTER``.
"""

from __future__ import annotations

import json
import os
import re
import sys
from pathlib import Path
from typing import Any


def read(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""  # the process ended meanwhile


def command_of(pid: int) -> list[str]:
    return [word for word in read(Path(f"/proc/{pid}/cmdline")).split("\0") if word]


def parent_of(pid: int) -> int:
    fields = read(Path(f"/proc/{pid}/stat")).rpartition(")")[2].split()
    return int(fields[1]) if fields else 0


def namespace_of(pid: int) -> int:
    try:
        return os.stat(f"/proc/{pid}/ns/net").st_ino
    except OSError:
        return 0


def lab_namespaces(lab: str, cluster: str) -> set[int]:
    """Inodes of the network namespaces of the lab's routers and nodes."""
    folder = Path("/run/netns")
    names = folder.iterdir() if folder.is_dir() else []
    return {path.stat().st_ino for path in names if re.fullmatch(rf"(clab-{re.escape(lab)}|{re.escape(cluster)})-.+", path.name)}


def processes(lab: str, cluster: str) -> list[int]:
    """Processes that have the lab's or the cluster's folder in their command line or are in one of its namespaces, and all that they started."""
    mark = re.compile(rf"/(labs/{re.escape(lab)}|clusters/{re.escape(cluster)})(/|$)")
    pids = [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit() and int(path.name) != os.getpid()]
    inside = lab_namespaces(lab, cluster)
    found = {pid for pid in pids if any(mark.search(word) for word in command_of(pid)) or namespace_of(pid) in inside}
    parents = {pid: parent_of(pid) for pid in pids}
    while more := {pid for pid, parent in parents.items() if parent in found} - found:
        found |= more
    return sorted(pid for pid in found if command_of(pid))


def name_of(command: list[str]) -> str:
    """A short name: the module or script that an interpreter runs, else the program."""
    program = Path(command[0]).name
    if "-m" in command[:4]:
        return command[command.index("-m") + 1]
    if program.startswith("python"):
        script = next((word for word in command[1:] if not word.startswith("-")), "")
        return f"{program} {Path(script).name}".strip()
    return program


def usage(pid: int) -> dict[str, Any]:
    """PSS (shared pages divided among their users) and RSS in MB (10^6 bytes)."""
    rollup = dict(re.findall(r"^(Pss|Rss):\s+(\d+) kB", read(Path(f"/proc/{pid}/smaps_rollup")), re.MULTILINE))
    command = command_of(pid)
    return {
        "process": name_of(command) if command else "?",
        "pid": pid,
        "pss_mb": int(rollup.get("Pss", 0)) * 1024 / 1e6,
        "rss_mb": int(rollup.get("Rss", 0)) * 1024 / 1e6,
    }


if __name__ == "__main__":
    print(json.dumps([usage(pid) for pid in processes(*sys.argv[1:3])]))
