# Copyright: (c) The leafspine.calico authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The complete intent of a fabric: every address, AS number, interface, link and session, computed once.

``load`` turns the text of a fabric file into the intent or a list of problems. The shapes of the intent and of its
routers and servers are documented in the inventory plugin. Roles, checks and reports only read them.
"""

from __future__ import annotations

from ipaddress import IPv4Network
from typing import Any, TypeVar

from ansible_collections.leafspine.calico.plugins.module_utils import import_filters
from ansible_collections.leafspine.calico.plugins.module_utils.addressing import host, with_length
from ansible_collections.leafspine.calico.plugins.module_utils.fabric_checks import check
from ansible_collections.leafspine.calico.plugins.module_utils.fabric_model import LEAF_BRIDGE_PORT, Fabric, Link, Rack, Router, Server
from ansible_collections.leafspine.calico.plugins.module_utils.fabric_shape import Problem, check_shape, read

Intent = dict[str, Any]
Known = TypeVar("Known")

SERVER_INTERFACE = "net0"
MANAGEMENT_INTERFACE = "eth0"
# Policies and profiles whose names begin with this are ours on every router.
POLICY_PREFIX = "LEAFSPINE-"
BFD_PROFILE = f"{POLICY_PREFIX}FABRIC"
NODE_FILTER = f"{POLICY_PREFIX}NODES"


def load(text: str) -> tuple[Intent | None, list[Problem]]:
    """The intent that a fabric file's text describes and no problems, or None and every problem found."""
    document, problems = read(text)
    if document is None:
        return None, problems
    return from_document(document, problems)


def from_document(document: Any, problems: list[Problem] | None = None) -> tuple[Intent | None, list[Problem]]:
    """Like ``load`` for a document of plain Python values."""
    usable, shape = check_shape(document)
    problems = [*(problems or []), *shape]
    if usable or not shape:
        problems += [problem for problem in check(Fabric(usable)) if problem not in problems]
    return (None, problems) if problems else (build(Fabric(document)), [])


def build(fabric: Fabric) -> Intent:
    """The intent of a fabric without problems."""
    management = _known(fabric.network("management_subnet"))
    return {
        "lab_name": fabric.lab_name,
        "lab_host": fabric.document["lab_host"],
        "mtu": fabric.document["mtu"],
        "cluster": _cluster(fabric),
        "management": {
            "subnet": str(management),
            "gateway": str(host(management, 1)),
            "prefix_length": management.prefixlen,
            "bridge": fabric.lab_name,
            "network": fabric.lab_name,
        },
        "racks": [_rack(fabric, rack) for rack in fabric.racks],
        "bridges": [{"name": fabric.bridge(leaf), "rack": _known(leaf.rack).name, "leaf": leaf.name, "mtu": fabric.document["mtu"]} for leaf in fabric.leaves],
        "routers": [_spine(fabric, spine) for spine in fabric.spines] + [_leaf(fabric, leaf) for leaf in fabric.leaves],
        "servers": [_server(fabric, server) for server in fabric.nodes],
        "links": [link for leaf in fabric.leaves for link in _links(fabric, leaf)],
        "bgp_peers": [_bgp_peer(leaf) for leaf in fabric.leaves if _known(leaf.rack).servers],
        "autonomous_systems": _autonomous_systems(fabric),
        "calico": dict(fabric.document["calico"]),
    }


def _known(value: Known | None) -> Known:
    """A value that the checks guarantee."""
    if value is None:
        raise ValueError("a fabric with problems has no intent")
    return value


def _cluster(fabric: Fabric) -> dict[str, Any]:
    keys = ("pod_subnet", "service_subnet", "node_network", "naming")
    return {
        "name": fabric.cluster_name,
        **{key: fabric.cluster[key] for key in keys},
        "node_names": [fabric.node_name(server) for server in fabric.nodes],
        "control_plane_names": [fabric.node_name(server) for server in fabric.nodes if fabric.role(server) == "control-plane"],
    }


def _rack(fabric: Fabric, rack: Rack) -> dict[str, Any]:
    return {
        "name": rack.name,
        "asn": rack.asn,
        "subnet": str(rack.subnet),
        "gateway": str(host(_known(rack.subnet), 1)),
        "leaves": [leaf.name for leaf in rack.leaves],
        "servers": [server.name for server in rack.servers],
        "nodes": [fabric.node_name(server) for server in rack.servers],
    }


# --- routers -------------------------------------------------------------------------------------------------------------


def _uplink(fabric: Fabric, link: Link) -> dict[str, Any]:
    """A link's two ends as interfaces: leaf first."""
    network = fabric.link_networks[link.leaf.name, link.spine.name]
    return {
        "network": network,
        "leaf": {"interface": f"eth{fabric.leaf_ports[link.spine.name]}", "address": host(network, 1)},
        "spine": {"interface": f"eth{fabric.spine_ports[link.leaf.name]}", "address": host(network, 2)},
    }


