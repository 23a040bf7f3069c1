"""Which service addresses a node announces besides the configured ranges. Pure.

Policy Cluster: the ranges of BGPConfiguration cover the services, nothing more is announced. Policy Local: a /32 for each of the service's
addresses that lies in its range, only from nodes with a ready endpoint.
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network
from typing import Any

from .model import BgpConfiguration, Node, Object

SERVICE_NAME = "kubernetes.io/service-name"


def ready_nodes(slices: Iterable[Object]) -> dict[tuple[str, str], set[str]]:
    """(namespace, service) -> names of the nodes with at least one ready endpoint. An endpoint without a condition counts as ready."""
    found: dict[tuple[str, str], set[str]] = {}
    for item in slices:
        metadata = item["metadata"]
        service = (metadata.get("labels") or {}).get(SERVICE_NAME)
        if not service:
            continue
        places = found.setdefault((metadata.get("namespace", "default"), service), set())
        for endpoint in item.get("endpoints") or []:
            if (endpoint.get("conditions") or {}).get("ready") is not False and endpoint.get("nodeName"):
                places.add(endpoint["nodeName"])
    return found


def _inside(addresses: Iterable[Any], ranges: Iterable[IPv4Network]) -> set[IPv4Network]:
    found = set()
    for text in addresses:
        try:
            address = IPv4Address(text)
        except ValueError:
            continue
        if any(address in network for network in ranges):
            found.add(IPv4Network(address))
    return found


def service_routes(node: Node, config: BgpConfiguration, services: Iterable[Object], slices: Iterable[Object]) -> tuple[IPv4Network, ...]:
    """What the node announces as blackhole routes: ranges, then single addresses; nothing at all from an excluded node."""
    if node.excluded:
        return ()
    places = ready_nodes(slices)
    single: set[IPv4Network] = set()
    for service in services:
        spec = service.get("spec") or {}
        key = (service["metadata"].get("namespace", "default"), service["metadata"]["name"])
        ingress = [entry.get("ip") for entry in ((service.get("status") or {}).get("loadBalancer") or {}).get("ingress") or []]
        if spec.get("externalTrafficPolicy") == "Local":
            if node.name in places.get(key, ()):
                single |= _inside(spec.get("clusterIPs") or [spec.get("clusterIP")], config.cluster_ips)
                single |= _inside(spec.get("externalIPs") or [], config.external_ips)
                single |= _inside(ingress, config.load_balancer_ips)
        elif not config.aggregate_load_balancers and places.get(key):
            single |= _inside(ingress, config.load_balancer_ips)
    ranges = config.service_ranges
    return (*ranges, *sorted(single - set(ranges)))
