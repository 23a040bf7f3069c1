"""Talk to a running BIRD over its control socket (what `birdc` does), and find the socket of a node.

Only the standard library and cheap imports: the calicoctl drop-in uses it too.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import socket
from pathlib import Path

_LONGEST = 100  # a Unix socket's path has at most 107 bytes
Reply = list[tuple[int, str]]


class BirdError(Exception):
    """BIRD is not there, did not answer in time, or refused; the text is BIRD's own where it spoke."""


def node_dir(cluster_dir: Path, node: str) -> Path:
    """Where a node's agent keeps bird.conf and bird.pid."""
    return cluster_dir / "calico" / node


def control_socket(directory: Path) -> Path:
    """The control socket that belongs to a node's directory. A directory with a long path has it elsewhere under the run root."""
    path = directory / "bird.ctl"
    if len(os.fsencode(path)) <= _LONGEST:
        return path
    return Path("/run/leafspine-bird") / f"{hashlib.sha256(os.fsencode(directory)).hexdigest()[:16]}.ctl"


def parse(text: str) -> Reply | None:
    """(code, text) of each line, or None while the reply is not complete. Lines that start with a blank or + carry the code before them."""
    reply: Reply = []
    for line in text.splitlines():
        if line[:4].isdigit() and line[4:5] in (" ", "-", ""):
            reply.append((int(line[:4]), line[5:]))
            if line[4:5] != "-":
                return reply
        elif line[:1] in (" ", "+") and reply:
            reply.append((reply[-1][0], line[1:]))
    return None


def check(reply: Reply, command: str) -> Reply:
    """The reply, unless BIRD refused (codes from 8000). Raises BirdError."""
    bad = [text for code, text in reply if code >= 8000]
    if bad:
        raise BirdError(f"{command}: {'; '.join(bad)}")
    return reply


def ask(path: Path, command: str, timeout: float = 2.0) -> Reply:
    """Send one command and read the whole reply. Raises BirdError; OSError when the socket cannot be reached."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(timeout)
        connection.connect(str(path))
        reply: Reply | None = []
        for text in (None, command):
            if text is not None:
                connection.sendall(f"{text}\n".encode())
            received, reply = "", None
            while reply is None:
                try:
                    part = connection.recv(65536)
                except TimeoutError:
                    raise BirdError(f"BIRD did not answer within {timeout:g} s") from None
                if not part:
                    raise BirdError("BIRD closed the connection")
                received += part.decode(errors="replace")
                reply = parse(received) if received.endswith("\n") else None
        return check(reply or [], command)


async def ask_async(path: Path, command: str, timeout: float = 5.0) -> Reply:
    """`ask` for coroutines."""
    import asyncio  # 40 ms that calicoctl does not need

    async def exchange() -> Reply:
        reader, writer = await asyncio.open_unix_connection(str(path))
        try:
            reply: Reply | None = []
            for text in (None, command):
                if text is not None:
                    writer.write(f"{text}\n".encode())
                received, reply = "", None
                while reply is None:
                    line = await reader.readline()
                    if not line:
                        raise BirdError("BIRD closed the connection")
                    received += line.decode(errors="replace")
                    reply = parse(received)
            return check(reply or [], command)
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    try:
        return await asyncio.wait_for(exchange(), timeout)
    except TimeoutError:
        raise BirdError(f"BIRD did not answer within {timeout:g} s") from None
    except OSError as error:
        raise BirdError(f"BIRD's control socket: {error}") from None
