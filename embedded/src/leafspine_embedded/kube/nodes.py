"""The Node objects: made once, then kept true by what the node's namespace and its network say (kubelet and node lifecycle controller)."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import platform
import uuid
from pathlib import Path

from leafspine_embedded.common import netns
from leafspine_embedded.kube.addresses import AddressMonitor
from leafspine_embedded.kube.context import ClusterContext, Node
from leafspine_embedded.kube.errors import ApiError
from leafspine_embedded.kube.objects import Object, clone, now, now_micro
from leafspine_embedded.kube.resources import LEASES, NODES
from leafspine_embedded.kube.store import Store

log = logging.getLogger(__name__)

LEASE_NAMESPACE = "kube-node-lease"
_LEASE_EVERY = 10.0
_STATUS_EVERY = 60.0
_NOT_READY = "node.kubernetes.io/not-ready"
_HEALTHY = (
    ("MemoryPressure", "KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
    ("DiskPressure", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
    ("PIDPressure", "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
)
_NO_NETWORK = (
    "container runtime network not ready: NetworkReady=false reason:NetworkPluginNotReady message:Network plugin returns error: cni plugin not initialized"
)


def node_object(context: ClusterContext, node: Node) -> Object:
    """The Node as it registers."""
    machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    labels = {
        "beta.kubernetes.io/arch": machine,
        "beta.kubernetes.io/os": "linux",
        "kubernetes.io/arch": machine,
        "kubernetes.io/hostname": node.name,
        "kubernetes.io/os": "linux",
    }
    spec: Object = {"podCIDR": node.pod_cidr, "podCIDRs": [node.pod_cidr], "providerID": f"kind://embedded/{context.name}/{node.name}"}
    if node.role == "control-plane":
        labels |= {"node-role.kubernetes.io/control-plane": "", "node.kubernetes.io/exclude-from-external-load-balancers": ""}
    labels |= dict(node.labels)
    if node.taints:
        spec["taints"] = [{"key": key, "value": value, "effect": effect} if value else {"key": key, "effect": effect} for key, value, effect in node.taints]
    annotations = {"node.alpha.kubernetes.io/ttl": "0", "volumes.kubernetes.io/controller-managed-attach-detach": "true"}
    return {"metadata": {"name": node.name, "labels": labels, "annotations": annotations}, "spec": spec}


def capacity() -> Object:
    """What the host has; every node shares it."""
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 1024
    disk = os.statvfs("/")
    return {
        "cpu": str(os.cpu_count() or 1),
        "ephemeral-storage": f"{disk.f_blocks * disk.f_frsize // 1024}Ki",
        "hugepages-1Gi": "0",
        "hugepages-2Mi": "0",
        "memory": f"{pages}Ki",
        "pods": "110",
    }


def node_info(context: ClusterContext, node: Node) -> Object:
    machine = uuid.uuid5(uuid.NAMESPACE_URL, f"{context.dir}/{node.name}").hex
    release = dict(line.partition("=")[::2] for line in Path("/etc/os-release").read_text().splitlines() if "=" in line)
    return {
        "architecture": {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine()),
        "bootID": Path("/proc/sys/kernel/random/boot_id").read_text().strip(),
        "containerRuntimeVersion": "leafspine://1.0",
        "kernelVersion": platform.release(),
        "kubeProxyVersion": "",
        "kubeletVersion": context.version,
        "machineID": machine,
        "operatingSystem": "linux",
        "osImage": release.get("PRETTY_NAME", "Linux").strip('"'),
        "systemUUID": machine,
    }


def set_condition(conditions: list[Object], kind: str, status: str, reason: str, message: str) -> None:
    """Put a condition into the list; its transition time moves only with its status."""
    moment = now()
    found = next((entry for entry in conditions if entry["type"] == kind), None)
    if found is None:
        found = {"type": kind}
        conditions.append(found)
    if found.get("status") != status:
        found["lastTransitionTime"] = moment
    found.update(lastHeartbeatTime=moment, status=status, reason=reason, message=message)


class NodeAgent:
    """One node's part of the kubelet that reports to the API."""

    def __init__(self, store: Store, context: ClusterContext, node: Node) -> None:
        self._store = store
        self._context = context
        self._node = node
        self._monitor: AddressMonitor | None = None
        self._wake = asyncio.Event()
        self._complained = False

    def wake(self) -> None:
        self._wake.set()

    async def run(self) -> None:
        """Report changes at once, and heartbeats."""
        loop = asyncio.get_running_loop()
        next_status = next_lease = 0.0
        while True:
            self._attach()
            moment = loop.time()
            try:
                register(self._store, self._context)
                self.report(heartbeat=moment >= next_status)
                if moment >= next_lease:
                    self._renew_lease()
            except ApiError as error:
                log.warning("node %s: %s", self._node.name, error)
            next_status = moment + _STATUS_EVERY if moment >= next_status else next_status
            next_lease = moment + _LEASE_EVERY if moment >= next_lease else next_lease
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), max(0.05, min(next_status, next_lease) - loop.time()))
            self._wake.clear()

    def _attach(self) -> None:
        """Follow the namespace; a new one of the same name is followed instead of the old."""
        try:
            inode = netns.inode(self._node.namespace) if netns.exists(self._node.namespace) else None
        except FileNotFoundError:
            inode = None
        if self._monitor is not None and self._monitor.inode != inode:
            self._monitor.close()
            self._monitor = None
        if self._monitor is None and inode is not None:
            self._monitor = AddressMonitor(self._node.namespace, self.wake)

    def _present(self) -> bool:
        """True when the node's address is on an interface in its namespace."""
        if self._monitor is None:
            return False
        present = self._node.address in self._monitor.addresses()
        if not present and not self._complained:
            log.info('node %s: failed to validate nodeIP: node IP: "%s" not found in the host\'s network interfaces', self._node.name, self._node.address)
        self._complained = not present
        return present

    def report(self, *, heartbeat: bool) -> None:
        """Bring status and taint up to date; without a change and without a heartbeat nothing is written."""
        obj = self._store.get(NODES, None, self._node.name)
        before = clone(obj.get("status", {}))
        status = obj.setdefault("status", {})
        addresses = [{"type": "Hostname", "address": self._node.name}]
        if self._present():
            addresses.insert(0, {"type": "InternalIP", "address": self._node.address})
        status["addresses"] = addresses
        status.setdefault("capacity", capacity())
        status.setdefault("allocatable", capacity())
        status["daemonEndpoints"] = {"kubeletEndpoint": {"Port": 10250}}
        status["nodeInfo"] = node_info(self._context, self._node)
        ready = self._conditions(status.setdefault("conditions", []))
        if heartbeat or _without_heartbeats(status) != _without_heartbeats(before):
            self._store.update(NODES, obj, subresource="status")
        self._taint(ready)

    def _conditions(self, conditions: list[Object]) -> bool:
        alive = self._monitor is not None
        for kind, reason, message in _HEALTHY:
            if alive:
                set_condition(conditions, kind, "False", reason, message)
            else:
                set_condition(conditions, kind, "Unknown", "NodeStatusUnknown", "Kubelet stopped posting node status.")
        if not alive:
            set_condition(conditions, "Ready", "Unknown", "NodeStatusUnknown", "Kubelet stopped posting node status.")
            return False
        if self._context.default_cni or self._node.name in self._context.cni_ready:
            set_condition(conditions, "Ready", "True", "KubeletReady", "kubelet is posting ready status")
            return True
        set_condition(conditions, "Ready", "False", "KubeletNotReady", _NO_NETWORK)
        return False

    def _taint(self, ready: bool) -> None:
        """Nothing is scheduled onto a node that is not ready."""
        obj = self._store.get(NODES, None, self._node.name)
        taints = obj.setdefault("spec", {}).get("taints", [])
        wanted = [taint for taint in taints if taint["key"] != _NOT_READY]
        if not ready:
            wanted.append({"key": _NOT_READY, "effect": "NoSchedule"})
        if wanted == taints:
            return
        if wanted:
            obj["spec"]["taints"] = wanted
        else:
            obj["spec"].pop("taints", None)
        self._store.update(NODES, obj)

    def _renew_lease(self) -> None:
        spec = {"holderIdentity": self._node.name, "leaseDurationSeconds": 40, "renewTime": now_micro()}
        lease = self._store.find(LEASES, LEASE_NAMESPACE, self._node.name)
        if lease is None:
            self._store.create(LEASES, {"metadata": {"name": self._node.name, "namespace": LEASE_NAMESPACE}, "spec": spec})
        else:
            lease["spec"] = spec
            self._store.update(LEASES, lease)

    def close(self) -> None:
        if self._monitor is not None:
            self._monitor.close()


