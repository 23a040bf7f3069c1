# Copyright: (c) The leafspine.calico authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What runs of a lab, from its intent and one look at it: for status, report and graph. Pure functions.

Nothing is judged as thoroughly as verify does: a trouble is what anybody would call one at a glance. The document's shape is
``state`` in ``playbooks/files/result.schema.json``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from ipaddress import IPv4Network, ip_network
from typing import Any

from ansible_collections.leafspine.calico.plugins.module_utils import router_checks
from ansible_collections.leafspine.calico.plugins.module_utils.cluster_view import is_ready

Device = dict[str, Any]
State = dict[str, Any]
Objects = Mapping[str, list[Device]]

ESTABLISHED = "Established"


def state(
    fabric: Mapping[str, Any],
    outputs: Mapping[str, list[str]],
    objects: Objects | None,
    drift: Mapping[str, Iterable[str]] | None = None,
    crashes: Iterable[Device] = (),
) -> State:
    """The state of a lab.

    ``outputs``: of ``router_checks.LOOK`` by router, none for a router that does not answer. ``objects``: API objects by
    the names of cluster_view.PATHS (nodes, pods, services, blocks are read), None when the API does not answer. ``drift``: by router the
    lines that would make its configuration the intended one. ``crashes``: {time, process, reason, restarts, gave_up} that whoever
    supervises processes wrote down; one that was started again is told, one that was given up is a trouble.
    """
    answers, unreadable = {}, {}
    for router in fabric["routers"]:
        if router["name"] in outputs:
            read, problems = router_checks.read(router["name"], outputs[router["name"]])
            if problems:
                unreadable[router["name"]] = problems[0]["found"]
            else:
                answers[router["name"]] = read
    found: State = {
        "lab": fabric["lab_name"],
        "healthy": False,
        "routers": [_router(router, router["name"] in outputs and router["name"] not in unreadable) for router in fabric["routers"]],
        "nodes": [_node(server, (objects or {}).get("nodes", [])) for server in fabric["servers"]],
        "sessions": [one for router in fabric["routers"] for one in _sessions(router, answers.get(router["name"]))],
        "prefixes": _prefixes(fabric, answers, (objects or {}).get("blocks", [])),
        "pods": [_pod(pod) for pod in (objects or {}).get("pods", [])],
        "services": [_service(service) for service in (objects or {}).get("services", [])],
        "drift": {name: list(lines) for name, lines in (drift or {}).items()},
        "crashes": list(crashes),
    }
    found["links"] = [_link(link, answers, found) for link in fabric["links"]]
    found["troubles"] = _troubles(fabric, found, answers, unreadable, objects)
    found["healthy"] = not found["troubles"]
    return found


# --- devices -------------------------------------------------------------------------------------------------------------


def _router(router: Device, up: bool) -> Device:
    return {key: router[key] for key in ("name", "role", "rack", "asn")} | {"address": router["management"]["address"], "up": up}


def _node(server: Device, nodes: Iterable[Device]) -> Device:
    node = next((one for one in nodes if one["metadata"]["name"] == server["node"]), None)
    return {key: server[key] for key in ("name", "node", "rack", "asn", "address")} | {"ready": node is not None and is_ready(node)}


def _pod(pod: Device) -> Device:
    status = pod.get("status") or {}
    containers = status.get("containerStatuses") or []
    return {
        "name": f"{pod['metadata']['namespace']}/{pod['metadata']['name']}",
        "node": pod["spec"].get("nodeName"),
        "address": status.get("podIP"),
        "ready": is_ready(pod),
        "restarts": sum(one.get("restartCount", 0) for one in containers),
        "reason": _reason(status.get("phase") or "Unknown", containers),
    }


