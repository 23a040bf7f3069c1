"""Names that links have on the host; kept apart from `wires` so that reading them does not load the netlink library."""

from __future__ import annotations

import hashlib


def host_veth(lab: str, node: str) -> str:
    """The host's end of a node's management interface: a fixed name that no two nodes of two labs share."""
    return "veth" + hashlib.sha256(f"{lab}/{node}".encode()).hexdigest()[:8]


def bridge_alias(lab: str) -> str:
    """The mark by which a management bridge is known to be a lab's own."""
    return f"leafspine: management of lab {lab}"
