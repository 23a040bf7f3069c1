# Copyright: (c) The leafspine.calico authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A fabric document as objects, and what is chosen for it: link prefixes, management addresses, port numbers.

Works on a document whose shape was checked and whose wrong values were taken out, so anything may be missing: then it is
None here, and nothing is derived from it. Choices depend on a device's own name and on explicit values, so that a device
that comes or goes moves no other.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from ipaddress import IPv4Address, IPv4Network
from typing import Any

from ansible_collections.leafspine.calico.plugins.module_utils import addressing
from ansible_collections.leafspine.calico.plugins.module_utils.fabric_schema import with_defaults
from ansible_collections.leafspine.calico.plugins.module_utils.fabric_shape import Path

BLOCK_LINKS = 16  # links a leaf's block of the pool holds; also the most spines a fabric has
LEAF_BRIDGE_PORT = 2  # the leaf's port on its bridge is always <bridge>-net2: a server that is added renames nothing
MAX_PORT = 128
_KIND_NAME = re.compile(r"(control-plane|worker)([2-9]|[1-9][0-9]{1,3})?")


@dataclass(frozen=True, eq=False)
class Router:
    """A spine or a leaf. ``port`` is the explicit number of the port that the other side uses towards it."""

    name: str
    path: Path
    rack: Rack | None
    asn: int | None
    management: IPv4Address | None
    port: int | None


@dataclass(frozen=True, eq=False)
class Server:
    """A server; ``bridge_port`` is the number of its port on the rack's bridge."""

    name: str
    path: Path
    rack: Rack
    address: IPv4Address | None
    bridge_port: int


@dataclass(frozen=True, eq=False)
class Link:
    """A link from a leaf to a spine; ``explicit`` is its prefix when the file gives one."""

    leaf: Router
    spine: Router
    path: Path
    explicit: IPv4Network | None


@dataclass(eq=False)
class Rack:
    """A rack with its leaf and servers in the order of the file."""

    name: str
    path: Path
    asn: int | None
    subnet: IPv4Network | None
    uplinks: dict[str, dict[str, Any]]
    complete: bool  # whether all its servers are known
    leaves: list[Router] = field(default_factory=list)
    servers: list[Server] = field(default_factory=list)


