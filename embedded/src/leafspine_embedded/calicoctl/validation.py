"""Which values a resource may have. Rules and wording of Calico's validator for the kinds this tool has."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, ip_address, ip_network
from typing import Any

from leafspine_embedded.calico import selector

from .errors import Field, ValidationError
from .kinds import Object

Spec = Mapping[str, Any]

_SUBDOMAIN = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*"
_NAME = re.compile(f"^{_SUBDOMAIN}$")
_LABEL_KEY = re.compile(r"^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$")
_LABEL_VALUE = re.compile(r"^([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?$")
_SEVERITY = re.compile(r"(?i)^(debug|info|warning|error|fatal|trace)$")


def _address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def _network(text: str) -> bool:
    try:
        ip_network(text, strict=False)
    except ValueError:
        return False
    return "/" in text


def _address_port(text: str) -> bool:
    bracketed = re.fullmatch(r"\[(.*)\]:(\d+)", text)
    if bracketed or (text.count(":") == 1 and "." in text):
        host, port = bracketed.groups() if bracketed else tuple(text.split(":"))
        return _address(host) and port.isdecimal() and 0 < int(port) < 65536
    return _address(text)


def _selector(text: str) -> bool:
    try:
        selector.parse(text)
    except selector.SelectorError:
        return False
    return True


def _tag(spec: Spec, key: str, name: str, tag: str, check: Callable[[str], bool]) -> list[Field]:
    value = spec.get(key)
    return [Field(name, value, tag=tag)] if value and not check(value) else []


def _enum(spec: Spec, key: str, name: str, choices: tuple[str, ...]) -> list[Field]:
    value = spec.get(key)
    if value is None or value in choices:
        return []
    listed = ", ".join(f'"{choice}"' for choice in choices)
    return [Field(name, value, reason=f"Unsupported value: supported values: {listed}")]


def _metadata(metadata: Spec) -> list[Field]:
    name = metadata.get("name", "")
    found = []
    if len(name) > 253:
        found.append(Field("Metadata.Name", name, reason=f"name is too long by {len(name) - 253} bytes"))
    if not _NAME.fullmatch(name):
        found.append(Field("Metadata.Name", name, reason=f"name must consist of lower case alphanumeric characters, '-' or '.' (regex: {_SUBDOMAIN})"))
    for key, value in (metadata.get("labels") or {}).items():
        if not _LABEL_KEY.fullmatch(key):
            found.append(Field("Metadata.Labels (label)", key, reason="name part must consist of alphanumeric characters, '-', '_' or '.'"))
        if not _LABEL_VALUE.fullmatch(value):
            found.append(Field("Metadata.Labels (value)", value, reason="a valid label must consist of alphanumeric characters, '-', '_' or '.'"))
    return found


def _reachable_by(spec: Spec) -> str:
    gateway, peer = spec.get("reachableBy"), spec.get("peerIP")
    if not gateway:
        return ""
    if not peer:
        return "ReachablyBy field must be empty when PeerIP is empty"
    if not _address(gateway):
        return "ReachableBy is invalid address"
    if not _address_port(peer):
        return "PeerIP is invalid address"
    return "" if (":" in gateway) == (peer.count(":") > 1) else "ReachableBy and PeerIP address family mismatched"


def _bgp_peer(spec: Spec) -> list[Field]:
    found = [
        *_tag(spec, "node", "Node", "name", lambda text: bool(_NAME.fullmatch(text))),
        *_tag(spec, "nodeSelector", "NodeSelector", "selector", _selector),
        *_tag(spec, "peerIP", "PeerIP", "IP:port", _address_port),
        *_tag(spec, "peerSelector", "PeerSelector", "selector", _selector),
        *_enum(spec, "sourceAddress", "SourceAddress", ("UseNodeIP", "None")),
        *_enum(spec, "nextHopMode", "NextHopMode", ("Auto", "Self", "Keep")),
        *_enum(spec, "reversePeering", "ReversePeering", ("Auto", "Manual")),
    ]
    peer, remote = spec.get("peerIP"), spec.get("peerSelector")
    if spec.get("node") and spec.get("nodeSelector"):
        found.append(Field("Node", spec["node"], reason="Node field must be empty when NodeSelector is specified"))
    if peer and remote:
        found.append(Field("PeerIP", peer, reason="PeerIP field must be empty when PeerSelector is specified"))
    if remote and spec.get("asNumber"):
        found.append(Field("ASNumber", spec["asNumber"], reason="ASNumber field must be empty when PeerSelector is specified"))
    if _reachable_by(spec):
        found.append(Field("ReachableBy", spec["reachableBy"], reason=_reachable_by(spec)))
    if spec.get("keepOriginalNextHop") and spec.get("nextHopMode"):
        why = "The KeepOriginalNextHop field is deprecated. It must not be set to true when NextHopMode is configured."
        found.append(Field("KeepOriginalNextHop", peer, reason=why))
    for key, name in (("filters", "Filters"), ("localWorkloadSelector", "LocalWorkloadSelector")):
        if spec.get(key):
            found.append(Field(name, spec[key], reason="not supported by the embedded engine"))
    if peer and _address_port(peer) and peer.count(":") > 1:
        found.append(Field("PeerIP", peer, reason="IPv6 is not supported by the embedded engine"))
    return found


def _community(text: str) -> bool:
    parts = text.split(":")
    return len(parts) in (2, 3) and all(part.isdecimal() and int(part) < (65536 if len(parts) == 2 else 2**32) for part in parts)


def _bgp_configuration(spec: Spec) -> list[Field]:
    found = _tag(spec, "logSeverityScreen", "LogSeverityScreen", "logLevel", lambda text: bool(_SEVERITY.fullmatch(text)))
    for key in ("serviceClusterIPs", "serviceExternalIPs", "serviceLoadBalancerIPs"):
        for entry in spec.get(key) or []:
            found += _tag(entry, "cidr", "CIDR", "net", _network)
    for entry in spec.get("communities") or []:
        if not _community(entry.get("value", "")):
            found.append(Field("Spec.Communities[].Value", entry.get("value", ""), reason="invalid community value or format used."))
    names = {entry.get("name") for entry in spec.get("communities") or []}
    if names and not spec.get("prefixAdvertisements"):
        found.append(Field("Spec.Communities[]", sorted(map(str, names)), reason="communities are defined but not used in Spec.PrefixAdvertisement[]."))
    for entry in spec.get("prefixAdvertisements") or []:
        found += _tag(entry, "cidr", "CIDR", "net", _network)
        found += [
            Field("Spec.PrefixAdvertisement[].Communities[]", value, reason="community used is invalid or not defined.")
            for value in entry.get("communities") or []
            if value not in names and not _community(value)
        ]
    port = spec.get("listenPort")
    if port is not None and not 0 < port < 65536:
        found.append(Field("ListenPort", port, tag="gt"))
    found += _enum(spec, "serviceLoadBalancerAggregation", "ServiceLoadBalancerAggregation", ("Enabled", "Disabled"))
    found += _enum(spec, "bindMode", "BindMode", ("None", "NodeIP"))
    for key in ("localWorkloadPeeringIPV4", "localWorkloadPeeringIPV6"):
        if spec.get(key):
            found.append(Field(key[0].upper() + key[1:], spec[key], reason="not supported by the embedded engine"))
    return found


def _ip_pool(spec: Spec) -> list[Field]:
    cidr = spec.get("cidr", "")
    if not cidr:
        return [Field("IPpool.CIDR", cidr, reason="IPPool CIDR must be specified")]
    if not _network(cidr):
        return [Field("CIDR", cidr, tag="net")]
    network = ip_network(cidr, strict=False)
    if not isinstance(network, IPv4Network):
        return [Field("IPpool.CIDR", cidr, reason="IPv6 pools are not supported by the embedded engine")]
    found = [
        *_enum(spec, "ipipMode", "IPIPMode", ("Never", "Always", "CrossSubnet")),
        *_enum(spec, "vxlanMode", "VXLANMode", ("Never", "Always", "CrossSubnet")),
        *_enum(spec, "assignmentMode", "AssignmentMode", ("Automatic", "Manual")),
        *_tag(spec, "nodeSelector", "NodeSelector", "selector", _selector),
        *_tag(spec, "namespaceSelector", "NamespaceSelector", "selector", _selector),
    ]
    for key, name in (("ipipMode", "IPIPMode"), ("vxlanMode", "VXLANMode")):
        if spec.get(key) in ("Always", "CrossSubnet"):
            found.append(Field(name, spec[key], reason="tunnels are not supported by the embedded engine"))
    size = spec.get("blockSize") or 26
    if size > 32 or size < 20:
        found.append(Field("IPpool.BlockSize", size, reason="block size must be between 20 and 32"))
    elif size < network.prefixlen:
        found.append(
            Field(
                "IPpool.CIDR", cidr, reason=f"IP pool size is too small for use with Calico IPAM. It must be equal to or greater than the block size (/{size})."
            )
        )
    if str(network) != cidr:
        found.append(Field("IPpool.CIDR", cidr, reason="IP pool CIDR is not strictly masked"))
    if network.overlaps(IPv4Network("169.254.0.0/16")):
        found.append(Field("IPpool.CIDR", cidr, reason="IP pool range overlaps with IPv4 Link Local range 169.254.0.0/16"))
    uses = spec.get("allowedUses") or []
    found += [Field("IPpool.AllowedUses", uses, reason=f"unknown use: {use}") for use in uses if use not in ("Workload", "Tunnel", "LoadBalancer")]
    if "LoadBalancer" in uses:
        found.append(Field("IPpool.AllowedUses", uses, reason="LoadBalancer pools are not supported by the embedded engine"))
    return found


def _node(spec: Spec) -> list[Field]:
    bgp = spec.get("bgp")
    if bgp is None:
        return []
    if not any(value not in ("", None) for value in bgp.values()):
        return [Field("BGP", {}, reason="Spec.BGP should not be empty")]
    found: list[Field] = []
    for key, name, tag, kind in (
        ("ipv4Address", "IPv4Address", "cidrv4", IPv4Interface),
        ("routeReflectorClusterID", "RouteReflectorClusterID", "ipv4", IPv4Address),
    ):
        value = bgp.get(key)
        try:
            kind(value or "0.0.0.0")
        except ValueError:
            found.append(Field(name, value, tag=tag))
    for key, name in (("ipv6Address", "IPv6Address"), ("ipv4IPIPTunnelAddr", "IPv4IPIPTunnelAddr")):
        if bgp.get(key):
            found.append(Field(name, bgp[key], reason="not supported by the embedded engine"))
    return found


def _ipam(spec: Spec) -> list[Field]:
    value = spec.get("maxBlocksPerHost", 0)
    return [Field("MaxBlocksPerHost", value, reason="must be greater than or equal to 0")] if value < 0 else []


_RULES: dict[str, Callable[[Spec], list[Field]]] = {
    "BGPConfiguration": _bgp_configuration,
    "BGPPeer": _bgp_peer,
    "IPAMConfiguration": _ipam,
    "IPPool": _ip_pool,
    "Node": _node,
}


def validate(obj: Object) -> None:
    """Check a resource by itself, without the datastore. Raises ValidationError."""
    rule = _RULES.get(obj["kind"])
    fields = [*_metadata(obj.get("metadata") or {}), *(rule(obj.get("spec") or {}) if rule else [])]
    if fields:
        raise ValidationError(fields)


_DEFAULT_ONLY = {
    "nodeToNodeMeshEnabled": ("NodeToNodeMeshEnabled", "nodeToNodeMeshEnabled"),
    "asNumber": ("ASNumber", "ASNumber"),
    "serviceLoadBalancerIPs": ("ServiceLoadBalancerIPs", "ServiceLoadBalancerIPs"),
    "serviceExternalIPs": ("ServiceExternalIPs", "ServiceExternalIPs"),
    "serviceClusterIPs": ("ServiceClusterIPs", "ServiceClusterIPs"),
    "nodeMeshPassword": ("NodeMeshPassword", "nodeMeshPassword"),
    "nodeMeshMaxRestartTime": ("NodeMeshMaxRestartTime", "nodeMeshMaxRestartTime"),
}


def validate_default_only(obj: Object) -> None:
    """Fields that only the BGPConfiguration named default may have; checked when it is written, not by `validate`. Raises ValidationError."""
    if obj["kind"] != "BGPConfiguration" or obj["metadata"].get("name") == "default":
        return
    spec = obj.get("spec") or {}
    fields = [
        Field(f"BGPConfiguration.Spec.{field}", reason=f"Cannot set {shown} on a non default BGP Configuration.")
        for key, (field, shown) in _DEFAULT_ONLY.items()
        if spec.get(key) not in (None, [])
    ]
    if fields:
        raise ValidationError(fields)
