"""The DaemonSet controller: one pod on every node that may have one, renewed node by node when the template changes.

Like the real one it does not set nodeName: each pod gets an affinity to its node's name and goes through the scheduler.
maxSurge is not supported: a DaemonSet that asks for it is updated as with maxUnavailable 1, and an event says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from leafspine_embedded.kube.context import ClusterContext
from leafspine_embedded.kube.errors import ApiError
from leafspine_embedded.kube.objects import Object, clone, owner_reference
from leafspine_embedded.kube.resources import CONTROLLERREVISIONS, DAEMONSETS, NODES, PODS
from leafspine_embedded.kube.store import Store
from leafspine_embedded.node.events import Recorder

from . import loop, placement, pods

GENERATION = "deprecated.daemonset.template.generation"
HASH_LABEL = "controller-revision-hash"
_PREFIX = "node.kubernetes.io"
TOLERATIONS: tuple[tuple[str, str], ...] = (
    ("not-ready", "NoExecute"),
    ("unreachable", "NoExecute"),
    ("disk-pressure", "NoSchedule"),
    ("memory-pressure", "NoSchedule"),
    ("pid-pressure", "NoSchedule"),
    ("unschedulable", "NoSchedule"),
)


def tolerations(spec: Mapping[str, Any]) -> list[Object]:
    """The template's tolerations and those every daemon gets."""
    wanted = [*TOLERATIONS, *([("network-unavailable", "NoSchedule")] if spec.get("hostNetwork") else [])]
    found: list[Object] = list(spec.get("tolerations") or [])
    for key, effect in wanted:
        entry = {"effect": effect, "key": f"{_PREFIX}/{key}", "operator": "Exists"}
        if entry not in found:
            found.append(entry)
    return found


def _to_node(spec: Object, node: str) -> None:
    """Require the node, whatever node affinity the template has (it is checked before the pod is made)."""
    term = {"matchFields": [{"key": "metadata.name", "operator": "In", "values": [node]}]}
    required = {"nodeSelectorTerms": [term]}
    spec.setdefault("affinity", {}).setdefault("nodeAffinity", {})["requiredDuringSchedulingIgnoredDuringExecution"] = required


def target_node(pod: Object) -> str:
    """The node a daemon pod is for, scheduled or not."""
    if pod["spec"].get("nodeName"):
        return str(pod["spec"]["nodeName"])
    affinity = ((pod["spec"].get("affinity") or {}).get("nodeAffinity") or {}).get("requiredDuringSchedulingIgnoredDuringExecution") or {}
    for term in affinity.get("nodeSelectorTerms") or []:
        for field in term.get("matchFields") or []:
            if field["key"] == "metadata.name":
                return str(field["values"][0])
    return ""


def may_run(node: Object, template_spec: Mapping[str, Any]) -> tuple[bool, bool]:
    """(a new pod belongs there, a present one may stay)."""
    if not placement.selected(node, template_spec):
        return False, False
    allowed = tolerations(template_spec)
    stays = placement.untolerated(node, allowed, ("NoExecute",)) is None
    return stays and placement.untolerated(node, allowed) is None, stays


def make_pod(daemon: Object, node: str, revision: str) -> Object:
    """The pod of a DaemonSet for one node."""
    template = daemon["spec"]["template"]
    generation = (daemon["metadata"].get("annotations") or {}).get(GENERATION, "1")
    pod = pods.from_template(daemon, template, {HASH_LABEL: revision, "pod-template-generation": generation})
    pod["spec"]["tolerations"] = tolerations(pod["spec"])
    _to_node(pod["spec"], node)
    return pod


