"""Defaults that the API server writes into workloads: what clients compare and tables show."""

from __future__ import annotations

from typing import Any

from leafspine_embedded.kube.objects import Object, random_suffix

_PROBE = {"timeoutSeconds": 1, "periodSeconds": 10, "successThreshold": 1, "failureThreshold": 3}
_SYSTEM_PRIORITIES = {"system-node-critical": 2000001000, "system-cluster-critical": 2000000000}
_TOKEN_MOUNT = "/var/run/secrets/kubernetes.io/serviceaccount"
_EVICTION_TAINTS = ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable")


def fill(target: dict[str, Any], **values: Any) -> None:
    """Set what is missing."""
    for key, value in values.items():
        target.setdefault(key, value)


def pod_spec(spec: Object) -> None:
    """What a pod template gets as well as a pod."""
    for container in [*spec.get("containers", []), *spec.get("initContainers", [])]:
        _container(container, bool(spec.get("hostNetwork")))
    fill(spec, restartPolicy="Always", terminationGracePeriodSeconds=30, dnsPolicy="ClusterFirst", securityContext={}, schedulerName="default-scheduler")
    if spec.get("serviceAccountName") or spec.get("serviceAccount"):
        account = spec.get("serviceAccountName") or spec["serviceAccount"]
        spec["serviceAccountName"] = spec["serviceAccount"] = account
    for volume in spec.get("volumes", []):
        _volume(volume)


def _container(container: Object, host_network: bool) -> None:
    fill(container, resources={}, terminationMessagePath="/dev/termination-log", terminationMessagePolicy="File", imagePullPolicy=_pull_policy(container))
    for port in container.get("ports", []):
        fill(port, protocol="TCP")
        if host_network and "containerPort" in port:
            fill(port, hostPort=port["containerPort"])
    for name in ("livenessProbe", "readinessProbe", "startupProbe"):
        if name in container:
            fill(container[name], **_PROBE)
            if "httpGet" in container[name]:
                fill(container[name]["httpGet"], scheme="HTTP", path="/")
    for entry in container.get("env", []):
        if "fieldRef" in entry.get("valueFrom", {}):
            fill(entry["valueFrom"]["fieldRef"], apiVersion="v1")


def _pull_policy(container: Object) -> str:
    last = str(container.get("image", "")).rpartition("/")[2]
    tag = last.partition("@")[0].partition(":")[2]
    return "Always" if "@" not in last and tag in {"", "latest"} else "IfNotPresent"


def _volume(volume: Object) -> None:
    for source in ("configMap", "secret", "downwardAPI", "projected"):
        if source in volume:
            fill(volume[source], defaultMode=420)
    for item in volume.get("downwardAPI", {}).get("items", []):
        if "fieldRef" in item:
            fill(item["fieldRef"], apiVersion="v1")
    if "hostPath" in volume:
        fill(volume["hostPath"], type="")
    if set(volume) == {"name"}:
        volume["emptyDir"] = {}


def pod(obj: Object) -> None:
    """A pod as such: on top of what its template has."""
    spec = obj["spec"]
    fill(spec, enableServiceLinks=True, serviceAccountName="default", serviceAccount="default", preemptionPolicy="PreemptLowerPriority")
    fill(spec, priority=_SYSTEM_PRIORITIES.get(spec.get("priorityClassName", ""), 0))
    tolerations = spec.setdefault("tolerations", [])
    for taint in _EVICTION_TAINTS:
        if not any(_tolerates(entry, taint) for entry in tolerations):
            tolerations.append({"key": taint, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300})
    if spec.get("automountServiceAccountToken", True):
        _token_volume(spec)
    obj["status"] = {"phase": "Pending", "qosClass": _qos(spec)}


def _tolerates(toleration: Object, taint: str) -> bool:
    """True when the pod has its own word on a NoExecute taint: by key, or by tolerating everything."""
    if not toleration.get("key"):
        return toleration.get("operator") == "Exists"
    return toleration["key"] == taint and toleration.get("effect") in {"NoExecute", None}


def _token_volume(spec: Object) -> None:
    """The service account admission's projected volume."""
    if any(mount.get("mountPath") == _TOKEN_MOUNT for container in spec["containers"] for mount in container.get("volumeMounts", [])):
        return
    name = f"kube-api-access-{random_suffix()}"
    sources = [
        {"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}},
        {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
        {"downwardAPI": {"items": [{"path": "namespace", "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"}}]}},
    ]
    spec.setdefault("volumes", []).append({"name": name, "projected": {"defaultMode": 420, "sources": sources}})
    for container in [*spec["containers"], *spec.get("initContainers", [])]:
        container.setdefault("volumeMounts", []).append({"name": name, "readOnly": True, "mountPath": _TOKEN_MOUNT})


def _qos(spec: Object) -> str:
    resources = [container.get("resources", {}) for container in [*spec["containers"], *spec.get("initContainers", [])]]
    if not any(part for entry in resources for part in (entry.get("requests"), entry.get("limits"))):
        return "BestEffort"
    complete = all({"cpu", "memory"} <= entry.get("limits", {}).keys() and entry.get("requests", entry["limits"]) == entry["limits"] for entry in resources)
    return "Guaranteed" if complete else "Burstable"


def daemonset(obj: Object) -> None:
    spec = obj["spec"]
    pod_spec(spec["template"]["spec"])
    fill(spec, revisionHistoryLimit=10)
    strategy = spec.setdefault("updateStrategy", {"type": "RollingUpdate"})
    fill(strategy, type="RollingUpdate")
    if strategy["type"] == "RollingUpdate":
        fill(strategy.setdefault("rollingUpdate", {}), maxSurge=0, maxUnavailable=1)


def deployment(obj: Object) -> None:
    spec = obj["spec"]
    pod_spec(spec["template"]["spec"])
    fill(spec, replicas=1, revisionHistoryLimit=10, progressDeadlineSeconds=600)
    strategy = spec.setdefault("strategy", {"type": "RollingUpdate"})
    fill(strategy, type="RollingUpdate")
    if strategy["type"] == "RollingUpdate":
        fill(strategy.setdefault("rollingUpdate", {}), maxSurge="25%", maxUnavailable="25%")


def replicaset(obj: Object) -> None:
    fill(obj["spec"], replicas=1)
    template = obj["spec"].get("template")
    if template:
        pod_spec(template["spec"])
