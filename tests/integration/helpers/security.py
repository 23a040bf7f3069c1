"""What a lab offers to the network and to other users of its host: listeners, secrets, and what is sent to it by somebody who means no good."""

from __future__ import annotations

import contextlib
import os
import random
import re
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.leafspine.calico.tests.integration.helpers.lab import Lab

_LISTENER = re.compile(r"LISTEN\s+\d+\s+\d+\s+(\S+):(\d+)\s+\S+\s+users:\(\(\"([^\"]+)\",pid=(\d+)")


@dataclass(frozen=True)
class Listener:
    """A TCP socket that waits for connections: where, whose."""

    place: str
    address: str
    port: int
    program: str
    user: int


def listeners(place: str = "") -> set[Listener]:
    """Of a network namespace, or of the host's own."""
    command = ["ss", "-H", "-ltnp"] if not place else ["ip", "netns", "exec", place, "ss", "-H", "-ltnp"]
    found = set()
    for line in subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines():
        match = _LISTENER.search(line)
        if match:
            address, port, program, pid = match.groups()
            with contextlib.suppress(OSError):
                found.add(Listener(place, address.strip("[]").split("%")[0], int(port), program, os.stat(f"/proc/{pid}").st_uid))
    return found


def secrets(lab: Lab) -> dict[str, bytes]:
    """Everything of a lab that nobody else may know, by name: generated passwords, private keys (a line of each)."""
    found = {path.name: path.read_bytes().strip() for path in (lab.directory / "secrets").iterdir()}
    keys = [*Path(f"/run/leafspine/clusters/{lab.name}/pki").glob("*.key"), *Path(f"/run/leafspine/labs/{lab.name}").glob("ssh_host_ed25519_key")]
    for path in keys:
        lines = [line for line in path.read_bytes().splitlines() if line and not line.startswith(b"-----")]
        found[path.name] = lines[1 if len(lines) > 1 else 0][:60]
    return {name: value for name, value in found.items() if len(value) >= 12}


def in_processes(wanted: dict[str, bytes]) -> list[str]:
    """Secrets that stand in an argument list."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            text = path.read_bytes()
            found += [f"{name} in {text[:80]!r}" for name, value in wanted.items() if value in text]
    return found


def files_below(*folders: str) -> Iterator[Path]:
    """Regular files, not beyond mounts and links."""
    for folder in folders:
        for root, names, files in os.walk(folder):
            names[:] = [name for name in names if not os.path.ismount(os.path.join(root, name))]
            for name in files:
                path = Path(root, name)
                if path.is_file() and not path.is_symlink():
                    yield path


def readable_by_others(path: Path) -> bool:
    """Whether any user may read the file: its own mode, and passing every folder above it."""
    return bool(path.stat().st_mode & 0o004) and all(folder.stat().st_mode & 0o001 for folder in path.parents)


def in_files(wanted: dict[str, bytes], *folders: str, logs: bool = False) -> list[str]:
    """Secrets in files that others may read, or (logs) in any log."""
    found = []
    for path in files_below(*folders):
        with contextlib.suppress(OSError):
            if (path.suffix == ".log") if logs else readable_by_others(path):
                text = path.read_bytes()
                found += [f"{name} in {path}" for name, value in wanted.items() if value in text]
    return found


def garbage(chance: random.Random) -> bytes:
    """What a client could send instead of the protocol: noise, halves, far too much."""
    noise = chance.randbytes(chance.choice([1, 7, 100, 5000]))
    return chance.choice(
        [
            noise,
            b"SSH-2.0-x\r\n" + noise,
            b"SSH-1.5-old\r\n",
            b"SSH-2.0-" + b"A" * 300 + b"\r\n",
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + noise,
            b"GET / HTTP/1.1\r\n\r\n",
            b"GET " + b"/" * 20000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
            b"POST /api HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\nx",
            b"\0" * 70000,
            b"",
        ]
    )


def throw(address: str, port: int, data: bytes, *, tls: bool = False) -> None:
    """Send it and go away, at once or after the first answer."""
    with contextlib.suppress(OSError), socket.create_connection((address, port), timeout=5) as plain:
        plain.settimeout(0.3)
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            with context.wrap_socket(plain) as secure:
                secure.sendall(data)
                with contextlib.suppress(OSError):
                    secure.recv(4096)
        else:
            plain.sendall(data)
            with contextlib.suppress(OSError):
                plain.recv(4096)


def guess(address: str, tries: int) -> int:
    """Logins with wrong passwords; how many were let in."""
    program = f"""
import asyncio, asyncssh
async def one(number):
    try:
        async with asyncssh.connect({address!r}, username="vyos", password=f"wrong{{number}}", known_hosts=None, client_keys=None, config=None):
            return 1
    except (asyncssh.Error, OSError):
        return 0
async def main():
    print(sum(await asyncio.gather(*[one(number) for number in range({tries})])))
asyncio.run(main())
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=300)
    return int(done.stdout)


def resident(pid: int) -> int:
    """Memory of a process, in kB."""
    match = re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())
    return int(match[1]) if match else 0
