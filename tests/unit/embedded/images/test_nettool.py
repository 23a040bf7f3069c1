"""The demo server: what it answers, as a function and as a process."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from leafspine_embedded.images import nettool

WHO = nettool.Identity("app-br5cc", "10.244.226.192", "worker")


def ask(head: bytes) -> tuple[int, bytes, bytes]:
    reply = nettool.answer(head, WHO, "10.1.5.1", 4242)
    top, _, body = reply.partition(b"\r\n\r\n")
    return int(top.split(b" ")[1]), top, body


def test_the_answer_is_the_reference_lab_s() -> None:
    assert ask(b"GET / HTTP/1.1\r\nHost: x")[2] == b"PodName: app-br5cc | PodIP: 10.244.226.192\n"


def test_it_tells_whom_it_sees() -> None:
    assert ask(b"GET /client HTTP/1.1")[2] == b"Client: 10.1.5.1 | Port: 4242\n"
    assert json.loads(ask(b"GET /json?x=1 HTTP/1.1")[2]) == {"pod": "app-br5cc", "ip": "10.244.226.192", "node": "worker", "client": "10.1.5.1", "port": 4242}
    assert b"\r\nX-Client: 10.1.5.1\r\n" in ask(b"GET / HTTP/1.1")[1] + b"\r\n"


@pytest.mark.parametrize(
    ("head", "status"),
    [(b"GET /nothing HTTP/1.1", 404), (b"POST / HTTP/1.1", 405), (b"rubbish", 400), (b"GET / SPDY/1", 400), (b"", 400), (b"GET /healthz HTTP/1.0", 200)],
)
def test_other_requests_get_their_status(head: bytes, status: int) -> None:
    assert ask(head)[0] == status


def test_head_has_the_length_and_no_body() -> None:
    status, top, body = ask(b"HEAD / HTTP/1.1")
    assert (status, body) == (200, b"") and b"Content-Length: 43" in top


@pytest.fixture
def server() -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {"NETTOOL_NODE_NAME": "n1", "NETTOOL_POD_IP": "10.131.0.9"}
    program = [sys.executable, "-I", "-S", str(Path(nettool.__file__)), "--port", str(port)]
    with subprocess.Popen(program, env=environment, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        child.stdout.readline()
        yield child, port
        child.kill()


def fetch(port: int, request: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", port), 3) as client:
        client.sendall(request)
        reply = b""
        while data := client.recv(4096):
            reply += data
        return reply


def test_as_a_process_it_serves_many_at_once_and_ends_when_told(server: tuple[subprocess.Popen[bytes], int]) -> None:
    child, port = server
    slow = [socket.create_connection(("127.0.0.1", port), 3) for _ in range(20)]
    assert b"PodIP: 10.131.0.9" in fetch(port, b"GET / HTTP/1.1\r\n\r\n")
    slow[0].sendall(b"GET /json HTTP/1.1\r\n")
    slow[0].sendall(b"\r\n")
    assert b'"node": "n1"' in slow[0].recv(4096)
    assert fetch(port, b"X" * 9000).startswith(b"HTTP/1.1 431")
    for client in slow:
        client.close()
    child.send_signal(signal.SIGTERM)
    assert child.wait(3) == 0


def test_udp_answers_too(server: tuple[subprocess.Popen[bytes], int]) -> None:
    _child, port = server
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(3)
        client.sendto(b"x", ("127.0.0.1", port))
        assert json.loads(client.recv(999))["client"] == "127.0.0.1"


def test_it_is_small_and_not_root(server: tuple[subprocess.Popen[bytes], int]) -> None:
    child, port = server
    fetch(port, b"GET / HTTP/1.1\r\n\r\n")
    time.sleep(0.05)
    status = dict(line.split(":", 1) for line in Path(f"/proc/{child.pid}/status").read_text().splitlines())
    assert int(status["VmRSS"].split()[0]) < 13_000
    if os.getuid() == 0:
        assert status["Uid"].split()[1] == "65534"


def test_a_wrong_command_line_is_refused() -> None:
    done = subprocess.run([sys.executable, "-I", "-S", str(Path(nettool.__file__)), "--port", "x"], capture_output=True, check=False, timeout=5)
    assert done.returncode == 2 and b"usage" in done.stderr
