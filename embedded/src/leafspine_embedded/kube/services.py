"""Services: defaults, checks, and the allocation of cluster addresses and node ports.

Allocation keeps no table of its own: what is taken is what the stored services say, so it can never disagree with them.
"""

from __future__ import annotations

import ipaddress
import random
from typing import TYPE_CHECKING, Any

from leafspine_embedded.kube.defaults import fill
from leafspine_embedded.kube.errors import FieldError, Invalid
from leafspine_embedded.kube.names import label_error
from leafspine_embedded.kube.objects import Object
from leafspine_embedded.kube.resources import SERVICES

if TYPE_CHECKING:
    from leafspine_embedded.kube.store import Store

NODE_PORTS = range(30000, 32768)
_TYPES = ["ClusterIP", "ExternalName", "LoadBalancer", "NodePort"]
_PROTOCOLS = ["SCTP", "TCP", "UDP"]
_POLICIES = ["Cluster", "Local"]


def defaults(obj: Object) -> None:
    """What a service gets before allocation."""
    spec = obj.setdefault("spec", {})
    fill(spec, type="ClusterIP", sessionAffinity="None")
    if spec["sessionAffinity"] == "ClientIP":
        fill(spec.setdefault("sessionAffinityConfig", {}).setdefault("clientIP", {}), timeoutSeconds=10800)
    for port in spec.get("ports", []):
        fill(port, protocol="TCP")
        if spec["type"] != "ExternalName" and "port" in port and port.get("targetPort") in {None, "", 0}:
            port["targetPort"] = port["port"]
    if spec["type"] == "ExternalName":
        return
    fill(spec, internalTrafficPolicy="Cluster", ipFamilies=["IPv4"], ipFamilyPolicy="SingleStack")
    if spec["type"] in {"NodePort", "LoadBalancer"} or spec.get("externalIPs"):
        fill(spec, externalTrafficPolicy="Cluster")
    if spec["type"] == "LoadBalancer":
        fill(spec, allocateLoadBalancerNodePorts=True)


def carry_over(obj: Object, old: Object) -> None:
    """An update that leaves out what was allocated keeps it, and drops what its new type has no use for."""
    spec, had = obj.setdefault("spec", {}), old["spec"]
    kind = spec.get("type", "ClusterIP")
    if kind != "ExternalName" and not spec.get("clusterIP") and not spec.get("clusterIPs") and had.get("clusterIP"):
        spec["clusterIP"], spec["clusterIPs"] = had["clusterIP"], list(had["clusterIPs"])
    elif kind == "ExternalName" and spec.get("clusterIP") == had.get("clusterIP"):
        for field in ("clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy", "internalTrafficPolicy"):
            spec.pop(field, None)
    before = {(port.get("protocol"), port.get("port")): port.get("nodePort") for port in had.get("ports", [])}
    for port in spec.get("ports", []):
        known = before.get((port.get("protocol", "TCP"), port.get("port")))
        if kind in {"NodePort", "LoadBalancer"}:
            if known and not port.get("nodePort"):
                port["nodePort"] = known
        elif known and port.get("nodePort") == known:
            del port["nodePort"]
    if kind not in {"NodePort", "LoadBalancer"}:
        if not spec.get("externalIPs") and spec.get("externalTrafficPolicy") == had.get("externalTrafficPolicy"):
            spec.pop("externalTrafficPolicy", None)
        if kind != "LoadBalancer":
            spec.pop("allocateLoadBalancerNodePorts", None)


def check(obj: Object) -> list[FieldError]:
    """Rules that need no other object."""
    spec = obj["spec"]
    errors: list[FieldError] = []
    if spec["type"] not in _TYPES:
        return [FieldError.unsupported("spec.type", spec["type"], _TYPES)]
    ports = spec.get("ports", [])
    if not ports and spec["type"] != "ExternalName" and spec.get("clusterIP") != "None":
        errors.append(FieldError.required("spec.ports"))
    if spec["type"] == "ExternalName" and not spec.get("externalName"):
        errors.append(FieldError.required("spec.externalName"))
    if spec["sessionAffinity"] not in {"ClientIP", "None"}:
        errors.append(FieldError.unsupported("spec.sessionAffinity", spec["sessionAffinity"], ["ClientIP", "None"]))
    for field in ("externalTrafficPolicy", "internalTrafficPolicy"):
        if field in spec and spec[field] not in _POLICIES:
            errors.append(FieldError.unsupported(f"spec.{field}", spec[field], _POLICIES))
    if "externalTrafficPolicy" in spec and spec["type"] in {"ClusterIP", "ExternalName"} and not spec.get("externalIPs"):
        errors.append(FieldError.invalid("spec.externalTrafficPolicy", spec["externalTrafficPolicy"], "may only be set for externally-accessible services"))
    seen: set[Any] = set()
    for index, port in enumerate(ports):
        errors.extend(_check_port(spec, port, f"spec.ports[{index}]", len(ports) > 1))
        for field, identity in (("name", port.get("name")), ("", (port.get("protocol"), port.get("port")))):
            if identity and (field, identity) in seen:
                shown = identity if field else f"{port.get('port')}/{port.get('protocol')}"
                errors.append(FieldError.duplicate(f"spec.ports[{index}]" + (".name" if field else ""), shown))
            seen.add((field, identity))
    return errors


