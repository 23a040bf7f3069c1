"""A cluster's server process, below its supervisor (`common.supervisor`)."""

from __future__ import annotations

import sys
from pathlib import Path

from leafspine_embedded.common import process, supervisor

NAME = "server"
STOP_SECONDS = 4.0
_MODULE = "leafspine_embedded.kube.server"


def start(directory: Path) -> int:
    """Start the supervised server of a cluster directory; returns the supervisor's process id."""
    # One allocator arena and an early return of freed memory: the process is one thread with many short-lived objects.
    environment = {"PYTHONPATH": str(Path(__file__).resolve().parents[2]), "MALLOC_ARENA_MAX": "1", "MALLOC_TRIM_THRESHOLD_": "131072"}
    return supervisor.start([sys.executable, "-m", _MODULE, str(directory)], name=NAME, home=directory, env=environment)


def orphans(directory: Path) -> list[int]:
    """Servers of the cluster whose supervisor is gone."""
    return supervisor.below(directory, NAME, _MODULE)


def alive(directory: Path) -> bool:
    return process.alive(directory, NAME)


def stop(directory: Path) -> None:
    """End server and supervisor."""
    supervisor.stop(directory, NAME, STOP_SECONDS)
