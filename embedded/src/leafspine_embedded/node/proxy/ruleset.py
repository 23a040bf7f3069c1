"""The nftables table of one node, as text for `nft -f`. Pure; one call renders the whole table, which replaces the old one at once.

The way of a packet (same decisions as kube-proxy, counted out in reference-lab.md's table of source addresses):

    filter   no endpoint at all            -> reject (connection refused)
             policy Local, none here       -> drop   (only clients outside the cluster; pods and the node itself may use any endpoint)
    nat      cluster address, from outside -> marked for masquerading, any endpoint
             node port, policy Cluster     -> marked, any endpoint
             node port, policy Local       -> this node's endpoints, client address kept
             pod -> cluster address        -> any endpoint, not marked; its own endpoint (hairpin): marked
    postnat  marked                        -> the node's address

One decision differs from a plain kube-proxy: a service with externalTrafficPolicy Local keeps the client's address on its *cluster* address too,
while this node has an endpoint. Calico announces the /32 of such a service exactly from those nodes, and the table asks for it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from .model import Endpoint, ServicePort

TABLE = "kube-proxy"
MARK = "0x4000"


@dataclass(frozen=True)
class NodeView:
    """What a node's table depends on besides services.

    pod_cidrs: the cluster's pod addresses (who is inside). address: the node's own (rack) address, "" while unknown.
    affinity: remembered clients, set name -> {client: seconds left}; carried over the replacement.
    """

    name: str
    pod_cidrs: tuple[str, ...]
    address: str = ""
    affinity: Mapping[str, Mapping[str, int]] = field(default_factory=dict)


def _short(*parts: object) -> str:
    return hashlib.sha256("/".join(map(str, parts)).encode()).hexdigest()[:8].upper()


def _chain(kind: str, port: ServicePort) -> str:
    readable = "".join(char if char.isalnum() else "-" for char in f"{port.namespace}-{port.service}-{port.name or port.port}")[:40]
    return f"{kind}-{_short(port.title, port.port, port.protocol)}-{readable}"


def endpoint_chain(port: ServicePort, endpoint: Endpoint) -> str:
    """The chain that rewrites to this endpoint; its affinity set is named after it."""
    return f"endpoint-{_short(port.title, port.port, port.protocol, endpoint.address, endpoint.port)}"


def affinity_set(port: ServicePort, endpoint: Endpoint) -> str:
    return f"affinity-{endpoint_chain(port, endpoint)}"


def render(ports: Iterable[ServicePort], view: NodeView) -> str:
    """The whole table, deleting what was there under its name. `nft -f` applies it atomically."""
    services = list(ports)
    body = [
        *_sets(view),
        *_maps(services, view),
        *_base_chains(view),
        *(line for port in services for line in _service(port, view)),
    ]
    # "add" before "delete": deleting a table that is not there is an error.
    return "\n".join([f"add table ip {TABLE}", f"delete table ip {TABLE}", f"table ip {TABLE} {{", *(f"  {line}" for line in body), "}", ""])


def _sets(view: NodeView) -> list[str]:
    elements = ", ".join(view.pod_cidrs)
    return ["set pods {", "  type ipv4_addr; flags interval; auto-merge", *([f"  elements = {{ {elements} }}"] if elements else []), "}"]


def _map(name: str, kind: str, entries: Sequence[str]) -> list[str]:
    lines = [f"map {name} {{", f"  type {kind} : verdict"]
    if entries:
        lines += ["  elements = {", ",\n".join(f"    {entry}" for entry in entries), "  }"]
    return [*lines, "}"]


def _addresses(port: ServicePort) -> list[str]:
    return [port.cluster_ip, *port.external_ips]


def _maps(services: Sequence[ServicePort], view: NodeView) -> list[str]:
    """Service addresses and node ports with endpoints (nat), and those that are refused or dropped (filter)."""
    addresses, node_ports, refused, refused_ports = [], [], [], []
    for port in services:
        tail = f"{port.protocol} . {port.port}"
        here = port.local_endpoints(view.name)
        if not port.endpoints:
            refused += [f"{address} . {tail} : goto reject-packet" for address in _addresses(port)]
            refused_ports += [f"{port.protocol} . {port.node_port} : goto reject-packet"] if port.node_port else []
            continue
        if port.internal_local and not here:
            refused.append(f"{port.cluster_ip} . {tail} : goto drop-packet")
        else:
            addresses.append(f"{port.cluster_ip} . {tail} : goto {_chain('service', port)}")
        addresses += [f"{address} . {tail} : goto {_chain('external', port)}" for address in port.external_ips]
        if port.node_port:
            node_ports.append(f"{port.protocol} . {port.node_port} : goto {_chain('external', port)}")
        if port.external_local and not here:
            refused += [f"{address} . {tail} : goto drop-outside" for address in port.external_ips]
            refused_ports += [f"{port.protocol} . {port.node_port} : goto drop-outside"] if port.node_port else []
    return [
        *_map("service-ips", "ipv4_addr . inet_proto . inet_service", addresses),
        *_map("node-ports", "inet_proto . inet_service", node_ports),
        *_map("refused-ips", "ipv4_addr . inet_proto . inet_service", refused),
        *_map("refused-ports", "inet_proto . inet_service", refused_ports),
    ]


def _base_chains(view: NodeView) -> list[str]:
    # A packet to a pod of this node leaves by a cali interface, which has no address: plain masquerade would take whichever the
    # kernel finds first (the management network's). The rack address is the one that says which node it came through.
    to_pods = [f'  oifname "cali*" snat to {view.address}'] if view.address else []
    return [
        # A reset, not ICMP: the kernel sends about one ICMP error a second to a host, the rest of the connections would hang.
        "chain reject-packet {",
        "  meta l4proto tcp reject with tcp reset",
        "  reject",
        "}",
        "chain drop-packet {",
        "  drop",
        "}",
        "chain drop-outside {",
        "  ip saddr @pods return",
        "  fib saddr type local return",
        "  drop",
        "}",
        "chain filter-services {",
        "  ct state established,related accept",
        "  ip daddr . meta l4proto . th dport vmap @refused-ips",
        "  fib daddr type local meta l4proto . th dport vmap @refused-ports",
        "}",
        "chain filter-prerouting {",
        "  type filter hook prerouting priority -110; policy accept",
        "  ct state new jump filter-services",
        "}",
        "chain filter-output {",
        "  type filter hook output priority -110; policy accept",
        "  ct state new jump filter-services",
        "}",
        # Node ports answer on 127.0.0.1 too, which takes route_localnet; nothing from outside may use that to reach loopback services.
        "chain filter-input {",
        "  type filter hook input priority filter; policy accept",
        "  ip daddr 127.0.0.0/8 ip saddr != 127.0.0.0/8 ct status ! dnat ct state new drop",
        "}",
        "chain services {",
        "  ip daddr . meta l4proto . th dport vmap @service-ips",
        "  fib daddr type local meta l4proto . th dport vmap @node-ports",
        "}",
        "chain nat-prerouting {",
        "  type nat hook prerouting priority dstnat; policy accept",
        "  jump services",
        "}",
        "chain nat-output {",
        "  type nat hook output priority -100; policy accept",
        "  jump services",
        "}",
        "chain rewrite-source {",
        f"  meta mark set meta mark & {_inverse(MARK)}",
        *to_pods,
        "  masquerade fully-random",
        "}",
        "chain nat-postrouting {",
        "  type nat hook postrouting priority srcnat; policy accept",
        f"  meta mark & {MARK} == {MARK} goto rewrite-source",
        "}",
    ]


def _inverse(mark: str) -> str:
    return f"{0xFFFFFFFF ^ int(mark, 16):#010x}"


def _service(port: ServicePort, view: NodeView) -> list[str]:
    """All chains of one port: cluster address, outside addresses, pick of all or of this node's endpoints, one chain an endpoint."""
    if not port.endpoints:
        return []
    here = port.local_endpoints(view.name)
    lines = [line for endpoint in port.endpoints for line in _endpoint(port, endpoint, view)]
    internal = here if port.internal_local else port.endpoints
    if internal:
        lines += _pick(_chain("pick", port), port, internal)
        lines += _cluster_address(port, here)
    if port.external_local and here:
        lines += _pick(_chain("local", port), port, here)
    if port.node_port or port.external_ips:
        if port.internal_local:
            lines += _pick(_chain("all", port), port, port.endpoints)
        lines += _external(port, here)
    return lines


