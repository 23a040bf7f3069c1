"""labs/<lab>/state.json: what this program made, or was about to make when it died.

Written before anything is built, so every name in it is ours to remove; a node is finished when its namespace's inode stands in it.
"""

from __future__ import annotations

import ipaddress
import json
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ..common.errors import EngineError
from ..common.state import ensure_dir, lab_dir, write_atomic
from .catalogue import is_router
from .model import Endpoint, Link, Management, Node, Topology

VERSION = 1


@dataclass
class Built:
    """A node as deployed. inode: of its namespace, None while it is being built. address: its management address with prefix length."""

    node: Node
    router: bool
    address: str
    inode: int | None = None
    started: float = 0.0


@dataclass
class Record:
    """One lab's state file."""

    name: str
    given: str
    file: str
    management: Management
    nodes: dict[str, Built] = field(default_factory=dict)
    links: list[Link] = field(default_factory=list)

    @property
    def directory(self) -> Path:
        return lab_dir(self.name)

    def router_dir(self, name: str) -> Path:
        """Where one router's processes keep their sockets, logs and running configuration."""
        return self.directory / "routers" / name

    def places(self) -> dict[str, str]:
        """Node name -> namespace it is in, "" for the host's own (bridges)."""
        return {name: "" if built.node.kind == "bridge" else built.node.container for name, built in self.nodes.items()}

    def save(self) -> None:
        ensure_dir(self.directory)
        data = {
            "version": VERSION,
            "name": self.name,
            "given": self.given,
            "file": self.file,
            "management": {**asdict(self.management), "subnet": str(self.management.subnet), "gateway": str(self.management.gateway)},
            "nodes": {name: asdict(built) for name, built in self.nodes.items()},
            "links": [{"a": str(link.a), "b": str(link.b), "mtu": link.mtu} for link in self.links],
        }
        write_atomic(self.directory / "state.json", json.dumps(data, indent=1) + "\n")


def read(name: str) -> Record | None:
    """The record of a lab; None when there is none. Raises EngineError when it cannot be read."""
    path = lab_dir(name) / "state.json"
    try:
        data = json.loads(path.read_text())
        return _record(data)
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError) as error:
        raise EngineError(f"{path} cannot be read ({error!r}); remove the lab with: containerlab destroy --name {name}") from None


def _record(data: dict[str, Any]) -> Record:
    if data["version"] != VERSION:
        raise ValueError(f"version {data['version']} instead of {VERSION}")
    net = data["management"]
    management = Management(net["network"], net["bridge"], ipaddress.IPv4Network(net["subnet"]), ipaddress.IPv4Address(net["gateway"]), net["mtu"])
    nodes = {}
    for name, built in data["nodes"].items():
        node = {**built["node"], "binds": tuple(built["node"]["binds"]), "exec": tuple(built["node"]["exec"])}
        nodes[name] = Built(Node(**node), built["router"], built["address"], built["inode"], built["started"])
    links = [Link(_endpoint(link["a"]), _endpoint(link["b"]), link["mtu"]) for link in data["links"]]
    return Record(data["name"], data["given"], data["file"], management, nodes, links)


def _endpoint(text: str) -> Endpoint:
    node, _, interface = text.partition(":")
    return Endpoint(node, interface)


def wanted(topology: Topology, before: Record | None) -> Record:
    """The record the topology asks for; nodes that stay keep their address, inode and start time."""
    old = before.nodes if before is not None else {}
    record = Record(topology.name, topology.given, str(topology.file), topology.management, links=list(topology.links))
    addresses = _addresses(topology, old)
    for name, node in topology.nodes.items():
        kept = old.get(name)
        record.nodes[name] = Built(
            node,
            is_router(node),
            addresses.get(name, ""),
            kept.inode if kept else None,
            kept.started if kept and kept.inode else time.time(),
        )
    return record


def _addresses(topology: Topology, old: dict[str, Built]) -> dict[str, str]:
    """Management address with prefix length per linux node: the given one, else the one it had, else the first free one."""
    net = topology.management
    linux = [node for node in topology.nodes.values() if node.built_here]
    chosen = {node.name: node.management_address for node in linux if node.management_address}
    taken = set(chosen.values())
    for node in linux:
        had = old[node.name].address.split("/")[0] if node.name in old else ""
        if node.name not in chosen and had and had not in taken and ipaddress.IPv4Address(had) in net.subnet:
            chosen[node.name] = had
            taken.add(had)
    free = (str(host) for host in net.subnet.hosts() if str(host) not in taken and host != net.gateway)
    for node in linux:
        if node.name not in chosen:
            address = next(free, None)
            if address is None:
                raise EngineError(f"no address is free in {net.subnet} for {node.name}")
            chosen[node.name] = address
    for name, address in chosen.items():
        if ipaddress.IPv4Address(address) not in net.subnet or address == str(net.gateway):
            raise EngineError(f'node "{name}": mgmt-ipv4 {address} must be in {net.subnet} and not its gateway {net.gateway}')
    return {name: f"{address}/{net.subnet.prefixlen}" for name, address in chosen.items()}