def _without_heartbeats(status: Object) -> Object:
    conditions = [{key: value for key, value in entry.items() if key != "lastHeartbeatTime"} for entry in status.get("conditions", [])]
    return {**status, "conditions": conditions}


def register(store: Store, context: ClusterContext) -> None:
    """Make the Node objects that are not there."""
    for node in context.nodes:
        if store.find(NODES, None, node.name) is None:
            store.create(NODES, node_object(context, node))


async def run(store: Store, cluster: ClusterContext) -> None:
    """All nodes of the cluster, for ever."""
    agents = [NodeAgent(store, cluster, node) for node in cluster.nodes]
    by_name = {node.name: agent for node, agent in zip(cluster.nodes, agents, strict=True)}

    async def network() -> None:
        while True:
            await cluster.cni_changed.wait()
            cluster.cni_changed.clear()
            for agent in agents:
                agent.wake()

    async def edits() -> None:
        # Somebody deleted the Node or took the taint away: look again.
        watch = store.subscribe(NODES, None, store.version)
        async for change in watch:
            agent = by_name.get(change.obj["metadata"]["name"])
            if agent is not None and (change.type == "DELETED" or change.obj.get("spec") != (change.old or {}).get("spec")):
                agent.wake()

    try:
        await asyncio.gather(network(), edits(), *(agent.run() for agent in agents))
    finally:
        for agent in agents:
            agent.close()
