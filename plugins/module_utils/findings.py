"""What is false about a running lab: expectations from the intent held against what devices said. Pure functions.

A finding is one line: where, what was expected, what was found, and the command to look for oneself.
"""

from __future__ import annotations

import json
from typing import Any


def _finding(where: str, what: str, expected: object, found: object, look: str) -> str:
    return f"{where}: {what}: expected {expected}, found {found} (look: {look})"


def expected_sessions(router: dict[str, Any], nodes: bool) -> dict[str, dict[str, Any]]:
    """Neighbours by address whose sessions have to be up; ``nodes`` tells whether the cluster's nodes count."""
    return {neighbor["address"]: neighbor for neighbor in router["neighbors"] if nodes or not neighbor["route_reflector_client"]}


def session_findings(router: dict[str, Any], summary: dict[str, Any], nodes: bool) -> list[str]:
    """Sessions that are not Established or have another AS than intended, and neighbours that the intent does not know.

    ``summary`` is FRR's ``show bgp summary json``.
    """
    name = router["name"]
    unicast = summary.get("ipv4Unicast", {})
    peers = unicast.get("peers", {})
    findings = []
    if unicast.get("as") != router["asn"]:
        findings.append(_finding(name, "AS number", router["asn"], unicast.get("as", "no BGP"), "show bgp summary"))
    for address, neighbor in expected_sessions(router, nodes).items():
        peer = peers.get(address)
        who = f"session with {neighbor['device']} ({address})"
        if peer is None:
            findings.append(_finding(name, who, "Established", "no such neighbour", "show bgp summary"))
        elif peer["state"] != "Established":
            findings.append(_finding(name, who, "Established", peer["state"], f"show bgp neighbors {address}"))
        elif peer["remoteAs"] != neighbor["asn"]:
            findings.append(_finding(name, who, f"AS {neighbor['asn']}", f"AS {peer['remoteAs']}", f"show bgp neighbors {address}"))
    known = {neighbor["address"] for neighbor in router["neighbors"]}
    findings += [_finding(name, "neighbour", "none", address, "show bgp summary") for address in sorted(set(peers) - known)]
    return findings


def kernel_next_hops(routes: list[dict[str, Any]]) -> dict[str, set[str]]:
    """Destination -> next hops of ``ip -j route``; routes without a gateway have an empty set."""
    table: dict[str, set[str]] = {}
    for route in routes:
        hops = {hop["gateway"] for hop in route.get("nexthops", []) if "gateway" in hop}
        if "gateway" in route:
            hops.add(route["gateway"])
        table.setdefault(route["dst"], set()).update(hops)
    return table


def expected_rack_routes(router: dict[str, Any], fabric: dict[str, Any]) -> dict[str, set[str]]:
    """Subnets of the racks that are not the router's own, with the next hops of a healthy fabric: a leaf has all its spines, a spine the rack's leaves."""
    routes: dict[str, set[str]] = {}
    for rack in fabric["racks"]:
        if rack["name"] == router["rack"]:
            continue
        fabric_neighbors = [neighbor for neighbor in router["neighbors"] if neighbor["type"] == "ebgp"]
        if router["role"] == "spine":
            fabric_neighbors = [neighbor for neighbor in fabric_neighbors if neighbor["device"] in rack["leaves"]]
        else:
            reach = {link["b"]["device"] for link in fabric["links"] if link["kind"] == "uplink" and link["a"]["device"] in rack["leaves"]}
            fabric_neighbors = [neighbor for neighbor in fabric_neighbors if neighbor["device"] in reach]
        routes[rack["subnet"]] = {neighbor["address"] for neighbor in fabric_neighbors}
    return routes


def route_findings(name: str, expected: dict[str, set[str]], kernel: dict[str, set[str]]) -> list[str]:
    """Destinations whose next hops in the kernel's table are not exactly the expected ones."""
    findings = []
    for destination, hops in sorted(expected.items()):
        found = kernel.get(destination)
        if found != hops:
            shown = "no route" if found is None else " ".join(sorted(found)) or "no next hop"
            findings.append(_finding(name, destination, " ".join(sorted(hops)), shown, f"ip route show {destination}"))
    return findings


def fabric_findings(router: dict[str, Any], fabric: dict[str, Any], outputs: list[str], nodes: bool = False) -> list[str]:
    """Everything false about one router. ``outputs``: ``show bgp summary json`` and ``ip -j route``, as text."""
    try:
        summary, routes = json.loads(outputs[0]), json.loads(outputs[1])
    except (IndexError, ValueError) as error:
        return [_finding(router["name"], "answer", "JSON", f"{' '.join(outputs)[:120]!r} ({error})", 'vtysh -c "show bgp summary json"')]
    kernel = kernel_next_hops(routes)
    findings = session_findings(router, summary, nodes) + route_findings(router["name"], expected_rack_routes(router, fabric), kernel)
    management = {fabric["management"]["gateway"]}
    default = kernel.get("default", management)
    if default != management:
        shown = " ".join(sorted(default)) or "no gateway"
        findings.append(_finding(router["name"], "default route", "none through the fabric", shown, "ip route show default"))
    return findings


def node_findings(servers: list[dict[str, Any]], nodes: list[dict[str, Any]]) -> list[str]:
    """Servers whose Kubernetes node is missing, lacks its rack's label or has another internal address than its rack address."""
    found = {node["metadata"]["name"]: node for node in nodes}
    findings = []
    for server in servers:
        name, look = server["node"], f"kubectl get node {server['node']} -o wide --show-labels"
        node = found.get(name)
        if node is None:
            findings.append(_finding(name, "node", "in the cluster", "absent", "kubectl get nodes"))
            continue
        for label, value in server["labels"].items():
            has = node["metadata"].get("labels", {}).get(label, "none")
            if has != value:
                findings.append(_finding(name, f"label {label}", value, has, look))
        addresses = [entry["address"] for entry in node.get("status", {}).get("addresses", []) if entry["type"] == "InternalIP"]
        if addresses != [server["address"]]:
            findings.append(_finding(name, "InternalIP", server["address"], " ".join(addresses) or "none", look))
    return findings
