"""The configuration of a node's BIRD, in the shape Calico gives it, in the syntax of BIRD 2. Pure: values in, text out.

Differences from Calico's own file (BIRD 1.6): channels (`ipv4 { ... }`), the kernel protocol says `metric 0` because BIRD 2 would write
metric 32, and the included files are one text.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network

from .model import BgpConfiguration, Node, Pool
from .peers import Session

# Calico's own names of log severities, and what BIRD's protocols then report.
_DEBUG = {"trace": "all", "debug": "{ states, routes, filters, events }", "info": "{ states }"}

Password = Callable[[tuple[str, str]], "str | None"]


@dataclass(frozen=True)
class NodeRouting:
    """All that one node's configuration is made of. blocks: its address blocks; services: the ranges and addresses it announces."""

    node: Node
    config: BgpConfiguration
    sessions: Sequence[Session] = ()
    pools: Sequence[Pool] = ()
    blocks: Sequence[IPv4Network] = ()
    services: Sequence[IPv4Network] = ()


def quoted(text: str) -> str:
    """A BIRD string. Raises ValueError for what BIRD's syntax cannot hold."""
    if any(character in text for character in '"\n\r\0'):
        raise ValueError("a password must not contain quotation marks or line ends")
    return f'"{text}"'


def _communities(config: BgpConfiguration) -> list[str]:
    lines = ["function apply_communities ()", "{"]
    for cidr, values in config.communities:
        for value in values:
            parts = value.split(":")
            kind = "bgp_community" if len(parts) == 2 else "bgp_large_community"
            lines.append(f"  if ( net ~ {cidr} ) then {{ {kind}.add(({', '.join(parts)})); }}")
    return [*lines, "}"]


def _aggregates(blocks: Sequence[IPv4Network]) -> list[str]:
    lines = ["# Export the block, nothing beneath it.", "function calico_aggr ()", "{"]
    for block in blocks:
        lines += [f"  if ( net = {block} ) then {{ accept; }}", f"  if ( net ~ {block} ) then {{ reject; }}"]
    return [*lines, "}"]


def _export(routing: NodeRouting) -> list[str]:
    return [
        "function calico_export_to_bgp_peers ()",
        "{",
        *(f"  if ( net ~ {pool.cidr} ) then {{ reject; }}" for pool in routing.pools if not pool.export),
        "  apply_communities();",
        "  calico_aggr();",
        *(f"  if ( net ~ {network} ) then {{ accept; }}" for network in routing.services),
        *(f"  if ( net ~ {pool.cidr} ) then {{ accept; }}" for pool in routing.pools),
        "}",
    ]


def _kernel_filter(routing: NodeRouting) -> list[str]:
    # Service ranges never reach the node's own kernel: kube-proxy answers there, and a blackhole would be in its way. That holds for
    # ranges learned from other nodes too, hence the configuration's ranges and not what this node announces.
    ranges = dict.fromkeys([*routing.config.service_ranges, *routing.config.load_balancer_ips])
    # Connected routes are the kernel's own. BIRD 2 writes its copies over them when this filter changes (BIRD 1 does not).
    own = "  if ( source = RTS_DEVICE ) then { reject; }"
    return ["filter calico_kernel_programming {", own, *(f"  if ( net ~ {network} ) then {{ reject; }}" for network in ranges), "  accept;", "}"]


