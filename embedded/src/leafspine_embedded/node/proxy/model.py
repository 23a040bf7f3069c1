"""Services and EndpointSlices, reduced to what a packet needs to know. Pure; no I/O."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

Object = Mapping[str, Any]

PROXY_NAME_LABEL = "service.kubernetes.io/service-proxy-name"
HEADLESS_LABEL = "service.kubernetes.io/headless"
SERVICE_LABEL = "kubernetes.io/service-name"
DEFAULT_AFFINITY = 10800  # seconds


@dataclass(frozen=True, order=True)
class Endpoint:
    """One place a packet can end: address, port, and the node it is on (empty: not a pod of this cluster)."""

    address: str
    port: int
    node: str = ""


@dataclass(frozen=True)
class ServicePort:
    """One port of one service, with its endpoints.

    external_ips: externalIPs and load balancer addresses. node_port: 0 when there is none. affinity: seconds of ClientIP affinity, 0 for none.
    external_local, internal_local: externalTrafficPolicy and internalTrafficPolicy are `Local`.
    """

    namespace: str
    service: str
    name: str
    protocol: str
    cluster_ip: str
    port: int
    node_port: int = 0
    external_ips: tuple[str, ...] = ()
    endpoints: tuple[Endpoint, ...] = ()
    external_local: bool = False
    internal_local: bool = False
    affinity: int = 0

    @property
    def title(self) -> str:
        """`default/app:http`, as kube-proxy names it in comments."""
        return f"{self.namespace}/{self.service}" + (f":{self.name}" if self.name else "")

    def local_endpoints(self, node: str) -> tuple[Endpoint, ...]:
        return tuple(endpoint for endpoint in self.endpoints if endpoint.node == node)


def _usable(entries: list[tuple[bool, bool, bool, Endpoint]]) -> tuple[Endpoint, ...]:
    """Ready endpoints; when there is none, those that terminate but still serve (as kube-proxy does since 1.26)."""
    ready = {endpoint for is_ready, _serving, _terminating, endpoint in entries if is_ready}
    if not ready:
        ready = {endpoint for _ready, serving, terminating, endpoint in entries if serving and terminating}
    return tuple(sorted(ready))


def _slice_entries(slices: Iterable[Object], port_name: str, protocol: str) -> list[tuple[bool, bool, bool, Endpoint]]:
    entries = []
    for item in slices:
        if item.get("addressType") != "IPv4":
            continue
        for port in item.get("ports") or []:
            if (port.get("name") or "") != port_name or (port.get("protocol") or "TCP") != protocol or not port.get("port"):
                continue
            for endpoint in item.get("endpoints") or []:
                conditions = endpoint.get("conditions") or {}
                ready = conditions.get("ready")
                ready = True if ready is None else bool(ready)
                serving = conditions.get("serving")
                serving = ready if serving is None else bool(serving)
                for address in (endpoint.get("addresses") or [])[:1]:
                    where = Endpoint(address, int(port["port"]), endpoint.get("nodeName") or "")
                    entries.append((ready, serving, bool(conditions.get("terminating")), where))
    return entries


def _affinity(spec: Object) -> int:
    if spec.get("sessionAffinity") != "ClientIP":
        return 0
    return int(((spec.get("sessionAffinityConfig") or {}).get("clientIP") or {}).get("timeoutSeconds") or DEFAULT_AFFINITY)


def _skipped(service: Object) -> bool:
    labels = service["metadata"].get("labels") or {}
    spec = service.get("spec") or {}
    return spec.get("type") == "ExternalName" or spec.get("clusterIP") in (None, "", "None") or PROXY_NAME_LABEL in labels


def service_ports(services: Iterable[Object], slices: Iterable[Object]) -> list[ServicePort]:
    """Every port of every service that kube-proxy handles, sorted. IPv4 only. Slices are matched by their service-name label."""
    by_service: dict[tuple[str, str], list[Object]] = {}
    for item in slices:
        owner = (item["metadata"].get("labels") or {}).get(SERVICE_LABEL)
        if owner:
            by_service.setdefault((item["metadata"].get("namespace") or "", owner), []).append(item)
    found = []
    for service in services:
        if _skipped(service):
            continue
        spec, meta = service["spec"], service["metadata"]
        ingress = ((service.get("status") or {}).get("loadBalancer") or {}).get("ingress") or []
        external = [*(spec.get("externalIPs") or []), *(entry["ip"] for entry in ingress if entry.get("ip"))]
        exposed = spec.get("type") in ("NodePort", "LoadBalancer") or bool(external)
        for port in spec.get("ports") or []:
            protocol = port.get("protocol") or "TCP"
            entries = _slice_entries(by_service.get((meta["namespace"], meta["name"]), []), port.get("name") or "", protocol)
            found.append(
                ServicePort(
                    namespace=meta["namespace"],
                    service=meta["name"],
                    name=port.get("name") or "",
                    protocol=protocol.lower(),
                    cluster_ip=spec["clusterIP"],
                    port=int(port["port"]),
                    node_port=int(port.get("nodePort") or 0) if spec.get("type") in ("NodePort", "LoadBalancer") else 0,
                    external_ips=tuple(sorted(set(external))),
                    endpoints=_usable(entries),
                    external_local=exposed and spec.get("externalTrafficPolicy") == "Local",
                    internal_local=spec.get("internalTrafficPolicy") == "Local",
                    affinity=_affinity(spec),
                )
            )
    return sorted(found, key=lambda item: (item.namespace, item.service, item.name, item.port, item.protocol))
