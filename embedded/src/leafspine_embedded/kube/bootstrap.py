"""What a fresh cluster already holds; every piece is made only when it is missing, so this also mends a cluster that was half made."""

from __future__ import annotations

import ipaddress

from leafspine_embedded.kube.context import ClusterContext
from leafspine_embedded.kube.objects import Object
from leafspine_embedded.kube.resources import (
    CLUSTERROLEBINDINGS,
    CLUSTERROLES,
    ENDPOINTS,
    ENDPOINTSLICES,
    NAMESPACES,
    PRIORITYCLASSES,
    SERVICES,
    Resource,
)
from leafspine_embedded.kube.store import Store

PORT = 6443
_RBAC = "rbac.authorization.k8s.io"
_BOOTSTRAP = {"kubernetes.io/bootstrapping": "rbac-defaults"}
_EVERYTHING = [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}, {"nonResourceURLs": ["*"], "verbs": ["*"]}]
_READ = ["get", "list", "watch"]
_WRITE = ["create", "delete", "deletecollection", "patch", "update"]


def _role(name: str, rules: list[Object]) -> tuple[Resource, Object]:
    return CLUSTERROLES, {"metadata": {"name": name, "labels": dict(_BOOTSTRAP)}, "rules": rules}


def _binding(name: str, role: str, group: str) -> tuple[Resource, Object]:
    reference = {"apiGroup": _RBAC, "kind": "ClusterRole", "name": role}
    return CLUSTERROLEBINDINGS, {"metadata": {"name": name}, "roleRef": reference, "subjects": [{"kind": "Group", "name": group, "apiGroup": _RBAC}]}


def _priority(name: str, value: int, text: str) -> tuple[Resource, Object]:
    return PRIORITYCLASSES, {"metadata": {"name": name}, "value": value, "description": text}


def _namespaced(resources: list[str], verbs: list[str]) -> Object:
    return {"apiGroups": ["", "apps", "discovery.k8s.io", "coordination.k8s.io"], "resources": resources, "verbs": verbs}


def objects(context: ClusterContext, address: str) -> list[tuple[Resource, Object]]:
    """All of them, in the order they have to be made; `address` is the API server's."""
    first = str(ipaddress.ip_network(context.service_subnet)[1])
    labels = {"component": "apiserver", "provider": "kubernetes"}
    port = {"name": "https", "port": 443, "protocol": "TCP", "targetPort": PORT}
    own = {"name": "kubernetes", "namespace": "default"}
    workloads = [
        "configmaps",
        "endpoints",
        "endpointslices",
        "events",
        "pods",
        "pods/log",
        "serviceaccounts",
        "services",
        "daemonsets",
        "deployments",
        "replicasets",
    ]
    return [
        *((NAMESPACES, {"metadata": {"name": name}}) for name in ("default", "kube-system", "kube-public", "kube-node-lease")),
        _priority("system-node-critical", 2000001000, "Used for system critical pods that must not be moved from their current node."),
        _priority(
            "system-cluster-critical", 2000000000, "Used for system critical pods that must run in the cluster, but can be moved to another node if necessary."
        ),
        _role("cluster-admin", _EVERYTHING),
        _role("view", [_namespaced(workloads, _READ)]),
        _role("edit", [_namespaced([*workloads, "secrets", "pods/exec"], [*_READ, *_WRITE])]),
        _binding("cluster-admin", "cluster-admin", "system:masters"),
        _binding("kubeadm:cluster-admins", "cluster-admin", "kubeadm:cluster-admins"),
        (SERVICES, {"metadata": {**own, "labels": labels}, "spec": {"type": "ClusterIP", "clusterIP": first, "ports": [port]}}),
        (ENDPOINTS, {"metadata": dict(own), "subsets": [{"addresses": [{"ip": address}], "ports": [{"name": "https", "port": PORT, "protocol": "TCP"}]}]}),
        (
            ENDPOINTSLICES,
            {
                "metadata": {**own, "labels": {"kubernetes.io/service-name": "kubernetes"}},
                "addressType": "IPv4",
                "endpoints": [{"addresses": [address], "conditions": {"ready": True}}],
                "ports": [{"name": "https", "port": PORT, "protocol": "TCP"}],
            },
        ),
    ]


def ensure(store: Store, context: ClusterContext, address: str) -> None:
    """Make what is missing."""
    for res, obj in objects(context, address):
        if store.find(res, obj["metadata"].get("namespace"), obj["metadata"]["name"]) is None:
            store.create(res, obj)
