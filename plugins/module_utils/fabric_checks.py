# Copyright: (c) The leafspine.calico authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What several keys of a fabric must fulfil together. Each check yields every problem it finds.

The names of things have a module of their own, fabric_names.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from ipaddress import IPv4Address, IPv4Network

from ansible_collections.leafspine.calico.plugins.module_utils.addressing import host, host_range, overlaps
from ansible_collections.leafspine.calico.plugins.module_utils.fabric_model import BLOCK_LINKS, Fabric, Router
from ansible_collections.leafspine.calico.plugins.module_utils.fabric_names import check_names
from ansible_collections.leafspine.calico.plugins.module_utils.fabric_shape import Path, Problem, show_path

# Shortest and longest prefix of each kind, and why the longest. Service: limits of kube-apiserver (at most 20 bits) and
# kubeadm (at least 10 addresses); pods: kubeadm gives every node a /24 of the pod prefix.
RACK_LENGTHS = (8, 30, "a leaf and its servers")
LINK_LENGTHS = (8, 31, "the two ends of a link")
MANAGEMENT_LENGTHS = (8, 29, "the lab host, spines and leaves")
POD_LENGTHS = (8, 24, "a /24 for every node")
SERVICE_LENGTHS = (12, 28, "Kubernetes' own services")
NODE_LENGTHS = (8, 29, "the nodes")
RANGE_LENGTHS = (8, 32, "an address")
NODE_POD_LENGTH = 24


def check(fabric: Fabric) -> list[Problem]:
    """Every problem of a fabric that concerns more than one value."""
    checks = (
        check_racks,
        check_uplinks,
        check_lengths,
        check_overlaps,
        check_servers,
        check_asns,
        check_names,
        check_ports,
        check_management,
        check_room,
        check_sessions,
        check_nat,
    )
    return [problem for one in checks for problem in one(fabric)]


def check_racks(fabric: Fabric) -> Iterator[Problem]:
    """One leaf a rack: the second would need a shared gateway, which the routers do not have yet."""
    for rack in fabric.racks:
        if len(rack.leaves) > 1:
            names = ", ".join(leaf.name for leaf in rack.leaves)
            yield Problem((*rack.path, "leaves"), f"{len(rack.leaves)} leaves ({names}); allowed: one leaf a rack for now")


def check_uplinks(fabric: Fabric) -> Iterator[Problem]:
    """Uplinks name leaves of the rack and spines that exist, and every router has a link."""
    spines = [spine.name for spine in fabric.spines]
    for rack in fabric.racks:
        leaves = [leaf.name for leaf in rack.leaves]
        for leaf, links in rack.uplinks.items():
            path: Path = (*rack.path, "uplinks", leaf)
            if leaves and leaf not in leaves:
                yield Problem(path, f"unknown leaf; allowed: the rack's leaves {', '.join(leaves)}")
            for spine in links:
                if spines and spine not in spines:
                    yield Problem((*path, spine), f"unknown spine; allowed: {', '.join(spines)}")
    linked = {name for link in fabric.links for name in (link.leaf.name, link.spine.name)}
    for router in fabric.routers if fabric.spines and fabric.leaves else []:
        if router.name not in linked:
            kind, other = ("leaf", "spine") if router.rack else ("spine", "leaf")
            yield Problem(router.path, f"{kind} {router.name} has no link to any {other}; allowed: at least one")


# --- prefixes ------------------------------------------------------------------------------------------------------------


def check_lengths(fabric: Fabric) -> Iterator[Problem]:
    """Every prefix has room for what it holds, and Kubernetes takes it."""
    wanted: list[tuple[Path, IPv4Network | None, tuple[int, int, str]]] = [
        (("cluster", "pod_subnet"), fabric.network("cluster", "pod_subnet"), POD_LENGTHS),
        (("cluster", "service_subnet"), fabric.network("cluster", "service_subnet"), SERVICE_LENGTHS),
        (("cluster", "node_network"), fabric.network("cluster", "node_network"), NODE_LENGTHS),
        (("management_subnet",), fabric.network("management_subnet"), MANAGEMENT_LENGTHS),
    ]
    wanted += [((*rack.path, "subnet"), rack.subnet, RACK_LENGTHS) for rack in fabric.racks]
    wanted += [(link.path, link.explicit, LINK_LENGTHS) for link in fabric.links]
    wanted += [(path, network, RANGE_LENGTHS) for path, network in _service_ranges(fabric)]
    for path, network, (low, high, content) in wanted:
        if network is not None and not low <= network.prefixlen <= high:
            reason = f"has no room for {content}" if network.prefixlen > high else "is too large"
            yield Problem(path, f"{network} {reason}; allowed: /{low} - /{high}")


