"""From a pod's specification to the description of a container's process: environment, command, mounts, rights."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from leafspine_embedded.common.state import ensure_dir, write_atomic
from leafspine_embedded.images.catalogue import AGENT, Image
from leafspine_embedded.kube.objects import Object

from . import env, mounts, settings, volumes
from .host import Host
from .process import Description
from .sandbox import Sandbox


@dataclass(frozen=True)
class Place:
    """Where a pod lives on this machine: its state directory and its sandbox."""

    directory: Path
    sandbox: Sandbox


def environment(host: Host, pod: Object, container: Object, image: Image) -> dict[str, str]:
    """All variables of a container. Raises ConfigError."""
    lookup = host.lookup(pod["metadata"]["namespace"])
    return env.environment(pod, container, lookup, dict(image.env), host.service_variables(pod))


def write_etc(host: Host, pod: Object, place: Place) -> dict[str, str]:
    """The kubelet's files for /etc; one set a pod, bound into each of its containers."""
    directory = ensure_dir(place.directory / "etc", 0o755)
    address = place.sandbox.address or host.address()
    texts = {
        "resolv.conf": settings.resolv_conf(pod, host.dns_address()),
        "hosts": settings.hosts(pod, address),
        "hostname": settings.hostname(pod) + "\n",
    }
    for name, text in texts.items():
        file = directory / name
        if not file.exists() or file.read_text() != text:
            write_atomic(file, text, 0o644)
    return {name: str(directory / name) for name in texts}


def _agent_volumes(host: Host) -> list[dict[str, object]]:
    """BIRD's control socket where Calico's own container has it, so that `kubectl exec ... birdcl` works."""
    from leafspine_embedded.calico.birdctl import control_socket, node_dir

    control = control_socket(node_dir(host.cluster.dir, host.node.name))
    if not control.parent.is_dir():
        return []
    return [{"kind": "bind", "source": str(control.parent), "target": "/run/calico", "read_only": True}]


def describe(host: Host, pod: Object, container: Object, image: Image, place: Place, argv: Sequence[str] | None = None) -> Description:
    """What init.py needs. argv: instead of the container's own command (exec into an agent's container). Raises ConfigError."""
    rights = settings.security(pod, container)
    variables = environment(host, pod, container, image)
    made = volumes.prepare(pod, place.directory / "volumes", host.node_root, host.lookup(pod["metadata"]["namespace"]))
    extra = volumes.mounts(container, made)
    if image.kind == AGENT:
        extra += _agent_volumes(host)
    return Description(
        argv=list(argv) if argv is not None else env.command_line(container, image.entrypoint, image.command, variables),
        env=variables,
        hostname=settings.hostname(pod),
        netns=place.sandbox.netns,
        mounts=mounts.plan(
            privileged=rights.privileged, etc=write_etc(host, pod, place), image_files=[file for file in image.files if os.path.exists(file[0])], volumes=extra
        ),
        capabilities=rights.capabilities,
        cwd=container.get("workingDir") or "/",
        uid=rights.uid,
        gid=rights.gid,
        groups=rights.groups,
        no_new_privileges=rights.no_new_privileges,
        read_only_root=rights.read_only_root,
    )


def named_ports(container: Object) -> dict[str, int]:
    return {port["name"]: int(port["containerPort"]) for port in container.get("ports") or [] if port.get("name")}
