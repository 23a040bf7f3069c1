"""What a pod's specification means for its containers here, and what of it is refused. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from . import mounts, volumes
from .env import ConfigError

Object = Mapping[str, Any]


@dataclass(frozen=True)
class Security:
    """Whom a container runs as and what it may do."""

    privileged: bool
    uid: int
    gid: int
    groups: tuple[int, ...]
    capabilities: tuple[int, ...]
    no_new_privileges: bool
    read_only_root: bool


def security(pod: Object, container: Object) -> Security:
    """The container's securityContext over the pod's. Raises ConfigError."""
    common, own = (pod.get("spec") or {}).get("securityContext") or {}, container.get("securityContext") or {}
    uid = own.get("runAsUser", common.get("runAsUser", 0))
    gid = own.get("runAsGroup", common.get("runAsGroup", 0))
    if own.get("runAsNonRoot", common.get("runAsNonRoot")) and not uid:
        raise ConfigError("container has runAsNonRoot and image will run as root")
    caps = own.get("capabilities") or {}
    try:
        kept = mounts.capabilities(bool(own.get("privileged")), caps.get("add") or (), caps.get("drop") or ())
    except ValueError as error:
        raise ConfigError(str(error)) from None
    extra = [*(common.get("supplementalGroups") or []), *([common["fsGroup"]] if common.get("fsGroup") is not None else [])]
    return Security(
        privileged=bool(own.get("privileged")),
        uid=int(uid),
        gid=int(gid),
        groups=tuple(extra),
        capabilities=tuple(kept),
        no_new_privileges=own.get("allowPrivilegeEscalation") is False,
        read_only_root=bool(own.get("readOnlyRootFilesystem")),
    )


def unsupported(pod: Object) -> str:
    """The first thing the pod asks for that the embedded engine does not have; empty when it can run."""
    spec = pod.get("spec") or {}
    for key in ("hostPID", "hostIPC", "shareProcessNamespace"):
        if spec.get(key):
            return f"spec.{key}: not supported by the embedded engine"
    if spec.get("ephemeralContainers"):
        return "spec.ephemeralContainers: not supported by the embedded engine"
    for kind in ("initContainers", "containers"):
        for index, container in enumerate(spec.get(kind) or []):
            where = f"spec.{kind}[{index}]"
            if container.get("lifecycle"):
                return f"{where}.lifecycle: not supported by the embedded engine"
            if kind == "initContainers" and container.get("restartPolicy"):
                return f"{where}.restartPolicy: not supported by the embedded engine"
            if container.get("volumeDevices"):
                return f"{where}.volumeDevices: not supported by the embedded engine"
            for probe in ("livenessProbe", "readinessProbe", "startupProbe"):
                if "grpc" in (container.get(probe) or {}):
                    return f"{where}.{probe}.grpc: not supported by the embedded engine"
            for port in container.get("ports") or []:
                if port.get("hostPort") and not spec.get("hostNetwork"):
                    return f"{where}.ports: hostPort is not supported by the embedded engine"
    return volumes.unsupported(pod)


def hostname(pod: Object) -> str:
    spec = pod.get("spec") or {}
    return str(spec.get("nodeName") if spec.get("hostNetwork") else spec.get("hostname") or pod["metadata"]["name"])[:63]


def resolv_conf(pod: Object, dns: str, domain: str = "cluster.local") -> str:
    """The pod's /etc/resolv.conf. dns: the cluster's DNS address (nobody answers there: the embedded engine has no cluster DNS)."""
    spec = pod.get("spec") or {}
    namespace = pod["metadata"]["namespace"]
    given = spec.get("dnsConfig") or {}
    search: list[str] = []
    servers: list[str] = []
    options: list[str] = []
    policy = spec.get("dnsPolicy") or "ClusterFirst"
    if policy == "ClusterFirstWithHostNet" or (policy == "ClusterFirst" and not spec.get("hostNetwork")):
        search = [f"{namespace}.svc.{domain}", f"svc.{domain}", domain]
        servers, options = [dns], ["ndots:5"]
    search += given.get("searches") or []
    servers += given.get("nameservers") or []
    options += [f"{item['name']}:{item['value']}" if item.get("value") else item["name"] for item in given.get("options") or []]
    lines = [f"search {' '.join(search)}"] if search else []
    lines += [f"nameserver {server}" for server in servers]
    lines += [f"options {' '.join(options)}"] if options else []
    return "".join(f"{line}\n" for line in lines)


def hosts(pod: Object, address: str) -> str:
    """The pod's /etc/hosts, kubelet-managed."""
    lines = ["# Kubernetes-managed hosts file.", "127.0.0.1\tlocalhost", "::1\tlocalhost ip6-localhost ip6-loopback"]
    if address:
        lines.append(f"{address}\t{hostname(pod)}")
    for alias in (pod.get("spec") or {}).get("hostAliases") or []:
        lines.append(f"{alias['ip']}\t{' '.join(alias.get('hostnames') or [])}")
    return "".join(f"{line}\n" for line in lines)
