"""Keeps every node's table up to date: services or endpoints change, and within a few hundredths of a second `nft -f` replaces the tables."""

from __future__ import annotations

import asyncio
import json
import logging

from leafspine_embedded.common import netns
from leafspine_embedded.kube.context import ClusterContext, Node
from leafspine_embedded.kube.resources import ENDPOINTSLICES, NODES, SERVICES
from leafspine_embedded.kube.store import Change, Store
from leafspine_embedded.node import waiting

from . import conntrack
from .model import ServicePort, service_ports
from .ruleset import TABLE, NodeView, render

log = logging.getLogger(__name__)

_DEBOUNCE = 0.02  # seconds: one replacement for a burst of changes
_RETRY = 2.0
_CHECK = 15.0  # how often a table that somebody deleted is noticed
_TIMEOUT = 20.0


class NftError(Exception):
    """nft refused; the text is its own."""


async def nft(namespace: str, *arguments: str, text: str = "") -> str:
    """Run nft in a namespace. Raises NftError."""
    child = await asyncio.create_subprocess_exec(
        *netns.prefix(namespace),
        "nft",
        *arguments,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(_TIMEOUT):
            output, errors = await child.communicate(text.encode())
    except TimeoutError:
        child.kill()
        raise NftError(f"nft did not answer within {_TIMEOUT:g} s") from None
    if child.returncode:
        raise NftError(errors.decode(errors="replace").strip())
    return output.decode()


def remembered(listing: str) -> dict[str, dict[str, int]]:
    """The affinity sets in `nft -j list table`: set -> client -> seconds left."""
    found: dict[str, dict[str, int]] = {}
    for item in json.loads(listing).get("nftables", []):
        entry = item.get("set") or {}
        if not str(entry.get("name", "")).startswith("affinity-"):
            continue
        clients = {}
        for element in entry.get("elem") or []:
            value = element.get("elem") if isinstance(element, dict) else None
            if isinstance(value, dict) and "expires" in value:
                clients[str(value["val"])] = int(value["expires"])
        found[entry["name"]] = clients
    return found


class NodeProxy:
    """The proxy of one node."""

    def __init__(self, store: Store, cluster: ClusterContext, node: Node) -> None:
        self.store, self.cluster, self.node = store, cluster, node
        self.wake = asyncio.Event()
        self.applied = ""
        self._inode = 0
        self._ports: list[ServicePort] = []

    async def run(self) -> None:
        wait: float | None = None
        self.wake.set()
        while True:
            asked = await waiting.event(self.wake, wait)
            if asked:
                await asyncio.sleep(_DEBOUNCE)
            self.wake.clear()
            wait = await self._safely(asked)

    async def _safely(self, asked: bool) -> float:
        try:
            if not netns.exists(self.node.namespace):
                self.applied = ""
                return _RETRY
            inode = netns.inode(self.node.namespace)
            if inode != self._inode:  # a node that was made anew
                self.applied, self._inode = "", inode
            if not asked and self.applied and not await self._table_there():
                log.warning("node %s: table %s was gone", self.node.name, TABLE)
                self.applied = ""
            await self._synchronise()
        except (NftError, OSError) as error:
            log.error("node %s: %s", self.node.name, error)
            self.applied = ""
            return _RETRY
        return _CHECK

    async def _table_there(self) -> bool:
        try:
            await nft(self.node.namespace, "-t", "list", "table", "ip", TABLE)
        except NftError:
            return False
        return True

    def _address(self) -> str:
        node = self.store.find(NODES, None, self.node.name)
        for entry in ((node or {}).get("status") or {}).get("addresses") or []:
            if entry["type"] == "InternalIP":
                return str(entry["address"])
        return ""

    async def _synchronise(self) -> None:
        ports = service_ports(self.store.scan(SERVICES), self.store.scan(ENDPOINTSLICES))
        view = NodeView(self.node.name, (self.cluster.pod_subnet,), self._address())
        text = render(ports, view)
        if text == self.applied:
            return
        if any(port.affinity for port in ports) and await self._table_there():
            memory = remembered(await nft(self.node.namespace, "-j", "list", "table", "ip", TABLE))
            await nft(self.node.namespace, "-f", "-", text=render(ports, NodeView(view.name, view.pod_cidrs, view.address, memory)))
        else:
            await nft(self.node.namespace, "-f", "-", text=text)
        before, self._ports, self.applied = self._ports, ports, text
        await conntrack.forget(self.node.namespace, conntrack.stale(before, ports))


async def run(store: Store, cluster: ClusterContext) -> None:
    """The proxies of all nodes, for ever. The tables stay when it ends: services go on working while the engine restarts."""
    if not cluster.kube_proxy:
        return
    proxies = [NodeProxy(store, cluster, node) for node in cluster.nodes]
    wanted = {SERVICES.key, ENDPOINTSLICES.key}

    def react(change: Change) -> None:
        if change.resource.key in wanted:
            for proxy in proxies:
                proxy.wake.set()
        elif change.resource.key == NODES.key:
            for proxy in proxies:
                if proxy.node.name == change.obj["metadata"]["name"]:
                    proxy.wake.set()

    store.on_change(react)
    async with asyncio.TaskGroup() as group:
        for proxy in proxies:
            group.create_task(proxy.run())
