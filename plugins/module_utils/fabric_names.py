# Copyright: (c) The leafspine.calico authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Checks of a fabric's names: inventory hosts, containers, nodes, and interfaces on the lab host."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator

from ansible_collections.leafspine.calico.plugins.module_utils.fabric_model import LEAF_BRIDGE_PORT, Fabric, Server, kind_name
from ansible_collections.leafspine.calico.plugins.module_utils.fabric_shape import MAX_INTERFACE, Path, Problem, is_label, show_path

# Names that Ansible gives a meaning of its own.
GROUPS = ("lab_hosts", "routers", "spines", "leaves", "servers")
RESERVED_HOSTS = {"all", "ungrouped", "localhost"} | set(GROUPS)
# Names that interfaces of the lab host usually have; a bridge of this name would take them over. 'all' and 'default' are
# directories of /proc/sys/net/ipv4/conf.
_HOST_INTERFACE = re.compile(r"lo|all|default|(eth|docker|virbr|wlan|bond|net)[0-9]+|(en|wl)[opsx][a-z0-9]+|br-(lan|wan|ex|int)")
MAX_NODE_NAME = 63


def group_name(rack: str) -> str:
    """The inventory group of a rack: rack_rack0. Group names have no '-'."""
    return f"rack_{rack.replace('-', '_')}"


def check_names(fabric: Fabric) -> Iterator[Problem]:
    """Every problem of a fabric's names."""
    hosts = list(_hosts(fabric))
    yield from hosts
    yield from _containers(fabric, {problem.path for problem in hosts})
    yield from _interfaces(fabric)
    if fabric.cluster["naming"] == "kind":
        yield from _kind_names(fabric)
    yield from _control_planes(fabric)


def _unique(named: list[tuple[str, Path, str]], reported: Collection[Path] = ()) -> Iterator[Problem]:
    """Problems of names (name, where, what it names) that appear twice, but of places that were not reported yet."""
    seen: dict[str, Path] = {}
    for name, path, what in named:
        if name in seen and path not in reported:
            yield Problem(path, f"{what} {name} has the same name as {show_path(seen[name])}; allowed: a name of its own")
        seen.setdefault(name, path)


def _hosts(fabric: Fabric) -> Iterator[Problem]:
    """Routers, servers and the lab host are hosts of one inventory."""
    named: list[tuple[str, Path, str]] = [(spine.name, spine.path, "spine") for spine in fabric.spines]
    named += [(leaf.name, leaf.path, "leaf") for leaf in fabric.leaves]
    named += [(server.name, server.path, "server") for server in fabric.servers]
    if "lab_host" in fabric.document:
        named.append((fabric.document["lab_host"], ("lab_host",), "lab host"))
    yield from _unique(named)
    for name, path, what in named:
        if name in RESERVED_HOSTS and not (what == "lab host" and name == "localhost"):
            yield Problem(path, f"{what} {name} has a name that Ansible or this inventory uses itself; allowed: any but {', '.join(sorted(RESERVED_HOSTS))}")


def _containers(fabric: Fabric, reported: Collection[Path]) -> Iterator[Problem]:
    """Routers' containers, nodes and the servers of a containerlab topology share one name space."""
    if fabric.lab_name:
        containers: list[tuple[str, Path, str]] = [(fabric.container(router), router.path, "container") for router in fabric.routers]
        containers += [(fabric.node_name(server), server.path, "node") for server in fabric.servers]
        if "name" not in fabric.cluster or fabric.cluster["naming"] == "kind":
            containers += [(f"clab-{fabric.lab_name}-{fabric.clab_node(server)}", server.path, "container") for server in _apart(fabric)]
        yield from _unique(containers, reported)
    topology: list[tuple[str, Path, str]] = [(router.name, router.path, "router") for router in fabric.routers]
    topology += [(fabric.bridge(leaf), leaf.path, "bridge") for leaf in fabric.leaves]
    yield from _unique(topology, reported)
    for server in fabric.servers:
        node = fabric.node_name(server)
        if len(node) > MAX_NODE_NAME:
            text = f"node {node} has {len(node)} characters; allowed: {MAX_NODE_NAME} with the cluster's name"
            yield Problem(server.path, text)


def _apart(fabric: Fabric) -> list[Server]:
    """Servers whose container of the topology is not their node's own name (a node may be called clab-lab-server1)."""
    return [server for server in fabric.servers if fabric.node_name(server) != f"clab-{fabric.lab_name}-{fabric.clab_node(server)}"]


def _interfaces(fabric: Fabric) -> Iterator[Problem]:
    """Bridges and their ports are interfaces of the lab host: at most 15 characters, each once, none of the host's own."""
    interfaces: list[tuple[str, Path, str]] = []
    if fabric.lab_name:
        interfaces.append((fabric.lab_name, ("lab_name",), "management bridge"))
    for leaf in fabric.leaves:
        bridge = fabric.bridge(leaf)
        ports = [LEAF_BRIDGE_PORT] + [server.bridge_port for server in (leaf.rack.servers if leaf.rack else [])]
        names = [bridge, *(f"{bridge}-net{port}" for port in ports)]
        interfaces += [(name, leaf.path, "interface") for name in names]
        longest = max(names, key=len)
        if len(longest) > MAX_INTERFACE:
            room = MAX_INTERFACE - (len(longest) - len(leaf.name))
            text = f"interface {longest} has {len(longest)} characters, Linux takes {MAX_INTERFACE}; allowed: a leaf's name of {max(room, 0)} characters"
            yield Problem(leaf.path, text)
    yield from _unique(interfaces)
    for name, path, what in interfaces:
        if _HOST_INTERFACE.fullmatch(name):
            yield Problem(path, f"{what} {name} has a name that an interface of the lab host may have; allowed: a name of the lab's own")


def _kind_names(fabric: Fabric) -> Iterator[Problem]:
    """kind names its nodes itself: control-plane, control-plane2, ..., worker, worker2, ..., without a gap."""
    numbers: dict[str, dict[int, Server]] = {"control-plane": {}, "worker": {}}
    for server in fabric.servers:
        known = kind_name(server.name)
        if known is None and not is_label(server.name):
            continue  # already refused
        if known is None:
            text = f"{server.name} is no name that kind gives a node; allowed: control-plane, control-plane2, ..., worker, worker2, ... or naming: verbatim"
            yield Problem(server.path, text)
        else:
            numbers[known[0]].setdefault(known[1], server)
    if not all(rack.complete for rack in fabric.racks):
        return  # the names that seem to be missing may be there
    for role, servers in numbers.items():
        for expected, number in enumerate(sorted(servers), start=1):
            if number != expected:
                name = role if expected == 1 else f"{role}{expected}"
                text = f"kind numbers its nodes without a gap, {name} is missing; allowed: {name} instead of {servers[number].name}"
                yield Problem(servers[number].path, text)
                break
    if fabric.racks and not numbers["control-plane"]:
        yield Problem(("racks",), "no server is called control-plane; allowed: one control plane at least")


def _control_planes(fabric: Fabric) -> Iterator[Problem]:
    """With naming 'verbatim' the control planes are listed, by servers that exist."""
    listed = fabric.cluster.get("control_planes")
    if listed is None:
        return
    path: Path = ("cluster", "control_planes")
    if fabric.cluster["naming"] == "kind":
        yield Problem(path, "names tell kind's control planes; allowed: only with naming: verbatim")
        return
    servers = [server.name for server in fabric.servers]
    for name in listed:
        if name not in servers:
            yield Problem(path, f"unknown server {name}; allowed: {', '.join(servers)}")