def _protocols(routing: NodeRouting) -> list[str]:
    debug = _DEBUG.get(routing.config.log_severity.lower(), "off")
    hidden = ", ".join(f'-"{name}"' for name in ("cali*", "kube-ipvs*", *routing.config.ignored_interfaces))
    gateways = [session for session in routing.sessions if session.reachable_by is not None]
    return [
        "protocol kernel {",
        "  learn;",
        "  persist;",
        "  scan time 2;",
        "  metric 0;",
        "  graceful restart;",
        "  merge paths on;",
        "  ipv4 {",
        "    import all;",
        "    export filter calico_kernel_programming;",
        "  };",
        "}",
        "protocol device {",
        f"  debug {debug};",
        "  scan time 2;",
        "}",
        "protocol direct {",
        f"  debug {debug};",
        f'  interface {hidden}, "*";',
        "  ipv4;",
        "}",
        "protocol static {",
        "  ipv4;",
        *(f"  route {network} blackhole;" for network in (*routing.blocks, *routing.services)),
        *(f"  route {session.address}/32 via {session.reachable_by};" for session in gateways),
        "}",
    ]


def _template(routing: NodeRouting) -> list[str]:
    return [
        "template bgp bgp_template {",
        f"  debug {_DEBUG.get(routing.config.log_severity.lower(), 'off')};",
        '  description "Connection to BGP peer";',
        f"  local as {routing.node.asn or routing.config.asn};",
        "  multihop;",
        "  graceful restart;",
        "  connect delay time 2;",
        "  connect retry time 5;",
        "  error wait time 5,30;",
        *(["  strict bind on;"] if routing.config.bind_node_ip else []),
        "  ipv4 {",
        "    gateway recursive;",
        "    add paths on;",
        "    import all;",
        "    export filter { calico_export_to_bgp_peers(); reject; };",
        "  };",
        "}",
    ]


def _session(session: Session, routing: NodeRouting, password: Password) -> list[str]:
    node, config = routing.node, routing.config
    mine = [str(node.address.ip)] if node.address is not None and (session.source or config.bind_node_ip) else []
    port = [f"port {config.listen_port}"] if config.listen_port != 179 else []
    # A Calico node listens where the configuration says; a peer that is no node listens on its own port.
    theirs = session.port or (config.listen_port if session.kind == "Mesh" or session.passive else 179)
    local = session.local_asn or node.asn or config.asn
    channel = f" ipv4 {{ next hop {session.next_hop}; }};" if session.next_hop != "auto" else ""
    secret = password(session.password) if session.password is not None else None
    return [
        f"protocol bgp {session.name} from bgp_template {{",
        f"  neighbor {session.address}{f' port {theirs}' if theirs != 179 else ''} as {session.asn};",
        f"  local {' '.join([*mine, *port, f'as {local}'])};",
        *(["  ttl security on;", f"  multihop {session.ttl_hops};"] if session.ttl_hops else ["  ttl security off;"]),
        *([f"  password {quoted(secret)};"] if secret is not None else []),
        *(["  passive on;"] if session.passive else []),
        *([f"  graceful restart time {session.restart_time};"] if session.restart_time else []),
        *([f"  keepalive time {session.keepalive};"] if session.keepalive else []),
        *([f"  allow local as {session.allow_local_as};"] if session.allow_local_as else []),
        *(["  rr client;", f"  rr cluster id {session.cluster_id};"] if session.cluster_id else []),
        *([" " + channel] if channel else []),
        "}",
    ]


def render(routing: NodeRouting, password: Password = lambda ref: None) -> str:
    """The whole configuration file. password: (secret, key) -> its text, or None: such a session is left out until the secret is there.

    Raises ValueError when the node has no BGP address yet, or a password cannot be written.
    """
    if routing.node.address is None:
        raise ValueError(f"node {routing.node.name} has no BGP address")
    blocks: list[list[str]] = [
        ["# Written by the node's agent; changes are overwritten.", "log stderr all;", "timeformat protocol iso short;"],
        [f"router id {routing.node.address.ip};"],
        _communities(routing.config),
        _aggregates(routing.blocks),
        _export(routing),
        _kernel_filter(routing),
        _protocols(routing),
        _template(routing),
    ]
    for session in routing.sessions:
        if session.password is None or password(session.password) is not None:
            blocks.append(_session(session, routing, password))
    return "\n".join(line for block in blocks for line in block) + "\n"