def _cluster_address(port: ServicePort, here: tuple[Endpoint, ...]) -> list[str]:
    lines = [f"chain {_chain('service', port)} {{", f'  comment "{port.title}"']
    if port.external_local and here:
        lines.append(f"  ip saddr != @pods fib saddr type != local goto {_chain('local', port)}")
    return [*lines, f"  ip saddr != @pods meta mark set meta mark | {MARK}", f"  goto {_chain('pick', port)}", "}"]


def _external(port: ServicePort, here: tuple[Endpoint, ...]) -> list[str]:
    """Node port and external addresses."""
    everywhere = _chain("all" if port.internal_local else "pick", port)
    lines = [f"chain {_chain('external', port)} {{", f'  comment "{port.title} from outside"']
    if not port.external_local:
        return [*lines, f"  meta mark set meta mark | {MARK}", f"  goto {everywhere}", "}"]
    # Pods and the node itself are inside: for them the policy does not apply.
    lines.append(f"  ip saddr @pods goto {everywhere}")
    lines.append(f"  fib saddr type local meta mark set meta mark | {MARK}")
    lines.append(f"  fib saddr type local goto {everywhere}")
    if here:
        lines.append(f"  goto {_chain('local', port)}")
    return [*lines, "}"]


def _pick(chain: str, port: ServicePort, endpoints: Sequence[Endpoint]) -> list[str]:
    lines = [f"chain {chain} {{"]
    if port.affinity:
        lines += [f"  ip saddr @{affinity_set(port, endpoint)} goto {endpoint_chain(port, endpoint)}" for endpoint in endpoints]
    choices = ", ".join(f"{index} : goto {endpoint_chain(port, endpoint)}" for index, endpoint in enumerate(endpoints))
    return [*lines, f"  numgen random mod {len(endpoints)} vmap {{ {choices} }}", "}"]


def _endpoint(port: ServicePort, endpoint: Endpoint, view: NodeView) -> list[str]:
    chain = endpoint_chain(port, endpoint)
    lines = []
    if port.affinity:
        name = affinity_set(port, endpoint)
        clients = ", ".join(f"{client} timeout {port.affinity}s expires {left}s" for client, left in sorted(view.affinity.get(name, {}).items()) if left > 0)
        lines += [f"set {name} {{", f"  type ipv4_addr; flags dynamic, timeout; timeout {port.affinity}s"]
        lines += [f"  elements = {{ {clients} }}"] if clients else []
        lines.append("}")
    lines += [f"chain {chain} {{", f"  ip saddr {endpoint.address} meta mark set meta mark | {MARK}"]
    if port.affinity:
        lines.append(f"  update @{affinity_set(port, endpoint)} {{ ip saddr }}")
    return [*lines, f"  meta l4proto {port.protocol} dnat to {endpoint.address}:{endpoint.port}", "}"]
