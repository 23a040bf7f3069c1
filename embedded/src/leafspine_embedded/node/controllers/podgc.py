"""Garbage: pods whose node is gone, and finished pods beyond a number. (Dependents of deleted owners are the API's own garbage collection.)"""

from __future__ import annotations

from leafspine_embedded.kube.context import ClusterContext
from leafspine_embedded.kube.objects import Object
from leafspine_embedded.kube.resources import NODES, PODS
from leafspine_embedded.kube.store import Store

from . import loop, pods

FINISHED_LIMIT = 200  # the real controller keeps 12,500; a lab's memory is smaller


def garbage(every: list[Object], nodes: set[str], limit: int = FINISHED_LIMIT) -> list[Object]:
    """The pods to remove at once."""
    lost = [pod for pod in every if pod["spec"].get("nodeName") and pod["spec"]["nodeName"] not in nodes]
    unscheduled = [pod for pod in every if not pod["spec"].get("nodeName") and pods.is_terminating(pod)]
    finished = sorted((pod for pod in every if pods.is_over(pod) and pod not in lost), key=lambda pod: pod["metadata"]["creationTimestamp"])
    return [*lost, *unscheduled, *finished[: max(0, len(finished) - limit)]]


async def run(store: Store, cluster: ClusterContext) -> None:
    """For ever."""

    def look() -> None:
        nodes = {node["metadata"]["name"] for node in store.scan(NODES)}
        for pod in garbage(list(store.scan(PODS)), nodes):
            store.delete(PODS, pod["metadata"]["namespace"], pod["metadata"]["name"], uid=pod["metadata"]["uid"], grace_period=0)

    await loop.run("podgc", store, (NODES, PODS), look)
