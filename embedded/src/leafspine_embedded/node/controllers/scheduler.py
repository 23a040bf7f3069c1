"""The scheduler: gives pods without a node one. Of the nodes that may have it, the one with the fewest pods of the same owner, then the fewest pods."""

from __future__ import annotations

from collections import Counter

from leafspine_embedded.kube.context import ClusterContext
from leafspine_embedded.kube.objects import Object, clone, now
from leafspine_embedded.kube.resources import NODES, PODS
from leafspine_embedded.kube.store import Store
from leafspine_embedded.node.events import Recorder

from . import loop, placement


def _owner(pod: Object) -> str:
    return next((entry["uid"] for entry in pod["metadata"].get("ownerReferences") or [] if entry.get("controller")), "")


def choose(pod: Object, nodes: list[Object], pods: list[Object]) -> tuple[str, Counter[str]]:
    """(node, {}) or ("", how many nodes each reason rules out). pods: all pods that have a node."""
    obstacles: Counter[str] = Counter()
    fit = []
    for node in nodes:
        why = placement.obstacle(node, pod["spec"])
        if why:
            obstacles[why] += 1
        else:
            fit.append(node["metadata"]["name"])
    if not fit:
        return "", obstacles
    owner = _owner(pod)
    total: Counter[str] = Counter(other["spec"]["nodeName"] for other in pods)
    same: Counter[str] = Counter(other["spec"]["nodeName"] for other in pods if owner and _owner(other) == owner)
    return min(fit, key=lambda name: (same[name], total[name], name)), Counter()


def set_condition(pod: Object, kind: str, status: str, reason: str = "", message: str = "") -> None:
    """Set one condition of a pod's status; its transition time moves only with the status."""
    conditions = pod.setdefault("status", {}).setdefault("conditions", [])
    old = next((entry for entry in conditions if entry["type"] == kind), None)
    generation = pod["metadata"].get("generation", 1)
    entry: Object = {"lastProbeTime": None, "lastTransitionTime": now(), "observedGeneration": generation, "status": status, "type": kind}
    if reason:
        entry["reason"], entry["message"] = reason, message
    if old is not None:
        if old["status"] == status:
            entry["lastTransitionTime"] = old["lastTransitionTime"]
        conditions[conditions.index(old)] = entry
    else:
        conditions.append(entry)


class Scheduler:
    def __init__(self, store: Store) -> None:
        self.store = store
        self.record = Recorder(store, "default-scheduler")

    def look(self) -> None:
        waiting = [
            pod
            for pod in self.store.scan(PODS)
            if not pod["spec"].get("nodeName") and "deletionTimestamp" not in pod["metadata"] and pod["spec"].get("schedulerName") == "default-scheduler"
        ]
        if not waiting:
            return
        nodes = list(self.store.scan(NODES))
        for pod in sorted(waiting, key=lambda item: (item["metadata"]["creationTimestamp"], item["metadata"]["name"])):
            self._schedule(clone(pod), nodes)

    def _schedule(self, pod: Object, nodes: list[Object]) -> None:
        placed = [other for other in self.store.scan(PODS) if other["spec"].get("nodeName")]
        node, obstacles = choose(pod, nodes, placed)
        meta = pod["metadata"]
        if node:
            pod["spec"]["nodeName"] = node
            bound = self.store.update(PODS, pod, subresource="binding")
            self.record(bound, "Scheduled", f"Successfully assigned {meta['namespace']}/{meta['name']} to {node}")
            set_condition(bound, "PodScheduled", "True")
            self.store.update(PODS, bound, subresource="status")
            return
        reasons = ", ".join(f"{count} {why}" for why, count in sorted(obstacles.items())) or "no nodes available to schedule pods"
        message = f"0/{len(nodes)} nodes are available: {reasons}. preemption: not supported by the embedded engine."
        before = clone(pod)
        set_condition(pod, "PodScheduled", "False", "Unschedulable", message)
        if pod != before:
            self.record(pod, "FailedScheduling", message, kind="Warning")
            self.store.update(PODS, pod, subresource="status")


async def run(store: Store, cluster: ClusterContext) -> None:
    """For ever."""
    await loop.run("scheduler", store, (PODS, NODES), Scheduler(store).look)
