"""A cluster's life: create, repair, delete. Its directory under <run root>/clusters says everything; it is written before anything is made.

So a creation that was killed half-way leaves a directory by which `delete` finds all of it, and `repair` completes it.
"""

from __future__ import annotations

import contextlib
import http.client
import ipaddress
import json
import os
import secrets
import shutil
import socket
import ssl
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from leafspine_embedded.common import logs, netns, process, state
from leafspine_embedded.kind import kubeconfig, network, supervisor
from leafspine_embedded.kind.config import Config
from leafspine_embedded.kind.errors import KindError
from leafspine_embedded.kube import settings
from leafspine_embedded.kube.bootstrap import PORT
from leafspine_embedded.kube.context import ClusterContext, Node

_NETWORK_FILE = "network.json"
_ADMIN_GROUP = "kubeadm:cluster-admins"
_READY_SECONDS = 30.0
_LOCK_SECONDS = 120.0
_KILL_SECONDS = 0.5  # a removed container is killed at once; this much lets daemons close their files


@dataclass(frozen=True)
class Wiring:
    """A cluster's node network."""

    bridge: str
    subnet: ipaddress.IPv4Network


@contextlib.contextmanager
def locked() -> Iterator[None]:
    """One creation, repair or deletion at a time on this host: they share subnets, bridges and kubeconfig files."""
    with state.lock(state.run_root() / "clusters" / ".lock", wait=_LOCK_SECONDS):
        yield


def names() -> list[str]:
    """Clusters with nodes, half-made ones included (as the real tool lists them)."""
    return [name for name in state.list_clusters() if (state.cluster_dir(name) / settings.FILE).exists()]


def context_of(name: str) -> ClusterContext | None:
    """What is recorded of a cluster; None when there is none."""
    try:
        return settings.load(state.cluster_dir(name))
    except FileNotFoundError:
        return None


def wiring_of(name: str) -> Wiring:
    value = json.loads((state.cluster_dir(name) / _NETWORK_FILE).read_text())
    return Wiring(value["bridge"], ipaddress.IPv4Network(value["subnet"]))


# -- creation


def plan(config: Config) -> tuple[ClusterContext, Wiring]:
    """Addresses and names for a new cluster. Raises KindError when something of that name is in the way."""
    others = {other: wiring_of(other) for other in names()}
    bridge = network.bridge_name(config.name)
    shared = [wiring for wiring in others.values() if wiring.bridge == bridge]
    if not shared and network.exists(bridge):
        raise KindError(f'a network interface "{bridge}" exists already and belongs to no cluster; choose another KIND_EXPERIMENTAL_DOCKER_NETWORK')
    subnet = shared[0].subnet if shared else network.free_subnet(wiring.subnet for wiring in others.values())
    taken = {node.eth0_address for other, wiring in others.items() if wiring.bridge == bridge for node in _recorded(other)}
    for node in config.nodes:
        if netns.exists(node.name):
            raise KindError(f'a network namespace "{node.name}" exists already; remove it with: ip netns delete {node.name}')
    addresses = (str(address) for address in (subnet[offset] for offset in range(2, 65000)) if str(address) not in taken)
    pods = _pod_ranges(config.pod_subnet, len(config.nodes))
    nodes = [
        Node(
            name=node.name,
            role=node.role,
            namespace=node.name,
            index=index,
            eth0_address=next(addresses),
            node_ip=node.node_ip,
            labels=node.labels,
            pod_cidr=pods[index],
            taints=node.taints,
        )
        for index, node in enumerate(config.nodes)
    ]
    context = ClusterContext(
        name=config.name,
        dir=state.cluster_dir(config.name),
        pod_subnet=config.pod_subnet,
        service_subnet=config.service_subnet,
        nodes=nodes,
        default_cni=False,
        kube_proxy=config.kube_proxy,
        version=config.version,
    )
    return context, Wiring(bridge, subnet)


