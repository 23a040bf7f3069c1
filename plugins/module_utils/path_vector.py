# Copyright: (c) The leafspine.calico authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which BGP tables a fabric must have: a path-vector model of its routers and nodes.

Pure functions on an intent. They follow what FRR 8.4 and BIRD do with the configuration of this project: eBGP between
leaves and spines, leaves as route reflectors of their rack's nodes, next-hop-self that leaves reflected routes alone, the
AS loop check, multipath-relax, the leaves' import filters towards nodes, ``network`` prefixes that are announced whether or not their
interface is up.

What decides between equal external paths in a router is the order in which they arrived. The model takes the lower router
id, and ``Route.best`` has all that may win; ``prefer`` makes it take an observed choice, for tables that must be equal line
by line. Next-hop sets do not depend on it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address
from typing import Any

from ansible_collections.leafspine.calico.plugins.module_utils import import_filters

Intent = Mapping[str, Any]
Port = tuple[str, str]
Accept = Callable[[str, str, str], bool]
Prefer = Mapping[tuple[str, str], str]

LOCAL = "0.0.0.0"
MAX_ROUNDS = 100


@dataclass(frozen=True)
class Path:
    """A path to a prefix as a device has it: AS path from near to far, next hop (0.0.0.0: own), who announced it, how."""

    as_path: tuple[int, ...]
    next_hop: str
    device: str | None = None
    internal: bool = False
    originator: str | None = None

    @property
    def local(self) -> bool:
        """Whether the device announces the prefix itself."""
        return self.next_hop == LOCAL


@dataclass(frozen=True)
class Route:
    """All paths of a device to a prefix, and which are used: ``best`` the winners among which traffic is spread."""

    prefix: str
    selected: Path
    best: frozenset[Path]
    paths: frozenset[Path]

    @property
    def next_hops(self) -> frozenset[str]:
        """The exact set of next hops in the kernel; empty for a prefix that the device announces itself."""
        return frozenset(path.next_hop for path in self.best if not path.local)


Table = dict[str, Route]


@dataclass(frozen=True)
class Peer:
    """One direction of a session as its owner sees it: the other device and both addresses."""

    device: str
    address: str
    own_address: str
    internal: bool
    client: bool
    nexthop_self: bool
    accepted: tuple[Mapping[str, Any], ...] | None = None  # entries of the import filter; None: everything

    def believes(self, prefix: str) -> bool:
        """Whether the import filter of this end lets a prefix in."""
        return self.accepted is None or import_filters.permits(self.accepted, prefix)


@dataclass
class Speaker:
    """A router or node with its sessions."""

    name: str
    asn: int
    router_id: int
    relax: bool
    announced: set[str] = field(default_factory=set)
    peers: list[Peer] = field(default_factory=list)


def tables(
    intent: Intent,
    announced: Mapping[str, Iterable[str]] | None = None,
    down: Collection[str | Port] = (),
    accept: Accept = lambda device, peer, prefix: True,
    prefer: Prefer | None = None,
) -> dict[str, Table]:
    """The BGP table of every device that is up: {device: {prefix: Route}}.

    ``announced`` adds prefixes (pod blocks, service ranges) by device, routers' own networks are in the intent.
    ``down`` has names of devices and ports (device, interface) that are down, bridges and their ports too.
    ``accept`` says whether a device takes a prefix from a peer, beside the import filters of the intent. ``prefer`` gives the next hop that won
    for a (device, prefix) among equal paths. Raises ValueError for a name that the intent does not have.
    """
    speakers = _speakers(intent, down)
    for device, prefixes in (announced or {}).items():
        if device not in _devices(intent):
            raise ValueError(f"no device {device} in this fabric announces prefixes")
        if device in speakers:
            speakers[device].announced |= set(prefixes)
    current: dict[str, Table] = {name: {} for name in speakers}
    for _round in range(MAX_ROUNDS):
        after = {name: _table(speaker, speakers, current, accept, prefer or {}) for name, speaker in speakers.items()}
        if after == current:
            return after
        current = after
    raise ValueError(f"routes do not settle in {MAX_ROUNDS} rounds")


# --- sessions ------------------------------------------------------------------------------------------------------------


def _devices(intent: Intent) -> set[str]:
    return {one["name"] for kind in ("routers", "servers") for one in intent[kind]}


def _down(intent: Intent, down: Collection[str | Port]) -> tuple[set[str], set[Port]]:
    """Devices, and ports of both ends of links, that are down."""
    devices = {one for one in down if isinstance(one, str)}
    ports = {one for one in down if not isinstance(one, str)}
    known_ports = {(link[end]["device"], link[end]["interface"]) for link in intent["links"] for end in "ab"}
    unknown = (devices - _devices(intent) - {device for device, _interface in known_ports}) | {" ".join(port) for port in ports - known_ports}
    if unknown:
        raise ValueError(f"not in this fabric: {', '.join(sorted(unknown))}")
    for link in intent["links"]:
        ends = {(link[end]["device"], link[end]["interface"]) for end in "ab"}
        if ends & ports or {device for device, _interface in ends} & devices:
            ports |= ends
    return devices, ports