class DaemonSets:
    def __init__(self, store: Store) -> None:
        self.store = store
        self.record = Recorder(store, "daemonset-controller")

    def look(self) -> float | None:
        nodes = list(self.store.scan(NODES))
        waits = [self._one(daemon, nodes) for daemon in list(self.store.scan(DAEMONSETS)) if "deletionTimestamp" not in daemon["metadata"]]
        return min((wait for wait in waits if wait is not None), default=None)

    def _one(self, daemon: Object, nodes: list[Object]) -> float | None:
        revision = self._revision(daemon)
        own = [pod for pod in self.store.scan(PODS, daemon["metadata"]["namespace"]) if pods.owned_by(pod, daemon)]
        by_node: dict[str, list[Object]] = {}
        for pod in own:
            by_node.setdefault(target_node(pod), []).append(pod)
        self._place(daemon, nodes, by_node, revision)
        self._renew(daemon, nodes, by_node, revision)
        return self._status(daemon, nodes, revision)

    # -- pods

    def _place(self, daemon: Object, nodes: list[Object], by_node: dict[str, list[Object]], revision: str) -> None:
        """Pods where they belong and nowhere else."""
        for node in nodes:
            name = node["metadata"]["name"]
            starts, stays = may_run(node, daemon["spec"]["template"]["spec"])
            present = by_node.pop(name, [])
            for pod in present:
                if pods.is_over(pod) and not pods.is_terminating(pod):
                    self.record(daemon, "FailedDaemonPod", f"Found failed daemon pod {_full(pod)} on node {name}, will try to kill it", kind="Warning")
                    self._delete(daemon, pod)
            living = [pod for pod in present if not pods.is_terminating(pod) and not pods.is_over(pod)]
            # While the old pod still ends, its successor waits: both would want the node's ports.
            if starts and not living and not any(pods.is_terminating(pod) for pod in present):
                self._create(daemon, name, revision)
            for extra in living[1:] if stays else living:
                self._delete(daemon, extra)
        for leftover in (pod for rest in by_node.values() for pod in rest if not pods.is_terminating(pod)):
            self._delete(daemon, leftover)

    def _renew(self, daemon: Object, nodes: list[Object], _by_node: object, revision: str) -> None:
        """RollingUpdate: end pods of an older template, as many at a time as may be unavailable."""
        strategy = daemon["spec"].get("updateStrategy") or {}
        if strategy.get("type", "RollingUpdate") != "RollingUpdate":
            return
        rolling = strategy.get("rollingUpdate") or {}
        own = [pod for pod in self.store.scan(PODS, daemon["metadata"]["namespace"]) if pods.owned_by(pod, daemon)]
        old = [pod for pod in own if not pods.is_terminating(pod) and (pod["metadata"].get("labels") or {}).get(HASH_LABEL) != revision]
        if not old:
            return
        if pods.count_of(rolling.get("maxSurge", 0), 100, up=True):
            self.record(daemon, "UnsupportedSurge", "maxSurge is not supported by the embedded engine: updating with maxUnavailable 1", kind="Warning")
        desired = [node["metadata"]["name"] for node in nodes if may_run(node, daemon["spec"]["template"]["spec"])[0]]
        limit = max(1, pods.count_of(rolling.get("maxUnavailable", 1), len(desired), up=True))
        ready = int(daemon["spec"].get("minReadySeconds") or 0)
        served = {target_node(pod) for pod in own if pods.available_in(pod, ready) == 0.0}
        room = limit - len([name for name in desired if name not in served])
        # What does not work anyway goes first and costs nothing.
        for pod in [pod for pod in old if target_node(pod) not in served]:
            self._delete(daemon, pod)
        for pod in [pod for pod in old if target_node(pod) in served][: max(0, room)]:
            self._delete(daemon, pod)

    def _create(self, daemon: Object, node: str, revision: str) -> None:
        try:
            pod = self.store.create(PODS, make_pod(daemon, node, revision))
        except ApiError as error:
            self.record(daemon, "FailedCreate", f"Error creating: {error}", kind="Warning")
            return
        self.record(daemon, "SuccessfulCreate", f"Created pod: {pod['metadata']['name']}")

    def _delete(self, daemon: Object, pod: Object) -> None:
        self.store.delete(PODS, pod["metadata"]["namespace"], pod["metadata"]["name"], uid=pod["metadata"]["uid"])
        self.record(daemon, "SuccessfulDelete", f"Deleted pod: {pod['metadata']['name']}")

    # -- history

    def _revision(self, daemon: Object) -> str:
        """The hash of the present template; every template that was in use stays as a ControllerRevision, up to the history limit."""
        meta = daemon["metadata"]
        template = daemon["spec"]["template"]
        revision = pods.template_hash(template)
        history = [item for item in self.store.scan(CONTROLLERREVISIONS, meta["namespace"]) if pods.owned_by(item, daemon)]
        last = max((int(item["revision"]) for item in history), default=0)
        present = next((item for item in history if item["metadata"]["name"] == f"{meta['name']}-{revision}"), None)
        if present is None:
            self.store.create(
                CONTROLLERREVISIONS,
                {
                    "metadata": {
                        "name": f"{meta['name']}-{revision}",
                        "namespace": meta["namespace"],
                        "labels": {**((template.get("metadata") or {}).get("labels") or {}), HASH_LABEL: revision},
                        "ownerReferences": [owner_reference(daemon)],
                    },
                    "data": {"spec": {"template": {**clone(template), "$patch": "replace"}}},
                    "revision": last + 1,
                },
            )
        elif int(present["revision"]) < last:
            self.store.update(CONTROLLERREVISIONS, {**clone(present), "revision": last + 1})
        limit = int(daemon["spec"].get("revisionHistoryLimit", 10))
        old = sorted((item for item in history if item is not present), key=lambda item: int(item["revision"]))
        for item in old[: max(0, len(old) - limit)]:
            self.store.delete(CONTROLLERREVISIONS, meta["namespace"], item["metadata"]["name"])
        return revision

    # -- status

    def _status(self, daemon: Object, nodes: list[Object], revision: str) -> float | None:
        """Count what there is now; returns when a ready pod becomes available."""
        meta, spec = daemon["metadata"], daemon["spec"]
        own = [pod for pod in self.store.scan(PODS, meta["namespace"]) if pods.owned_by(pod, daemon) and not pods.is_terminating(pod)]
        by_node: dict[str, list[Object]] = {}
        for pod in own:
            by_node.setdefault(target_node(pod), []).append(pod)
        counts = dict.fromkeys(("desired", "current", "misscheduled", "ready", "available", "updated"), 0)
        waits = []
        for node in nodes:
            here = sorted(by_node.get(node["metadata"]["name"], []), key=lambda pod: pod["metadata"]["creationTimestamp"])
            if not may_run(node, spec["template"]["spec"])[0]:
                counts["misscheduled"] += bool(here)
                continue
            counts["desired"] += 1
            if not here:
                continue
            counts["current"] += 1
            counts["ready"] += pods.is_ready(here[0])
            wait = pods.available_in(here[0], int(spec.get("minReadySeconds") or 0))
            counts["available"] += wait == 0.0
            if wait:
                waits.append(wait)
            counts["updated"] += (here[0]["metadata"].get("labels") or {}).get(HASH_LABEL) == revision
        self._store_status(daemon, counts)
        return min(waits, default=None)

    def _store_status(self, daemon: Object, counts: dict[str, int]) -> None:
        status: Object = {
            "currentNumberScheduled": counts["current"],
            "desiredNumberScheduled": counts["desired"],
            "numberMisscheduled": counts["misscheduled"],
            "numberReady": counts["ready"],
            "observedGeneration": daemon["metadata"].get("generation", 1),
        }
        for key, value in (
            ("numberAvailable", counts["available"]),
            ("numberUnavailable", counts["desired"] - counts["available"]),
            ("updatedNumberScheduled", counts["updated"]),
        ):
            if value:
                status[key] = value
        if daemon.get("status") != status:
            self.store.update(DAEMONSETS, {**clone(daemon), "status": status}, subresource="status")


def _full(pod: Object) -> str:
    return f"{pod['metadata']['namespace']}/{pod['metadata']['name']}"


async def run(store: Store, cluster: ClusterContext) -> None:
    """For ever."""
    await loop.run("daemonset", store, (DAEMONSETS, NODES, PODS), DaemonSets(store).look)
