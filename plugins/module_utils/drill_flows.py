# Copyright: (c) The leafspine.calico authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The flows that a drill measures: which ones, so that every uplink carries some, how they are probed, and what became of them.

Pure functions. ``drill_probe`` is the program at both ends. A flow of UDP takes the uplinks that the two leaves' kernels name for it;
one of TCP any, because Linux hashes a connection by a random number (see ``flows``).
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ansible_collections.leafspine.calico.plugins.module_utils import flows
from ansible_collections.leafspine.calico.plugins.module_utils.pod_traffic import app_pods

Device = dict[str, Any]
View = Mapping[str, Any]

FIRST_PORT = 43000
SERVER_PORT = 42000
CANDIDATES = 16
UDP_FLOWS = 4
TCP_FLOWS = 2
FOLDER = "/tmp/leafspine-drill"


def ends(fabric: Device, view: View, client: str | None = None, server: str | None = None) -> tuple[Device, Device]:
    """The two pods between which flows are measured: of the servers that are named, or of two racks. Raises ValueError."""
    pods = app_pods(view)
    racks = {one["name"]: one["rack"] for one in fabric["servers"]}
    near = next((pod for pod in pods if client in (None, pod["server"])), None)
    far = next((pod for pod in pods if near and (pod["server"] == server if server else racks[pod["server"]] != racks[near["server"]])), None)
    if near is None or far is None:
        raise ValueError(f"a drill measures between pods of two racks, and there are ready ones on: {', '.join(pod['server'] for pod in pods) or 'no server'}")
    return near, far


def leaves(fabric: Device, near: Device, far: Device) -> tuple[Device, Device]:
    """The leaves of the two pods."""
    of = {server["name"]: server["leaf"] for server in fabric["servers"]}
    routers = {router["name"]: router for router in fabric["routers"]}
    return routers[of[near["server"]]], routers[of[far["server"]]]


def way_commands(router: Device, fabric: Device, near: Device, far: Device) -> list[str]:
    """What asks a leaf's kernel for the way of every candidate: the client's leaf of requests, the server's of replies."""
    first, second = leaves(fabric, near, far)
    commands = []
    for port in range(FIRST_PORT, FIRST_PORT + CANDIDATES):
        if router["name"] == first["name"]:
            way = f"{far['address']} from {near['address']} iif {flows.rack_port(router)} ipproto udp sport {port} dport {SERVER_PORT}"
        elif router["name"] == second["name"]:
            way = f"{near['address']} from {far['address']} iif {flows.rack_port(router)} ipproto udp sport {SERVER_PORT} dport {port}"
        else:
            return []
        commands.append(f"ip -j route get {way}")
    return commands


def _devices(outputs: Iterable[str]) -> list[str | None]:
    return [flows.device(text) for text in outputs]


def choose(fabric: Device, near: Device, far: Device, answers: Mapping[str, list[str]], tcp: int = TCP_FLOWS, udp: int = UDP_FLOWS) -> list[Device]:
    """Flows for the probes: {id, protocol, port, server_port, uplink, reply_uplink}.

    ``answers``: outputs of ``way_commands`` by leaf. UDP flows use every pair of uplinks (of requests, of replies, both as the client's
    leaf has them) that the candidates offer before one pair gets a second flow. Raises ValueError when an uplink would carry nothing.
    """
    first, second = leaves(fabric, near, far)
    ours, theirs = flows.uplinks(first), {interface: spine for spine, interface in flows.uplinks(second).items()}
    requests = _devices(answers.get(first["name"], []))
    replies = [ours.get(theirs.get(device or "", "")) for device in _devices(answers.get(second["name"], []))]
    by_pair: dict[tuple[str | None, str | None], list[int]] = {}
    for number, pair in enumerate(zip(requests, replies, strict=False)):
        by_pair.setdefault(pair, []).append(FIRST_PORT + number)
    chosen: list[tuple[int, str | None, str | None]] = []
    while len(chosen) < udp and any(by_pair.values()):
        for pair, ports in sorted(by_pair.items(), key=str):
            if ports and len(chosen) < udp:
                chosen.append((ports.pop(0), *pair))
    used = {uplink for _port, uplink, _reply in chosen} | {reply for _port, _uplink, reply in chosen}
    idle = set(ours.values()) - used
    if idle and first["layer4_hashing"]:
        raise ValueError(f"none of {CANDIDATES} flows would use {first['name']} {' '.join(sorted(idle))}: are both uplinks in the kernel's table?")
    found = [
        {"id": number, "protocol": "udp", "port": port, "server_port": SERVER_PORT, "uplink": uplink, "reply_uplink": reply}
        for number, (port, uplink, reply) in enumerate(chosen)
    ]
    for number in range(tcp):
        port = FIRST_PORT + CANDIDATES + number
        found.append({"id": len(found), "protocol": "tcp", "port": port, "server_port": SERVER_PORT, "uplink": None, "reply_uplink": None})
    return found


