"""The kinds of resources, their names on the command line, and the columns of their tables."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from .errors import go_value

API_VERSION = "projectcalico.org/v3"
Object = dict[str, Any]
Column = Callable[[Object, str], str]


def _at(obj: Mapping[str, Any], path: str) -> Any:
    for key in path.split("."):
        obj = obj.get(key) or {} if isinstance(obj, Mapping) else {}
    return obj


def _text(path: str, empty: str = "") -> Column:
    def column(obj: Object, default_asn: str) -> str:
        value = _at(obj, path)
        return empty if value == {} else go_value(value)

    return column


def _joined(path: str) -> Column:
    return lambda obj, default_asn: ",".join(str(entry) for entry in (_at(obj, path) or []))


def _peer_node(obj: Object, default_asn: str) -> str:
    spec = obj.get("spec") or {}
    return str(spec.get("node") or spec.get("nodeSelector") or "(global)")


def _node_asn(obj: Object, default_asn: str) -> str:
    bgp = _at(obj, "spec.bgp")
    if not bgp:
        return ""
    return str(bgp["asNumber"]) if bgp.get("asNumber") is not None else f"({default_asn})"


def _workload(obj: Object, default_asn: str) -> str:
    spec = obj.get("spec") or {}
    return str(spec.get("workload") or spec.get("pod") or "")


_NAME: Column = _text("metadata.name")


@dataclass(frozen=True)
class Kind:
    """plural: of its CRD; empty for what is kept elsewhere (Node, WorkloadEndpoint). stored: the CRD's kind."""

    name: str
    aliases: tuple[str, ...]
    plural: str
    columns: Mapping[str, Column]
    narrow: tuple[str, ...]
    wide: tuple[str, ...]
    namespaced: bool = False
    stored: str = ""

    def identifier(self, name: str, namespace: str = "") -> str:
        """As errors name a resource."""
        return f"{self.name}({namespace}/{name})" if namespace else f"{self.name}({name})"


def _kind(name: str, aliases: str, plural: str, narrow: Mapping[str, Column], wide: Mapping[str, Column] | None = None, **more: Any) -> Kind:
    columns = {**narrow, **(wide or {})}
    return Kind(name, tuple(aliases.split()), plural, columns, tuple(narrow), tuple(wide or narrow), **more)


_POOL = {"NAME": _NAME, "CIDR": _text("spec.cidr"), "SELECTOR": _text("spec.nodeSelector")}
_POOL_WIDE = {
    "NAME": _NAME,
    "CIDR": _text("spec.cidr"),
    "NAT": _text("spec.natOutgoing", "false"),
    "IPIPMODE": _text("spec.ipipMode", "Never"),
    "VXLANMODE": _text("spec.vxlanMode", "Never"),
    "DISABLED": _text("spec.disabled", "false"),
    "DISABLEBGPEXPORT": _text("spec.disableBGPExport", "false"),
    "SELECTOR": _text("spec.nodeSelector"),
    "ASSIGNMENTMODE": _text("spec.assignmentMode"),
}
_ENDPOINT = {"WORKLOAD": _workload, "NODE": _text("spec.node"), "NETWORKS": _joined("spec.ipNetworks"), "INTERFACE": _text("spec.interfaceName")}
_IPAM = {"NAME": _NAME, "STRICTAFFINITY": _text("spec.strictAffinity", "false"), "AUTOALLOCATEBLOCKS": _text("spec.autoAllocateBlocks", "false")}