def _recorded(name: str) -> list[Node]:
    context = context_of(name)
    return context.nodes if context is not None else []


def _pod_ranges(subnet: str, count: int) -> list[str]:
    """The controller manager's podCIDRs: /24 each, in order of registration."""
    whole = ipaddress.ip_network(subnet, strict=False)
    size = max(24, whole.prefixlen)
    ranges = [str(part) for _, part in zip(range(count), whole.subnets(new_prefix=size), strict=False)]
    if len(ranges) < count:
        raise KindError(f"pod subnet {subnet} has room for {len(ranges)} nodes of /{size}, not for {count}")
    return ranges


def record(context: ClusterContext, wiring: Wiring) -> None:
    """Write down what is going to be made, then the certificates."""
    state.ensure_dir(context.dir)
    state.write_atomic(context.dir / _NETWORK_FILE, json.dumps({"bridge": wiring.bridge, "subnet": str(wiring.subnet)}) + "\n")
    state.write_atomic(context.dir / settings.FILE, settings.dump(context))


def write_certificates(context: ClusterContext) -> None:
    """pki/: the authority, the API server's and the administrator's certificates, the key for service account tokens."""
    from leafspine_embedded.kind import certs  # cryptography takes a tenth of a second to import; only creation needs it

    pki = state.ensure_dir(context.dir / "pki", 0o700)
    node = settings.control_plane(context)
    issuer = certs.authority()
    names = ["localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local", node.name]
    service = str(ipaddress.ip_network(context.service_subnet)[1])
    addresses = list(dict.fromkeys([node.eth0_address, service, "127.0.0.1", *([node.node_ip] if node.node_ip else [])]))
    for name, pair in (
        ("apiserver", certs.server(issuer, names, addresses)),
        ("admin", certs.client(issuer, "kubernetes-admin", _ADMIN_GROUP)),
        ("ca", issuer.pair),
    ):
        state.write_atomic(pki / f"{name}.key", pair.key)
        state.write_atomic(pki / f"{name}.crt", pair.certificate)
    state.write_atomic(pki / "sa.key", secrets.token_hex(32))


def repair(context: ClusterContext, wiring: Wiring) -> list[str]:
    """Make what is missing of a recorded cluster and see that its server runs; returns what was done, in words. Raises KindError."""
    done = []
    if not (context.dir / "pki" / "sa.key").exists():
        write_certificates(context)
        done.append("certificates")
    if not network.exists(wiring.bridge):
        done.append(f"bridge {wiring.bridge}")
    network.ensure_bridge(wiring.bridge, wiring.subnet)
    ports = [node for node in context.nodes if not network.exists(network.port_name(context.name, node.index))]
    broken = {*network.missing(node.namespace for node in context.nodes), *(node.namespace for node in ports)}
    if broken:
        network.build(
            context.name, wiring.bridge, wiring.subnet, [(node.index, node.namespace, node.eth0_address) for node in context.nodes if node.namespace in broken]
        )
        done.extend(f"node {name}" for name in sorted(broken))
    if settings.control_plane(context).namespace in broken and supervisor.alive(context.dir):
        supervisor.stop(context.dir)  # its socket listens in the namespace that is gone
    if not supervisor.alive(context.dir):
        process.kill(supervisor.orphans(context.dir), supervisor.STOP_SECONDS)
        supervisor.start(context.dir)
        done.append("API server")
    wait_ready(context)
    return done


def wait_ready(context: ClusterContext) -> None:
    """Until /readyz says ok. Raises KindError with the end of the server's log."""
    address = settings.control_plane(context).eth0_address
    deadline = time.monotonic() + _READY_SECONDS
    trust = ssl.create_default_context(cafile=str(context.dir / "pki" / "ca.crt"))
    while True:
        if _ready(address, trust):
            return
        if time.monotonic() > deadline or not supervisor.alive(context.dir):
            raise KindError(f'the API server of cluster "{context.name}" does not start:\n{log_tail(context.dir)}')
        time.sleep(0.02)


