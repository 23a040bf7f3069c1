"""A pod's sandbox: its network namespace, address and link. Kept on disk, so that a restarted engine finds it again."""

from __future__ import annotations

import asyncio
import hashlib
import uuid
from dataclasses import dataclass
from pathlib import Path

from leafspine_embedded.common import netns
from leafspine_embedded.common.errors import EngineError
from leafspine_embedded.kube.objects import Object

from . import wiring
from .host import Host


class SandboxError(Exception):
    """No sandbox could be made (yet); the text goes into the FailedCreatePodSandBox event."""


@dataclass
class Sandbox:
    """identity: 64 hex digits, the container id of the pod's sandbox. netns: its namespace. address: empty for host-network pods' own."""

    identity: str
    netns: str
    interface: str = ""
    address: str = ""

    @property
    def on_host(self) -> bool:
        return not self.interface


def _identity(pod: Object) -> str:
    return hashlib.sha256(f"{pod['metadata']['uid']}/{uuid.uuid4()}".encode()).hexdigest()


def fresh(host: Host, pod: Object) -> Sandbox:
    """A sandbox that is not made yet; write it down before `create`."""
    identity = _identity(pod)
    if (pod.get("spec") or {}).get("hostNetwork"):
        return Sandbox(identity, host.node.namespace)
    meta = pod["metadata"]
    return Sandbox(identity, f"cni-{uuid.uuid4()}", wiring.interface_name(meta["namespace"], meta["name"]))


async def create(host: Host, pod: Object, sandbox: Sandbox) -> None:
    """Make namespace, address and link. May be called again after a failure. Raises SandboxError."""
    if sandbox.on_host:
        if not netns.exists(sandbox.netns):
            raise SandboxError(f'the node\'s network namespace "{sandbox.netns}" does not exist')
        return
    prefix = f'rpc error: code = Unknown desc = failed to setup network for sandbox "{sandbox.identity}": '
    if not host.ready_for_pods:
        raise SandboxError(f"{prefix}cni plugin not initialized")
    from leafspine_embedded.calico import ipam

    try:
        address = await ipam.assign(host.store, host.node.name, ipam.handle_of(sandbox.identity), pod)
    except ipam.IpamError as error:
        raise SandboxError(f'{prefix}plugin type="calico" failed (add): {error}') from None
    sandbox.address = str(address)
    try:
        if not netns.exists(sandbox.netns):
            host.cluster.own_namespace(sandbox.netns)
            netns.create(sandbox.netns)
        await wiring.connect(host.node.namespace, sandbox.netns, sandbox.interface, sandbox.address)
    except (wiring.WiringError, EngineError, OSError) as error:
        raise SandboxError(f'{prefix}plugin type="calico" failed (add): {error}') from None


async def remove(host: Host, sandbox: Sandbox) -> None:
    """Undo `create`, however far it came."""
    if sandbox.on_host:
        return
    from leafspine_embedded.calico import ipam

    await wiring.disconnect(host.node.namespace, sandbox.interface)
    netns.delete(sandbox.netns)
    host.cluster.disown_namespace(sandbox.netns)
    await ipam.release(host.store, ipam.handle_of(sandbox.identity))


def healthy(host: Host, sandbox: Sandbox) -> bool:
    if sandbox.on_host:
        return netns.exists(sandbox.netns)
    return wiring.healthy(host.node.namespace, sandbox.netns, sandbox.interface)


async def repair(host: Host, sandbox: Sandbox, member: int | None) -> bool:
    """Put back a lost name or link without touching the containers. member: a process inside. False: the sandbox has to be made anew."""
    if sandbox.on_host or not netns.exists(host.node.namespace):
        return False
    if not netns.exists(sandbox.netns):
        if member is None or not Path(f"/proc/{member}/ns/net").exists():
            return False
        child = await asyncio.create_subprocess_exec("ip", "netns", "attach", sandbox.netns, str(member), stderr=asyncio.subprocess.DEVNULL)
        if await child.wait():
            return False
    try:
        if not wiring.healthy(host.node.namespace, sandbox.netns, sandbox.interface):
            await wiring.restore(host.node.namespace, sandbox.netns, sandbox.interface, sandbox.address)
    except (wiring.WiringError, EngineError, OSError):
        return False
    return True
