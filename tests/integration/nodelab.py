"""Two nodes and a leaf in namespaces, with the engine's controllers, kubelets and proxies: what the pod and service tests run on.

    te-..-client 10.131.9.2 --- te-..-leaf (10.131.9.1, 10.131.5.1, forwards) --- bridge --- two nodes: net0 10.131.5.10, 10.131.5.11
Every node has an eth0 first, as in the lab: whoever masquerades carelessly takes its address.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import os
import subprocess
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import yaml
from leafspine_embedded.calico import datastore, manifest, nat
from leafspine_embedded.calico.model import BgpConfiguration, pools_of
from leafspine_embedded.common import netns
from leafspine_embedded.kube import bootstrap, crds, nodes
from leafspine_embedded.kube.admission import Rules
from leafspine_embedded.kube.context import ClusterContext, Node
from leafspine_embedded.kube.lifecycle import Lifecycle
from leafspine_embedded.kube.objects import Object
from leafspine_embedded.kube.resources import CRDS, PODS
from leafspine_embedded.kube.store import Store
from leafspine_embedded.node.controllers import daemonset, deployment, endpoints, podgc, scheduler
from leafspine_embedded.node.kubelet.host import Times
from leafspine_embedded.node.kubelet.kubelet import Kubelets
from leafspine_embedded.node.kubelet.runtime import Runtime
from leafspine_embedded.node.proxy import controller as proxy

PODS_CIDR, SERVICES_CIDR = "10.131.128.0/18", "10.131.64.0/18"
TIMES = Times(backoff_first=0.6, backoff_last=2.4, retry=0.3, check=1.0)


async def run(*argv: str, where: str | None = None, check: bool = True, timeout: float = 20.0) -> str:
    """Standard output of a command, in a namespace; asserts that it worked unless told otherwise."""
    prefix = netns.prefix(where) if where else []
    child = await asyncio.create_subprocess_exec(*prefix, *argv, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE)
    out, err = await asyncio.wait_for(child.communicate(), timeout)
    if check:
        assert child.returncode == 0, f"{argv} in {where}: {child.returncode} {err.decode() or out.decode()}"
    return out.decode()


async def until(check: Callable[[], Any], what: str, timeout: float = 10.0) -> Any:
    """The first true result of the check."""
    begun = time.monotonic()
    while True:
        value = check()
        if value:
            return value
        assert time.monotonic() - begun < timeout, f"{what} did not come within {timeout:g} s"
        await asyncio.sleep(0.02)


class Lab:
    """One cluster of two nodes. Object helpers take plain dictionaries."""

    def __init__(self, directory: Path, *, cni: bool = True) -> None:
        self.name = f"te-{os.getpid() % 10000}"
        self.leaf, self.client = f"{self.name}-leaf", f"{self.name}-client"
        self.nodes = [
            Node(name, role, name, index, f"10.131.200.{index + 2}", f"10.131.5.{index + 10}", pod_cidr=f"10.131.{250 + index}.0/24")
            for index, (name, role) in enumerate(((f"{self.name}-control-plane", "control-plane"), (f"{self.name}-worker", "worker")))
        ]
        self.first, self.second = self.nodes[0].name, self.nodes[1].name
        self.addresses = {node.name: node.node_ip for node in self.nodes}
        self.directory, self._cni = directory, cni
        self.store: Store
        self.cluster: ClusterContext
        self.kubelets: Kubelets
        self._tasks: list[asyncio.Task[Any]] = []

    # -- wires

    @property
    def namespaces(self) -> list[str]:
        return [self.leaf, self.client, *self.addresses]

    async def build(self) -> None:
        for name in self.namespaces:
            netns.delete(name)
            netns.create(name)
            await run("ip", "link", "set", "lo", "up", where=name)
        lines = [
            "link add rack type bridge",
            "addr add 10.131.5.1/24 dev rack",
            "link set rack up",
            f"link add out type veth peer name eth0 netns {self.client}",
            "addr add 10.131.9.1/24 dev out",
            "link set out up",
        ]
        await self.batch(self.leaf, lines)
        await self.batch(self.client, ["addr add 10.131.9.2/24 dev eth0", "link set eth0 up", "route add default via 10.131.9.1"])
        for node in self.nodes:
            await self.plug_in(node)
        await run("sysctl", "-qw", "net.ipv4.ip_forward=1", where=self.leaf)

    async def plug_in(self, node: Node) -> None:
        """Give a node's namespace its interfaces."""
        port = f"p{node.index}"
        await self.batch(self.leaf, [f"link add {port} type veth peer name net0 netns {node.name}", f"link set {port} master rack up"])
        lines = ["link add eth0 type bridge", f"addr add {node.eth0_address}/24 dev eth0", "link set eth0 up"]
        lines += [f"addr add {node.node_ip}/24 dev net0", "link set net0 up", "route add default via 10.131.5.1"]
        await self.batch(node.name, lines)

    async def replace_node(self, node: Node) -> None:
        """A node's namespace goes with all its interfaces, a new one takes its place: what a restarted node looks like."""
        for pid in netns.processes(node.name):
            os.kill(pid, 9)
        await self.batch(self.leaf, [f"link del p{node.index}"])
        netns.delete(node.name)
        await asyncio.sleep(0.2)
        netns.create(node.name)
        await run("ip", "link", "set", "lo", "up", where=node.name)
        await self.plug_in(node)

    async def batch(self, where: str, lines: list[str]) -> None:
        child = await asyncio.create_subprocess_exec("ip", "-n", where, "-batch", "-", stdin=subprocess.PIPE, stderr=subprocess.PIPE)
        _out, err = await child.communicate("\n".join(lines).encode() + b"\n")
        assert child.returncode == 0, err.decode()

    async def spread_routes(self) -> None:
        """What BGP does in the lab: everybody knows every node's block, the leaf knows the service range."""
        for obj in datastore.scan(self.store, "ipamblocks"):
            block, owner = obj["spec"]["cidr"], obj["spec"]["affinity"].removeprefix("host:")
            for other in (self.leaf, *self.addresses):
                if other != owner:
                    await self.batch(other, [f"route replace {block} via {self.addresses[owner]}"])
        await self.batch(self.leaf, [f"route replace {SERVICES_CIDR} via {self.addresses[self.first]}"])
        table = nat.render(pools_of(datastore.scan(self.store, "ippools")), BgpConfiguration())
        for node in self.addresses:
            await nat.apply(node, table)

    # -- the engine

    async def start(self) -> None:
        """The engine's process, as far as these tests need it; may be called again after `stop` (a restart)."""
        self.cluster = ClusterContext(self.name, self.directory, PODS_CIDR, SERVICES_CIDR, self.nodes, default_cni=False)
        self.store = Store(self.directory / "store")
        self.store.admission = Rules(self.store, SERVICES_CIDR)
        crds.follow(self.store)
        Lifecycle(self.store, "ca").start()
        bootstrap.ensure(self.store, self.cluster, self.nodes[0].eth0_address)
        for document in yaml.safe_load_all(manifest.text()):
            if document["kind"] == "CustomResourceDefinition" and self.store.find(CRDS, None, document["metadata"]["name"]) is None:
                self.store.create(CRDS, document)
        if not list(datastore.scan(self.store, "ippools")):
            datastore.create(self.store, "ippools", "default-ipv4-ippool", {"cidr": PODS_CIDR, "blockSize": 26, "nodeSelector": "all()", "natOutgoing": True})
        self.kubelets = Kubelets(self.store, self.cluster, TIMES)
        self.cluster.runtime = Runtime(self.store, self.kubelets.workers)
        bodies = (nodes.run, scheduler.run, daemonset.run, deployment.run, endpoints.run, podgc.run, proxy.run)
        self._tasks = [asyncio.create_task(body(self.store, self.cluster)) for body in bodies]
        self._tasks.append(asyncio.create_task(self.kubelets.run()))
        if self._cni:
            self.cni_up()

    def cni_up(self) -> None:
        for node in self.addresses:
            self.cluster.set_cni_ready(node)

    async def stop(self) -> None:
        """End the engine's process; pods stay."""
        for task in self._tasks:
            task.cancel()
        for outcome in await asyncio.gather(*self._tasks, return_exceptions=True):
            assert isinstance(outcome, asyncio.CancelledError), outcome
        self.store.close()

    async def destroy(self) -> None:
        """End every pod, then take the wires away."""
        try:
            if self._tasks:
                await self._end_pods()
        finally:
            for name in [*self.namespaces, *(item.name for item in (self.directory / "netns").glob("*"))]:
                for pid in netns.processes(name):
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, 9)
                netns.delete(name)

    async def _end_pods(self) -> None:
        for obj in [*self.store.list(PODS)]:
            with contextlib.suppress(Exception):
                self.store.delete(PODS, obj["metadata"]["namespace"], obj["metadata"]["name"], grace_period=0)
        for resource in (daemonset.DAEMONSETS, deployment.DEPLOYMENTS, deployment.REPLICASETS):
            for obj in self.store.list(resource):
                self.store.finalize(resource, obj["metadata"]["namespace"], obj["metadata"]["name"])
        for obj in [*self.store.list(PODS)]:
            with contextlib.suppress(Exception):
                self.store.delete(PODS, obj["metadata"]["namespace"], obj["metadata"]["name"], grace_period=0)
        with contextlib.suppress(AssertionError):
            await until(lambda: not self.kubelets.workers, "the end of every pod")
        await self.stop()

    # -- objects

    def pod(self, name: str, *, node: str = "", image: str = "lab/nettool:1", **more: Any) -> Object:
        """Create a bare pod of one container; keyword arguments go into the container, `spec` and `metadata` into those."""
        spec = {"terminationGracePeriodSeconds": 1, "tolerations": [{"operator": "Exists"}], **more.pop("spec", {})}
        if node:
            spec["nodeSelector"] = {"kubernetes.io/hostname": node}
        container = {"name": "nettool", "image": image, "imagePullPolicy": "Never", **more.pop("container", {})}
        meta = {"name": name, "namespace": "default", "labels": {"app": name}, **more.pop("metadata", {})}
        assert not more
        return self.store.create(PODS, {"metadata": meta, "spec": {**spec, "containers": [container]}})

    def get(self, name: str) -> Object:
        return self.store.get(PODS, "default", name)

    def is_ready(self, name: str) -> bool:
        pod = self.store.find(PODS, "default", name)
        conditions = ((pod or {}).get("status") or {}).get("conditions") or []
        return any(entry["type"] == "Ready" and entry["status"] == "True" for entry in conditions)

    async def ready(self, *names: str) -> None:
        for name in names:
            try:
                await until(lambda name=name: self.is_ready(name), f"pod {name}")
            except AssertionError as error:
                raise AssertionError(f"{error}: {self.get(name).get('status')}") from None

    async def exec(self, pod: str, *command: str, check: bool = True, timeout: float = 10.0) -> str:
        """Standard output of a command in a pod."""
        assert self.cluster.runtime is not None
        running = await self.cluster.runtime.exec("default", pod, "", command, None, False)
        if running.stderr is None:
            await running.wait()
        assert running.stderr is not None
        out, err = await asyncio.wait_for(asyncio.gather(running.stdout.read(), running.stderr.read()), timeout)
        code = await running.wait()
        if check:
            assert code == 0, f"{command} in {pod}: {code} {err.decode()}{out.decode()}"
        return out.decode()

    async def logs(self, pod: str, **options: Any) -> str:
        assert self.cluster.runtime is not None
        arguments: dict[str, Any] = {"follow": False, "tail": None, **options}
        return b"".join([block async for block in self.cluster.runtime.logs("default", pod, "", **arguments)]).decode()  # type: ignore[attr-defined]


def address_of(pod: Object) -> str:
    return str(ipaddress.ip_address(pod["status"]["podIP"]))


@contextlib.asynccontextmanager
async def lab(directory: Path, *, cni: bool = True) -> AsyncIterator[Lab]:
    """A lab, and nothing left of it afterwards."""
    made = Lab(directory, cni=cni)
    try:
        await made.build()
        await made.start()
        await until(lambda: len(made.store.list(nodes.NODES)) == 2, "the nodes")
        yield made
    finally:
        await made.destroy()
