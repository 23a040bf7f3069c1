"""The demo image's server: HTTP and UDP on one port, answers who it is and whom it sees.

GET /         `PodName: app-br5cc | PodIP: 10.244.226.192`
GET /client   `Client: 10.1.5.1 | Port: 40312`           the address this side sees, after every NAT on the way
GET /json     {"pod": ..., "ip": ..., "node": ..., "client": ..., "port": ...}
GET /healthz  `ok`
Every answer carries X-Pod, X-Node and X-Client. A UDP datagram is answered with the text of `/json`.

Runs alone (`python3 -I -S nettool.py [--port 80]`), standard library only, one process and no threads, so that a pod costs about 9 MB;
the same file is the server of the container image. Only `_socket` and `select` are imported: `socket` alone would add a megabyte.
As root it binds, then becomes nobody.
"""

import _socket  # type: ignore[import-not-found,unused-ignore]
import os
import select
import signal
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

NOBODY = 65534
HEAD_LIMIT = 8192  # bytes of a request head
CONNECTIONS = 256
IDLE_MS = 10_000
REASONS = {200: "OK", 400: "Bad Request", 404: "Not Found", 405: "Method Not Allowed", 431: "Request Header Fields Too Large"}


def own_address() -> str:
    """The address other hosts see by default: NETTOOL_POD_IP, else the source address of the default route; connecting UDP sends nothing."""
    given = os.environ.get("NETTOOL_POD_IP", "")
    if given:
        return given
    probe = _socket.socket(_socket.AF_INET, _socket.SOCK_DGRAM)
    try:
        probe.connect(("192.0.2.1", 9))
        return str(probe.getsockname()[0])
    except OSError:
        return "0.0.0.0"
    finally:
        probe.close()


class Identity:
    """Who answers: pod name (the host name), its address, its node (NETTOOL_NODE_NAME)."""

    def __init__(self, pod: str, address: str, node: str) -> None:
        self.pod, self.address, self.node = pod, address, node

    def line(self) -> str:
        return f"PodName: {self.pod} | PodIP: {self.address}\n"

    def json(self, client: str, port: int) -> str:
        return f'{{"pod": "{self.pod}", "ip": "{self.address}", "node": "{self.node}", "client": "{client}", "port": {port}}}\n'


def answer(head: bytes, who: Identity, client: str, port: int) -> bytes:
    """The whole response to a request head (everything before the empty line)."""
    status, body, kind = route(head, who, client, port)
    payload = body.encode()
    lines = [
        f"HTTP/1.1 {status} {REASONS[status]}",
        "Server: nettool",
        f"Content-Type: {kind}",
        f"Content-Length: {len(payload)}",
        f"X-Pod: {who.pod}",
        f"X-Node: {who.node}",
        f"X-Client: {client}",
        "Connection: close",
        "",
        "",
    ]
    return "\r\n".join(lines).encode() + (b"" if head.startswith(b"HEAD ") else payload)


def route(head: bytes, who: Identity, client: str, port: int) -> "tuple[int, str, str]":
    """(status, body, content type) for a request head."""
    words = head.split(b"\r\n", 1)[0].split(b" ")
    text = "text/plain"
    if len(words) != 3 or not words[2].startswith(b"HTTP/1."):
        return 400, "bad request\n", text
    if words[0] not in (b"GET", b"HEAD"):
        return 405, "only GET and HEAD\n", text
    path = words[1].split(b"?", 1)[0]
    if path == b"/":
        return 200, who.line(), text
    if path == b"/client":
        return 200, f"Client: {client} | Port: {port}\n", text
    if path == b"/json":
        return 200, who.json(client, port), "application/json"
    if path == b"/healthz":
        return 200, "ok\n", text
    return 404, "not found\n", text


class Connection:
    """One client: the head is collected, answered, and the connection closed."""

    def __init__(self, number: int, client: str, port: int) -> None:
        self.number, self.client, self.port = number, client, port
        self.head = b""
        self.out = b""


