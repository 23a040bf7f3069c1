"""Everything of this package that a cluster needs, as one task."""

from __future__ import annotations

import asyncio

from leafspine_embedded.kube.context import ClusterContext
from leafspine_embedded.kube.store import Store

from .controllers import daemonset, deployment, endpoints, podgc, scheduler
from .kubelet import kubelet
from .proxy import controller as proxy

BODIES = (scheduler.run, daemonset.run, deployment.run, endpoints.run, podgc.run, kubelet.run, proxy.run)


async def run(store: Store, cluster: ClusterContext) -> None:
    """Scheduler, controllers, kubelets and proxies, for ever. Cancelling leaves pods and services running for the next process to take over."""
    async with asyncio.TaskGroup() as group:
        for body in BODIES:
            group.create_task(body(store, cluster), name=body.__module__.rpartition(".")[2])