def _router(fabric: Fabric, router: Router, role: str, router_id: str, nat: list[dict[str, Any]]) -> dict[str, Any]:
    subnet = _known(fabric.network("management_subnet"))
    bgp = fabric.document["bgp"]
    return {
        "name": router.name,
        "role": role,
        "rack": router.rack.name if router.rack else None,
        "asn": router.asn,
        "router_id": router_id,
        "container": fabric.container(router),
        "management": {
            "interface": MANAGEMENT_INTERFACE,
            "address": str(fabric.management[router.name]),
            "prefix_length": subnet.prefixlen,
        },
        "multipath_relax": True,
        "layer4_hashing": fabric.document["ecmp"]["layer4"],
        "bfd": {"profile": BFD_PROFILE, "interval": bgp["bfd"]["interval"], "multiplier": bgp["bfd"]["multiplier"]} if bgp["bfd"]["enabled"] else None,
        "import_filter": _import_filter(fabric) if router.rack and router.rack.servers else None,
        "nat": nat,
    }


def _import_filter(fabric: Fabric) -> dict[str, Any] | None:
    """What a leaf accepts from nodes, as the prefix-list and route-map of that name; None: everything."""
    wanted = fabric.document["bgp"]["import_filter"]
    if not wanted["enabled"]:
        return None
    ranges = [_known(fabric.network("cluster", "service_subnet")), *map(IPv4Network, wanted["service_ranges"])]
    accepted = import_filters.entries(_known(fabric.network("cluster", "pod_subnet")), ranges)
    return {"name": NODE_FILTER, "accepted": accepted, "maximum_prefix": wanted["maximum_prefix"]}


def _interface(fabric: Fabric, name: str, address: str, kind: str, peer: dict[str, str]) -> dict[str, Any]:
    return {
        "name": name,
        "address": address,
        "mtu": fabric.document["mtu"],
        "kind": kind,
        "description": f"to {peer['device']} {peer['interface']}",
        "peer": peer,
    }


def _neighbor(fabric: Fabric, here: str, peer: tuple[str, str, Any, int | None], session: str, internal: bool) -> dict[str, Any]:
    """A session of a router. ``peer`` is (device, its interface, its address, its AS)."""
    bgp = fabric.document["bgp"]
    return {
        "address": str(peer[2]),
        "asn": peer[3],
        "type": "ibgp" if internal else "ebgp",
        "device": peer[0],
        "peer_interface": peer[1],
        "interface": here,
        "session": session,
        "route_reflector_client": internal,
        "nexthop_self": internal,
        "bfd": not internal and bgp["bfd"]["enabled"],
        "md5": not internal and bgp["md5"],
        "timers": None if internal else dict(bgp["timers"]),
        "filtered": internal and bgp["import_filter"]["enabled"],
    }


def _leaf(fabric: Fabric, leaf: Router) -> dict[str, Any]:
    rack = _known(leaf.rack)
    subnet = _known(rack.subnet)
    rack_port = f"eth{fabric.rack_port}"
    nat = fabric.document["nat"]
    interfaces, neighbors, networks = [], [], [str(subnet)]
    for link in sorted((link for link in fabric.links if link.leaf is leaf), key=lambda link: fabric.leaf_ports[link.spine.name]):
        ends = _uplink(fabric, link)
        here, there = ends["leaf"], ends["spine"]
        address = with_length(here["address"], ends["network"])
        interfaces.append(_interface(fabric, here["interface"], address, "uplink", {"device": link.spine.name, "interface": there["interface"]}))
        peer = (link.spine.name, there["interface"], there["address"], link.spine.asn)
        neighbors.append(_neighbor(fabric, here["interface"], peer, f"{leaf.name}-{link.spine.name}", internal=False))
        networks.append(str(ends["network"]))
    bridge = {"device": fabric.bridge(leaf), "interface": f"{fabric.bridge(leaf)}-net{LEAF_BRIDGE_PORT}"}
    interfaces.append(_interface(fabric, rack_port, with_length(host(subnet, 1), subnet), "rack", bridge))
    neighbors += [
        _neighbor(fabric, rack_port, (server.name, SERVER_INTERFACE, server.address, rack.asn), f"{leaf.name}-{server.name}", internal=True)
        for server in rack.servers
    ]
    masquerade = {"rule": nat["rule"], "source": nat.get("source", str(subnet)), "interface": MANAGEMENT_INTERFACE}
    router = _router(fabric, leaf, "leaf", str(host(subnet, 1)), [masquerade])
    return router | {"interfaces": sorted(interfaces, key=_port), "networks": networks, "neighbors": neighbors}


