"""A pod's network, wired as Calico's CNI plugin wires it (reference-tables/pod.worker.txt):

    pod                                   node
    eth0  10.244.232.192/32   <- veth ->  cali<11 hex>  ee:ee:ee:ee:ee:ee, no IPv4 address, proxy_arp
    default via 169.254.1.1 dev eth0      10.244.232.192 dev cali... scope link
    169.254.1.1 dev eth0 scope link

The pod asks for 169.254.1.1 and the node answers for everybody (proxy ARP); from there on the node routes.
"""

from __future__ import annotations

import array
import asyncio
import contextlib
import fcntl
import hashlib
import socket
import struct
from pathlib import Path

from leafspine_embedded.common import netns

MTU = 1500
GATEWAY = "169.254.1.1"
MAC = "ee:ee:ee:ee:ee:ee"
_SIOCETHTOOL, _ETHTOOL_STXCSUM = 0x8946, 0x17
_TIMEOUT = 10.0


class WiringError(Exception):
    """The kernel refused a step; the text says which."""


def interface_name(namespace: str, pod: str) -> str:
    """The node's end of a pod's link: `cali` and 11 hex digits of the SHA-1 of `<namespace>.<pod>`."""
    return "cali" + hashlib.sha1(f"{namespace}.{pod}".encode(), usedforsecurity=False).hexdigest()[:11]


def node_commands(interface: str, address: str, pod_netns: str) -> list[str]:
    """`ip -batch` lines for the node's side; the pod's end is born inside its namespace."""
    return [
        f"link add {interface} address {MAC} mtu {MTU} type veth peer name eth0 mtu {MTU} netns {pod_netns}",
        f"link set {interface} up",
        f"route replace {address} dev {interface} scope link",
    ]


def pod_commands(address: str) -> list[str]:
    """`ip -batch` lines for the pod's side."""
    return [
        "link set lo up",
        f"addr replace {address}/32 dev eth0",
        "link set eth0 up",
        f"route replace {GATEWAY} dev eth0 scope link",
        f"route replace default via {GATEWAY} dev eth0",
    ]


def interface_settings(interface: str) -> dict[str, str]:
    """Kernel settings of the node's end, as measured; path below /proc/sys/net -> value."""
    conf = f"ipv4/conf/{interface}"
    return {
        f"{conf}/proxy_arp": "1",
        f"{conf}/forwarding": "1",
        f"{conf}/rp_filter": "1",
        f"{conf}/route_localnet": "1",
        f"ipv4/neigh/{interface}/proxy_delay": "0",
        f"ipv6/conf/{interface}/accept_ra": "0",
    }


# Node ports on 127.0.0.1 need route_localnet; pods' replies need forwarding.
NODE_SETTINGS = {"ipv4/ip_forward": "1", "ipv4/conf/all/route_localnet": "1"}


def apply_settings(namespace: str, settings: dict[str, str]) -> None:
    """Write /proc/sys/net of a namespace (it follows the thread that writes). A setting this kernel does not have is skipped."""
    with netns.entered(namespace):
        for path, value in settings.items():
            with contextlib.suppress(FileNotFoundError):
                Path("/proc/sys/net", path).write_text(value)


def disable_checksum_offload(namespace: str, interface: str) -> None:
    """TX checksum offload off: a veth would hand out packets with unfinished checksums, which captures and some paths take for broken."""
    with netns.entered(namespace), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        value = array.array("B", struct.pack("II", _ETHTOOL_STXCSUM, 0))
        request = struct.pack("16sP", interface.encode(), value.buffer_info()[0])
        with contextlib.suppress(OSError):
            fcntl.ioctl(control.fileno(), _SIOCETHTOOL, request)


async def ip(namespace: str, lines: list[str], *, force: bool = False) -> None:
    """Run `ip -batch` in a namespace. force: go on after a failing line and raise nothing. Raises WiringError."""
    arguments = ["ip", "-n", namespace, *(["-force"] if force else []), "-batch", "-"]
    child = await asyncio.create_subprocess_exec(*arguments, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE)
    try:
        async with asyncio.timeout(_TIMEOUT):
            _out, errors = await child.communicate("\n".join(lines).encode() + b"\n")
    except TimeoutError:
        child.kill()
        raise WiringError(f"ip did not answer within {_TIMEOUT:g} s") from None
    if child.returncode and not force:
        raise WiringError(errors.decode(errors="replace").strip().replace("\n", "; "))


async def connect(node_netns: str, pod_netns: str, interface: str, address: str) -> None:
    """Wire a pod whose namespace exists. A leftover interface of that name is replaced. Raises WiringError."""
    if _present(node_netns, interface):
        await ip(node_netns, [f"link del {interface}"], force=True)
    await ip(node_netns, node_commands(interface, address, pod_netns))
    # The node's own settings again: its namespace may be a new one.
    apply_settings(node_netns, {**NODE_SETTINGS, **interface_settings(interface)})
    await ip(pod_netns, pod_commands(address))
    # Unprivileged programs may bind port 80 and ping, as container runtimes allow.
    apply_settings(pod_netns, {"ipv4/ip_unprivileged_port_start": "0", "ipv4/ping_group_range": "0 2147483647"})
    disable_checksum_offload(node_netns, interface)
    disable_checksum_offload(pod_netns, "eth0")


async def disconnect(node_netns: str, interface: str) -> None:
    """Take the link away (its route goes with it). No error when node or link are gone."""
    if netns.exists(node_netns) and _present(node_netns, interface):
        await ip(node_netns, [f"link del {interface}"], force=True)


def _present(namespace: str, interface: str) -> bool:
    with netns.entered(namespace):
        return interface in {name for _index, name in socket.if_nameindex()}


def _routed(namespace: str, interface: str) -> bool:
    """Whether any route of the namespace leads to the interface."""
    with netns.entered(namespace):
        return any(line.split("\t", 1)[0] == interface for line in Path("/proc/thread-self/net/route").read_text().splitlines())


def _linked(node_netns: str, pod_netns: str, interface: str) -> bool:
    return _present(pod_netns, "eth0") and _present(node_netns, interface)


def healthy(node_netns: str, pod_netns: str, interface: str) -> bool:
    """Whether both namespaces, the link between them and its route are still there."""
    if not (netns.exists(node_netns) and netns.exists(pod_netns)):
        return False
    return _linked(node_netns, pod_netns, interface) and _routed(node_netns, interface)


async def restore(node_netns: str, pod_netns: str, interface: str, address: str) -> None:
    """Put back what `healthy` misses; a link that is there is not touched, only its routes. Raises WiringError."""
    if not _linked(node_netns, pod_netns, interface):
        await connect(node_netns, pod_netns, interface, address)
        return
    await ip(node_netns, [f"link set {interface} up", f"route replace {address} dev {interface} scope link"])
    await ip(pod_netns, pod_commands(address))
