"""What the agents read from the datastore, as small values: nodes, pools, the BGP configuration. Pure: dictionaries in, values out.

The objects are those of the Kubernetes API: v1 Node (Calico keeps a node's BGP settings in its annotations) and crd.projectcalico.org/v1.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from typing import Any

from . import selector

Object = Mapping[str, Any]

GROUP_VERSION = "crd.projectcalico.org/v1"
DEFAULT_ASN = 64512
ADDRESS = "projectcalico.org/IPv4Address"
ASN = "projectcalico.org/ASNumber"
CLUSTER_ID = "projectcalico.org/RouteReflectorClusterID"
INTERFACES = "projectcalico.org/Interfaces"
CALICO_LABELS = "projectcalico.org/labels"
EXCLUDE_LABEL = "node.kubernetes.io/exclude-from-external-load-balancers"


def parse_asn(value: object) -> int:
    """An AS number as an integer, "65005", or "1.10" (dotted). Raises ValueError."""
    if isinstance(value, bool) or not isinstance(value, (int, str)):
        raise ValueError(f"invalid AS Number format ({value})")
    if isinstance(value, int):
        number = value
    elif value.isdecimal():
        number = int(value)
    else:
        high, dot, low = value.partition(".")
        if not (dot and high.isdecimal() and low.isdecimal() and int(high) < 65536 and int(low) < 65536):
            raise ValueError(f"invalid AS Number format ({value})")
        number = int(high) << 16 | int(low)
    if not 0 <= number < 2**32:
        raise ValueError(f"invalid AS Number format ({value})")
    return number


@dataclass(frozen=True)
class Node:
    """A node as BGP sees it. address: its BGP address with the length of its subnet, None while Calico does not run there."""

    name: str
    labels: Mapping[str, str] = field(default_factory=dict)
    address: IPv4Interface | None = None
    asn: int | None = None
    cluster_id: str | None = None
    internal_ip: IPv4Address | None = None

    @property
    def excluded(self) -> bool:
        """Advertises no service routes: the label has exactly the value "true" (kubeadm's empty value does not count)."""
        return self.labels.get(EXCLUDE_LABEL) == "true"


def _labels(metadata: Object) -> dict[str, str]:
    own = (metadata.get("annotations") or {}).get(CALICO_LABELS)
    try:
        extra = json.loads(own) if own else {}
    except ValueError:
        extra = {}
    return {**(extra if isinstance(extra, dict) else {}), **(metadata.get("labels") or {})}


def _or_none(convert: Any, text: str | None) -> Any:
    try:
        return convert(text) if text else None
    except ValueError:
        return None


def node_of(obj: Object) -> Node:
    """A v1 Node. Annotations that do not parse count as absent, as with the real datastore driver."""
    metadata = obj["metadata"]
    annotations = metadata.get("annotations") or {}
    internal = next((a["address"] for a in (obj.get("status") or {}).get("addresses") or [] if a.get("type") == "InternalIP" and ":" not in a["address"]), None)
    return Node(
        name=metadata["name"],
        labels=_labels(metadata),
        address=_or_none(IPv4Interface, annotations.get(ADDRESS)),
        asn=_or_none(parse_asn, annotations.get(ASN)),
        cluster_id=annotations.get(CLUSTER_ID) or None,
        internal_ip=_or_none(IPv4Address, internal),
    )


@dataclass(frozen=True)
class Pool:
    """An IPPool (IPv4)."""

    name: str
    cidr: IPv4Network
    block_size: int = 26
    nat_outgoing: bool = False
    disabled: bool = False
    export: bool = True
    node_selector: str = "all()"
    namespace_selector: str = ""
    workloads: bool = True
    automatic: bool = True

    def selects(self, node: Node) -> bool:
        """Whether the pool may serve the node; a selector that does not parse selects nothing."""
        try:
            return selector.matches(self.node_selector, node.labels)
        except selector.SelectorError:
            return False


def pool_of(obj: Object) -> Pool | None:
    """An IPPool object; None for IPv6 pools and CIDRs that do not parse."""
    spec = obj.get("spec") or {}
    try:
        cidr = IPv4Network(spec.get("cidr", ""))
    except ValueError:
        return None
    uses = spec.get("allowedUses") or ["Workload", "Tunnel"]
    return Pool(
        name=obj["metadata"]["name"],
        cidr=cidr,
        block_size=spec.get("blockSize") or 26,
        nat_outgoing=bool(spec.get("natOutgoing")),
        disabled=bool(spec.get("disabled")),
        export=not spec.get("disableBGPExport"),
        node_selector=spec.get("nodeSelector") or "all()",
        namespace_selector=spec.get("namespaceSelector") or "",
        workloads="Workload" in uses,
        automatic=spec.get("assignmentMode", "Automatic") == "Automatic",
    )


def pools_of(objects: Iterable[Object]) -> tuple[Pool, ...]:
    """IPv4 pools in the order of their networks."""
    found = [pool for pool in map(pool_of, objects) if pool is not None]
    return tuple(sorted(found, key=lambda pool: (pool.cidr, pool.name)))


@dataclass(frozen=True)
class BgpConfiguration:
    """The BGPConfiguration named default, with Calico's own defaults for what it leaves out."""

    mesh: bool = True
    asn: int = DEFAULT_ASN
    cluster_ips: tuple[IPv4Network, ...] = ()
    external_ips: tuple[IPv4Network, ...] = ()
    load_balancer_ips: tuple[IPv4Network, ...] = ()
    aggregate_load_balancers: bool = True
    listen_port: int = 179
    bind_node_ip: bool = False
    ignored_interfaces: tuple[str, ...] = ()
    log_severity: str = "Info"
    mesh_password: tuple[str, str] | None = None
    mesh_restart_time: int | None = None
    communities: tuple[tuple[IPv4Network, tuple[str, ...]], ...] = ()

    @property
    def service_ranges(self) -> tuple[IPv4Network, ...]:
        """Ranges that are announced as a whole by every node (policy Cluster), in a fixed order."""
        balancers = self.load_balancer_ips if self.aggregate_load_balancers else ()
        return tuple(sorted({*self.cluster_ips, *self.external_ips, *balancers}))


def _networks(spec: Object, key: str) -> tuple[IPv4Network, ...]:
    found = (_or_none(IPv4Network, entry.get("cidr")) for entry in spec.get(key) or [])
    return tuple(network for network in found if network is not None)


def secret_ref(password: object) -> tuple[str, str] | None:
    """(secret, key) of a `password: {secretKeyRef: {name, key}}`."""
    ref = password.get("secretKeyRef") if isinstance(password, Mapping) else None
    return (ref["name"], ref["key"]) if isinstance(ref, Mapping) and ref.get("name") and ref.get("key") else None


def seconds(duration: object) -> int | None:
    """Go's duration text ("1m30s", "150s", "2h") in whole seconds; None when absent or not a duration."""
    import re

    if not isinstance(duration, str) or not re.fullmatch(r"(\d+(\.\d+)?(h|m|s|ms))+", duration):
        return None
    unit = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
    return int(sum(float(number) * unit[name] for number, _, name in re.findall(r"(\d+(\.\d+)?)(h|ms|m|s)", duration)))


def bgp_configuration_of(obj: Object | None) -> BgpConfiguration:
    """The object, or None when nobody made one: full mesh on AS 64512."""
    spec = (obj or {}).get("spec") or {}
    named = {entry.get("name"): entry.get("value") for entry in spec.get("communities") or []}
    advertised = (
        (_or_none(IPv4Network, entry.get("cidr")), tuple(named.get(c) or c for c in entry.get("communities") or []))
        for entry in spec.get("prefixAdvertisements") or []
    )
    return BgpConfiguration(
        mesh=spec.get("nodeToNodeMeshEnabled", True) is not False,
        asn=_or_none(parse_asn, spec.get("asNumber")) or DEFAULT_ASN,
        cluster_ips=_networks(spec, "serviceClusterIPs"),
        external_ips=_networks(spec, "serviceExternalIPs"),
        load_balancer_ips=_networks(spec, "serviceLoadBalancerIPs"),
        aggregate_load_balancers=spec.get("serviceLoadBalancerAggregation", "Enabled") != "Disabled",
        listen_port=spec.get("listenPort") or 179,
        bind_node_ip=spec.get("bindMode") == "NodeIP",
        ignored_interfaces=tuple(spec.get("ignoredInterfaces") or ()),
        log_severity=spec.get("logSeverityScreen") or "Info",
        mesh_password=secret_ref(spec.get("nodeMeshPassword")),
        mesh_restart_time=seconds(spec.get("nodeMeshMaxRestartTime")),
        communities=tuple((cidr, values) for cidr, values in advertised if cidr is not None),
    )