def _ready(address: str, trust: ssl.SSLContext) -> bool:
    request = b"GET /readyz HTTP/1.1\r\nHost: kubernetes\r\nConnection: close\r\n\r\n"
    try:
        with socket.create_connection((address, PORT), timeout=2.0) as plain, trust.wrap_socket(plain, server_hostname=address) as secure:
            secure.sendall(request)
            return secure.recv(64).startswith(b"HTTP/1.1 200 ")
    except OSError:
        return False


def control_plane_ready(context: ClusterContext) -> bool:
    """True when the control plane's node has the condition Ready."""
    pki = context.dir / "pki"
    node = settings.control_plane(context)
    trust = ssl.create_default_context(cafile=str(pki / "ca.crt"))
    trust.load_cert_chain(pki / "admin.crt", pki / "admin.key")
    connection = http.client.HTTPSConnection(node.eth0_address, PORT, timeout=5, context=trust)
    try:
        connection.request("GET", f"/api/v1/nodes/{node.name}")
        found = json.loads(connection.getresponse().read())
    except (OSError, http.client.HTTPException, ValueError):
        return False
    finally:
        connection.close()
    return any(entry["type"] == "Ready" and entry["status"] == "True" for entry in found.get("status", {}).get("conditions", []))


def log_tail(directory: Path, lines: int = 20) -> str:
    return "\n".join(logs.tail(directory / "log" / f"{supervisor.NAME}.log", lines)) or "(no log)"


def admin_kubeconfig(context: ClusterContext, *, internal: bool = False) -> dict[str, object]:
    """The administrator's kubeconfig; `internal`: for use on the nodes' own network, by the control plane's name."""
    pki = context.dir / "pki"
    node = settings.control_plane(context)
    server = f"https://{node.name if internal else node.eth0_address}:{PORT}"
    return kubeconfig.render(context.name, server, (pki / "ca.crt").read_text(), (pki / "admin.crt").read_text(), (pki / "admin.key").read_text())


# -- deletion


def delete(name: str) -> None:
    """Remove everything of a cluster, whole or half-made. No error when there is nothing. Raises KindError when something stays."""
    directory = state.cluster_dir(name)
    if not directory.exists():
        return
    supervisor.stop(directory)
    namespaces = {*_pod_namespaces(directory), *(node.namespace for node in _recorded(name))}
    _kill_all(directory, namespaces)
    for namespace in namespaces:
        netns.delete(namespace)
    with contextlib.suppress(FileNotFoundError):
        wiring = wiring_of(name)
        alone = all(wiring_of(other).bridge != wiring.bridge for other in names() if other != name)
        network.remove(name, wiring.bridge if alone else None, (node.index for node in _recorded(name)))
    _unmount_below(directory)
    logs.remove(directory)
    shutil.rmtree(directory)


def _pod_namespaces(directory: Path) -> list[str]:
    try:
        return os.listdir(directory / "netns")
    except FileNotFoundError:
        return []


def _kill_all(directory: Path, namespaces: set[str]) -> None:
    """Every process that was started for the cluster, and every process that lives in one of its namespaces."""
    doomed = {*process.strays(directory), *(pid for namespace in namespaces for pid in netns.processes(namespace))}
    process.kill(sorted(doomed), _KILL_SECONDS)


def _unmount_below(directory: Path) -> None:
    """Volumes that a kubelet mounted: deepest first."""
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    mounts = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    for mount in sorted((path for path in mounts if path.startswith(f"{directory}/")), key=len, reverse=True):
        libc.umount2(mount.encode().decode("unicode_escape").encode(), 2)


def tidy() -> None:
    """Remove the engine's own empty directories and lock once no cluster is left; the caller holds the lock."""
    root = state.run_root()
    if state.list_clusters():
        return
    (root / "clusters" / ".lock").unlink(missing_ok=True)
    with contextlib.suppress(OSError):
        (root / "clusters").rmdir()
        root.rmdir()
