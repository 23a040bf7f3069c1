"""EndpointSlices and Endpoints: which pods stand behind a service, and whether they are ready."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from leafspine_embedded.kube.context import ClusterContext
from leafspine_embedded.kube.objects import Object, clone, now, owner_reference
from leafspine_embedded.kube.resources import ENDPOINTS, ENDPOINTSLICES, PODS, SERVICES
from leafspine_embedded.kube.store import Store

from . import loop, pods

MANAGER = "endpointslice-controller.k8s.io"
MANAGED_BY = "endpointslice.kubernetes.io/managed-by"
SERVICE_LABEL = "kubernetes.io/service-name"
HEADLESS = "service.kubernetes.io/headless"
TRIGGER = "endpoints.kubernetes.io/last-change-trigger-time"
PER_SLICE = 100
API_PORT = 6443

Ports = tuple[tuple[str, str, int], ...]  # (name, protocol, port)


def _target_port(port: Mapping[str, Any], pod: Object) -> int | None:
    """The number a service port means on a pod; None when the pod has no port of that name."""
    target = port.get("targetPort", port["port"])
    if isinstance(target, int):
        return target
    if str(target).isdecimal():
        return int(target)
    for container in pod["spec"].get("containers") or []:
        for own in container.get("ports") or []:
            if own.get("name") == target and (own.get("protocol") or "TCP") == (port.get("protocol") or "TCP"):
                return int(own["containerPort"])
    return None


def ports_of(service: Object, pod: Object) -> Ports:
    found = []
    for port in service["spec"].get("ports") or []:
        number = _target_port(port, pod)
        if number is not None:
            found.append((port.get("name") or "", port.get("protocol") or "TCP", number))
    return tuple(found)


def matches(service: Object, pod: Object) -> bool:
    selector = service["spec"].get("selector") or {}
    labels = pod["metadata"].get("labels") or {}
    status = pod.get("status") or {}
    return bool(selector) and all(labels.get(key) == value for key, value in selector.items()) and bool(status.get("podIP")) and not pods.is_over(pod)


def endpoint(pod: Object, publish_not_ready: bool) -> Object:
    """One entry of a slice."""
    meta = pod["metadata"]
    serving, terminating = pods.is_ready(pod), pods.is_terminating(pod)
    entry: Object = {
        "addresses": [pod["status"]["podIP"]],
        "conditions": {"ready": publish_not_ready or (serving and not terminating), "serving": serving, "terminating": terminating},
        "targetRef": {"kind": "Pod", "name": meta["name"], "namespace": meta["namespace"], "uid": meta["uid"]},
    }
    if pod["spec"].get("nodeName"):
        entry["nodeName"] = pod["spec"]["nodeName"]
    return entry


def wanted_slices(service: Object, candidates: list[Object]) -> list[tuple[Ports, list[Object]]]:
    """(ports, endpoints) of every slice: pods with equal port numbers share one, up to PER_SLICE. A service without pods has one empty slice."""
    groups: dict[Ports, list[Object]] = {}
    publish = bool(service["spec"].get("publishNotReadyAddresses"))
    for pod in sorted(candidates, key=lambda item: (item["metadata"]["creationTimestamp"], item["metadata"]["name"])):
        if matches(service, pod):
            groups.setdefault(ports_of(service, pod), []).append(endpoint(pod, publish))
    slices = []
    for ports, entries in sorted(groups.items()):
        slices += [(ports, entries[start : start + PER_SLICE]) for start in range(0, len(entries), PER_SLICE)]
    return slices or [((), [])]


def slice_body(service: Object, ports: Ports, entries: list[Object]) -> Object:
    """What a slice says, without its name."""
    labels = {**(service["metadata"].get("labels") or {}), MANAGED_BY: MANAGER, SERVICE_LABEL: service["metadata"]["name"]}
    if service["spec"].get("clusterIP") == "None":
        labels[HEADLESS] = ""
    return {
        "metadata": {"labels": labels},
        "addressType": "IPv4",
        "endpoints": entries,
        "ports": [{"name": name, "port": port, "protocol": protocol} for name, protocol, port in ports],
    }


def subsets(slices: list[tuple[Ports, list[Object]]]) -> list[Object]:
    """The same as subsets of the old Endpoints type."""
    found = []
    for ports, entries in slices:
        split: dict[str, list[Object]] = {"addresses": [], "notReadyAddresses": []}
        for entry in entries:
            if entry["conditions"]["terminating"]:
                continue
            address: Object = {"ip": entry["addresses"][0], "targetRef": entry["targetRef"]}
            if "nodeName" in entry:
                address["nodeName"] = entry["nodeName"]
            split["addresses" if entry["conditions"]["ready"] else "notReadyAddresses"].append(address)
        subset: Object = {key: value for key, value in split.items() if value}
        if subset:
            subset["ports"] = [{**({"name": name} if name else {}), "port": port, "protocol": protocol} for name, protocol, port in ports]
            found.append(subset)
    return found


class EndpointSlices:
    def __init__(self, store: Store, cluster: ClusterContext) -> None:
        self.store, self.cluster = store, cluster

    def look(self) -> None:
        services = list(self.store.scan(SERVICES))
        for service in services:
            if service["spec"].get("selector") and service["spec"].get("type") != "ExternalName":
                self._one(service)
        self._kubernetes(services)
        self._orphans({(item["metadata"]["namespace"], item["metadata"]["name"]) for item in services if item["spec"].get("selector")})

    def _one(self, service: Object) -> None:
        meta = service["metadata"]
        wanted = wanted_slices(service, list(self.store.scan(PODS, meta["namespace"])))
        present = [
            item
            for item in self.store.scan(ENDPOINTSLICES, meta["namespace"])
            if (item["metadata"].get("labels") or {}).get(SERVICE_LABEL) == meta["name"] and (item["metadata"].get("labels") or {}).get(MANAGED_BY) == MANAGER
        ]
        for index, (ports, entries) in enumerate(wanted):
            self._write_slice(service, slice_body(service, ports, entries), present[index] if index < len(present) else None)
        for extra in present[len(wanted) :]:
            self.store.delete(ENDPOINTSLICES, meta["namespace"], extra["metadata"]["name"])
        self._write_endpoints(service, subsets(wanted))

    def _write_slice(self, service: Object, body: Object, present: Object | None) -> None:
        meta = service["metadata"]
        if present is None:
            body["metadata"].update(generateName=f"{meta['name']}-", namespace=meta["namespace"], ownerReferences=[owner_reference(service)])
            body["metadata"]["annotations"] = {TRIGGER: now()}
            self.store.create(ENDPOINTSLICES, body)
            return
        changed = clone(present)
        changed.update({key: value for key, value in body.items() if key != "metadata"})
        changed["metadata"]["labels"] = body["metadata"]["labels"]
        if changed != present:
            changed["metadata"].setdefault("annotations", {})[TRIGGER] = now()
            self.store.update(ENDPOINTSLICES, changed)

    def _write_endpoints(self, service: Object, wanted: list[Object]) -> None:
        meta = service["metadata"]
        present = self.store.find(ENDPOINTS, meta["namespace"], meta["name"])
        labels = {**(meta.get("labels") or {}), "endpoints.kubernetes.io/managed-by": "endpoint-controller"}
        if present is None:
            body: Object = {"metadata": {"name": meta["name"], "namespace": meta["namespace"], "labels": labels, "annotations": {TRIGGER: now()}}}
            if wanted:
                body["subsets"] = wanted
            self.store.create(ENDPOINTS, body)
        elif (present.get("subsets") or []) != wanted or present["metadata"].get("labels") != labels:
            present["subsets"], present["metadata"]["labels"] = wanted, labels
            present["metadata"].setdefault("annotations", {})[TRIGGER] = now()
            self.store.update(ENDPOINTS, present)

    def _kubernetes(self, services: list[Object]) -> None:
        """The API server itself, behind the service `kubernetes`."""
        service = next((item for item in services if item["metadata"]["namespace"] == "default" and item["metadata"]["name"] == "kubernetes"), None)
        control = next((node for node in self.cluster.nodes if node.role == "control-plane"), None)
        if service is None or control is None:
            return
        ports = [{"name": "https", "port": API_PORT, "protocol": "TCP"}]
        body: Object = {
            "metadata": {"name": "kubernetes", "namespace": "default", "labels": {SERVICE_LABEL: "kubernetes"}},
            "addressType": "IPv4",
            "endpoints": [{"addresses": [control.eth0_address], "conditions": {"ready": True}}],
            "ports": ports,
        }
        legacy: Object = {
            "metadata": {"name": "kubernetes", "namespace": "default", "labels": {"endpointslice.kubernetes.io/skip-mirror": "true"}},
            "subsets": [{"addresses": [{"ip": control.eth0_address}], "ports": ports}],
        }
        for resource, wanted in ((ENDPOINTSLICES, body), (ENDPOINTS, legacy)):
            present = self.store.find(resource, "default", "kubernetes")
            if present is None:
                self.store.create(resource, wanted)
                continue
            changed = {**present, **{key: value for key, value in wanted.items() if key != "metadata"}}
            if changed != present:
                self.store.update(resource, changed)

    def _orphans(self, known: set[tuple[str, str]]) -> None:
        """Endpoints and slices whose service is gone, or has lost its selector while they were ours."""
        for item in list(self.store.scan(ENDPOINTSLICES)):
            labels = item["metadata"].get("labels") or {}
            if labels.get(MANAGED_BY) == MANAGER and (item["metadata"]["namespace"], labels.get(SERVICE_LABEL, "")) not in known:
                self.store.delete(ENDPOINTSLICES, item["metadata"]["namespace"], item["metadata"]["name"])
        for item in list(self.store.scan(ENDPOINTS)):
            ours = (item["metadata"].get("labels") or {}).get("endpoints.kubernetes.io/managed-by") == "endpoint-controller"
            if ours and (item["metadata"]["namespace"], item["metadata"]["name"]) not in known:
                self.store.delete(ENDPOINTS, item["metadata"]["namespace"], item["metadata"]["name"])


async def run(store: Store, cluster: ClusterContext) -> None:
    """For ever."""
    await loop.run("endpointslice", store, (SERVICES, PODS, ENDPOINTSLICES, ENDPOINTS), EndpointSlices(store, cluster).look)