def _spine(fabric: Fabric, spine: Router) -> dict[str, Any]:
    interfaces, neighbors, networks, addresses = [], [], [], []
    for link in sorted((link for link in fabric.links if link.spine is spine), key=lambda link: fabric.spine_ports[link.leaf.name]):
        ends = _uplink(fabric, link)
        here, there = ends["spine"], ends["leaf"]
        address = with_length(here["address"], ends["network"])
        interfaces.append(_interface(fabric, here["interface"], address, "downlink", {"device": link.leaf.name, "interface": there["interface"]}))
        peer = (link.leaf.name, there["interface"], there["address"], link.leaf.asn)
        neighbors.append(_neighbor(fabric, here["interface"], peer, f"{link.leaf.name}-{spine.name}", internal=False))
        networks.append(str(ends["network"]))
        addresses.append(str(here["address"]))
    router = _router(fabric, spine, "spine", addresses[0], [])
    return router | {"interfaces": interfaces, "networks": networks, "neighbors": neighbors}


def _port(interface: dict[str, Any]) -> int:
    return int(interface["name"].removeprefix("eth"))


# --- servers, links, sessions --------------------------------------------------------------------------------------------


def _server(fabric: Fabric, server: Server) -> dict[str, Any]:
    rack = server.rack
    subnet = _known(rack.subnet)
    leaf = rack.leaves[0]
    return {
        "name": server.name,
        "node": fabric.node_name(server),
        "role": fabric.role(server),
        "rack": rack.name,
        "asn": rack.asn,
        "address": str(server.address),
        "prefix_length": subnet.prefixlen,
        "gateway": str(host(subnet, 1)),
        "leaf": leaf.name,
        "bridge": fabric.bridge(leaf),
        "bridge_port": f"{fabric.bridge(leaf)}-net{server.bridge_port}",
        "interface": SERVER_INTERFACE,
        "mtu": fabric.document["mtu"],
        "clab_node": fabric.clab_node(server),
        "labels": {"rack": rack.name},
    }


def _end(device: str, interface: str, address: str | None, **more: str) -> dict[str, Any]:
    """An end of a link; ``node`` is its name in a containerlab topology."""
    return {"device": device, "node": device, "interface": interface, "address": address} | more


def _links(fabric: Fabric, leaf: Router) -> list[dict[str, Any]]:
    """A leaf's uplinks, its link to the rack's bridge, and the servers' links to that bridge."""
    rack = _known(leaf.rack)
    subnet = _known(rack.subnet)
    bridge = fabric.bridge(leaf)

    def link(a: dict[str, Any], b: dict[str, Any], network: IPv4Network, kind: str) -> dict[str, Any]:
        return {"a": a, "b": b, "subnet": str(network), "mtu": fabric.document["mtu"], "kind": kind}

    links = []
    for uplink in (uplink for uplink in fabric.links if uplink.leaf is leaf):
        ends = _uplink(fabric, uplink)
        a, b = (
            _end(router.name, ends[side]["interface"], with_length(ends[side]["address"], ends["network"]))
            for router, side in ((leaf, "leaf"), (uplink.spine, "spine"))
        )
        links.append(link(a, b, ends["network"], "uplink"))
    leaf_end = _end(leaf.name, f"eth{fabric.rack_port}", with_length(host(subnet, 1), subnet))
    links.append(link(leaf_end, _end(bridge, f"{bridge}-net{LEAF_BRIDGE_PORT}", None), subnet, "rack"))
    for server in rack.servers:
        address = with_length(_known(server.address), subnet)
        server_end = _end(server.name, SERVER_INTERFACE, address, node=fabric.node_name(server), clab_node=fabric.clab_node(server))
        links.append(link(_end(bridge, f"{bridge}-net{server.bridge_port}", None), server_end, subnet, "server"))
    return links


def _bgp_peer(leaf: Router) -> dict[str, Any]:
    """The BGPPeer resource through which Calico reaches a rack's leaf."""
    rack = _known(leaf.rack)
    return {
        "name": f"{rack.name}-to-{leaf.name}",
        "peer_ip": str(host(_known(rack.subnet), 1)),
        "asn": rack.asn,
        "rack": rack.name,
        "leaf": leaf.name,
        "selector": f"rack == '{rack.name}'",
    }


def _autonomous_systems(fabric: Fabric) -> list[dict[str, Any]]:
    """AS numbers with their routers and servers; spines may share one."""
    systems: dict[int, dict[str, Any]] = {}
    for spine in fabric.spines:
        system = systems.setdefault(_known(spine.asn), {"asn": spine.asn, "rack": None, "routers": [], "servers": []})
        system["routers"].append(spine.name)
    racks = [
        {
            "asn": rack.asn,
            "rack": rack.name,
            "routers": [leaf.name for leaf in rack.leaves],
            "servers": [server.name for server in rack.servers],
        }
        for rack in fabric.racks
    ]
    return [*systems.values(), *racks]