def _reason(phase: str, containers: Iterable[Device]) -> str:
    """Why a pod is not ready or was started again, as the kubelet says it; empty when there is nothing to say."""
    for one in containers:
        now = one.get("state") or {}
        ended = now.get("terminated") or (one.get("lastState") or {}).get("terminated")
        if now.get("waiting"):
            text = str(now["waiting"].get("reason", "waiting"))
            return f"{text}, ended before with exit code {ended.get('exitCode')}" if ended else text
        if ended and (now.get("terminated") or one.get("restartCount")):
            return f"{ended.get('reason', 'Error')}, exit code {ended.get('exitCode')}"
    return "" if phase == "Running" else phase


def _service(service: Device) -> Device:
    spec = service["spec"]
    name = f"{service['metadata']['namespace']}/{service['metadata']['name']}"
    return {"name": name, "type": spec.get("type", "ClusterIP"), "cluster_ip": spec.get("clusterIP")}


# --- links and sessions --------------------------------------------------------------------------------------------------


def _sessions(router: Device, answers: Device | None) -> list[Device]:
    """A router's intended sessions and neighbours that nobody intends. Times in seconds, None where nothing is established."""
    peers = answers["sessions"].get("ipv4Unicast", {}).get("peers", {}) if answers else {}
    found = []
    for one in router["neighbors"]:
        found.append(_session(router, one["device"], one["address"], one["type"], one["asn"], peers.get(one["address"]), answers is not None))
    known = {one["address"] for one in router["neighbors"]}
    for address in sorted(set(peers) - known):
        found.append(_session(router, "unknown", address, "unknown", peers[address].get("remoteAs"), peers[address], True))
    return found


def _session(router: Device, peer: str, address: str, kind: str, asn: int | None, seen: Device | None, looked: bool) -> Device:
    state = seen["state"] if seen else ("not configured" if looked else "unknown")
    up = state == ESTABLISHED
    return {
        "router": router["name"],
        "peer": peer,
        "address": address,
        "type": kind,
        "asn": asn,
        "state": state,
        "uptime": round(seen["peerUptimeMsec"] / 1000) if up and seen and "peerUptimeMsec" in seen else None,
        "received": seen.get("pfxRcd") if up and seen else None,
        "sent": seen.get("pfxSnt") if up and seen else None,
    }


def _link(link: Device, answers: Mapping[str, Device], found: State) -> Device:
    """A link is down when one end that was looked at is; the nodes' ends are known by their sessions only."""
    ends = [_port_state(link[end], answers) for end in "ab"]
    if link["kind"] == "server" and any(one["peer"] == link["b"]["device"] and one["state"] == ESTABLISHED for one in found["sessions"]):
        ends.append("up")
    state = "down" if "down" in ends else "up" if "up" in ends else "unknown"
    return {
        "a": f"{link['a']['device']} {link['a']['interface']}",
        "b": f"{link['b']['device']} {link['b']['interface']}",
        "subnet": link["subnet"],
        "kind": link["kind"],
        "state": state,
    }


def _port_state(end: Device, answers: Mapping[str, Device]) -> str:
    if end["device"] not in answers:
        return "unknown"
    port = next((one for one in answers[end["device"]]["interfaces"] if one["ifname"] == end["interface"]), None)
    return "up" if port and {"UP", "LOWER_UP"} <= set(port["flags"]) else "down"


# --- prefixes ------------------------------------------------------------------------------------------------------------


def _prefixes(fabric: Mapping[str, Any], answers: Mapping[str, Device], blocks: Iterable[Device]) -> list[Device]:
    """Every prefix in some router's BGP table: what it is for, and by router the devices that it is sent to ("own": its own)."""
    names = _addresses(fabric)
    table: dict[str, dict[str, list[str]]] = {}
    for router, answer in answers.items():
        for prefix, paths in answer["table"].get("routes", {}).items():
            used = [path for path in paths if path.get("valid") and (path.get("bestpath") or path.get("multipath"))]
            hops = {hop["ip"] for path in used for hop in path.get("nexthops", [])}
            table.setdefault(prefix, {})[router] = sorted(names.get(hop, hop) for hop in hops)
    order = {"rack": 0, "link": 1, "pods": 2, "service": 3, "unexplained": 4}
    found = [{"prefix": prefix, "origin": origin(fabric, prefix, blocks), "routers": routers} for prefix, routers in table.items()]
    return sorted(found, key=lambda one: (order.get(str(one["origin"]).split()[0], 5), ip_network(str(one["prefix"]))))


