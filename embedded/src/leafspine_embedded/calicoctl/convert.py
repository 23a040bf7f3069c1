"""projectcalico.org/v3 <-> what the Kubernetes datastore keeps: crd.projectcalico.org/v1 objects, annotations of Nodes, Pods. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from .documents import conform
from .errors import ParseError
from .kinds import API_VERSION, BY_NAME, Kind, Object
from .schema import METADATA, SPECS

STORED_VERSION = "crd.projectcalico.org/v1"
_METADATA = "projectcalico.org/metadata"
_LABELS, _ANNOTATIONS, _KUBE_LABELS = "projectcalico.org/labels", "projectcalico.org/annotations", "projectcalico.org/kube-labels"
_INTERFACES = "projectcalico.org/Interfaces"

# (where in a v3 Node, the annotation of the Kubernetes Node)
_NODE_FIELDS = (
    (("spec", "bgp", "ipv4Address"), "projectcalico.org/IPv4Address"),
    (("spec", "bgp", "ipv6Address"), "projectcalico.org/IPv6Address"),
    (("spec", "bgp", "asNumber"), "projectcalico.org/ASNumber"),
    (("spec", "bgp", "ipv4IPIPTunnelAddr"), "projectcalico.org/IPv4IPIPTunnelAddr"),
    (("spec", "bgp", "routeReflectorClusterID"), "projectcalico.org/RouteReflectorClusterID"),
    (("spec", "ipv4VXLANTunnelAddr"), "projectcalico.org/IPv4VXLANTunnelAddr"),
    (("spec", "vxlanTunnelMACAddr"), "projectcalico.org/VXLANTunnelMACAddr"),
    (("spec", "ipv6VXLANTunnelAddr"), "projectcalico.org/IPv6VXLANTunnelAddr"),
    (("spec", "vxlanTunnelMACAddrV6"), "projectcalico.org/VXLANTunnelMACAddrV6"),
    (("spec", "wireguard", "interfaceIPv4Address"), "projectcalico.org/IPv4WireguardInterfaceAddr"),
    (("spec", "wireguard", "interfaceIPv6Address"), "projectcalico.org/IPv6WireguardInterfaceAddr"),
    (("status", "wireguardPublicKey"), "projectcalico.org/WireguardPublicKey"),
    (("status", "wireguardPublicKeyV6"), "projectcalico.org/WireguardPublicKeyV6"),
)


def ordered(obj: Object) -> Object:
    """The resource with its fields in the order of Calico's types, which JSON output shows."""
    metadata = obj.get("metadata") or {}
    spec = obj.get("spec") or {}
    schema = SPECS[obj["kind"]]
    result: Object = {
        "kind": obj["kind"],
        "apiVersion": obj["apiVersion"],
        "metadata": {key: metadata[key] for key in METADATA if key in metadata},
        "spec": {key: spec[key] for key in [*schema, *(set(spec) - set(schema))] if key in spec},
    }
    if "status" in obj:
        result["status"] = obj["status"]
    return result


def _compact(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), sort_keys=True)


def to_stored(obj: Object, kind: Kind) -> Object:
    """The custom resource for a v3 resource: metadata that is Calico's own goes into an annotation."""
    metadata = obj["metadata"]
    kept = {key: metadata[key] for key in ("creationTimestamp", "labels", "annotations") if metadata.get(key)}
    kept.setdefault("creationTimestamp", None)
    stored: Object = {"name": metadata["name"], "annotations": {_METADATA: _compact(kept)}}
    if metadata.get("resourceVersion"):
        stored["resourceVersion"] = metadata["resourceVersion"]
    return {"apiVersion": STORED_VERSION, "kind": kind.stored or kind.name, "metadata": stored, "spec": obj.get("spec") or {}}


def from_stored(stored: Object, kind: Kind) -> Object:
    """The v3 resource of a custom resource."""
    metadata = stored["metadata"]
    annotations = dict(metadata.get("annotations") or {})
    try:
        own = json.loads(annotations.pop(_METADATA, "{}"))
    except ValueError:
        own = {}
    # kubectl's note of what was applied is about the custom resource, not about Calico's.
    annotations.pop("kubectl.kubernetes.io/last-applied-configuration", None)
    result: Object = {"name": metadata["name"]}
    for key in ("uid", "resourceVersion"):
        if metadata.get(key):
            result[key] = metadata[key]
    result["creationTimestamp"] = own.get("creationTimestamp") or metadata.get("creationTimestamp")
    labels = {**(metadata.get("labels") or {}), **(own.get("labels") or {})}
    notes = {**annotations, **(own.get("annotations") or {})}
    if labels:
        result["labels"] = labels
    if notes:
        result["annotations"] = notes
    return ordered({"kind": kind.name, "apiVersion": API_VERSION, "metadata": result, "spec": stored.get("spec") or {}})


def _json_annotation(annotations: Mapping[str, str], key: str) -> Any:
    try:
        return json.loads(annotations[key]) if annotations.get(key) else {}
    except ValueError:
        return {}


