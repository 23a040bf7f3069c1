# Copyright: (c) The leafspine.calico authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a cluster's API says, as far as expectations follow from it: who announces what, which pods and service there are.

Pure functions over lists of API objects. The rules of announcing are Calico's (contracts: calicoctl, services): a node announces
its blocks, the service ranges of BGPConfiguration, and single addresses of services with externalTrafficPolicy Local whose
endpoints it has; a node labelled ``node.kubernetes.io/exclude-from-external-load-balancers: "true"`` no service at all.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from ipaddress import IPv4Address, IPv4Network
from typing import Any

Object = dict[str, Any]
Objects = Mapping[str, list[Object]]

# What to ask the API server for: {name: path}.
PATHS = {
    "nodes": "/api/v1/nodes",
    "pods": "/api/v1/pods",
    "services": "/api/v1/services",
    "endpointslices": "/apis/discovery.k8s.io/v1/endpointslices",
    "blocks": "/apis/crd.projectcalico.org/v1/ipamblocks",
    "pools": "/apis/crd.projectcalico.org/v1/ippools",
    "bgpconfigurations": "/apis/crd.projectcalico.org/v1/bgpconfigurations",
    "bgppeers": "/apis/crd.projectcalico.org/v1/bgppeers",
}
EXCLUDED = "node.kubernetes.io/exclude-from-external-load-balancers"
NODE_PORTS = range(30000, 32768)


def view(fabric: Mapping[str, Any], objects: Objects, namespace: str, app: str, service: str | None = None) -> dict[str, Any]:
    """The cluster as checks need it.

    {announced: {server: [prefix]}, blocks: {server: [block]}, service_ranges: [prefix], cluster_ips: serviceClusterIPs as it is set,
    pods: {server: [address]} of every pod with an address of its own, app: [pod of the demo app], service: the service that is asked
    or None, unused: addresses and a node port that nobody has}. ``app``: the demo app's label ``app``; ``service``: a service's name,
    by default the app's.
    """
    servers = {server["node"]: server["name"] for server in fabric["servers"]}
    blocks = _blocks(objects["blocks"], servers)
    pods = _own_addresses(objects["pods"], servers)
    ranges = service_ranges(objects["bgpconfigurations"])
    return {
        "announced": announced(servers, objects),
        "blocks": blocks,
        "service_ranges": ranges,
        "cluster_ips": _default_spec(objects["bgpconfigurations"]).get("serviceClusterIPs"),
        "pods": pods,
        "app": _app(objects["pods"], servers, namespace, app),
        "service": _service(objects, namespace, service or app),
        "unused": {"pods": _unused_addresses(objects["blocks"], servers, pods), "node_port": _unused_node_port(objects["services"])},
    }


def announced(servers: Mapping[str, str], objects: Objects) -> dict[str, list[str]]:
    """Prefixes that each server (``servers``: node name -> server) announces by BGP."""
    ranges = service_ranges(objects["bgpconfigurations"])
    single = _single_addresses(objects, ranges)
    excluded = {node["metadata"]["name"] for node in objects["nodes"] if (node["metadata"].get("labels") or {}).get(EXCLUDED) == "true"}
    found = {server: list(prefixes) for server, prefixes in _blocks(objects["blocks"], servers).items()}
    for node, server in servers.items():
        if node not in excluded:
            found[server] += ranges + sorted(single.get(node, set()) - set(ranges))
    return found


def service_ranges(configurations: Iterable[Object]) -> list[str]:
    """Ranges of the BGPConfiguration ``default`` that every node announces."""
    spec = _default_spec(configurations)
    entries = [entry for key in ("serviceClusterIPs", "serviceExternalIPs", "serviceLoadBalancerIPs") for entry in spec.get(key) or []]
    return list(dict.fromkeys(entry["cidr"] for entry in entries))


def _default_spec(configurations: Iterable[Object]) -> Object:
    return next((one.get("spec") or {} for one in configurations if one["metadata"]["name"] == "default"), {})