def _addresses(fabric: Mapping[str, Any]) -> dict[str, str]:
    """Device by address; 0.0.0.0 is the router itself."""
    found = {"0.0.0.0": "own"} | {server["address"]: server["name"] for server in fabric["servers"]}
    for router in fabric["routers"]:
        found |= {one["address"].split("/")[0]: router["name"] for one in router["interfaces"]}
    return found


def origin(fabric: Mapping[str, Any], prefix: str, blocks: Iterable[Device]) -> str:
    """What a prefix is for: "rack rack0", "link leaf0 - spine0", "pods of worker", "service", or "unexplained"."""
    network = IPv4Network(prefix)
    for rack in fabric["racks"]:
        if prefix == rack["subnet"]:
            return f"rack {rack['name']}"
    for link in fabric["links"]:
        if prefix == link["subnet"]:
            return f"link {link['a']['device']} - {link['b']['device']}"
    servers = {server["node"]: server["name"] for server in fabric["servers"]}
    if network.subnet_of(IPv4Network(fabric["cluster"]["pod_subnet"])):
        node = next((one["spec"].get("affinity", "").removeprefix("host:") for one in blocks if one["spec"]["cidr"] == prefix), "")
        return f"pods of {servers[node]}" if node in servers else "pods"
    return "service" if network.subnet_of(IPv4Network(fabric["cluster"]["service_subnet"])) else "unexplained"


# --- troubles ------------------------------------------------------------------------------------------------------------


def _troubles(fabric: Mapping[str, Any], found: State, answers: Mapping[str, Device], unreadable: Mapping[str, str], objects: Objects | None) -> list[Device]:
    """What is wrong at a glance: {where, what}."""

    def trouble(where: str, what: str) -> Device:
        return {"where": where, "what": what}

    troubles = []
    for router in found["routers"]:
        if router["name"] in unreadable:
            troubles.append(trouble(router["name"], f"answers, but not readably: {unreadable[router['name']]}"))
        elif not router["up"]:
            troubles.append(trouble(router["name"], "the router does not answer"))
    troubles += [trouble(link["a"], f"the link to {link['b']} is down") for link in found["links"] if link["state"] == "down"]
    for one in found["sessions"]:
        if one["peer"] == "unknown":
            troubles.append(trouble(one["router"], f"neighbour {one['address']} that nobody intends"))
        elif one["router"] in answers and one["state"] != ESTABLISHED:
            troubles.append(trouble(one["router"], f"session with {one['peer']} ({one['address']}): {one['state']}"))
    if answers and not unreadable and len(answers) == len(fabric["routers"]):
        troubles += [trouble("BGP", f"{one['prefix']} is in a table and nothing explains it") for one in found["prefixes"] if one["origin"] == "unexplained"]
    troubles += [trouble(one["process"], f"{one['reason']}, and it was not started again") for one in found["crashes"] if one.get("gave_up")]
    if objects is None:
        troubles.append(trouble("Kubernetes API", "it does not answer"))
    else:
        troubles += [trouble(node["node"], "the node is not ready") for node in found["nodes"] if not node["ready"]]
    for pod in found["pods"]:
        if not pod["ready"]:
            troubles.append(trouble(f"pod {pod['name']}", f"not ready: {pod['reason'] or 'no reason given'}"))
    for router_name, lines in found["drift"].items():
        if lines:
            troubles.append(trouble(router_name, f"{len(lines)} line{'s' if len(lines) > 1 else ''} differ from the intent: {lines[0]}"))
    return troubles
