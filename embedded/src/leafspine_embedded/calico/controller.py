"""What calico-kube-controllers does for IPAM: give back addresses of pods that vanished, forget nodes that left."""

from __future__ import annotations

import asyncio
import logging

from leafspine_embedded.kube.context import ClusterContext
from leafspine_embedded.kube.errors import ApiError
from leafspine_embedded.kube.resources import NODES
from leafspine_embedded.kube.store import Store

from . import blocks, datastore, ipam

log = logging.getLogger(__name__)

EVERY = 5.0
GRACE = 20.0  # a pod's object may go before its sandbox: its kubelet gives the address back itself


class Collector:
    """Remembers since when a handle looks leaked."""

    def __init__(self, store: Store, grace: float = GRACE) -> None:
        self.store = store
        self.grace = grace
        self._since: dict[str, float] = {}

    def collect(self, now: float) -> list[str]:
        """One pass at a moment (seconds, monotonic); returns the handles that were released."""
        leaked = set(ipam.leaked(self.store))
        self._since = {handle: self._since.get(handle, now) for handle in leaked}
        due = sorted(handle for handle, since in self._since.items() if now - since >= self.grace)
        for handle in due:
            freed = ipam.release_now(self.store, handle)
            log.info("released leaked %s (%s)", ", ".join(map(str, freed)) or "nothing", handle)
        nodes = {obj["metadata"]["name"] for obj in self.store.scan(NODES)}
        for node in {blocks.owner(obj["spec"]) for obj in datastore.scan(self.store, "ipamblocks")} - nodes - {""}:
            log.info("node %s is gone: releasing its blocks", node)
            ipam.release_node(self.store, node)
        return due


async def run(store: Store, cluster: ClusterContext) -> None:
    """For ever. Does nothing while Calico is not installed."""
    collector = Collector(store)
    while True:
        try:
            collector.collect(asyncio.get_running_loop().time())
        except ApiError as error:
            log.warning("IPAM garbage collection: %s", error)
        await asyncio.sleep(EVERY)