def _blocks(blocks: Iterable[Object], servers: Mapping[str, str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {server: [] for server in servers.values()}
    for block in blocks:
        spec = block["spec"]
        node = (spec.get("affinity") or "").removeprefix("host:")
        if node in servers and not spec.get("deleted"):
            found[servers[node]].append(spec["cidr"])
    return {server: sorted(cidrs) for server, cidrs in found.items()}


def _own_addresses(pods: Iterable[Object], servers: Mapping[str, str]) -> dict[str, list[str]]:
    """Addresses of running pods that are not their node's, by server."""
    found: dict[str, list[str]] = {server: [] for server in servers.values()}
    for pod in pods:
        address, node = (pod.get("status") or {}).get("podIP"), pod["spec"].get("nodeName")
        if address and node in servers and not pod["spec"].get("hostNetwork") and pod["status"].get("phase") in ("Running", "Pending"):
            found[servers[node]].append(address)
    return {server: sorted(addresses) for server, addresses in found.items()}


def is_ready(item: Object) -> bool:
    """Whether a node or pod has the condition Ready."""
    return any(condition["type"] == "Ready" and condition["status"] == "True" for condition in (item.get("status") or {}).get("conditions") or [])


def _app(pods: Iterable[Object], servers: Mapping[str, str], namespace: str, app: str) -> list[Object]:
    found = []
    for pod in pods:
        metadata, node = pod["metadata"], pod["spec"].get("nodeName")
        if metadata.get("namespace") != namespace or (metadata.get("labels") or {}).get("app") != app or metadata.get("deletionTimestamp"):
            continue
        address = (pod.get("status") or {}).get("podIP")
        place = {"server": servers.get(node), "node": node, "address": address}
        found.append({"name": metadata["name"], "namespace": namespace, "labels": metadata["labels"], **place, "ready": is_ready(pod)})
    return sorted(found, key=lambda pod: (list(servers.values()).index(pod["server"]) if pod["server"] else -1, pod["name"]))


# --- services ------------------------------------------------------------------------------------------------------------


def _endpoints(slices: Iterable[Object], namespace: str, name: str) -> list[tuple[str, str]]:
    """(address, node) of a service's ready endpoints; no condition counts as ready."""
    found = []
    for one in slices:
        metadata = one["metadata"]
        if (metadata.get("labels") or {}).get("kubernetes.io/service-name") == name and metadata.get("namespace") == namespace:
            for endpoint in one.get("endpoints") or []:
                if (endpoint.get("conditions") or {}).get("ready") is not False:
                    found += [(address, endpoint.get("nodeName") or "") for address in endpoint["addresses"]]
    return sorted(found)


def _service(objects: Objects, namespace: str, name: str) -> Object | None:
    for service in objects["services"]:
        if service["metadata"]["namespace"] == namespace and service["metadata"]["name"] == name:
            port = service["spec"]["ports"][0]
            endpoints = _endpoints(objects["endpointslices"], namespace, name)
            return {
                "name": name,
                "cluster_ip": service["spec"].get("clusterIP"),
                "port": port["port"],
                "node_port": port.get("nodePort"),
                "selector": service["spec"].get("selector") or {},
                "policy": service["spec"].get("externalTrafficPolicy") or "Cluster",
                "endpoints": [address for address, _node in endpoints],
                "endpoint_nodes": sorted({node for _address, node in endpoints}),
            }
    return None


def _single_addresses(objects: Objects, ranges: list[str]) -> dict[str, set[str]]:
    """Node -> /32s of services with policy Local and an endpoint there, as far as they lie in an announced range."""
    networks = [IPv4Network(one) for one in ranges]
    found: dict[str, set[str]] = {}
    for service in objects["services"]:
        spec, metadata = service["spec"], service["metadata"]
        if spec.get("externalTrafficPolicy") != "Local":
            continue
        ingress = [entry.get("ip") for entry in ((service.get("status") or {}).get("loadBalancer") or {}).get("ingress") or []]
        addresses = [*(spec.get("clusterIPs") or [spec.get("clusterIP")]), *(spec.get("externalIPs") or []), *ingress]
        inside = {f"{one}/32" for one in addresses if one and ":" not in one and one != "None" and any(IPv4Address(one) in net for net in networks)}
        for _address, node in _endpoints(objects["endpointslices"], metadata["namespace"], metadata["name"]):
            found.setdefault(node, set()).update(inside)
    return found


# --- what nobody has -----------------------------------------------------------------------------------------------------


def _unused_addresses(blocks: Iterable[Object], servers: Mapping[str, str], pods: Mapping[str, list[str]]) -> dict[str, str]:
    """Server -> the highest address of its blocks that no pod has."""
    taken = {address for addresses in pods.values() for address in addresses}
    found: dict[str, str] = {}
    for block in blocks:
        spec = block["spec"]
        node = (spec.get("affinity") or "").removeprefix("host:")
        allocations = spec.get("allocations") or []
        network = IPv4Network(spec["cidr"])
        free = [str(network[index]) for index, handle in enumerate(allocations) if handle is None and str(network[index]) not in taken]
        if node in servers and free:
            found.setdefault(servers[node], free[-1])
    return found


def _unused_node_port(services: Iterable[Object]) -> int:
    taken = {port.get("nodePort") for service in services for port in service["spec"].get("ports") or []}
    return next(port for port in reversed(NODE_PORTS) if port not in taken)