def node_from_kubernetes(node: Object) -> Object:
    """The v3 Node of a Kubernetes Node."""
    metadata = node["metadata"]
    annotations = metadata.get("annotations") or {}
    labels = metadata.get("labels") or {}
    result: Object = {
        "kind": "Node",
        "apiVersion": API_VERSION,
        "metadata": {
            **{key: metadata[key] for key in ("name", "uid", "resourceVersion", "creationTimestamp") if key in metadata},
            "labels": {**_json_annotation(annotations, _LABELS), **labels},
            "annotations": {**_json_annotation(annotations, _ANNOTATIONS), _KUBE_LABELS: _compact(labels)},
        },
        "spec": {},
        "status": {},
    }
    for path, key in _NODE_FIELDS:
        value: Any = annotations.get(key)
        if not value:
            continue
        if path[-1] == "asNumber":
            try:
                value = conform(value, "asn", "")
            except ParseError:
                continue
        target = result
        for part in path[:-1]:
            target = target.setdefault(part, {})
        target[path[-1]] = value
    spec = result["spec"]
    spec["orchRefs"] = [{"nodeName": metadata["name"], "orchestrator": "k8s"}]
    addresses = [{"address": spec["bgp"][key], "type": "CalicoNodeIP"} for key in ("ipv4Address", "ipv6Address") if spec.get("bgp", {}).get(key)]
    for entry in (node.get("status") or {}).get("addresses") or []:
        if entry.get("type") in ("InternalIP", "ExternalIP"):
            addresses.append({"address": entry["address"], "type": entry["type"]})
    if addresses:
        spec["addresses"] = addresses
    interfaces = _json_annotation(annotations, _INTERFACES)
    if interfaces:
        spec["interfaces"] = interfaces
    if (node.get("spec") or {}).get("podCIDRs"):
        result["status"]["podCIDRs"] = node["spec"]["podCIDRs"]
    return ordered(result)


def _set(annotations: dict[str, str], key: str, value: Any) -> None:
    if value in (None, "", {}, []):
        annotations.pop(key, None)
    else:
        annotations[key] = value if isinstance(value, str) else _compact(value)


def node_into_kubernetes(obj: Object, node: Object) -> Object:
    """The Kubernetes Node with a v3 Node's Calico parts written into its annotations; everything else stays. Changes and returns `node`."""
    annotations = node["metadata"].setdefault("annotations", {})
    notes = dict(obj["metadata"].get("annotations") or {})
    labels = dict(obj["metadata"].get("labels") or {})
    if notes.get(_KUBE_LABELS):
        for key in _json_annotation(notes, _KUBE_LABELS):
            labels.pop(key, None)
    notes.pop(_KUBE_LABELS, None)
    _set(annotations, _LABELS, labels)
    _set(annotations, _ANNOTATIONS, notes)
    for path, key in _NODE_FIELDS:
        value: Any = obj
        for part in path:
            value = value.get(part) if isinstance(value, Mapping) else None
        _set(annotations, key, str(value) if isinstance(value, int) else value)
    interfaces = [{"name": e.get("name", ""), "addresses": e.get("addresses") or []} for e in (obj.get("spec") or {}).get("interfaces") or []]
    if interfaces:
        annotations[_INTERFACES] = json.dumps(interfaces, separators=(",", ":"))
    else:
        annotations.pop(_INTERFACES, None)
    return node


def interface_name(namespace: str, pod: str) -> str:
    """The host's end of a pod's veth pair."""
    return "cali" + hashlib.sha1(f"{namespace}.{pod}".encode(), usedforsecurity=False).hexdigest()[:11]


def _ports(pod: Object) -> list[Object]:
    found = []
    for container in pod["spec"].get("containers") or []:
        for port in container.get("ports") or []:
            if port.get("name") or port.get("hostPort"):
                found.append(
                    {
                        "name": port.get("name", ""),
                        "protocol": port.get("protocol", "TCP"),
                        "port": port["containerPort"],
                        "hostPort": port.get("hostPort", 0),
                        "hostIP": port.get("hostIP", ""),
                    }
                )
    return found


def endpoint_from_pod(pod: Object) -> Object | None:
    """The WorkloadEndpoint of a pod; None for pods of the host's network, without a node, or without an address."""
    metadata, spec = pod["metadata"], pod.get("spec") or {}
    annotations = metadata.get("annotations") or {}
    networks = annotations.get("cni.projectcalico.org/podIPs") or annotations.get("cni.projectcalico.org/podIP")
    address = (pod.get("status") or {}).get("podIP")
    if spec.get("hostNetwork") or not spec.get("nodeName") or not (networks or address) or (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed"):
        return None
    namespace, account = metadata.get("namespace", "default"), spec.get("serviceAccountName") or "default"
    parts = [spec["nodeName"], "k8s", metadata["name"], "eth0"]
    own = {"projectcalico.org/namespace": namespace, "projectcalico.org/orchestrator": "k8s", "projectcalico.org/serviceaccount": account}
    kept = {key: metadata[key] for key in ("generateName", "uid", "resourceVersion", "creationTimestamp") if key in metadata}
    ports = _ports(pod)
    endpoint: Object = {
        "orchestrator": "k8s",
        "node": spec["nodeName"],
        "containerID": annotations.get("cni.projectcalico.org/containerID", ""),
        "pod": metadata["name"],
        "endpoint": "eth0",
        "serviceAccountName": account,
        "ipNetworks": networks.split(",") if networks else [f"{address}/32"],
        "profiles": [f"kns.{namespace}", f"ksa.{namespace}.{account}"],
        "interfaceName": interface_name(namespace, metadata["name"]),
    }
    if ports:
        endpoint["ports"] = ports
    name = "-".join(part.replace("-", "--") for part in parts)
    return ordered(
        {
            "kind": BY_NAME["WorkloadEndpoint"].name,
            "apiVersion": API_VERSION,
            "metadata": {**kept, "name": name, "namespace": namespace, "labels": {**(metadata.get("labels") or {}), **own}},
            "spec": {key: value for key, value in endpoint.items() if value not in ("", [])},
        }
    )
