"""Talking to a lab's root helper over its control socket: one JSON line each way. Used by the containerlab drop-in."""

from __future__ import annotations

import json
import socket
import time
from pathlib import Path
from typing import Any

from ..common import logs, process, supervisor
from ..common.errors import EngineError

NAME = "helper"


def control_socket(directory: Path) -> Path:
    """The helper's socket of a lab directory (mode 0600, root)."""
    return directory / "control.sock"


def start(directory: Path) -> None:
    """Start a lab's helper below its supervisor; it starts the command line service; returns at once. Left-overs of a dead one go first."""
    process.kill(process.strays(directory, NAME) + process.strays(directory, "cli"), 1.0)
    control_socket(directory).unlink(missing_ok=True)
    argv, environment = process.python("leafspine_embedded.vyos.helper", str(directory))
    supervisor.start(argv, name=NAME, home=directory, env=environment)


def stop(directory: Path) -> None:
    """End helper and service."""
    process.kill(sorted({*process.strays(directory, NAME), *process.strays(directory, "cli")}), 1.0)
    control_socket(directory).unlink(missing_ok=True)


def request(directory: Path, message: dict[str, Any], timeout: float = 60.0) -> dict[str, Any]:
    """Send one request and return the answer; waits for the helper to come up. Raises EngineError (no helper, no answer, an error)."""
    deadline = time.monotonic() + timeout
    with socket.socket(socket.AF_UNIX) as connection:
        while True:
            try:
                connection.connect(str(control_socket(directory)))
                break
            except (FileNotFoundError, ConnectionRefusedError):
                if not process.alive(directory, NAME) or time.monotonic() > deadline:
                    raise EngineError(f"the command line service did not start: {_log(directory)}") from None
                time.sleep(0.005)
        connection.settimeout(max(0.1, deadline - time.monotonic()))
        try:
            connection.sendall(json.dumps(message).encode() + b"\n")
            with connection.makefile("rb") as stream:
                answer = json.loads(stream.readline() or b'{"error": "it closed the connection"}')
        except (TimeoutError, OSError, ValueError) as error:
            raise EngineError(f"the command line service did not answer: {error}") from None
    if "error" in answer:
        raise EngineError(f"command line service: {answer['error']}")
    return dict(answer)


def _log(directory: Path) -> str:
    texts = []
    for name in (NAME, "cli"):
        texts += logs.tail(directory / "log" / f"{name}.log", 3)
    return " / ".join(texts) or "its log is empty"
