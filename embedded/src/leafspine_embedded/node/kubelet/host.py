"""What every pod of one node shares: the node, its directories, lookups in the store, the kubelet's times."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from leafspine_embedded.kube.context import ClusterContext, Node
from leafspine_embedded.kube.objects import Object
from leafspine_embedded.kube.resources import CONFIGMAPS, NODES, SECRETS, SERVICES
from leafspine_embedded.kube.store import Store
from leafspine_embedded.node.events import Recorder

from .env import Lookup, service_links


@dataclass(frozen=True)
class Times:
    """The kubelet's waits, in seconds; tests make them short."""

    backoff_first: float = 10.0
    backoff_last: float = 300.0
    backoff_reset: float = 600.0  # a container that ran this long starts over
    retry: float = 2.0  # sandbox or configuration that failed
    check: float = 10.0  # how often a pod's namespaces and link are looked at unasked


@dataclass
class Host:
    """One node's kubelet, as its pods see it."""

    store: Store
    cluster: ClusterContext
    node: Node
    times: Times = field(default_factory=Times)
    recorder: Callable[..., None] = lambda *_arguments, **_options: None

    def __post_init__(self) -> None:
        self.recorder = Recorder(self.store, "kubelet", self.node.name)

    @property
    def directory(self) -> Path:
        return self.cluster.dir / "kubelet" / self.node.name

    @property
    def node_root(self) -> Path:
        """Stands for the node's own file system in hostPath volumes."""
        return self.directory / "root"

    def pod_directory(self, uid: str) -> Path:
        return self.directory / "pods" / uid

    @property
    def ready_for_pods(self) -> bool:
        """The node's network is up: Calico said so."""
        return self.node.name in self.cluster.cni_ready

    def address(self) -> str:
        """The node's INTERNAL-IP as its status has it; empty before the address is on an interface."""
        node = self.store.find(NODES, None, self.node.name)
        for entry in ((node or {}).get("status") or {}).get("addresses") or []:
            if entry["type"] == "InternalIP":
                return str(entry["address"])
        return ""

    def dns_address(self) -> str:
        """The tenth address of the service subnet, where kubeadm puts the cluster's DNS."""
        return str(ipaddress.ip_network(self.cluster.service_subnet)[10])

    def lookup(self, namespace: str) -> Lookup:
        """ConfigMaps and Secrets of one namespace."""

        def find(kind: str, name: str) -> Object | None:
            return self.store.find(CONFIGMAPS if kind == "ConfigMap" else SECRETS, namespace, name)

        return find

    def service_variables(self, pod: Object) -> dict[str, str]:
        enabled = (pod.get("spec") or {}).get("enableServiceLinks", True)
        return service_links(list(self.store.scan(SERVICES)), pod["metadata"]["namespace"], bool(enabled))
