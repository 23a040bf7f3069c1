# Copyright: (c) The leafspine.calico authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One end of flows that are measured: a program for a pod, with Python's standard library only.

``python3 -I -S -c PROGRAM run FOLDER JSON`` starts it detached and ends once every flow has been heard from both sides; ``collect FOLDER``
ends it and prints its result. Both ends send a numbered, time-stamped record per flow and tick, each by its own clock, so the two
directions are measured independently. What arrives is judged where it arrives: a record carries the time at which it was sent, so a
receiver that is late does not look like a network that is slow.

Records are ``number, flow, kind, time`` (network order: u32, u16, u16, f64). Kinds: HELLO until the other end was heard, DATA, and at the
end END, whose number is how many DATA records there were. UDP sockets are not connected: see ``flows`` on how Linux hashes those.
Configuration: {"end": "client" | "server", "interval": seconds, "seconds": at most, "flows": [{"id", "protocol", "port": the client's,
"server_port", "address": the other end's}]}.
"""

from __future__ import annotations

import array
import contextlib
import itertools
import json
import os
import select
import signal
import socket
import struct
import sys
import time
from collections.abc import Sequence
from typing import Any

RECORD = struct.Struct("!IHHd")
HELLO, DATA, END = 0, 1, 2
FAREWELL = 5.0  # seconds to wait for the other end's END
READY = 20.0  # seconds in which both ends must have met
OUTAGES = 20  # that are told one by one
BUFFER = 4 << 20  # bytes of a receiving socket: a process that is not scheduled for a while loses nothing


class Flow:
    """One flow as one end sees it."""

    def __init__(self, given: dict[str, Any]) -> None:
        self.id, self.protocol, self.given = given["id"], given["protocol"], given
        self.socket: socket.socket | None = None
        self.sent = 0
        self.heard = False
        self.total: int | None = None
        self.numbers: array.array[int] = array.array("I")
        self.times: array.array[float] = array.array("d")
        self.arrivals: array.array[float] = array.array("d")
        self.rest, self.pending = b"", b""
        self.error = ""

    def record(self, kind: int, now: float) -> bytes:
        """The next record of a kind."""
        number = self.sent
        if kind == DATA:
            self.sent += 1
        return RECORD.pack(number, self.id, kind, now)

    def take(self, data: bytes, now: float) -> None:
        """Records that arrived."""
        for number, _flow, kind, sent in RECORD.iter_unpack(data):
            self.heard = True
            if kind == DATA:
                self.numbers.append(number)
                self.times.append(sent)
                self.arrivals.append(now)
            elif kind == END:
                self.total = number


def outages(numbers: Sequence[int], times: Sequence[float], total: int | None) -> tuple[int, int, list[dict[str, Any]]]:
    """Losses of a stream: (lost, duplicates, [{at, until, lost, gap_ms}]).

    ``numbers``, ``times``: of the records that arrived, in any order; ``total``: how many were sent, None when nobody said. ``at`` and
    ``until`` are the times at which the records before and behind the loss were sent; losses at an end have only one of them.
    """
    first = dict(reversed(list(zip(numbers, times, strict=True))))
    order = sorted(first)
    if not order:
        return total or 0, 0, []
    found: list[dict[str, Any]] = []
    if order[0] > 0:
        found.append({"at": None, "until": first[order[0]], "lost": order[0], "gap_ms": None})
    for before, behind in itertools.pairwise(order):
        if behind - before > 1:
            gap = round((first[behind] - first[before]) * 1000, 1)
            found.append({"at": first[before], "until": first[behind], "lost": behind - before - 1, "gap_ms": gap})
    if total is not None and order[-1] < total - 1:
        found.append({"at": first[order[-1]], "until": None, "lost": total - 1 - order[-1], "gap_ms": None})
    return sum(one["lost"] for one in found), len(numbers) - len(order), found


def stall(times: Sequence[float], arrivals: Sequence[float]) -> tuple[float, float | None]:
    """Longest delay of a record beyond the shortest delay of all, in ms, and when that record was sent: (0.0, None) without records."""
    if not len(times):
        return 0.0, None
    delays = [arrival - sent for sent, arrival in zip(times, arrivals, strict=True)]
    worst = max(range(len(delays)), key=delays.__getitem__)
    return round((delays[worst] - min(delays)) * 1000, 1), times[worst]


class Prober:
    """All flows of one end."""

    def __init__(self, configuration: dict[str, Any]) -> None:
        self.client = configuration["end"] == "client"
        self.interval, self.limit = configuration["interval"], configuration["seconds"]
        self.flows = [Flow(given) for given in configuration["flows"]]
        self.poll = select.epoll()
        self.by_number: dict[int, tuple[socket.socket, Flow | str | None]] = {}
        self.ending = False
        self.late = 0.0
        self.open_udp()
        self.open_tcp()

    def open_udp(self) -> None:
        """A socket per flow on the client, one for all on the server."""
        shared: socket.socket | None = None
        for flow in self.flows:
            if flow.protocol != "udp":
                continue
            if self.client or shared is None:
                shared = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
                shared.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                try:
                    shared.setsockopt(socket.SOL_SOCKET, 33, BUFFER)  # SO_RCVBUFFORCE, for the privileged
                except OSError:
                    shared.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER)
                shared.bind(("", flow.given["port" if self.client else "server_port"]))
                shared.setblocking(False)
                self.watch(shared, None)
            flow.socket = shared

    def open_tcp(self) -> None:
        """The server listens; the client connects again and again until it is accepted."""
        tcp = [flow for flow in self.flows if flow.protocol == "tcp"]
        if tcp and not self.client:
            listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listening.bind(("", tcp[0].given["server_port"]))
            listening.listen(64)
            listening.setblocking(False)
            self.watch(listening, "listening")

    def watch(self, one: socket.socket, meaning: Flow | str | None) -> None:
        self.by_number[one.fileno()] = (one, meaning)
        self.poll.register(one.fileno(), select.EPOLLIN)

    def connect(self) -> None:
        """Client: TCP flows that are not connected yet."""
        for flow in self.flows:
            if flow.protocol == "tcp" and flow.socket is None and self.client and not flow.error:
                one = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
                one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                one.settimeout(0.5)
                try:
                    one.bind(("", flow.given["port"]))
                    one.connect((flow.given["address"], flow.given["server_port"]))
                except OSError:
                    one.close()
                    continue
                self.adopt(flow, one)

    def adopt(self, flow: Flow, one: socket.socket) -> None:
        one.setblocking(False)
        one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        flow.socket = one
        self.watch(one, flow)

    # -- sending and receiving --------------------------------------------------------

    def send(self, flow: Flow, kind: int, now: float) -> None:
        if flow.socket is None:
            return
        try:
            if flow.protocol == "udp":
                data = flow.record(kind, now)
                flow.socket.sendto(data, (flow.given["address"], flow.given["server_port" if self.client else "port"]))
                return
            flow.pending += flow.record(kind, now)
            flow.pending = flow.pending[flow.socket.send(flow.pending) :]
        except BlockingIOError:
            pass
        except OSError as error:
            # A record that the own kernel refuses (no route) was sent as well: it does not arrive.
            flow.error = str(error)
            if flow.protocol == "tcp" and not isinstance(error, InterruptedError):
                flow.pending = b""

    def receive(self, timeout: float) -> None:
        for number, _events in self.poll.poll(max(timeout, 0)):
            one, meaning = self.by_number[number]
            if isinstance(meaning, Flow):
                self.stream(one, meaning)
            elif meaning is None:
                self.datagrams(one)
            else:
                self.accept(one)

    def accept(self, listening: socket.socket) -> None:
        try:
            one, (_address, port) = listening.accept()
        except OSError:
            return
        for flow in self.flows:
            if flow.protocol == "tcp" and flow.given["port"] == port and flow.socket is None:
                self.adopt(flow, one)
                return
        one.close()

    def datagrams(self, one: socket.socket) -> None:
        known = {flow.id: flow for flow in self.flows}
        try:
            while True:
                data = one.recv(2048)
                now = time.time()
                if len(data) == RECORD.size:
                    flow = known.get(RECORD.unpack(data)[1])
                    if flow is not None:
                        flow.take(data, now)
        except BlockingIOError:
            pass
        except OSError as error:  # an ICMP error of a record that was sent
            for flow in self.flows:
                if flow.socket is one:
                    flow.error = str(error)

    def stream(self, one: socket.socket, flow: Flow) -> None:
        try:
            data = one.recv(65536)
        except BlockingIOError:
            return
        except OSError as error:
            data, flow.error = b"", str(error)
        if not data:
            self.poll.unregister(one.fileno())
            return
        data = flow.rest + data
        whole = len(data) // RECORD.size * RECORD.size
        flow.rest = data[whole:]
        flow.take(data[:whole], time.time())

    # -- the three phases ---------------------------------------------------------------

    def tick(self, kind: int, pause: float) -> float:
        """One record of every flow, then listen until the next tick."""
        begin = time.monotonic()
        now = time.time()
        for flow in self.flows:
            self.send(flow, kind, now)
        while True:
            left = begin + pause - time.monotonic()
            self.receive(left)
            if left <= 0:
                break
        return time.monotonic() - begin - pause

    def meet(self) -> None:
        """Both ends hear each other on every flow. Raises SystemExit."""
        deadline = time.monotonic() + READY
        while not all(flow.heard for flow in self.flows):
            if time.monotonic() > deadline or self.ending:
                silent = ", ".join(f"{flow.protocol} {flow.given['port']}" for flow in self.flows if not flow.heard)
                raise SystemExit(f"no packet arrived within {READY} s on: {silent}")
            self.connect()
            self.tick(HELLO, 0.02)
        for _greeting in range(3):  # for an other end that has not heard this one
            self.tick(HELLO, 0.02)

    def measure(self) -> None:
        end = time.monotonic() + self.limit
        while not self.ending and time.monotonic() < end:
            self.late = max(self.late, self.tick(DATA, self.interval))

    def farewell(self) -> None:
        """Tell how many records there were until the other end has told the same."""
        deadline, rounds = time.monotonic() + FAREWELL, 0
        while time.monotonic() < deadline and rounds < 25:
            self.tick(END, 0.02)
            rounds = rounds + 1 if all(flow.total is not None for flow in self.flows) else 0

    def result(self) -> dict[str, Any]:
        found = []
        for flow in self.flows:
            lost, duplicates, gaps = outages(flow.numbers, flow.times, flow.total)
            worst, when = stall(flow.times, flow.arrivals)
            found.append(
                {
                    "id": flow.id,
                    "sent": flow.sent,
                    "received": len(flow.numbers) - duplicates,
                    "total": flow.total,
                    "lost": lost,
                    "duplicates": duplicates,
                    "outages": gaps[:OUTAGES],
                    "outages_all": len(gaps),
                    "stall_ms": worst,
                    "stall_at": when,
                    "error": flow.error,
                }
            )
        return {"flows": found, "late_ms": round(self.late * 1000, 1)}


def write(path: str, text: str) -> None:
    with open(path + ".new", "w") as file:
        file.write(text)
    os.rename(path + ".new", path)


def run(folder: str, configuration: str) -> None:
    """Start detached; returns when both ends have met. Raises SystemExit with the reason when they do not."""
    collect(folder, quiet=True)
    os.makedirs(folder)
    child = os.fork()
    if child == 0:
        os.setsid()
        null = os.open(os.devnull, os.O_RDWR)
        for number in (0, 1, 2):
            os.dup2(null, number)
        try:
            prober = Prober(json.loads(configuration))

            def stop(_signal: int, _frame: object) -> None:
                prober.ending = True

            signal.signal(signal.SIGTERM, stop)
            write(folder + "/pid", str(os.getpid()))
            prober.meet()
            write(folder + "/ready", "")
            prober.measure()
            prober.farewell()
            write(folder + "/result", json.dumps(prober.result()))
        except BaseException as error:
            write(folder + "/problem", str(error) or type(error).__name__)
        os._exit(0)
    deadline = time.monotonic() + READY + 5
    while time.monotonic() < deadline:
        if os.path.exists(folder + "/ready"):
            return
        if os.path.exists(folder + "/problem"):
            break
        time.sleep(0.02)
    text = read(folder + "/problem") or "the probe did not start"
    collect(folder, quiet=True)
    raise SystemExit(text)


def read(path: str) -> str:
    try:
        with open(path) as file:
            return file.read()
    except OSError:
        return ""


def collect(folder: str, quiet: bool = False) -> None:
    """End the program of a folder, print its result, remove the folder."""
    number = read(folder + "/pid")
    if number:
        with contextlib.suppress(OSError):
            os.kill(int(number), signal.SIGTERM)
    deadline = time.monotonic() + FAREWELL + 5
    while number and time.monotonic() < deadline:
        if os.path.exists(folder + "/result") or os.path.exists(folder + "/problem"):
            break
        time.sleep(0.02)
    text, problem = read(folder + "/result"), read(folder + "/problem")
    for name in ("pid", "ready", "result", "problem"):
        if os.path.exists(folder + "/" + name):
            os.unlink(folder + "/" + name)
    if os.path.isdir(folder):
        os.rmdir(folder)
    if quiet:
        return
    if not text:
        raise SystemExit(problem or "no probe ran here")
    sys.stdout.write(f"{text}\n")


if __name__ == "__main__":
    if sys.argv[1] == "run":
        run(sys.argv[2], sys.argv[3])
    else:
        collect(sys.argv[2])
