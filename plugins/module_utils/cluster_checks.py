# Copyright: (c) The leafspine.calico authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The cluster against its intent: nodes, Calico's resources, the demo app, and the nodes' own kernels. Pure functions."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from ipaddress import IPv4Address, IPv4Network
from typing import Any

from ansible_collections.leafspine.calico.plugins.module_utils import kernel_routes
from ansible_collections.leafspine.calico.plugins.module_utils.checks import Check, check, no_answer
from ansible_collections.leafspine.calico.plugins.module_utils.cluster_view import Objects, is_ready
from ansible_collections.leafspine.calico.plugins.module_utils.path_vector import tables

Device = dict[str, Any]
View = Mapping[str, Any]

NODE_LOOK = {"routes": ["ip", "-j", "-4", "route", "show"], "interfaces": ["ip", "-j", "address", "show"]}


# --- objects of the API --------------------------------------------------------------------------------------------------


def node_object_checks(servers: Iterable[Device], nodes: Iterable[Device], calico: bool = True) -> list[Check]:
    """Kubernetes' view of every server: the node is there, has its rack's label and its rack address; with ``calico`` also Ready and
    Calico's BGP address and AS number."""
    found = {node["metadata"]["name"]: node for node in nodes}
    checks: list[Check] = []
    for server in servers:
        name, look = server["node"], f"kubectl get node {server['node']} -o wide --show-labels"
        node = found.get(name)
        if node is None:
            checks.append(check("node", name, "node", "in the cluster", "absent", "kubectl get nodes"))
            continue
        labels = node["metadata"].get("labels") or {}
        checks += [check("node", name, f"label {label}", value, labels.get(label), look) for label, value in server["labels"].items()]
        addresses = [entry["address"] for entry in node.get("status", {}).get("addresses", []) if entry["type"] == "InternalIP"]
        checks.append(check("node", name, "InternalIP", [server["address"]], addresses, look))
        if calico:
            checks += _calico_node(server, node, is_ready(node))
    return checks


def _calico_node(server: Device, node: Device, ready: bool) -> list[Check]:
    name, notes = server["node"], node["metadata"].get("annotations") or {}
    look = f"calicoctl get node {name} -o yaml"
    address = f"{server['address']}/{server['prefix_length']}"
    return [
        check("node", name, "condition Ready", "True", "True" if ready else "not True", f"kubectl describe node {name}"),
        check("node", name, "BGP address", address, notes.get("projectcalico.org/IPv4Address"), look),
        check("node", name, "BGP AS number", str(server["asn"]), notes.get("projectcalico.org/ASNumber"), look),
    ]


def calico_checks(fabric: Device, objects: Objects) -> list[Check]:
    """Calico's cluster-wide resources: mesh off, exactly the intended peers, no overlay, natOutgoing as intended."""
    configuration = next((one.get("spec") or {} for one in objects["bgpconfigurations"] if one["metadata"]["name"] == "default"), {})
    mesh = configuration.get("nodeToNodeMeshEnabled", True)
    checks = [check("calico", "Calico", "node-to-node mesh", "off", "on" if mesh else "off", "calicoctl get bgpconfig default -o yaml")]
    wanted = {peer["name"]: _peer(peer["peer_ip"], peer["asn"], peer["selector"]) for peer in fabric["bgp_peers"]}
    found = {}
    for one in objects["bgppeers"]:
        spec = one.get("spec") or {}
        found[one["metadata"]["name"]] = _peer(spec.get("peerIP"), spec.get("asNumber"), spec.get("nodeSelector") or spec.get("node"))
    for name in sorted({*wanted, *found}):
        expected, has = wanted.get(name, "no such peer"), found.get(name, "no such peer")
        checks.append(check("calico", "Calico", f"BGPPeer {name}", expected, has, f"calicoctl get bgppeer {name} -o yaml"))
    for pool in objects["pools"]:
        spec, name = pool["spec"], pool["metadata"]["name"]
        look = f"calicoctl get ippool {name} -o yaml"
        overlay = [f"{key} {spec.get(key)}" for key in ("ipipMode", "vxlanMode") if spec.get(key) not in (None, "", "Never")]
        checks.append(check("calico", "Calico", f"overlay of IPPool {name}", [], overlay, look))
        if IPv4Network(spec["cidr"]).overlaps(IPv4Network(fabric["cluster"]["pod_subnet"])):
            wanted_nat, nat = fabric["calico"]["nat_outgoing"], bool(spec.get("natOutgoing"))
            checks.append(check("calico", "Calico", f"natOutgoing of IPPool {name}", wanted_nat, nat, look))
    cidrs = [pool["spec"]["cidr"] for pool in objects["pools"]]
    checks.append(check("calico", "Calico", "IPPool with the pod subnet", "there", _there(fabric["cluster"]["pod_subnet"] in cidrs), "calicoctl get ippool"))
    return checks


def _peer(address: object, asn: object, selector: object) -> str:
    return f"{address} AS {asn} for {selector}"


def _there(present: bool) -> str:
    return "there" if present else "absent"


