# Copyright: (c) The leafspine.calico authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a leaf believes the nodes of its rack: a list of prefixes as a prefix-list has them. Pure functions.

An entry is {prefix, ge, le}: a route matches when it lies in ``prefix`` and its length is ``ge`` to ``le``; both None: the prefix itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from ipaddress import IPv4Network
from typing import Any

Entry = dict[str, Any]

# Calico's IPv4 blocks are /20 to /32 (IPPool blockSize); single addresses of a block that another node borrowed are /32.
SHORTEST_BLOCK = 20


def entries(pod_subnet: IPv4Network, service_ranges: Iterable[IPv4Network]) -> list[Entry]:
    """Blocks inside the pod prefix; every service range, and single addresses inside it."""
    found = [{"prefix": str(pod_subnet), "ge": max(SHORTEST_BLOCK, pod_subnet.prefixlen + 1), "le": 32}]
    for one in service_ranges:
        found.append({"prefix": str(one), "ge": None, "le": None})
        if one.prefixlen < 32:
            found.append({"prefix": str(one), "ge": 32, "le": 32})
    return found


def permits(wanted: Iterable[Mapping[str, Any]], prefix: str) -> bool:
    """Whether a prefix matches one of the entries."""
    route = IPv4Network(prefix)
    for entry in wanted:
        network = IPv4Network(entry["prefix"])
        low, high = entry["ge"] or network.prefixlen, entry["le"] or network.prefixlen
        if low <= route.prefixlen <= high and route.subnet_of(network):
            return True
    return False