class Server:
    """A poll loop over the listening sockets and at most CONNECTIONS clients; the oldest goes when more come."""

    def __init__(self, port: int, who: Identity, log: "Callable[[str], object]") -> None:
        self.who, self.log = who, log
        self.tcp = _socket.socket(_socket.AF_INET, _socket.SOCK_STREAM)
        self.tcp.setsockopt(_socket.SOL_SOCKET, _socket.SO_REUSEADDR, 1)
        self.tcp.bind(("0.0.0.0", port))
        self.tcp.listen(128)
        self.udp = _socket.socket(_socket.AF_INET, _socket.SOCK_DGRAM)
        self.udp.bind(("0.0.0.0", self.tcp.getsockname()[1]))
        self.port = self.tcp.getsockname()[1]
        self.poll = select.poll()
        for listening in (self.tcp, self.udp):
            listening.setblocking(False)
            self.poll.register(listening.fileno(), select.POLLIN)
        self.clients: dict[int, Connection] = {}

    def run(self) -> None:
        while True:
            self.step(IDLE_MS)

    def step(self, timeout_ms: int) -> None:
        """Handle what is ready; when nothing happened for the whole timeout, waiting clients are dropped."""
        ready = self.poll.poll(timeout_ms)
        if not ready:
            for number in list(self.clients):
                self.close(number)
        for number, _events in ready:
            if number == self.tcp.fileno():
                self.accept()
            elif number == self.udp.fileno():
                self.datagram()
            elif number in self.clients:
                try:
                    self.serve(self.clients[number])
                except OSError:
                    self.close(number)

    def accept(self) -> None:
        try:
            number, address = self.tcp._accept()  # type: ignore[attr-defined]
        except OSError:
            return
        os.set_blocking(number, False)
        if len(self.clients) >= CONNECTIONS:
            self.close(next(iter(self.clients)))
        self.clients[number] = Connection(number, address[0], address[1])
        self.poll.register(number, select.POLLIN)

    def datagram(self) -> None:
        try:
            _data, address = self.udp.recvfrom(2048)
            self.udp.sendto(self.who.json(address[0], address[1]).encode(), address)
        except OSError:
            return

    def serve(self, client: Connection) -> None:
        if client.out:
            client.out = client.out[os.write(client.number, client.out) :]
        else:
            data = os.read(client.number, 4096)
            if not data:
                self.close(client.number)
                return
            client.head += data
            if b"\r\n\r\n" in client.head:
                head = client.head.split(b"\r\n\r\n", 1)[0]
                self.log(f"{client.client} {head.split(chr(13).encode(), 1)[0].decode('latin-1')!r}")
                client.out = answer(head, self.who, client.client, client.port)
            elif len(client.head) > HEAD_LIMIT:
                client.out = b"HTTP/1.1 431 " + REASONS[431].encode() + b"\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
            else:
                return
            client.out = client.out[os.write(client.number, client.out) :]
        if client.out:
            self.poll.modify(client.number, select.POLLOUT)
        else:
            self.close(client.number)

    def close(self, number: int) -> None:
        self.poll.unregister(number)
        del self.clients[number]
        os.close(number)


def become_nobody() -> None:
    """Give up root once the port is bound."""
    if os.getuid() == 0:
        os.setgroups([])
        os.setgid(NOBODY)
        os.setuid(NOBODY)


def stop(_signal: int, _frame: object) -> None:
    """As process 1 of its namespace nothing but an own handler makes SIGTERM end it."""
    os._exit(0)


def main(arguments: "list[str]") -> int:
    port = 80
    if arguments[:1] == ["--port"] and len(arguments) == 2 and arguments[1].isdigit():
        port = int(arguments[1])
    elif arguments:
        sys.stderr.write("usage: nettool.py [--port NUMBER]\n")
        return 2
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    # Process 1 inherits what others leave behind; ignoring its children has the kernel collect them.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    who = Identity(os.uname().nodename, own_address(), os.environ.get("NETTOOL_NODE_NAME", ""))

    def log(text: str) -> None:
        os.write(1, (text + "\n").encode())

    try:
        server = Server(port, who, log)
    except OSError as error:
        sys.stderr.write(f"nettool: cannot listen on port {port}: {error}\n")
        return 1
    become_nobody()
    log(f"nettool: {who.pod} {who.address} listens on port {port}")
    server.run()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
