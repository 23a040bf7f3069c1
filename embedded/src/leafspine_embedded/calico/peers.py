"""Which BGP sessions a node has: the node-to-node mesh and what the BGPPeer objects select. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import Any

from . import selector
from .model import BgpConfiguration, Node, Object, parse_asn, seconds, secret_ref

# Fields of BGPPeer that change what goes over the wire and that this engine does not have: a peer that uses one gets no session.
UNSUPPORTED = ("filters", "localWorkloadSelector")


@dataclass(frozen=True)
class Session:
    """One BGP session of a node. kind: Node, Global or Mesh, as in the protocol's name. port 0: the node's own default."""

    kind: str
    address: IPv4Address
    asn: int
    port: int = 0
    local_asn: int | None = None
    source: bool = True
    password: tuple[str, str] | None = None
    next_hop: str = "auto"
    passive: bool = False
    restart_time: int | None = None
    keepalive: int | None = None
    allow_local_as: int | None = None
    ttl_hops: int | None = None
    reachable_by: IPv4Address | None = None
    cluster_id: str | None = None

    @property
    def name(self) -> str:
        """Node_10_1_5_1, with a port of its own Node_10_1_5_1_port_1790."""
        port = f"_port_{self.port}" if self.port else ""
        return f"{self.kind}_{str(self.address).replace('.', '_')}{port}"


def _selected(text: str, node: Node) -> bool:
    try:
        return selector.matches(text, node.labels)
    except selector.SelectorError:
        return False


def _has_peer(spec: Object, node: Node) -> bool:
    """Whether the BGPPeer is one of this node's: by its name, by the selector, or because it is for all nodes."""
    if spec.get("node"):
        return bool(spec["node"] == node.name)
    return _selected(spec.get("nodeSelector") or "", node)


def split_peer_ip(text: str) -> tuple[IPv4Address, int]:
    """10.1.5.1 or 10.1.5.1:1790; the port is 0 when left out. Raises ValueError."""
    address, colon, port = text.partition(":")
    number = int(port) if colon else 0
    if colon and not 0 < number < 65536:
        raise ValueError(f"{port} is not a port")
    return IPv4Address(address), number


def _common(spec: Object, node: Node, asn: int, node_asn: int) -> dict[str, Any]:
    mode = spec.get("nextHopMode")
    next_hop = mode.lower() if mode else "keep" if spec.get("keepOriginalNextHop") and asn != node_asn else "auto"
    local = spec.get("localASNumber")
    return {
        "asn": asn,
        "kind": "Node" if spec.get("node") or spec.get("nodeSelector") else "Global",
        "local_asn": parse_asn(local) if local else None,
        "source": spec.get("sourceAddress", "UseNodeIP") != "None",
        "password": secret_ref(spec.get("password")),
        "next_hop": next_hop,
        "restart_time": seconds(spec.get("maxRestartTime")),
        "keepalive": seconds(spec.get("keepaliveTime")),
        "allow_local_as": spec.get("numAllowedLocalASNumbers"),
        "ttl_hops": spec.get("ttlSecurity"),
        # Only a neighbour of the same AS can be a client of this route reflector.
        "cluster_id": node.cluster_id if asn == (parse_asn(local) if local else node_asn) else None,
    }


def _to_address(spec: Object, node: Node, nodes: Sequence[Node], node_asn: int, default_asn: int) -> Session | None:
    address, port = split_peer_ip(spec["peerIP"])
    if node.address is not None and address == node.address.ip:
        return None
    common = _common(spec, node, parse_asn(spec.get("asNumber", default_asn)), node_asn)
    same_cluster = any(n.address and n.address.ip == address and n.cluster_id == node.cluster_id for n in nodes)
    reachable = spec.get("reachableBy")
    return Session(
        address=address,
        port=port,
        reachable_by=IPv4Address(reachable) if reachable else None,
        **{**common, "cluster_id": None if same_cluster else common["cluster_id"]},
    )


def _to_node(spec: Object, node: Node, other: Node, node_asn: int, default_asn: int, *, reverse: bool) -> Session | None:
    if other.name == node.name or other.address is None or node.address is None:
        return None
    common = _common(spec, node, other.asn or default_asn, node_asn)
    if reverse:
        common["kind"] = "Node"
    if other.cluster_id == node.cluster_id:
        common["cluster_id"] = None
    return Session(address=other.address.ip, passive=other.address.ip > node.address.ip, **common)


def _explicit(spec: Object, node: Node, nodes: Sequence[Node], node_asn: int, default_asn: int) -> Iterable[Session | None]:
    if any(spec.get(name) for name in UNSUPPORTED):
        return
    if spec.get("peerIP"):
        if _has_peer(spec, node):
            yield _to_address(spec, node, nodes, node_asn, default_asn)
        return
    remote = spec.get("peerSelector")
    if not remote:
        return
    if _has_peer(spec, node):
        yield from (_to_node(spec, node, other, node_asn, default_asn, reverse=False) for other in nodes if _selected(remote, other))
    if spec.get("reversePeering", "Auto") == "Auto" and _selected(remote, node):
        yield from (_to_node(spec, node, other, node_asn, default_asn, reverse=True) for other in nodes if _has_peer(spec, other))


def sessions_of(node: Node, nodes: Sequence[Node], peers: Iterable[Object], config: BgpConfiguration) -> tuple[Session, ...]:
    """The node's sessions, one for each neighbour: BGPPeers first (in the order of their names), then the mesh; sorted by name.

    peers: BGPPeer objects. A peer whose address or AS number does not parse is left out (the API refuses it before it gets here).
    """
    node_asn = node.asn or config.asn
    found: dict[tuple[IPv4Address, int], Session] = {}
    for peer in sorted(peers, key=lambda obj: str(obj["metadata"]["name"])):
        try:
            sessions = list(_explicit(peer.get("spec") or {}, node, nodes, node_asn, config.asn))
        except ValueError:
            continue
        for session in sessions:
            if session is not None:
                found.setdefault((session.address, session.port), session)
    if config.mesh and node.cluster_id is None and node.address is not None:
        for other in nodes:
            if other.name != node.name and other.address is not None and other.cluster_id is None:
                key = (other.address.ip, 0)
                found.setdefault(
                    key,
                    Session(
                        kind="Mesh",
                        address=other.address.ip,
                        asn=other.asn or config.asn,
                        password=config.mesh_password,
                        restart_time=config.mesh_restart_time,
                        passive=other.address.ip > node.address.ip,
                    ),
                )
    return tuple(sorted(found.values(), key=lambda session: session.name))


def unsupported_fields(peer: Mapping[str, Any]) -> tuple[str, ...]:
    """Names of fields of a BGPPeer object that the engine has no behaviour for; such a peer gets no session."""
    spec = peer.get("spec") or {}
    return tuple(name for name in UNSUPPORTED if spec.get(name))
