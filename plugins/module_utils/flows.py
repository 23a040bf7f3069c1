# Copyright: (c) The leafspine.calico authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Flows between two racks: which uplink a leaf's kernel says they take, and which one they are seen on. Pure functions.

Each leaf hashes for itself: requests and replies of a flow may take the same spine or not. So both directions are predicted, each at
the leaf that decides, and both are looked for in a capture at the client's leaf.

The flows are UDP from sockets that are not connected. With the hash over ports, Linux takes the hash that a packet brings along if it
has one (fib_multipath_hash: "short-circuit if we already have L4 hash present"), and a veth keeps it: packets of a connected socket
come with a random number of that socket, so the same addresses and ports take another uplink in every new TCP connection.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

from ansible_collections.leafspine.calico.plugins.module_utils.checks import Check, check, no_answer
from ansible_collections.leafspine.calico.plugins.module_utils.pod_traffic import app_pods

Device = dict[str, Any]
View = Mapping[str, Any]
Outputs = Mapping[str, Mapping[str, str]]

FIRST_PORT = 41000
SERVER_PORT = 80
LEAST_FLOWS = 16
FLOWS_PER_UPLINK = 8
PAUSE = 0.5  # seconds between packets of a flow


class Packet(NamedTuple):
    """A packet as a capture on all interfaces shows it."""

    interface: str
    way: str
    source: str
    source_port: int
    target: str
    target_port: int
    text: str


class Pair(NamedTuple):
    """The two racks between which flows run, by their leaves."""

    client: Device
    server: Device


def pair(fabric: Device, view: View) -> Pair | None:
    """The first two racks that have pods, or None."""
    leaves = {server["name"]: server["leaf"] for server in fabric["servers"]}
    routers = {router["name"]: router for router in fabric["routers"]}
    found = list(dict.fromkeys(leaves[pod["server"]] for pod in app_pods(view)))
    return Pair(routers[found[0]], routers[found[1]]) if len(found) > 1 else None


def uplinks(leaf: Device) -> dict[str, str]:
    """Spine -> interface of the leaf towards it."""
    return {one["peer"]["device"]: one["name"] for one in leaf["interfaces"] if one["kind"] == "uplink"}


def rack_port(leaf: Device) -> str:
    """The interface towards the leaf's servers."""
    return str(next(one["name"] for one in leaf["interfaces"] if one["kind"] == "rack"))