KINDS: tuple[Kind, ...] = (
    _kind(
        "BGPConfiguration",
        "bgpconfiguration bgpconfigurations bgpconfig bgpconfigs",
        "bgpconfigurations",
        {
            "NAME": _NAME,
            "LOGSEVERITY": _text("spec.logSeverityScreen"),
            # A pointer in Go's template prints "-" only when it is nil; an explicit false is printed.
            "MESHENABLED": lambda obj, asn: go_value(obj.get("spec", {}).get("nodeToNodeMeshEnabled", "-")),
            "ASNUMBER": _text("spec.asNumber", "-"),
        },
    ),
    _kind(
        "BGPPeer",
        "bgppeer bgppeers bgpp bgpps bp bps",
        "bgppeers",
        {"NAME": _NAME, "PEERIP": _text("spec.peerIP"), "NODE": _peer_node, "ASN": _text("spec.asNumber", "0")},
    ),
    _kind(
        "ClusterInformation",
        "clusterinformation clusterinformations clusterinfo clusterinfos",
        "clusterinformations",
        {
            "NAME": _NAME,
            "CLUSTERGUID": _text("spec.clusterGUID"),
            "CLUSTERTYPE": _text("spec.clusterType"),
            "CALICOVERSION": _text("spec.calicoVersion"),
            "DATASTOREREADY": _text("spec.datastoreReady"),
        },
    ),
    _kind("FelixConfiguration", "felixconfiguration felixconfigurations felixconfig felixconfigs", "felixconfigurations", {"NAME": _NAME}),
    _kind(
        "IPAMConfiguration",
        "ipamconfiguration ipamconfigurations ipamconfig ipamconfigs",
        "ipamconfigs",
        _IPAM,
        {**_IPAM, "MAXBLOCKSPERHOST": _text("spec.maxBlocksPerHost", "0")},
        stored="IPAMConfig",
    ),
    _kind("IPPool", "ippool ippools ipp ipps pool pools", "ippools", _POOL, _POOL_WIDE),
    _kind(
        "Node",
        "node nodes no nos",
        "",
        {"NAME": _NAME},
        {"NAME": _NAME, "ASN": _node_asn, "IPV4": _text("spec.bgp.ipv4Address"), "IPV6": _text("spec.bgp.ipv6Address")},
    ),
    _kind(
        "WorkloadEndpoint",
        "workloadendpoint workloadendpoints wep weps",
        "",
        _ENDPOINT,
        {"NAME": _NAME, **_ENDPOINT, "PROFILES": _joined("spec.profiles"), "NATS": _joined("spec.ipNATs")},
        namespaced=True,
    ),
)

# Kinds of the real tool that the engine has no behaviour for: refused by name, so nobody takes the refusal for a typing error.
ELSEWHERE: dict[str, str] = {
    alias: name
    for name, aliases in {
        "BGPFilter": "bgpfilter bgpfilters",
        "BlockAffinity": "blockaffinity blockaffinities affinity affinities",
        "CalicoNodeStatus": "caliconodestatus caliconodestatuses",
        "GlobalNetworkPolicy": "globalnetworkpolicy globalnetworkpolicies gnp gnps",
        "GlobalNetworkSet": "globalnetworkset globalnetworksets",
        "HostEndpoint": "hostendpoint hostendpoints hep heps",
        "IPReservation": "ipreservation ipreservations reservation reservations",
        "KubeControllersConfiguration": "kubecontrollersconfiguration kubecontrollersconfigurations kubecontrollersconfig kubecontrollersconfigs",
        "NetworkPolicy": "networkpolicy networkpolicies policy np policies pol pols",
        "NetworkSet": "networkset networksets netsets",
        "Profile": "profile profiles pro pros",
        "StagedGlobalNetworkPolicy": "stagedglobalnetworkpolicy stagedglobalnetworkpolicies sgnp",
        "StagedKubernetesNetworkPolicy": "stagedkubernetesnetworkpolicy stagedkubernetesnetworkpolicies sknp",
        "StagedNetworkPolicy": "stagednetworkpolicy stagednetworkpolicies snp",
        "Tier": "tier tiers",
    }.items()
    for alias in aliases.split()
}

BY_NAME: dict[str, Kind] = {kind.name: kind for kind in KINDS}
_BY_ALIAS: dict[str, Kind] = {alias: kind for kind in KINDS for alias in kind.aliases}


def by_alias(text: str) -> Kind | None:
    """The kind a command line names, in any case, singular or plural."""
    return _BY_ALIAS.get(text.lower())