# --- probes --------------------------------------------------------------------------------------------------------------


def program() -> str:
    """The text of the program that runs at both ends, packed: the API takes a command as part of a URL, whose length is limited (8 KB)."""
    source = Path(__file__).with_name("drill_probe.py").read_bytes()
    packed = base64.urlsafe_b64encode(zlib.compress(source, 9)).decode()
    return f"import base64,zlib;exec(zlib.decompress(base64.urlsafe_b64decode('{packed}')))"


def start(near: Device, far: Device, chosen: list[Device], interval_ms: float, seconds: int) -> list[Device]:
    """Probes (for the module ``probes``) that start both ends and return once they have heard each other on every flow."""
    found = []
    for end, pod, other in (("server", far, near), ("client", near, far)):
        given = [{key: flow[key] for key in ("id", "protocol", "port", "server_port")} | {"address": other["address"]} for flow in chosen]
        configuration = {"end": end, "interval": interval_ms / 1000, "seconds": seconds, "flows": given}
        found.append(_probe(pod, end, "run", json.dumps(configuration)))
    return found


def collect(near: Device, far: Device) -> list[Device]:
    """Probes that end both ends and print what they measured."""
    return [_probe(pod, end, "collect") for end, pod in (("server", far), ("client", near))]


def _probe(pod: Device, end: str, *words: str) -> Device:
    command = ["python3", "-I", "-S", "-c", program(), words[0], FOLDER, *words[1:]]
    return {"name": end, "pod": pod["name"], "namespace": pod["namespace"], "command": command, "timeout": 40}


# --- what became of them -------------------------------------------------------------------------------------------------


def results(near: Device, far: Device, chosen: list[Device], answers: Mapping[str, Mapping[str, Any]]) -> list[Device]:
    """One entry per flow and direction: {direction, from, to, protocol, port, uplink, sent, lost, duplicates, longest_gap_ms, gap_at,
    outages}. ``answers``: of ``collect``. Raises ValueError when an end has no result.

    The longest gap of UDP is the longest time between the sendings of two records that arrived and lost ones between them (0 when none
    was lost); of TCP the longest delay of a record beyond the shortest. Lost of TCP never arrived: the connection broke.
    """
    seen = {}
    for end in ("client", "server"):
        answer = answers.get(end) or {}
        try:
            seen[end] = {flow["id"]: flow for flow in json.loads(answer.get("stdout") or "")["flows"]}
        except ValueError:
            text = f"{answer.get('stdout', '')} {answer.get('stderr', '')}".strip() or "nothing"
            raise ValueError(f"the probe at the {end}'s end has no result: {text[:300]}") from None
    found = []
    for flow in chosen:
        for direction, sender, receiver, uplink in (("request", "client", "server", flow["uplink"]), ("reply", "server", "client", flow["reply_uplink"])):
            here, there = (near, far) if sender == "client" else (far, near)
            found.append(_entry(flow, direction, here["server"], there["server"], uplink, seen[sender][flow["id"]], seen[receiver][flow["id"]]))
    return found


def _entry(flow: Device, direction: str, here: str, there: str, uplink: str | None, sent: Device, received: Device) -> Device:
    lost = sent["sent"] - received["received"]
    outages = list(received["outages"])
    known = sum(one["lost"] for one in outages)
    if received["outages_all"] == len(outages) and lost > known:  # the other end never heard the total: what is missing at the end
        outages.append({"at": None, "until": None, "lost": lost - known, "gap_ms": None})
    longest = max((one for one in outages if one["gap_ms"] is not None), key=lambda one: one["gap_ms"], default=None)
    gap, at = (received["stall_ms"], received["stall_at"]) if flow["protocol"] == "tcp" else ((longest or {}).get("gap_ms", 0.0), (longest or {}).get("at"))
    return {
        "direction": direction,
        "from": here,
        "to": there,
        "protocol": flow["protocol"],
        "port": flow["port"],
        "uplink": uplink,
        "sent": sent["sent"],
        "lost": lost,
        "duplicates": received["duplicates"],
        "longest_gap_ms": gap,
        "gap_at": at,
        "outages": outages,
        "error": sent["error"],
    }
