"""What controllers and node agents know about the cluster they run in."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True)
class Node:
    """One node. `namespace` is its network namespace in /run/netns; `index` 0 is the first of the kind config."""

    name: str
    role: str
    namespace: str
    index: int
    eth0_address: str
    node_ip: str = ""  # kubelet's --node-ip; empty: eth0's
    labels: tuple[tuple[str, str], ...] = ()
    pod_cidr: str = ""
    taints: tuple[tuple[str, str, str], ...] = ()  # (key, value, effect) at registration

    @property
    def address(self) -> str:
        """What becomes the node's INTERNAL-IP once an interface has it."""
        return self.node_ip or self.eth0_address


class ExecProcess(Protocol):
    """What `PodRuntime.exec` returns. With a terminal `stderr` is None."""

    stdout: asyncio.StreamReader
    stderr: asyncio.StreamReader | None

    async def wait(self) -> int:
        """The exit code (128 + n for signal n), once the process has ended."""

    def kill(self) -> None:
        """End it: the client has gone away."""

    def resize(self, columns: int, rows: int) -> None:
        """The client's terminal changed its size."""


class PodRuntime(Protocol):
    """The kubelets' side of `kubectl exec` and `kubectl logs`. Both raise ApiError (BadRequest, NotFound) for what cannot be done."""

    async def exec(self, namespace: str, pod: str, container: str, command: Sequence[str], stdin: asyncio.StreamReader | None, tty: bool) -> ExecProcess: ...

    def logs(self, namespace: str, pod: str, container: str, follow: bool, tail: int | None, previous: bool = False) -> AsyncIterator[bytes]: ...


@dataclass
class ClusterContext:
    """One cluster. `dir` is its state directory: put your own files under dir/<controller name>/."""

    name: str
    dir: Path
    pod_subnet: str
    service_subnet: str
    nodes: list[Node]
    default_cni: bool = True  # False: kind's disableDefaultCNI; nodes stay NotReady until cni_ready names them
    version: str = "v1.34.4"
    kube_proxy: bool = True
    runtime: PodRuntime | None = None
    cni_ready: set[str] = field(default_factory=set)  # node names; Calico's agent adds them
    cni_changed: asyncio.Event = field(default_factory=asyncio.Event)

    def node(self, name: str) -> Node | None:
        return next((node for node in self.nodes if node.name == name), None)

    def set_cni_ready(self, node: str, ready: bool = True) -> None:
        """The network of a node works (or no longer does): its Ready condition follows within moments."""
        before = set(self.cni_ready)
        (self.cni_ready.add if ready else self.cni_ready.discard)(node)
        if before != self.cni_ready:
            self.cni_changed.set()

    def own_namespace(self, namespace: str) -> None:
        """Note a network namespace made for a pod, *before* it is made: `kind delete` removes it even after a crash."""
        directory = self.dir / "netns"
        directory.mkdir(mode=0o700, exist_ok=True)
        (directory / namespace).touch()

    def disown_namespace(self, namespace: str) -> None:
        """The namespace is gone."""
        (self.dir / "netns" / namespace).unlink(missing_ok=True)
