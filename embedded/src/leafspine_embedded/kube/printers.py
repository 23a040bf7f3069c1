"""What `kubectl get` shows: columns and cells per type (k8s.io/kubernetes/pkg/printers/internalversion)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any

from leafspine_embedded.kube.objects import Object, parse_time
from leafspine_embedded.kube.podstatus import pod_cells
from leafspine_embedded.kube.resources import (
    CLUSTERROLEBINDINGS,
    CLUSTERROLES,
    CONFIGMAPS,
    CONTROLLERREVISIONS,
    CRDS,
    DAEMONSETS,
    DEPLOYMENTS,
    ENDPOINTS,
    ENDPOINTSLICES,
    EVENTS,
    LEASES,
    NAMESPACES,
    NODES,
    PODS,
    PRIORITYCLASSES,
    REPLICASETS,
    ROLEBINDINGS,
    ROLES,
    SECRETS,
    SERVICEACCOUNTS,
    SERVICES,
    STORAGECLASSES,
)

NONE, UNKNOWN, UNSET = "<none>", "<unknown>", "<unset>"
_SHOWN = 3  # endpoints and ports before "+ n more..."
Cells = list[Any]
# Columns as "Name[:type][*]"; * is shown with -o wide only.
Printer = tuple[tuple[str, ...], Callable[[Object], Cells]]


def human_duration(seconds: float) -> str:
    """k8s.io/apimachinery/pkg/util/duration.HumanDuration."""
    whole = int(seconds)
    if whole < -1:
        return "<invalid>"
    if whole < 120:
        return f"{max(whole, 0)}s"
    minutes, hours = whole // 60, whole // 3600
    if minutes < 10:
        return f"{minutes}m{whole % 60}s" if whole % 60 else f"{minutes}m"
    if minutes < 180:
        return f"{minutes}m"
    if hours < 8:
        return f"{hours}h{minutes % 60}m" if minutes % 60 else f"{hours}h"
    if hours < 48:
        return f"{hours}h"
    days = hours // 24
    if days < 8:
        return f"{days}d{hours % 24}h" if hours % 24 else f"{days}d"
    if days < 730:
        return f"{days}d"
    return f"{days // 365}y{days % 365}d" if days % 365 and days < 2920 else f"{days // 365}y"


def since(timestamp: str | None) -> str:
    """How long ago, as AGE shows it."""
    if not timestamp:
        return UNKNOWN
    return human_duration((datetime.now(UTC) - parse_time(timestamp)).total_seconds())


def age(obj: Object) -> str:
    return since(obj["metadata"].get("creationTimestamp"))


def labels_text(labels: dict[str, str] | None) -> str:
    return ",".join(f"{key}={value}" for key, value in sorted((labels or {}).items())) or NONE


def selector_text(selector: Object | None) -> str:
    """A LabelSelector in its query form."""
    if selector is None:
        return NONE
    parts = [f"{key}={value}" for key, value in sorted((selector.get("matchLabels") or {}).items())]
    for expression in selector.get("matchExpressions") or []:
        key, operator = expression["key"], expression["operator"]
        values = ",".join(sorted(expression.get("values") or []))
        parts.append({"In": f"{key} in ({values})", "NotIn": f"{key} notin ({values})", "Exists": key, "DoesNotExist": f"!{key}"}[operator])
    return ",".join(parts) or NONE


def shortened(items: Iterable[str], limit: int = _SHOWN) -> str:
    found = list(items)
    text = ",".join(found[:limit])
    return f"{text} + {len(found) - limit} more..." if len(found) > limit else text


def _node(obj: Object) -> Cells:
    status, labels = obj.get("status", {}), obj["metadata"].get("labels") or {}
    ready = next((entry for entry in status.get("conditions", []) if entry["type"] == "Ready"), None)
    state = "Unknown" if ready is None else "Ready" if ready["status"] == "True" else "NotReady"
    if obj.get("spec", {}).get("unschedulable"):
        state += ",SchedulingDisabled"
    roles = sorted(key.removeprefix("node-role.kubernetes.io/") for key in labels if key.startswith("node-role.kubernetes.io/"))
    info = status.get("nodeInfo", {})

    def address(kind: str) -> str:
        return next((entry["address"] for entry in status.get("addresses", []) if entry["type"] == kind), NONE)

    return [
        obj["metadata"]["name"], state, ",".join(role for role in roles if role) or NONE, age(obj), info.get("kubeletVersion", ""),
        address("InternalIP"), address("ExternalIP"), info.get("osImage") or UNKNOWN, info.get("kernelVersion") or UNKNOWN,
        info.get("containerRuntimeVersion") or UNKNOWN,
    ]  # fmt: skip


def _service(obj: Object) -> Cells:
    spec = obj["spec"]
    external = ",".join(spec.get("externalIPs", [])) or NONE
    if spec["type"] == "LoadBalancer":
        found = [entry.get("ip") or entry.get("hostname", "") for entry in obj.get("status", {}).get("loadBalancer", {}).get("ingress", [])]
        external = ",".join([*found, *spec.get("externalIPs", [])]) or "<pending>"
    elif spec["type"] == "ExternalName":
        external = spec.get("externalName", NONE)
    ports = ",".join(
        f"{port['port']}:{port['nodePort']}/{port['protocol']}" if port.get("nodePort") else f"{port['port']}/{port['protocol']}"
        for port in spec.get("ports", [])
    )
    return [obj["metadata"]["name"], spec["type"], spec.get("clusterIP") or NONE, external, ports or NONE, age(obj), labels_text(spec.get("selector"))]


def _containers(spec: Object) -> tuple[str, str]:
    found = spec.get("template", {}).get("spec", {}).get("containers", [])
    return ",".join(entry["name"] for entry in found), ",".join(entry["image"] for entry in found)


def _daemonset(obj: Object) -> Cells:
    spec, status = obj["spec"], obj.get("status", {})
    counts = [status.get(key, 0) for key in ("desiredNumberScheduled", "currentNumberScheduled", "numberReady", "updatedNumberScheduled", "numberAvailable")]
    return [
        obj["metadata"]["name"],
        *counts,
        labels_text(spec["template"]["spec"].get("nodeSelector")),
        age(obj),
        *_containers(spec),
        selector_text(spec["selector"]),
    ]


def _deployment(obj: Object) -> Cells:
    spec, status = obj["spec"], obj.get("status", {})
    ready = f"{status.get('readyReplicas', 0)}/{spec.get('replicas', 0)}"
    return [
        obj["metadata"]["name"], ready, status.get("updatedReplicas", 0), status.get("availableReplicas", 0), age(obj), *_containers(spec),
        selector_text(spec["selector"]),
    ]  # fmt: skip


def _replicaset(obj: Object) -> Cells:
    spec, status = obj["spec"], obj.get("status", {})
    counts = [spec.get("replicas", 0), status.get("replicas", 0), status.get("readyReplicas", 0)]
    return [obj["metadata"]["name"], *counts, age(obj), *_containers(spec), selector_text(spec["selector"])]


def _slice(obj: Object) -> Cells:
    ports = shortened(str(port["port"]) if port.get("port") else "*" for port in obj.get("ports", []))
    addresses = shortened(address for endpoint in obj.get("endpoints", []) for address in endpoint["addresses"])
    return [obj["metadata"]["name"], obj["addressType"], ports or UNSET, addresses or UNSET, age(obj)]


def _endpoints(obj: Object) -> Cells:
    found: list[str] = []
    for subset in obj.get("subsets", []):
        ports = subset.get("ports") or [None]
        for port in ports:
            found.extend(entry["ip"] if port is None else f"{entry['ip']}:{port['port']}" for entry in subset.get("addresses", []))
    return [obj["metadata"]["name"], shortened(found) or NONE, age(obj)]


def _event(obj: Object) -> Cells:
    about, source = obj.get("involvedObject", {}), obj.get("source", {})
    last = obj.get("lastTimestamp") or obj.get("eventTime") or obj["metadata"].get("creationTimestamp")
    first = obj.get("firstTimestamp") or obj.get("eventTime") or obj["metadata"].get("creationTimestamp")
    target = f"{about.get('kind', '').lower()}/{about['name']}" if about.get("name") else about.get("kind", "").lower()
    reporter = ", ".join(part for part in (source.get("component") or obj.get("reportingComponent"), source.get("host")) if part)
    message = obj.get("message", "").strip()
    return [
        since(last),
        obj.get("type", ""),
        obj.get("reason", ""),
        target,
        about.get("fieldPath", ""),
        reporter,
        message,
        since(first),
        obj.get("count") or 1,
        obj["metadata"]["name"],
    ]


def _binding(obj: Object) -> Cells:
    def subjects(kind: str) -> str:
        found = [entry for entry in obj.get("subjects", []) if entry.get("kind") == kind]
        return ", ".join(f"{entry['namespace']}/{entry['name']}" if kind == "ServiceAccount" else entry["name"] for entry in found)

    role = f"{obj['roleRef']['kind']}/{obj['roleRef']['name']}"
    return [obj["metadata"]["name"], role, age(obj), subjects("User"), subjects("Group"), subjects("ServiceAccount")]


def _created(obj: Object) -> Cells:
    return [obj["metadata"]["name"], obj["metadata"].get("creationTimestamp", "")]


def _revision(obj: Object) -> Cells:
    owner = next((entry for entry in obj["metadata"].get("ownerReferences", []) if entry.get("controller")), None)
    held = NONE if owner is None else f"{owner['kind'].lower()}.{owner['apiVersion'].partition('/')[0]}/{owner['name']}"
    return [obj["metadata"]["name"], held, obj["revision"], age(obj)]


def plain(obj: Object) -> Cells:
    """Any type without a printer of its own."""
    return [obj["metadata"]["name"], age(obj)]


def _config_size(obj: Object) -> int:
    return len(obj.get("data") or {}) + len(obj.get("binaryData") or {})


def _storage_class(obj: Object) -> Cells:
    expansion = bool(obj.get("allowVolumeExpansion"))
    return [obj["metadata"]["name"], obj["provisioner"], obj.get("reclaimPolicy", ""), obj.get("volumeBindingMode", ""), expansion, age(obj)]


PLAIN_COLUMNS = ("Name", "Age")
_WORKLOAD_WIDE = ("Containers*", "Images*", "Selector*")
_BINDING_COLUMNS = ("Name", "Role", "Age", "Users*", "Groups*", "ServiceAccounts*")
PRINTERS: dict[tuple[str, str], Printer] = {
    NODES.key: (
        ("Name", "Status", "Roles", "Age", "Version", "Internal-IP*", "External-IP*", "OS-Image*", "Kernel-Version*", "Container-Runtime*"),
        _node,
    ),
    PODS.key: (
        ("Name", "Ready", "Status", "Restarts", "Age", "IP*", "Node*", "Nominated Node*", "Readiness Gates*"),
        lambda obj: pod_cells(obj, age(obj), since),
    ),
    SERVICES.key: (("Name", "Type", "Cluster-IP", "External-IP", "Port(s)", "Age", "Selector*"), _service),
    DAEMONSETS.key: (
        ("Name", "Desired:integer", "Current:integer", "Ready:integer", "Up-to-date:integer", "Available:integer", "Node Selector", "Age", *_WORKLOAD_WIDE),
        _daemonset,
    ),
    DEPLOYMENTS.key: (("Name", "Ready", "Up-to-date:integer", "Available:integer", "Age", *_WORKLOAD_WIDE), _deployment),
    REPLICASETS.key: (("Name", "Desired:integer", "Current:integer", "Ready:integer", "Age", *_WORKLOAD_WIDE), _replicaset),
    CONTROLLERREVISIONS.key: (("Name", "Controller", "Revision:integer", "Age"), _revision),
    ENDPOINTSLICES.key: (("Name", "AddressType", "Ports", "Endpoints", "Age"), _slice),
    ENDPOINTS.key: (("Name", "Endpoints", "Age"), _endpoints),
    NAMESPACES.key: (("Name", "Status", "Age"), lambda obj: [obj["metadata"]["name"], obj.get("status", {}).get("phase", ""), age(obj)]),
    CONFIGMAPS.key: (("Name", "Data:integer", "Age"), lambda obj: [obj["metadata"]["name"], _config_size(obj), age(obj)]),
    SECRETS.key: (("Name", "Type", "Data:integer", "Age"), lambda obj: [obj["metadata"]["name"], obj["type"], len(obj.get("data") or {}), age(obj)]),
    SERVICEACCOUNTS.key: (("Name", "Secrets:integer", "Age"), lambda obj: [obj["metadata"]["name"], len(obj.get("secrets") or []), age(obj)]),
    LEASES.key: (("Name", "Holder", "Age"), lambda obj: [obj["metadata"]["name"], obj.get("spec", {}).get("holderIdentity", ""), age(obj)]),
    EVENTS.key: (
        ("Last Seen", "Type", "Reason", "Object", "Subobject*", "Source*", "Message", "First Seen*", "Count:integer*", "Name*"),
        _event,
    ),
    PRIORITYCLASSES.key: (
        ("Name", "Value:integer", "Global-Default:boolean", "Age", "PreemptionPolicy"),
        lambda obj: [obj["metadata"]["name"], obj["value"], bool(obj.get("globalDefault")), age(obj), obj.get("preemptionPolicy", "")],
    ),
    STORAGECLASSES.key: (("Name", "Provisioner", "ReclaimPolicy", "VolumeBindingMode", "AllowVolumeExpansion:boolean", "Age"), _storage_class),
    ROLES.key: (("Name", "Created At:string:date"), _created),
    CLUSTERROLES.key: (("Name", "Created At:string:date"), _created),
    ROLEBINDINGS.key: (_BINDING_COLUMNS, _binding),
    CLUSTERROLEBINDINGS.key: (_BINDING_COLUMNS, _binding),
    CRDS.key: (("Name", "Created At:string:date"), _created),
}