def _check_port(spec: Object, port: Object, path: str, named: bool) -> list[FieldError]:
    errors = []
    if named and not port.get("name"):
        errors.append(FieldError.required(f"{path}.name"))
    elif port.get("name") and (problem := label_error(port["name"])):
        errors.append(FieldError.invalid(f"{path}.name", port["name"], problem))
    number = port.get("port", 0)
    if not 1 <= number <= 65535:
        errors.append(FieldError.invalid(f"{path}.port", number, "must be between 1 and 65535, inclusive"))
    if port["protocol"] not in _PROTOCOLS:
        errors.append(FieldError.unsupported(f"{path}.protocol", port["protocol"], _PROTOCOLS))
    target = port.get("targetPort")
    if isinstance(target, int) and not isinstance(target, bool) and not 1 <= target <= 65535:
        errors.append(FieldError.invalid(f"{path}.targetPort", target, "must be between 1 and 65535, inclusive"))
    if port.get("nodePort") and spec["type"] == "ClusterIP":
        errors.append(FieldError.forbidden(f"{path}.nodePort", "may not be used when `type` is 'ClusterIP'"))
    return errors


class Allocator:
    """Hands out cluster addresses of `subnet` and node ports."""

    def __init__(self, store: Store, subnet: str) -> None:
        self._store = store
        self._subnet = ipaddress.ip_network(subnet)

    def allocate(self, obj: Object) -> None:
        """Give the service what it asks for or lacks, in place. Raises Invalid."""
        spec = obj["spec"]
        if spec["type"] == "ExternalName":
            return
        others = [other for other in self._store.scan(SERVICES) if (other["metadata"]["namespace"], other["metadata"]["name"]) != _identity(obj)]
        self._address(obj, {other["spec"].get("clusterIP") for other in others})
        if spec["type"] in {"NodePort", "LoadBalancer"}:
            self._ports(obj, {(port.get("protocol", "TCP"), port.get("nodePort")) for other in others for port in other["spec"].get("ports", [])})

    def _address(self, obj: Object, taken: set[str | None]) -> None:
        spec = obj["spec"]
        wanted = spec.get("clusterIP") or next(iter(spec.get("clusterIPs") or []), None)
        if not wanted:
            wanted = self._free_address(taken)
            if wanted is None:
                raise _invalid(obj, FieldError.invalid("spec.clusterIPs", [], "failed to allocate a serviceIP: range is full"))
        elif wanted != "None":
            why = self._address_problem(wanted, taken)
            if why:
                raise _invalid(obj, FieldError.invalid("spec.clusterIPs", [wanted], why))
        spec["clusterIP"], spec["clusterIPs"] = wanted, [wanted]

    def _address_problem(self, wanted: str, taken: set[str | None]) -> str | None:
        try:
            address = ipaddress.ip_address(wanted)
        except ValueError:
            return "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"
        first, last = self._subnet.network_address, self._subnet.broadcast_address
        if address not in self._subnet or address in {first, last}:
            return f"failed to allocate IP {wanted}: the provided IP ({wanted}) is not in the valid range. The range of valid IPs is {self._subnet}"
        return f"failed to allocate IP {wanted}: provided IP is already allocated" if wanted in taken else None

    def _free_address(self, taken: set[str | None]) -> str | None:
        size = self._subnet.num_addresses
        # As in Kubernetes: the low part stays for addresses that people choose, dynamic ones come from above first.
        reserved = min(max(16, size // 16), 256) if size >= 64 else 1
        for low, high in ((reserved + 1, size - 1), (1, reserved + 1)):
            start = random.randrange(low, high) if high > low else low
            for offset in range(max(0, high - low)):
                candidate = str(self._subnet[low + (start - low + offset) % (high - low)])
                if candidate not in taken:
                    return candidate
        return None

    def _ports(self, obj: Object, taken: set[tuple[str, int | None]]) -> None:
        spec = obj["spec"]
        if spec["type"] == "LoadBalancer" and spec.get("allocateLoadBalancerNodePorts") is False:
            return
        mine: set[tuple[str, int | None]] = set()
        for index, port in enumerate(spec.get("ports", [])):
            wanted, path = port.get("nodePort"), f"spec.ports[{index}].nodePort"
            if not wanted:
                free = [number for number in NODE_PORTS if (port["protocol"], number) not in taken | mine]
                if not free:
                    raise _invalid(obj, FieldError.invalid(path, 0, "failed to allocate a nodePort: range is full"))
                port["nodePort"] = wanted = random.choice(free)
            elif wanted not in NODE_PORTS:
                text = f"provided port is not in the valid range. The range of valid ports is {NODE_PORTS[0]}-{NODE_PORTS[-1]}"
                raise _invalid(obj, FieldError.invalid(path, wanted, text))
            elif (port["protocol"], wanted) in taken | mine:
                raise _invalid(obj, FieldError.invalid(path, wanted, "provided port is already allocated"))
            mine.add((port["protocol"], wanted))


def _identity(obj: Object) -> tuple[str, str]:
    return obj["metadata"].get("namespace", ""), obj["metadata"]["name"]


def _invalid(obj: Object, error: FieldError) -> Invalid:
    return Invalid(SERVICES, obj["metadata"]["name"], [error])