def app_checks(fabric: Device, view: View) -> list[Check]:
    """The demo app: one ready pod on every server with an address from a block of that server, and a service with exactly these endpoints."""
    checks = []
    for server in fabric["servers"]:
        look = f"kubectl get pods -o wide --field-selector spec.nodeName={server['node']}"
        pods = [pod for pod in view["app"] if pod["server"] == server["name"]]
        checks.append(check("app", server["node"], "ready pods of the app", 1, sum(pod["ready"] for pod in pods), look))
        for pod in pods:
            inside = bool(pod["address"]) and any(IPv4Address(pod["address"]) in IPv4Network(block) for block in view["blocks"][server["name"]])
            expected = f"in {' or '.join(view['blocks'][server['name']]) or 'a block of its node'}"
            checks.append(
                check("app", server["node"], f"address of pod {pod['name']}", expected, pod["address"], "calicoctl ipam show --show-blocks", ok=inside)
            )
    service = view["service"]
    if service is None:
        return [*checks, check("app", "service", "service of the app", "there", "absent", "kubectl get services -A")]
    chosen = [pod for pod in view["app"] if pod["ready"] and set(service["selector"].items()) <= set(pod["labels"].items())]
    look = f"kubectl get endpointslices -l kubernetes.io/service-name={service['name']}"
    addresses = sorted(pod["address"] for pod in chosen)
    return [*checks, check("app", "service", f"endpoints of service {service['name']}", addresses, sorted(service["endpoints"]), look)]


# --- a node's kernel -----------------------------------------------------------------------------------------------------


def node_kernel_checks(
    server: Device, fabric: Device, view: View, outputs: Mapping[str, Mapping[str, Any]], down: Iterable[tuple[str, str]] = ()
) -> list[Check]:
    """A node's routes and its rack interface. ``outputs``: results of ``NODE_LOOK`` by name, each {rc, stdout, stderr}."""
    name, answers = server["node"], {}
    for what, command in NODE_LOOK.items():
        result = outputs.get(what) or {}
        try:
            answers[what] = json.loads(result.get("stdout") or "")
        except ValueError:
            return [no_answer(name, " ".join(command), result.get("stderr") or result.get("stdout") or "none")]
    return [*_rack_interface(server, answers["interfaces"]), *_node_routes(server, fabric, view, answers["routes"], down)]


def _rack_interface(server: Device, links: list[Device]) -> list[Check]:
    name, look = server["node"], f"ip address show {server['interface']}"
    link = next((one for one in links if one["ifname"] == server["interface"]), None)
    if link is None:
        return [check("interface", name, server["interface"], "an interface", "none", "ip address")]
    found = [f"{one['local']}/{one['prefixlen']}" for one in link.get("addr_info", []) if one["family"] == "inet"]
    state = "up" if {"UP", "LOWER_UP"} <= set(link["flags"]) else "down"
    return [
        check("interface", name, f"{server['interface']} address", [f"{server['address']}/{server['prefix_length']}"], found, look),
        check("interface", name, f"{server['interface']} MTU", server["mtu"], link["mtu"], look),
        check("interface", name, f"{server['interface']} state", "up", state, look),
    ]


def _node_routes(server: Device, fabric: Device, view: View, routes: list[Device], down: Iterable[tuple[str, str]]) -> list[Check]:
    """The model's routes, own blocks as blackholes, a link route to each own pod; never a service range."""
    services = {prefix for prefixes in view["announced"].values() for prefix in prefixes} - {block for own in view["blocks"].values() for block in own}
    model = tables(fabric, view["announced"], down=[*down])
    rack = str(IPv4Network(f"{server['address']}/{server['prefix_length']}", strict=False))
    expected = {prefix: kernel_routes.via(route.next_hops) for prefix, route in model[server["name"]].items() if route.next_hops and prefix not in services}
    expected |= {rack: f"dev {server['interface']}", "default": kernel_routes.via([server["gateway"]])}
    expected |= dict.fromkeys(view["blocks"][server["name"]], "blackhole")
    pods = {f"{address}/32" for address in view["pods"][server["name"]]}
    table = kernel_routes.by_destination(routes)
    # The name of a pod's interface is Calico's own affair.
    expected |= {pod: next((text for text in map(kernel_routes.describe, table.get(pod, [])) if text.startswith("dev cali")), "dev cali*") for pod in pods}

    def explained(prefix: str, entry: kernel_routes.Entry) -> bool:
        """The network that the container engine gave the node: connected, and no part of the lab."""
        ours = [rack, fabric["cluster"]["pod_subnet"], fabric["cluster"]["service_subnet"], *(link["subnet"] for link in fabric["links"])]
        foreign = prefix != "default" and not any(IPv4Network(prefix).overlaps(IPv4Network(one)) for one in ours)
        return foreign and entry.get("protocol") == "kernel" and "gateway" not in entry

    checks = kernel_routes.judge(server["node"], expected, routes, explained, look="ip route show")
    inside = sorted(prefix for prefix in table if prefix != "default" and _overlaps(prefix, [fabric["cluster"]["service_subnet"], *view["service_ranges"]]))
    return [*checks, check("kernel route", server["node"], "routes to services", [], inside, "ip route show")]


def _overlaps(prefix: str, others: Iterable[str]) -> bool:
    return any(IPv4Network(prefix).overlaps(IPv4Network(other)) for other in others)