def flows(fabric: Device, view: View) -> list[Device]:
    """At least sixteen flows from pods of one rack to pods of the other: {pod, source, port, target}."""
    ends = pair(fabric, view)
    if ends is None:
        return []
    leaves = {server["name"]: server["leaf"] for server in fabric["servers"]}
    clients = [pod for pod in app_pods(view) if leaves[pod["server"]] == ends.client["name"]]
    servers = [pod for pod in app_pods(view) if leaves[pod["server"]] == ends.server["name"]]
    amount = max(LEAST_FLOWS, FLOWS_PER_UPLINK * len(uplinks(ends.client)))
    found = []
    for number in range(amount):
        client, server = clients[number % len(clients)], servers[number // len(clients) % len(servers)]
        found.append({"pod": client["name"], "source": client["address"], "port": FIRST_PORT + number, "target": server["address"]})
    return found


_SENDER = """
import socket, time
ends = []
for port, target in {flows}:
    one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    one.bind(("", port))
    ends.append((one, target))
for _ in range({rounds}):
    for one, target in ends:
        one.sendto(b"flow", (target, {port}))
    time.sleep({pause})
"""


def sender(fabric: Device, view: View, pod: Device, seconds: int) -> str:
    """Shell text that sends a packet of every flow of a pod twice a second; empty for a pod without flows."""
    ours = [(flow["port"], flow["target"]) for flow in flows(fabric, view) if flow["pod"] == pod["name"]]
    code = _SENDER.format(flows=ours, rounds=int(seconds / PAUSE), port=SERVER_PORT, pause=PAUSE)
    return shlex.join(["python3", "-I", "-S", "-c", code]) if ours else ""


# --- what to ask routers -------------------------------------------------------------------------------------------------


def capture_filter(router: Device, fabric: Device, view: View) -> str:
    """Both directions of all flows, at the router where they are looked for; empty at the others."""
    ends = pair(fabric, view)
    ports = [flow["port"] for flow in flows(fabric, view)]
    return f"udp portrange {min(ports)}-{max(ports)}" if ends and router["name"] == ends.client["name"] else ""


def predictions(router: Device, fabric: Device, view: View) -> dict[str, str]:
    """Commands that ask a leaf's kernel for the way of each flow, by name; none for a router that decides nothing."""
    ends = pair(fabric, view)
    if ends is None or router["name"] not in (ends.client["name"], ends.server["name"]):
        return {}
    commands = {}
    for flow in flows(fabric, view):
        if router["name"] == ends.client["name"]:
            way = f"{flow['target']} from {flow['source']} iif {rack_port(router)} ipproto udp sport {flow['port']} dport {SERVER_PORT}"
        else:
            way = f"{flow['source']} from {flow['target']} iif {rack_port(router)} ipproto udp sport {SERVER_PORT} dport {flow['port']}"
        commands[f"way {flow['port']}"] = f"ip -j route get {way}"
    return commands


# --- judgement -----------------------------------------------------------------------------------------------------------

_LINE = re.compile(r"(?m)^\S+ +(?P<interface>\S+) +(?P<way>In|Out) +IP (?P<source>[0-9.]+) > (?P<target>[0-9.]+): (?P<text>.*?)\r?$")


def packets(capture: str) -> list[Packet]:
    """The IPv4 packets in what ``tcpdump -nn -i any`` printed."""
    found = []
    for match in _LINE.finditer(capture):
        source, target = _end(match["source"]), _end(match["target"])
        found.append(Packet(match["interface"], match["way"], *source, *target, match["text"]))
    return found


def _end(text: str) -> tuple[str, int]:
    """Address and port of "10.1.1.1.80"; port 0 where there is none."""
    parts = text.split(".")
    return ".".join(parts[:4]), int(parts[4]) if len(parts) > 4 else 0


def flow_checks(fabric: Device, view: View, outputs: Outputs, dark: Collection[str] = ()) -> list[Check]:
    """Every flow is seen on the uplinks that both leaves' kernels name; requests are spread.

    ``outputs``: texts by router and name ("capture" and those of ``predictions``). ``dark``: interfaces of the client's leaf that are
    down and must carry nothing.
    """
    ends = pair(fabric, view)
    if ends is None:
        return []
    client, name = ends.client, ends.client["name"]
    capture = outputs.get(name, {}).get("capture", "")
    look = f"on {name}: sudo tcpdump -nn -i any 'udp portrange {FIRST_PORT}-{FIRST_PORT + 99}'"
    if "listening on" not in capture and not packets(capture):
        return [no_answer(name, look, capture)]
    ours, theirs = uplinks(client), {interface: spine for spine, interface in uplinks(ends.server).items()}
    checks: list[Check] = []
    requests: dict[int, set[str]] = {}
    seen = packets(capture)
    for flow in flows(fabric, view):
        sent = {packet.interface for packet in seen if _is_request(packet, flow) and packet.way == "Out"}
        back = {packet.interface for packet in seen if _is_reply(packet, flow) and packet.way == "In"}
        requests[flow["port"]] = sent
        what = f"flow {flow['source']}:{flow['port']} to {flow['target']}"
        for leaf, title, found in ((client, "requests leave by", sent), (ends.server, "replies arrive by", back)):
            text = outputs.get(leaf["name"], {}).get(f"way {flow['port']}", "")
            chosen = device(text)
            if chosen is None:
                checks.append(no_answer(leaf["name"], predictions(leaf, fabric, view)[f"way {flow['port']}"], text))
                continue
            expected = chosen if leaf is client else ours.get(theirs.get(chosen, ""), f"the link behind {leaf['name']} {chosen}")
            checks.append(check("flow", name, f"{what}: {title}", [expected], sorted(found), look))
    checks += _spread(client, requests, look, dark)
    return [*checks, *_untouched(fabric, view, client, seen, look)]


def _is_request(packet: Packet, flow: Device) -> bool:
    return packet[2:6] == (flow["source"], flow["port"], flow["target"], SERVER_PORT)


def _is_reply(packet: Packet, flow: Device) -> bool:
    return packet[2:6] == (flow["target"], SERVER_PORT, flow["source"], flow["port"])


def device(text: str) -> str | None:
    try:
        return str(json.loads(text)[0]["dev"])
    except (ValueError, LookupError, TypeError):
        return None


def _spread(client: Device, requests: Mapping[int, set[str]], look: str, dark: Collection[str]) -> list[Check]:
    """Several uplinks carry requests where the hash looks at ports; a link that is down carries none."""
    used = sorted({interface for interfaces in requests.values() for interface in interfaces})
    bright = sorted(set(uplinks(client).values()) - set(dark))
    checks = []
    if dark:
        checks.append(
            check("flow", client["name"], "uplinks that carry requests", f"only {' '.join(bright)}", used, look, ok=bool(used) and set(used) <= set(bright))
        )
    if client["layer4_hashing"] and len(bright) > 1:
        expected = "both uplinks" if len(bright) == 2 else "several uplinks"
        checks.append(check("flow", client["name"], "requests are spread over", expected, used, look, ok=len(used) > 1))
    return checks


def _untouched(fabric: Device, view: View, client: Device, seen: list[Packet], look: str) -> list[Check]:
    """No address is rewritten inside the fabric: packets of flows carry nothing but pods' addresses."""
    pods = {pod["address"] for pod in app_pods(view)}
    ports = {flow["port"] for flow in flows(fabric, view)}
    ours = [packet for packet in seen if {packet.source_port, packet.target_port} & ports]
    strangers = sorted({address for packet in ours for address in (packet.source, packet.target)} - pods)
    return [check("source address", client["name"], "addresses in flows between pods", "only the pods' own", strangers or "only the pods' own", look)]
