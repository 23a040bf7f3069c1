"""Sends a UDP packet every millisecond from one network namespace to another and counts those that do not come back.

Run by itself: ``probe.py serve ADDRESS PORT`` echoes; ``probe.py send ADDRESS PORT`` sends until its standard input ends, then prints
``{"sent": packets, "lost": packets, "longest_silence_ms": ...}``.
"""

from __future__ import annotations

import json
import select
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

INTERVAL = 0.001
# A packet that is not back after this many seconds is lost.
PATIENCE = 2.0


def open_socket() -> socket.socket:
    """Buffers that hold seconds of packets: a process that has to wait for a processor must not look like a loss in the fabric."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    for option in (33, 32):  # SO_RCVBUFFORCE, SO_SNDBUFFORCE of socket(7)
        sock.setsockopt(socket.SOL_SOCKET, option, 16 << 20)
    return sock


def serve(address: str, port: int) -> None:
    sock = open_socket()
    sock.bind((address, port))
    print("ready", flush=True)
    while True:
        data, sender = sock.recvfrom(64)
        sock.sendto(data, sender)


def send(address: str, port: int) -> dict[str, float]:
    sock = open_socket()
    sock.connect((address, port))
    sock.setblocking(False)
    outstanding: set[int] = set()
    sent, silence, last = 0, 0.0, time.monotonic()
    end = float("inf")
    due = last
    while time.monotonic() < end and (end == float("inf") or outstanding):
        now = time.monotonic()
        if end == float("inf") and now >= due:
            with suppress(OSError):  # unreachable: counts as lost
                sock.send(struct.pack("!Q", sent))
            outstanding.add(sent)
            sent += 1
            due = max(due + INTERVAL, now - 0.05)
        readable, _, _ = select.select([sock, *([sys.stdin] if end == float("inf") else [])], [], [], max(0.0, min(due - time.monotonic(), INTERVAL)))
        if sock in readable:
            try:
                number = struct.unpack("!Q", sock.recv(64))[0]
            except OSError:
                continue
            outstanding.discard(number)
            silence, last = max(silence, time.monotonic() - last), time.monotonic()
        if sys.stdin in readable:
            end = time.monotonic() + PATIENCE
    return {"sent": sent, "lost": len(outstanding), "longest_silence_ms": round(silence * 1000, 1)}


@contextmanager
def probing(source: str, target: str, address: str, port: int = 7007) -> Iterator[dict[str, float]]:
    """Probes from namespace ``source`` to ``address`` in namespace ``target``; the result is in the dictionary after the block."""
    result: dict[str, float] = {}
    inside = ["ip", "netns", "exec"]
    server = subprocess.Popen([*inside, target, sys.executable, __file__, "serve", address, str(port)], stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        assert server.stdout.readline() == "ready\n"
        client = subprocess.Popen(
            [*inside, source, sys.executable, __file__, "send", address, str(port)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        try:
            time.sleep(1)
            yield result
            time.sleep(0.5)
        finally:
            out, _ = client.communicate("", timeout=30)
        result.update(json.loads(out))
    finally:
        server.kill()
        server.wait()


if __name__ == "__main__":
    verb, where, number = sys.argv[1:]
    if verb == "serve":
        serve(where, int(number))
    else:
        print(json.dumps(send(where, int(number))))
