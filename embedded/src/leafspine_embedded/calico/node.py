"""calico-node: what runs on a node while its calico-node pod runs there."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Mapping
from ipaddress import IPv4Network
from pathlib import Path

from leafspine_embedded.common import netns
from leafspine_embedded.kube.context import ClusterContext
from leafspine_embedded.kube.errors import Conflict, NotFound
from leafspine_embedded.kube.store import Store

from . import autodetect, bird, blocks, datastore, nat, startup
from .birdctl import BirdError, node_dir
from .birdproc import Bird
from .datastore import Snapshot
from .peers import sessions_of, unsupported_fields
from .services import service_routes

Log = Callable[[str], None]

_DEBOUNCE = 0.02  # one render for a burst of changes
_TICK = 1.0  # how soon a dead BIRD is noticed
_DETECT_EVERY = 10.0  # the real agent looks for a changed address once a minute; links of a lab come up late
_SYSCTLS = {"ip_forward": "1", "fib_multipath_hash_policy": "1"}


def routing_of(snapshot: Snapshot, name: str) -> bird.NodeRouting | None:
    """What a node's BIRD is configured with; None while the node has no BGP address."""
    node = snapshot.node(name)
    if node is None or node.address is None:
        return None
    own = sorted(blocks.cidr_of(obj["spec"]) for obj in snapshot.blocks if blocks.owner(obj["spec"]) == name)
    networks: list[IPv4Network] = own
    return bird.NodeRouting(
        node=node,
        config=snapshot.config,
        sessions=sessions_of(node, snapshot.nodes, snapshot.peers, snapshot.config),
        pools=snapshot.pools,
        blocks=networks,
        services=service_routes(node, snapshot.config, snapshot.services, snapshot.slices),
    )