def check_overlaps(fabric: Fabric) -> Iterator[Problem]:
    """Rack, link, management, pod, service and node prefixes are apart; links may be chosen by hand inside the pool."""
    named: list[tuple[Path, IPv4Network | None]] = [((*rack.path, "subnet"), rack.subnet) for rack in fabric.racks]
    named += [
        (keys, fabric.network(*keys))
        for keys in (("management_subnet",), ("cluster", "pod_subnet"), ("cluster", "service_subnet"), ("cluster", "node_network"))
    ]
    pool = fabric.network("link_pool") if any(link.explicit is None for link in fabric.links) else None
    named += [(("link_pool",), pool)]
    named += _service_ranges(fabric)
    named += [(link.path, link.explicit) for link in fabric.links if not (link.explicit and pool and link.explicit.subnet_of(pool))]
    yield from _overlapping(named)

    links = [(link.path, fabric.link_networks.get((link.leaf.name, link.spine.name))) for link in fabric.links]
    yield from _overlapping([(path, network) for path, network in links if network and pool and network.overlaps(pool)])


def _service_ranges(fabric: Fabric) -> list[tuple[Path, IPv4Network]]:
    """Further ranges of service addresses that nodes may announce."""
    values = fabric.document["bgp"]["import_filter"].get("service_ranges") or []
    return [(("bgp", "import_filter", "service_ranges", number), IPv4Network(value)) for number, value in enumerate(values)]


def _overlapping(named: Iterable[tuple[Path, IPv4Network | None]]) -> Iterator[Problem]:
    for (path, network), (other_path, other) in overlaps((path, network) for path, network in named if network is not None):
        yield Problem(path, f"{network} overlaps {show_path(other_path)} {other}; allowed: a prefix of its own")


def check_servers(fabric: Fabric) -> Iterator[Problem]:
    """Each server has an address of its own, a host of its rack's prefix that is not the gateway's."""
    seen: dict[IPv4Address, Path] = {}
    for server in fabric.servers:
        address, subnet = server.address, server.rack.subnet
        if address is None:
            continue
        if address in seen:
            yield Problem(server.path, f"{address} is also the address of {show_path(seen[address])}; allowed: an address of its own")
        seen.setdefault(address, server.path)
        if subnet is None or subnet.prefixlen > RACK_LENGTHS[1]:
            continue
        special = {
            subnet.network_address: "the network address of the rack",
            host(subnet, 1): "the address of the rack's leaf (the gateway)",
            subnet.broadcast_address: "the broadcast address of the rack",
        }
        if address not in subnet:
            yield Problem(server.path, f"{address} is outside the rack's subnet {subnet}; allowed: {host_range(subnet, 2)}")
        elif address in special:
            yield Problem(server.path, f"{address} is {special[address]}; allowed: {host_range(subnet, 2)}")


def check_nat(fabric: Fabric) -> Iterator[Problem]:
    """A masqueraded prefix holds every rack; otherwise some rack would silently have no way out."""
    source = fabric.network("nat", "source")
    for rack in fabric.racks:
        if source is not None and rack.subnet is not None and not rack.subnet.subnet_of(source):
            text = f"{source} does not hold {show_path(rack.path)}.subnet {rack.subnet}; allowed: a prefix that holds every rack, or none"
            yield Problem(("nat", "source"), text)


# --- autonomous systems, sessions ----------------------------------------------------------------------------------------


def check_asns(fabric: Fabric) -> Iterator[Problem]:
    """Every rack has an AS of its own: a router drops routes that already carry its AS. Spines may share one."""
    spines: dict[int, str] = {}
    for spine in fabric.spines:
        if spine.asn is not None:
            spines.setdefault(spine.asn, spine.name)
    racks: dict[int, str] = {}
    for rack in fabric.racks:
        if rack.asn is None:
            continue
        path = (*rack.path, "asn")
        if rack.asn in spines:
            text = f"{rack.asn} is also the AS of {spines[rack.asn]}; allowed: a leaf and a spine are in different systems"
            yield Problem(path, text)
        if rack.asn in racks:
            text = f"{rack.asn} is also the AS of {racks[rack.asn]}; allowed: an AS of its own, leaves drop routes that carry theirs"
            yield Problem(path, text)
        racks.setdefault(rack.asn, rack.name)


