# Copyright: (c) The leafspine.calico authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Packets in what tcpdump prints with ``-tt -xx``: read, written as pcap, summarised per link. Pure functions.

Text and not ``-w -``, because a router's command line carries text only; the hexadecimal bytes are the whole frame, so nothing is lost.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterable, Iterator, Mapping
from ipaddress import IPv4Address
from typing import Any, NamedTuple

_HEAD = re.compile(r"^(?P<seconds>[0-9]{6,})\.(?P<micro>[0-9]{6}) +(?P<text>.*?)\s*$")
_BYTES = re.compile(r"^\s+0x[0-9a-f]{4}:\s+(?P<hex>(?:[0-9a-f]{2,4} ?)+)\s*$")
SNAPLEN = 262144
ETHERNET = 1  # link type, https://www.tcpdump.org/linktypes.html
PROTOCOLS = {1: "icmp", 6: "tcp", 17: "udp"}
ECHO = {8: "request", 0: "reply"}


class Packet(NamedTuple):
    """A frame: when (seconds, microseconds), tcpdump's text, its bytes."""

    seconds: int
    micro: int
    text: str
    data: bytes


class Flow(NamedTuple):
    """One direction of a conversation; of ICMP the ports are the echo identifier."""

    protocol: str
    source: str
    source_port: int
    target: str
    target_port: int

    def back(self) -> Flow:
        """The other direction."""
        return Flow(self.protocol, self.target, self.target_port, self.source, self.source_port)

    def __str__(self) -> str:
        if self.protocol == "icmp":
            return f"icmp {self.source} > {self.target} id {self.source_port}"
        return f"{self.protocol} {self.source}:{self.source_port} > {self.target}:{self.target_port}"


class Reader:
    """Packets from lines as they come. A packet of IPv4 says how long it is; another one is whole when the next begins or the capture ends."""

    def __init__(self) -> None:
        self._head: re.Match[str] | None = None
        self._hex: list[str] = []

    def feed(self, line: str) -> Packet | None:
        """Take a line; the packet that is whole now."""
        head, more = _HEAD.match(line), _BYTES.match(line)
        if more and self._head:
            self._hex.append(more["hex"].replace(" ", ""))
            text = "".join(self._hex)
            known = text[24:28] == "0800" and len(text) >= 36 and len(text) // 2 >= 14 + int(text[32:36], 16)
            return self.end() if known else None
        if head:
            whole = self.end()
            self._head = head
            return whole
        return None

    def end(self) -> Packet | None:
        """The last packet."""
        if self._head is None or not self._hex:
            return None
        packet = Packet(int(self._head["seconds"]), int(self._head["micro"]), self._head["text"], bytes.fromhex("".join(self._hex)))
        self._head, self._hex = None, []
        return packet


def packets(text: str) -> list[Packet]:
    """All packets of a text."""
    reader = Reader()
    found = [reader.feed(line) for line in text.splitlines()]
    return [packet for packet in [*found, reader.end()] if packet is not None]


def pcap(found: Iterable[Packet]) -> bytes:
    """A capture file (libpcap's format, microseconds, Ethernet)."""
    parts = [struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, SNAPLEN, ETHERNET)]
    for packet in found:
        parts.append(struct.pack("<IIII", packet.seconds, packet.micro, len(packet.data), len(packet.data)))
        parts.append(packet.data)
    return b"".join(parts)


def flow(data: bytes) -> tuple[Flow, str] | None:
    """The flow of an IPv4 frame and what the packet is in it: request, reply, or "" where the packet alone does not tell.

    A fragment but the first has no ports and belongs to no flow.
    """
    if len(data) < 34 or data[12:14] != b"\x08\x00":
        return None
    size = (data[14] & 15) * 4
    if int.from_bytes(data[20:22], "big") & 0x1FFF or data[23] not in PROTOCOLS:
        return None
    source, target, rest = str(IPv4Address(data[26:30])), str(IPv4Address(data[30:34])), data[14 + size :]
    if len(rest) < 8:
        return None
    protocol = PROTOCOLS[data[23]]
    if protocol == "icmp":
        number = int.from_bytes(rest[4:6], "big")
        return (Flow(protocol, source, number, target, number), ECHO[rest[0]]) if rest[0] in ECHO else None
    ports = int.from_bytes(rest[:2], "big"), int.from_bytes(rest[2:4], "big")
    kind = ""
    if protocol == "tcp" and len(rest) > 13 and rest[13] & 0x02:
        kind = "reply" if rest[13] & 0x10 else "request"
    return Flow(protocol, source, ports[0], target, ports[1]), kind


def requests(seen: Iterable[Packet]) -> set[Flow]:
    """The directions that ask: by echo type or TCP's SYN; else the one whose target has the lower port (servers' are low)."""
    asking: set[Flow] = set()
    unsure: set[Flow] = set()
    for packet in seen:
        told = flow(packet.data)
        if told is None:
            continue
        one, kind = told
        if kind:
            asking.add(one if kind == "request" else one.back())
        else:
            unsure.add(one)
    for one in sorted(unsure):
        if one not in asking and one.back() not in asking:
            asking.add(one if one.target_port <= one.source_port else one.back())
    return asking


def summary(links: Mapping[str, list[Packet]]) -> dict[str, Any]:
    """What was seen per link: {links: {link: {packets, requests, replies, other, flows}}, flows: [{flow, links, back_links}]}.

    ``links``: packets by a link's name. A flow is a conversation, named by the direction that asks; its links are those on which each
    direction was seen.
    """
    asking = requests(packet for found in links.values() for packet in found)
    counted: dict[str, dict[str, Any]] = {}
    where: dict[Flow, tuple[set[str], set[str]]] = {one: (set(), set()) for one in asking}
    for link, found in links.items():
        numbers = {"packets": len(found), "requests": 0, "replies": 0, "other": 0}
        ours = set()
        for packet in found:
            told = flow(packet.data)
            if told is None:
                numbers["other"] += 1
                continue
            one = told[0]
            request = one in asking
            numbers["requests" if request else "replies"] += 1
            name = one if request else one.back()
            ours.add(name)
            where[name][0 if request else 1].add(link)
        counted[link] = {**numbers, "flows": len(ours)}
    return {"links": counted, "flows": [{"flow": one, "links": sorted(ways[0]), "back_links": sorted(ways[1])} for one, ways in sorted(where.items())]}


def way(one: Flow, port: str, layer4: bool) -> str | None:
    """What asks a leaf's kernel for the way of packets that enter by its rack's port; None where the kernel cannot say.

    With the hash over ports a TCP connection has a random number instead (see ``flows``); over addresses alone every protocol is foreseen.
    """
    text = f"ip -j route get {one.target} from {one.source} iif {port}"
    if not layer4 or one.protocol == "icmp":
        return text
    return f"{text} ipproto udp sport {one.source_port} dport {one.target_port}" if one.protocol == "udp" else None


def command(interface: str, expression: str, seconds: int, count: int) -> list[str]:
    """Words of a bounded capture on one interface."""
    return ["timeout", str(seconds), "tcpdump", "-nn", "-l", "-tt", "-xx", "-c", str(count), "-i", interface, *([expression] if expression else [])]


def lines(links: Mapping[str, list[Packet]]) -> Iterator[tuple[Packet, str]]:
    """All packets in the order of their times, each with its link."""
    yield from sorted(((packet, link) for link, found in links.items() for packet in found), key=lambda one: (one[0].seconds, one[0].micro))
