"""The kubelets of all nodes: one watch on pods, one worker task a pod."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import socket
import struct
from collections.abc import Callable

from leafspine_embedded.common import netns
from leafspine_embedded.kube.context import ClusterContext, Node
from leafspine_embedded.kube.objects import Object, clone
from leafspine_embedded.kube.resources import NODES, PODS
from leafspine_embedded.kube.store import Store

from . import wiring
from .host import Host, Times
from .runtime import Runtime
from .worker import PodWorker

log = logging.getLogger(__name__)

_RTMGRP_LINK, _RTM_DELLINK = 1, 17
_LOG_LIMIT = 8 << 20  # bytes of one container's log
_HOUSEKEEPING = 30.0


class LinkMonitor:
    """Calls back when an interface disappears from a node's namespace."""

    def __init__(self, namespace: str, lost: Callable[[], None]) -> None:
        self._lost = lost
        self.inode = netns.inode(namespace)
        with netns.entered(namespace):
            self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK, socket.NETLINK_ROUTE)
        self._socket.bind((0, _RTMGRP_LINK))
        asyncio.get_running_loop().add_reader(self._socket.fileno(), self._readable)

    def _readable(self) -> None:
        gone = False
        while True:
            try:
                data = self._socket.recv(65536)
            except BlockingIOError:
                break
            except OSError:  # the queue ran over: something surely changed
                gone = True
                break
            while len(data) >= 16:
                length, kind = struct.unpack_from("=IH", data)
                gone = gone or kind == _RTM_DELLINK
                data = data[max(16, (length + 3) & ~3) :]
        if gone:
            self._lost()

    def close(self) -> None:
        asyncio.get_running_loop().remove_reader(self._socket.fileno())
        self._socket.close()


class Kubelets:
    """See the module text. `times` are the waits of every kubelet."""

    def __init__(self, store: Store, cluster: ClusterContext, times: Times | None = None) -> None:
        self.store, self.cluster = store, cluster
        self.hosts = {node.name: Host(store, cluster, node, times or Times()) for node in cluster.nodes}
        self.workers: dict[str, PodWorker] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._names: dict[str, asyncio.Task[None]] = {}
        self._monitors: dict[str, LinkMonitor] = {}

    async def run(self) -> None:
        """For ever. Cancelling leaves all pods running; the next run adopts them."""
        for node in self.cluster.nodes:
            self._prepare(node)
        tasks = [asyncio.create_task(body) for body in (self._follow_pods(), self._follow_nodes(), self._housekeeping())]
        try:
            await asyncio.gather(*tasks)
        finally:
            for monitor in self._monitors.values():
                monitor.close()
            running = [*tasks, *self._tasks.values()]
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)

    def _prepare(self, node: Node) -> None:
        """Settings and monitor of a node's namespace; does nothing while it is the same one."""
        monitor = self._monitors.get(node.name)
        there = netns.exists(node.namespace)
        if monitor is not None:
            if there and monitor.inode == netns.inode(node.namespace):
                return
            # An open socket would keep the old namespace, and its interfaces, alive.
            self._monitors.pop(node.name).close()
        if not there:
            return
        wiring.apply_settings(node.namespace, wiring.NODE_SETTINGS)
        self._monitors[node.name] = LinkMonitor(node.namespace, lambda: self._nudge(node.name))

    def _nudge(self, node: str) -> None:
        for worker in self.workers.values():
            if worker.host.node.name == node:
                worker.nudge()

    # -- pods

    async def _follow_pods(self) -> None:
        watch = self.store.subscribe(PODS)
        try:
            self._sweep()
            async for change in watch:
                pod = change.obj
                host = self.hosts.get((pod.get("spec") or {}).get("nodeName") or "")
                if host is None:
                    continue
                self._apply(host, change.type, pod)
        finally:
            watch.close()

    def _apply(self, host: Host, kind: str, pod: Object) -> None:
        uid = pod["metadata"]["uid"]
        worker = self.workers.get(uid)
        if kind == "DELETED":
            if worker is not None:
                worker.gone()
            return
        present = self.store.find(PODS, pod["metadata"]["namespace"], pod["metadata"]["name"])
        if present is None or present["metadata"]["uid"] != uid:
            return  # already removed again; its DELETED follows
        if worker is not None:
            if worker.pod["metadata"].get("resourceVersion") != pod["metadata"]["resourceVersion"]:
                worker.update(clone(pod))
            return
        self._begin(PodWorker(host, clone(pod), self._names.get(_full_name(pod))))

    def _begin(self, worker: PodWorker) -> None:
        name = _full_name(worker.pod)
        task = worker.begin()
        self.workers[worker.uid], self._tasks[worker.uid], self._names[name] = worker, task, task

        def done(_task: asyncio.Task[None]) -> None:
            self.workers.pop(worker.uid, None)
            self._tasks.pop(worker.uid, None)
            if self._names.get(name) is task:
                del self._names[name]

        task.add_done_callback(done)

    def _sweep(self) -> None:
        """Pods that were removed from the API while the engine was away still have processes and namespaces."""
        known = {pod["metadata"]["uid"] for pod in self.store.scan(PODS)}
        for host in self.hosts.values():
            with contextlib.suppress(FileNotFoundError):
                for directory in sorted((host.directory / "pods").iterdir()):
                    if directory.name in known:
                        continue
                    with contextlib.suppress(FileNotFoundError, ValueError, KeyError):
                        pod = json.loads((directory / "state.json").read_text())["object"]
                        worker = PodWorker(host, pod)
                        worker.gone()
                        self._begin(worker)

    # -- what else concerns pods

    async def _follow_nodes(self) -> None:
        """A node's address or network state changed: its pods look again."""
        async for kind, node in self.store.watch(NODES):
            host = self.hosts.get(node["metadata"]["name"])
            if kind == "MODIFIED" and host is not None:
                self._prepare(host.node)
                self._nudge(host.node.name)

    async def _housekeeping(self) -> None:
        while True:
            await asyncio.sleep(_HOUSEKEEPING)
            for node in self.cluster.nodes:
                self._prepare(node)
            for worker in tuple(self.workers.values()):
                for runner in (*worker.init, *worker.main):
                    if runner.process is not None:
                        _cut(runner.process.log)


def _cut(file: os.PathLike[str]) -> None:
    """A log that grew too long starts over; what the program writes next is appended (its descriptor appends)."""
    with contextlib.suppress(FileNotFoundError):
        if os.stat(file).st_size > _LOG_LIMIT:
            os.truncate(file, 0)


def _full_name(pod: Object) -> str:
    return f"{pod['metadata']['namespace']}/{pod['metadata']['name']}"


async def run(store: Store, cluster: ClusterContext) -> None:
    """All kubelets of the cluster, and the runtime behind `kubectl exec` and `kubectl logs`."""
    kubelets = Kubelets(store, cluster)
    cluster.runtime = Runtime(store, kubelets.workers)
    await kubelets.run()