def check_sessions(fabric: Fabric) -> Iterator[Problem]:
    """Three keepalives fit into the hold time; FRR would silently lower the keepalive otherwise."""
    timers = fabric.document["bgp"].get("timers", {})
    if "keepalive" in timers and "holdtime" in timers and timers["holdtime"] < 3 * timers["keepalive"]:
        text = f"{timers['holdtime']} is less than three keepalives of {timers['keepalive']}; allowed: {3 * timers['keepalive']} or more"
        yield Problem(("bgp", "timers", "holdtime"), text)


# --- ports, management, room ---------------------------------------------------------------------------------------------


def check_ports(fabric: Fabric) -> Iterator[Problem]:
    """Explicit port numbers are used once, and every leaf gets a port on the spines."""
    for routers, key, kind in ((fabric.spines, "leaf_port", "spine"), (fabric.leaves, "spine_port", "leaf")):
        seen: dict[int, Router] = {}
        for router in routers:
            if router.port is None:
                continue
            if router.port in seen:
                text = f"{router.port} is also the port of {kind} {seen[router.port].name}; allowed: a number of its own"
                yield Problem((*router.path, key), text)
            seen.setdefault(router.port, router)
    for leaf in fabric.leaves:
        if leaf.name not in fabric.spine_ports:
            yield Problem(leaf.path, f"no port is left on the spines for leaf {leaf.name}; allowed: 128 leaves")


def check_management(fabric: Fabric) -> Iterator[Problem]:
    """Explicit management addresses are hosts of the prefix, used once; there is room for the others."""
    subnet = fabric.network("management_subnet")
    seen: dict[IPv4Address, str] = {}
    for router in fabric.routers:
        address, path = router.management, (*router.path, "management")
        if address is None:
            continue
        if address in seen:
            yield Problem(path, f"{address} is also the address of {seen[address]}; allowed: an address of its own")
        seen.setdefault(address, router.name)
        if subnet is None or subnet.prefixlen > MANAGEMENT_LENGTHS[1]:
            continue
        if address not in subnet:
            yield Problem(path, f"{address} is outside management_subnet {subnet}; allowed: {host_range(subnet, 2)}")
        elif address in (subnet.network_address, host(subnet, 1), subnet.broadcast_address):
            yield Problem(path, f"{address} is the lab host's, the network's or the broadcast address; allowed: {host_range(subnet, 2)}")
    if subnet is None or subnet.prefixlen > MANAGEMENT_LENGTHS[1]:
        return
    for kind, routers, room in (("spines", fabric.spines, subnet.num_addresses // 2 - 2), ("leaves", fabric.leaves, subnet.num_addresses // 2 - 1)):
        without = [router.name for router in routers if router.name not in fabric.management]
        if without:
            text = f"{subnet} has no address left for {', '.join(without)}; allowed: {room} {kind}, a larger prefix, or 'management' on each"
            yield Problem(("management_subnet",), text)


def check_room(fabric: Fabric) -> Iterator[Problem]:
    """The link pool has a block for every leaf that draws from it, the pod prefix a /24 for every node."""
    pool = fabric.network("link_pool")
    drawn = [link for link in fabric.links if link.explicit is None]
    if pool is not None and drawn:
        block = fabric.link_length - (BLOCK_LINKS.bit_length() - 1)
        if fabric.pool_blocks < 1:
            yield Problem(("link_pool",), f"{pool} is smaller than the block of {BLOCK_LINKS} links that a leaf takes; allowed: /8 - /{block}")
        elif missing := sorted({link.leaf.name for link in drawn if (link.leaf.name, link.spine.name) not in fabric.link_networks}):
            blocks = "one block" if fabric.pool_blocks == 1 else f"{fabric.pool_blocks} blocks"
            text = f"{pool} has {blocks} of {BLOCK_LINKS} links, one a leaf, none is left for {', '.join(missing)}; allowed: a larger prefix"
            yield Problem(("link_pool",), text)
        elif pool.prefixlen < 8:
            yield Problem(("link_pool",), f"{pool} is too large; allowed: /8 - /{block}")
    pods = fabric.network("cluster", "pod_subnet")
    if pods is not None and POD_LENGTHS[0] <= pods.prefixlen <= NODE_POD_LENGTH:
        room = 1 << (NODE_POD_LENGTH - pods.prefixlen)
        if len(fabric.servers) > room:
            text = f"{pods} has a /24 for {room} nodes, not for {len(fabric.servers)}; allowed: a larger prefix"
            yield Problem(("cluster", "pod_subnet"), text)