def _speakers(intent: Intent, down: Collection[str | Port]) -> dict[str, Speaker]:
    """Every device that is up, with the sessions whose links are up."""
    devices, ports = _down(intent, down)
    speakers = {
        router["name"]: Speaker(router["name"], router["asn"], int(IPv4Address(router["router_id"])), router["multipath_relax"], set(router["networks"]))
        for router in intent["routers"]
    }
    # A node's BIRD keeps one path per prefix: the model never finds two for it.
    speakers |= {server["name"]: Speaker(server["name"], server["asn"], int(IPv4Address(server["address"])), False) for server in intent["servers"]}
    servers = {server["name"]: server for server in intent["servers"]}
    by_session = {(router["name"], one["session"]): one for router in intent["routers"] for one in router["neighbors"]}
    for router in intent["routers"]:
        for one in router["neighbors"]:
            server = servers.get(one["device"])
            path = {(router["name"], one["interface"]), (one["device"], one["peer_interface"])}
            if server is not None:
                path.add((server["bridge"], server["bridge_port"]))
            if path & ports or {router["name"], one["device"]} & devices:
                continue
            own = server["gateway"] if server else by_session[one["device"], one["session"]]["address"]
            internal = one["type"] == "ibgp"
            accepted = tuple(router["import_filter"]["accepted"]) if one["filtered"] else None
            peer = Peer(one["device"], one["address"], own, internal, one["route_reflector_client"], one["nexthop_self"], accepted)
            speakers[router["name"]].peers.append(peer)
            if server is not None:
                speakers[server["name"]].peers.append(Peer(router["name"], own, one["address"], internal, client=False, nexthop_self=False))
    return {name: speaker for name, speaker in speakers.items() if name not in devices}


# --- one device ----------------------------------------------------------------------------------------------------------


def _table(me: Speaker, speakers: Mapping[str, Speaker], current: Mapping[str, Table], accept: Accept, prefer: Prefer) -> Table:
    """A device's table from what its peers have at the moment."""
    paths: dict[str, set[Path]] = {prefix: {Path((), LOCAL)} for prefix in me.announced}
    for peer in me.peers:
        other = speakers[peer.device]
        back = next(one for one in other.peers if one.device == me.name and one.address == peer.own_address)
        for prefix, route in current[other.name].items():
            path = _advertised(other, back, route.selected)
            if path is None or me.asn in path.as_path or path.originator == me.name:
                continue
            if peer.believes(prefix) and accept(me.name, other.name, prefix):
                paths.setdefault(prefix, set()).add(path)
    return {prefix: _decide(me, speakers, prefix, found, prefer.get((me.name, prefix))) for prefix, found in paths.items()}


def _advertised(sender: Speaker, to: Peer, path: Path) -> Path | None:
    """What a device tells a peer of its selected path, or None."""
    if not to.internal:
        return Path((sender.asn, *path.as_path), to.own_address, sender.name)
    if path.device == to.device:
        return None
    if path.internal:
        # Reflected: between a client and anybody; next-hop-self (without force) does not touch it.
        source = next((peer for peer in sender.peers if peer.device == path.device), None)
        if not to.client and not (source and source.client):
            return None
        return Path(path.as_path, path.next_hop, sender.name, internal=True, originator=path.originator or path.device)
    own = path.local or to.nexthop_self
    return Path(path.as_path, to.own_address if own else path.next_hop, sender.name, internal=True)


def _decide(me: Speaker, speakers: Mapping[str, Speaker], prefix: str, paths: set[Path], preferred: str | None) -> Route:
    """The decision process as far as it matters here: own, AS path length, external before internal, then the tie."""
    first = min(_rank(path) for path in paths)
    equal = [path for path in paths if _rank(path) == first]
    equal.sort(key=lambda path: (path.next_hop != preferred, _router_id(speakers, path), int(IPv4Address(path.next_hop))))
    selected = equal[0]
    return Route(prefix, selected, frozenset(path for path in equal if _together(me, selected, path)), frozenset(paths))


def _rank(path: Path) -> tuple[bool, int, bool]:
    return not path.local, len(path.as_path), path.internal


def _router_id(speakers: Mapping[str, Speaker], path: Path) -> int:
    """The originator's router id, for a reflected path, or the announcing device's."""
    device = path.originator or path.device
    return speakers[device].router_id if device is not None and device in speakers else 0


def _together(me: Speaker, selected: Path, other: Path) -> bool:
    """Whether two equal paths share the traffic: with multipath-relax always, else like FRR by neighbour AS or AS path."""
    if selected == other or me.relax:
        return True
    if selected.internal:
        return selected.as_path == other.as_path
    return selected.as_path[:1] == other.as_path[:1]
