"""What the first calico-node writes into an empty datastore, and what each writes about its own node."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from ipaddress import IPv4Interface, IPv4Network

from leafspine_embedded.kube.errors import AlreadyExists
from leafspine_embedded.kube.objects import now
from leafspine_embedded.kube.resources import NODES
from leafspine_embedded.kube.store import Store

from . import datastore
from .model import ADDRESS, ASN, INTERFACES

VERSION = "v3.31.0"
DEFAULT_POOL = "default-ipv4-ippool"
_MODES = ("Always", "CrossSubnet", "Never")


class StartupError(Exception):
    """The pod's environment asks for something that is wrong or that this engine does not have; the pod ends with it."""


def _on(env: Mapping[str, str], name: str, default: bool) -> bool:
    text = env.get(name, "").lower()
    if text not in ("", "true", "false", "1", "0"):
        raise StartupError(f"Invalid {name}={env[name]}: true or false")
    return default if text == "" else text in ("true", "1")


def _mode(env: Mapping[str, str], name: str, default: str) -> str:
    value = env.get(name) or default
    if value.lower() == "off":
        value = "Never"
    if value not in _MODES:
        raise StartupError(f"Unrecognized {name} specified in the environment variables: {value}")
    if value != "Never":
        raise StartupError(f"{name}={value}: tunnels are not supported by the embedded engine, only Never")
    return value


def default_pool(env: Mapping[str, str], pod_subnet: str) -> dict[str, object] | None:
    """The spec of the pool a first start creates, None when NO_DEFAULT_POOLS is set. Raises StartupError."""
    if _on(env, "NO_DEFAULT_POOLS", False):
        return None
    cidr = env.get("CALICO_IPV4POOL_CIDR") or pod_subnet
    try:
        network = IPv4Network(cidr)
        size = int(env.get("CALICO_IPV4POOL_BLOCK_SIZE") or 26)
    except ValueError as error:
        raise StartupError(f"CALICO_IPV4POOL_CIDR={cidr}: {error}") from None
    if not max(20, network.prefixlen) <= size <= 32:
        raise StartupError(f"Invalid blocksize {size} for {network}: between {max(20, network.prefixlen)} and 32")
    spec: dict[str, object] = {
        "allowedUses": ["Workload", "Tunnel"],
        "assignmentMode": "Automatic",
        "blockSize": size,
        "cidr": str(network),
        "ipipMode": _mode(env, "CALICO_IPV4POOL_IPIP", "Never"),
        "natOutgoing": _on(env, "CALICO_IPV4POOL_NAT_OUTGOING", True),
        "nodeSelector": env.get("CALICO_IPV4POOL_NODE_SELECTOR") or "all()",
        "vxlanMode": _mode(env, "CALICO_IPV4POOL_VXLAN", "Never"),
    }
    if _on(env, "CALICO_IPV4POOL_DISABLE_BGP_EXPORT", False):
        spec["disableBGPExport"] = True
    return spec


def cluster_type(env: Mapping[str, str]) -> str:
    """ClusterInformation's type: CLUSTER_TYPE of the manifest, kubeadm because kind makes its clusters with it, kdd for the datastore."""
    parts = [part for part in env.get("CLUSTER_TYPE", "k8s,bgp").split(",") if part]
    return ",".join(dict.fromkeys([*parts, "kubeadm", "kdd"]))


def ensure(store: Store, env: Mapping[str, str], pod_subnet: str) -> list[str]:
    """Make what is missing (never change what is there); returns the names of what was made. Raises StartupError, NotInstalled."""
    backend = env.get("CALICO_NETWORKING_BACKEND", "bird")
    if backend != "bird":
        raise StartupError(f"CALICO_NETWORKING_BACKEND={backend} is not supported by the embedded engine, only bird")
    pool = default_pool(env, pod_subnet)
    wanted: list[tuple[str, str, dict[str, object]]] = [
        (
            "clusterinformations",
            "default",
            {"calicoVersion": VERSION, "clusterGUID": uuid.uuid4().hex, "clusterType": cluster_type(env), "datastoreReady": True},
        ),
        ("felixconfigurations", "default", {"bpfConnectTimeLoadBalancing": "TCP", "bpfHostNetworkedNATWithoutCTLB": "Enabled", "logSeverityScreen": "Info"}),
        ("ipamconfigs", "default", {"autoAllocateBlocks": True, "maxBlocksPerHost": 0, "strictAffinity": False}),
    ]
    if pool is not None and not datastore.scan(store, "ippools"):
        wanted.append(("ippools", DEFAULT_POOL, pool))
    made = []
    for plural, name, spec in wanted:
        datastore.resource(store, plural)
        if datastore.find(store, plural, name) is None:
            try:
                datastore.create(store, plural, name, spec)
                made.append(f"{plural}/{name}")
            except AlreadyExists:
                pass
    return made


def describe_node(store: Store, name: str, address: IPv4Interface, asn: str, interfaces: str) -> bool:
    """Write a node's BGP address, its interfaces and (from AS) its AS number into its annotations; True when something changed."""
    obj = store.find(NODES, None, name)
    if obj is None:
        raise StartupError(f'node "{name}" not found')
    annotations = obj["metadata"].setdefault("annotations", {})
    before = dict(annotations)
    annotations[ADDRESS] = str(address)
    annotations[INTERFACES] = interfaces
    if asn:
        annotations[ASN] = asn
    if annotations == before:
        return False
    store.update(NODES, obj)
    return True


def network_condition(store: Store, name: str, up: bool) -> None:
    """The node's condition NetworkUnavailable, which Calico owns."""
    obj = store.find(NODES, None, name)
    if obj is None:
        return
    status, stamp = obj.setdefault("status", {}), now()
    reason, message = ("CalicoIsUp", "Calico is running on this node") if up else ("CalicoIsDown", "Calico is shutting down on this node")
    entry = {
        "type": "NetworkUnavailable",
        "status": "False" if up else "True",
        "reason": reason,
        "message": message,
        "lastHeartbeatTime": stamp,
        "lastTransitionTime": stamp,
    }
    others = [condition for condition in status.get("conditions") or [] if condition.get("type") != "NetworkUnavailable"]
    status["conditions"] = [entry, *others]
    store.update(NODES, obj, subresource="status")