class Fabric:
    """A fabric document with defaults filled in."""

    def __init__(self, document: dict[str, Any]) -> None:
        self.document = with_defaults(document)
        self.lab_name: str = self.document.get("lab_name", "")
        self.cluster: dict[str, Any] = self.document["cluster"]
        self.cluster_name: str = self.cluster.get("name", f"clab-{self.lab_name}")
        self.spines = [
            Router(name, ("spines", name), None, value.get("asn"), _address(value.get("management")), value.get("leaf_port"))
            for name, value in self.document.get("spines", {}).items()
        ]
        self.racks = [_rack(name, value) for name, value in self.document.get("racks", {}).items()]

    @property
    def leaves(self) -> list[Router]:
        """All leaves in the order of the file."""
        return [leaf for rack in self.racks for leaf in rack.leaves]

    @property
    def routers(self) -> list[Router]:
        """Spines, then leaves."""
        return [*self.spines, *self.leaves]

    @property
    def servers(self) -> list[Server]:
        """All servers in the order of the file."""
        return [server for rack in self.racks for server in rack.servers]

    @cached_property
    def nodes(self) -> list[Server]:
        """The servers in the order in which kind names its nodes: control planes, then workers, by number."""
        if self.cluster["naming"] == "verbatim":
            return self.servers
        return sorted(self.servers, key=lambda server: kind_name(server.name) or ("worker", MAX_PORT**3))

    def network(self, *keys: str) -> IPv4Network | None:
        """The prefix at a place of the document, such as ('cluster', 'pod_subnet')."""
        value: Any = self.document
        for key in keys:
            value = value.get(key, {})
        return _network(value)

    def node_name(self, server: Server) -> str:
        """The Kubernetes node (and container) of a server."""
        return server.name if self.cluster["naming"] == "verbatim" else f"{self.cluster_name}-{server.name}"

    def role(self, server: Server) -> str:
        """control-plane or worker."""
        if self.cluster["naming"] == "verbatim":
            return "control-plane" if server.name in self.cluster.get("control_planes", []) else "worker"
        return (kind_name(server.name) or ("worker", 0))[0]

    def clab_node(self, server: Server) -> str:
        """The server's name in a containerlab topology that shares the nodes' network namespaces."""
        return f"server{self.nodes.index(server) + 1}"

    def container(self, router: Router) -> str:
        """The router's container, named as containerlab names it."""
        return f"clab-{self.lab_name}-{router.name}"

    def bridge(self, leaf: Router) -> str:
        """The bridge of a leaf's rack segment."""
        return f"{self.document['bridge_prefix']}{leaf.name}"

    @cached_property
    def links(self) -> list[Link]:
        """All links between leaves and spines: leaf by leaf, spine by spine."""
        return list(self._links())

    def _links(self) -> Iterator[Link]:
        for leaf in self.leaves:
            if leaf.rack is None:
                raise ValueError(f"leaf {leaf.name} stands in no rack")
            values = leaf.rack.uplinks.get(leaf.name, {})
            for spine in self.spines:
                value = values.get(spine.name)
                if value is not False:
                    yield Link(leaf, spine, (*leaf.rack.path, "uplinks", leaf.name, spine.name), _network(value))

    # --- choices ---------------------------------------------------------------------------------------------------------

    @cached_property
    def link_networks(self) -> dict[tuple[str, str], IPv4Network]:
        """The prefix of each link by (leaf, spine); a link for which the pool has no room is missing."""
        networks = {}
        leaf_slots = addressing.assign_slots([leaf.name for leaf in self.leaves], self.pool_blocks)
        spine_slots = addressing.assign_slots([spine.name for spine in self.spines], BLOCK_LINKS)
        pool = self.network("link_pool")
        size = self.link_size
        for link in self.links:
            pair = (link.leaf.name, link.spine.name)
            if link.explicit is not None:
                networks[pair] = link.explicit
            elif pool is not None and pair[0] in leaf_slots and pair[1] in spine_slots:
                offset = (leaf_slots[pair[0]] * BLOCK_LINKS + spine_slots[pair[1]]) * size
                networks[pair] = IPv4Network((int(pool.network_address) + offset, self.link_length))
        return networks

    @property
    def link_length(self) -> int:
        """Prefix length of drawn links."""
        return int(self.document.get("link_prefix_length", 31))

    @property
    def link_size(self) -> int:
        """Addresses of a drawn link."""
        return 1 << (32 - self.link_length)

    @property
    def pool_blocks(self) -> int:
        """How many leaves' blocks the pool holds."""
        pool = self.network("link_pool")
        return 0 if pool is None else pool.num_addresses // (self.link_size * BLOCK_LINKS)

    @cached_property
    def management(self) -> dict[str, IPv4Address]:
        """Management address by router: spines from the lower half of the prefix, leaves from the upper half.

        The host has the first address. A router for which its half has no room is missing.
        """
        subnet = self.network("management_subnet")
        given = {router.name: router.management for router in self.routers if router.management is not None}
        if subnet is None or subnet.prefixlen > 29:
            return given
        base = int(subnet.network_address)
        half = subnet.num_addresses // 2
        chosen = dict(given)
        for routers, low, high in ((self.spines, 2, half), (self.leaves, half, subnet.num_addresses - 1)):
            taken = [int(address) - base - low for address in given.values()]
            names = [router.name for router in routers if router.management is None]
            for name, slot in addressing.assign_slots(names, high - low, taken).items():
                chosen[name] = IPv4Address(base + low + slot)
        return chosen

    @cached_property
    def leaf_ports(self) -> dict[str, int]:
        """Number of the port that every leaf uses towards a spine, by spine."""
        ports = {spine.name: spine.port for spine in self.spines if spine.port is not None}
        free = (number for number in range(1, 2 * MAX_PORT) if number not in ports.values())
        given = set(ports.values())
        for spine in self.spines:
            if spine.port is None:
                ports[spine.name] = next(number for number in free if number not in given)
        return ports

    @cached_property
    def rack_port(self) -> int:
        """Number of the port that every leaf uses towards its rack: the first one after the ports chosen for spines."""
        given = {spine.port for spine in self.spines}
        chosen = [self.leaf_ports[spine.name] for spine in self.spines if spine.port is None]
        return next(number for number in range(max(chosen, default=0) + 1, 3 * MAX_PORT) if number not in given)

    @cached_property
    def spine_ports(self) -> dict[str, int]:
        """Number of the port that every spine uses towards a leaf, by leaf: leaf0 eth1, leaf1 eth2."""
        given = {leaf.name: leaf.port for leaf in self.leaves if leaf.port is not None}
        names = [leaf.name for leaf in self.leaves if leaf.port is None]
        slots = addressing.assign_slots(names, MAX_PORT, [port - 1 for port in given.values()], wrap=False)
        return given | {name: slot + 1 for name, slot in slots.items()}


def kind_name(name: str) -> tuple[str, int] | None:
    """Role and number of a name that kind gives its nodes: ('worker', 2) of worker2; None of any other name."""
    match = _KIND_NAME.fullmatch(name)
    return (match[1], int(match[2] or 1)) if match else None


def _rack(name: str, value: dict[str, Any]) -> Rack:
    rack = Rack(name, ("racks", name), value.get("asn"), _network(value.get("subnet")), value.get("uplinks", {}), "servers" in value)
    for number, entry in enumerate(value.get("leaves", [])):
        leaf: dict[str, Any] = {"name": entry} if isinstance(entry, str) else entry
        if "name" in leaf:
            path = (*rack.path, "leaves", number)
            rack.leaves.append(Router(leaf["name"], path, rack, rack.asn, _address(leaf.get("management")), leaf.get("spine_port")))
    for number, (server, address) in enumerate(value.get("servers", {}).items()):
        port = number if number < LEAF_BRIDGE_PORT else number + 1
        rack.servers.append(Server(server, (*rack.path, "servers", server), rack, _address(address), port))
    return rack


def _network(value: object) -> IPv4Network | None:
    return IPv4Network(value) if isinstance(value, str) else None


def _address(value: object) -> IPv4Address | None:
    return IPv4Address(value) if isinstance(value, str) else None