class Agent:
    """One node's agent. Coroutines of one event loop; see `run_node`."""

    def __init__(self, store: Store, cluster: ClusterContext, name: str, env: Mapping[str, str], log: Log) -> None:
        known = cluster.node(name)
        self.store, self.cluster, self.name, self.env, self.log = store, cluster, name, env, log
        self.namespace = known.namespace if known is not None else name
        self.hub = datastore.hub(store)
        self.bird = Bird(node_dir(cluster.dir, name), self.namespace, cluster.dir)
        self._nat = ""
        self._refused: str | None = None
        self._warned: set[str] = set()

    def prepare_kernel(self) -> None:
        """Forwarding and the hash policy of the node's namespace."""
        with netns.entered(self.namespace):
            for key, value in _SYSCTLS.items():
                with contextlib.suppress(FileNotFoundError):
                    Path(f"/proc/sys/net/ipv4/{key}").write_text(value)

    async def describe(self) -> None:
        """Find the node's address and write it down. Raises AutodetectError."""
        links = await autodetect.interfaces(self.namespace)
        node = datastore.snapshot(self.store).node(self.name)
        if node is None:
            raise startup.StartupError(f'node "{self.name}" not found')
        address = autodetect.wanted(self.env, node.address, links, node.internal_ip)
        for attempt in range(5):
            try:
                if startup.describe_node(self.store, self.name, address, self.env.get("AS", ""), autodetect.annotation(links)):
                    self.log(f"Using IPv4 address from environment {self.env.get('IP', '')}: IP={address}")
                return
            except Conflict:
                if attempt == 4:
                    raise

    async def synchronise(self) -> None:
        """Bring BIRD and nftables to the datastore's state. What is refused is logged once and tried again at the next change."""
        snapshot = self.hub.current()
        self._warn(snapshot)
        table = nat.render(snapshot.pools, snapshot.config)
        if table != self._nat:
            await nat.apply(self.namespace, table)
            self._nat = table
        routing = routing_of(snapshot, self.name)
        if routing is None:
            return
        text = bird.render(routing, lambda ref: datastore.secret_text(self.store, *ref))
        if text == self._refused:
            return
        try:
            done = await self.bird.apply(text)
        except BirdError as error:
            if not self.bird.alive():
                raise
            self._refused = text
            self.log(f"BIRD refused a configuration, the old one stays: {error}")
            return
        self._refused = None
        if done != "nothing":
            self.log(f"BIRD {done}: {len(routing.sessions)} session(s), {len(routing.blocks)} block(s), {len(routing.services)} service route(s)")

    def _warn(self, snapshot: Snapshot) -> None:
        for peer in snapshot.peers:
            fields = unsupported_fields(peer)
            text = f"BGPPeer({peer['metadata']['name']}) uses {', '.join(fields)}, which the embedded engine does not have: no session is made for it"
            if fields and text not in self._warned:
                self._warned.add(text)
                self.log(text)

    async def run(self, stop: asyncio.Event) -> None:
        """Until stop is set. Raises what the pod should crash with."""
        made = startup.ensure(self.store, self.env, self.cluster.pod_subnet)
        if made:
            self.log(f"Created {', '.join(made)}")
        await asyncio.to_thread(self.prepare_kernel)
        await self.describe()
        changed = self.hub.subscribe()
        loop = asyncio.get_running_loop()
        detect_at = loop.time() + _DETECT_EVERY
        try:
            while not stop.is_set():
                if changed.is_set() or not self.bird.alive():
                    changed.clear()
                    await self.synchronise()
                    self._ready()
                if loop.time() >= detect_at:
                    detect_at = loop.time() + _DETECT_EVERY
                    with contextlib.suppress(autodetect.AutodetectError):
                        await self.describe()
                    if not await self._whole():
                        await self.synchronise()
                await self._wait(changed, stop)
        finally:
            self.hub.unsubscribe(changed)

    async def _whole(self) -> bool:
        """False when somebody took away what this agent made: the node's namespace (a new one has its name), or its rules."""
        if self.bird.alive() and not self.bird.at_home():
            self.log("the node's network namespace is another one: BIRD starts again in it")
            self.bird.kill()
        if self._nat and not await nat.present(self.namespace):
            self.log("the node's NAT rules are gone: they are written again")
            self._nat = ""
        if self.bird.alive() and self._nat:
            return True
        await asyncio.to_thread(self.prepare_kernel)
        return False

    def _ready(self) -> None:
        if self.bird.alive() and self.name not in self.cluster.cni_ready:
            self.cluster.set_cni_ready(self.name)
            with contextlib.suppress(Conflict, NotFound):
                startup.network_condition(self.store, self.name, up=True)
            self.log("calico-node is ready")

    @staticmethod
    async def _wait(changed: asyncio.Event, stop: asyncio.Event) -> None:
        waits = [asyncio.ensure_future(changed.wait()), asyncio.ensure_future(stop.wait())]
        try:
            await asyncio.wait(waits, timeout=_TICK, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
        if changed.is_set() and not stop.is_set():
            await asyncio.sleep(_DEBOUNCE)


async def run_node(store: Store, cluster: ClusterContext, node: str, env: Mapping[str, str], stop: asyncio.Event, log: Log | None = None) -> None:
    """The calico-node container of one node (its name), in the node's own network namespace, until `stop` is set.

    Returns after a clean stop: BIRD is then killed without a notification, so that neighbours keep the node's routes over a restart of the
    pod. When the coroutine is cancelled (the engine's process ends) BIRD goes on, and the next run adopts it. Raises StartupError,
    AutodetectError, NotInstalled, BirdError, NatError: the container has crashed; the text belongs into its log.
    log: takes one line for the pod's log; default: the engine's own log.
    """
    agent = Agent(store, cluster, node, env, log or logging.getLogger(__name__).info)
    await agent.run(stop)
    agent.log("calico-node stops: neighbours keep this node's routes until it is back or their restart time is over")
    agent.bird.kill()
