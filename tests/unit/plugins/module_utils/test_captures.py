"""Packets in tcpdump's text: the text of a real capture, its pcap file, and what is said about links and flows."""

from __future__ import annotations

import struct

import pytest
from ansible_collections.leafspine.calico.plugins.module_utils import captures
from ansible_collections.leafspine.calico.plugins.module_utils.captures import Flow


def frame(protocol: int, source: str, target: str, payload: bytes, fragment: int = 0, kind: bytes = b"\x08\x00") -> bytes:
    addresses = bytes(map(int, source.split("."))) + bytes(map(int, target.split(".")))
    head = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(payload), 1, fragment, 64, protocol, 0)
    return b"\x02" * 6 + b"\x04" * 6 + kind + head + addresses + payload


def echo(kind: int, source: str, target: str, number: int = 7) -> bytes:
    return frame(1, source, target, struct.pack(">BBHHH", kind, 0, 0, number, 1) + b"x" * 40)


def tcp(source: str, sport: int, target: str, dport: int, flags: int) -> bytes:
    return frame(6, source, target, struct.pack(">HHIIBBHHH", sport, dport, 0, 0, 0x50, flags, 0, 0, 0))


def udp(source: str, sport: int, target: str, dport: int) -> bytes:
    return frame(17, source, target, struct.pack(">HHHH", sport, dport, 12, 0) + b"flow")


def text(*frames: bytes, begin: int = 1795616322) -> str:
    """As tcpdump prints frames."""
    lines = [
        "tcpdump: verbose output suppressed, use -v[v]... for full protocol decode",
        "listening on eth1, link-type EN10MB (Ethernet), snapshot length 262144 bytes",
    ]
    for number, data in enumerate(frames):
        lines.append(f"{begin + number}.{number:06d} IP a > b: something")
        for offset in range(0, len(data), 16):
            words = [data[at : at + 2].hex() for at in range(offset, min(offset + 16, len(data)), 2)]
            lines.append(f"\t0x{offset:04x}:  {' '.join(words)}")
    return "\n".join([*lines, f"{len(frames)} packets captured"]) + "\n"


A, B = "10.244.1.1", "10.244.2.1"


def test_frames_are_read_whole() -> None:
    frames = [echo(8, A, B), frame(17, A, B, b"odd", kind=b"\x86\xdd"), udp(A, 41000, B, 80) + b"\x00" * 6]
    found = captures.packets(text(*frames))
    assert [packet.data for packet in found[:2]] == frames[:2]
    assert found[2].data[: len(frames[2]) - 6] == frames[2][:-6]
    assert (found[1].seconds, found[1].micro, found[1].text) == (1795616323, 1, "IP a > b: something")


def test_a_packet_is_given_as_soon_as_it_is_whole() -> None:
    reader = captures.Reader()
    given = [reader.feed(line) for line in text(echo(8, A, B)).splitlines()]
    assert [packet is not None for packet in given][-2:] == [True, False]
    assert reader.end() is None


def test_the_file_is_pcap() -> None:
    data = captures.pcap(captures.packets(text(echo(8, A, B))))
    assert struct.unpack("<IHHiIII", data[:24]) == (0xA1B2C3D4, 2, 4, 0, 0, 262144, 1)
    assert struct.unpack("<IIII", data[24:40]) == (1795616322, 0, len(echo(8, A, B)), len(echo(8, A, B)))
    assert data[40:] == echo(8, A, B)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        pytest.param(echo(8, A, B), (Flow("icmp", A, 7, B, 7), "request"), id="echo request"),
        pytest.param(echo(0, B, A), (Flow("icmp", B, 7, A, 7), "reply"), id="echo reply"),
        pytest.param(echo(3, B, A), None, id="unreachable"),
        pytest.param(tcp(A, 40000, B, 80, 0x02), (Flow("tcp", A, 40000, B, 80), "request"), id="SYN"),
        pytest.param(tcp(B, 80, A, 40000, 0x12), (Flow("tcp", B, 80, A, 40000), "reply"), id="SYN and ACK"),
        pytest.param(tcp(B, 80, A, 40000, 0x10), (Flow("tcp", B, 80, A, 40000), ""), id="ACK"),
        pytest.param(udp(A, 41000, B, 80), (Flow("udp", A, 41000, B, 80), ""), id="UDP"),
        pytest.param(frame(17, A, B, b"12345678", fragment=100), None, id="a later fragment"),
        pytest.param(frame(89, A, B, b"12345678"), None, id="another protocol"),
        pytest.param(frame(17, A, B, b"1"), None, id="cut off"),
        pytest.param(b"\x02" * 12 + b"\x08\x06" + b"x" * 40, None, id="ARP"),
    ],
)
def test_flows_of_packets(data: bytes, expected: object) -> None:
    assert captures.flow(data) == expected


def test_a_link_has_requests_replies_and_flows() -> None:
    links = {
        "leaf0 eth1": captures.packets(text(echo(8, A, B), echo(8, A, B), udp(A, 41000, B, 80), tcp(A, 40000, B, 80, 0x02), frame(89, A, B, b"12345678"))),
        "leaf0 eth2": captures.packets(text(echo(0, B, A), udp(B, 80, A, 41000), tcp(B, 80, A, 40000, 0x12), tcp(B, 80, A, 40000, 0x10))),
    }
    told = captures.summary(links)
    assert told["links"]["leaf0 eth1"] == {"packets": 5, "requests": 4, "replies": 0, "other": 1, "flows": 3}
    assert told["links"]["leaf0 eth2"] == {"packets": 4, "requests": 0, "replies": 4, "other": 0, "flows": 3}
    assert [(str(one["flow"]), one["links"], one["back_links"]) for one in told["flows"]] == [
        (f"icmp {A} > {B} id 7", ["leaf0 eth1"], ["leaf0 eth2"]),
        (f"tcp {A}:40000 > {B}:80", ["leaf0 eth1"], ["leaf0 eth2"]),
        (f"udp {A}:41000 > {B}:80", ["leaf0 eth1"], ["leaf0 eth2"]),
    ]


def test_what_asks_a_kernel_depends_on_its_hash() -> None:
    one = Flow("udp", A, 41000, B, 80)
    assert captures.way(one, "eth3", layer4=True) == f"ip -j route get {B} from {A} iif eth3 ipproto udp sport 41000 dport 80"
    assert captures.way(one, "eth3", layer4=False) == f"ip -j route get {B} from {A} iif eth3"
    assert captures.way(Flow("tcp", A, 40000, B, 80), "eth3", layer4=True) is None
    assert captures.way(Flow("tcp", A, 40000, B, 80), "eth3", layer4=False) is not None
    assert captures.way(Flow("icmp", A, 7, B, 7), "eth3", layer4=True) == f"ip -j route get {B} from {A} iif eth3"


def test_a_capture_is_bounded() -> None:
    words = captures.command("eth1", "icmp", 30, 1000)
    assert words[:2] == ["timeout", "30"]
    assert words[words.index("-c") + 1] == "1000"
    assert words[-3:] == ["-i", "eth1", "icmp"]
    assert captures.command("eth1", "", 30, 1000)[-1] == "eth1"
