"""The part that Docker's `kind` network has for the real tool: a bridge on the host, an eth0 in every node's namespace.

`ip -batch` does it all in one process a namespace; importing pyroute2 would take longer than everything here.
"""

from __future__ import annotations

import contextlib
import hashlib
import ipaddress
import json
import os
import subprocess
from collections.abc import Iterable
from pathlib import Path

from leafspine_embedded.common import netns
from leafspine_embedded.kind.errors import KindError

_POOL = [ipaddress.IPv4Network(f"172.{second}.0.0/16") for second in range(18, 32)]
_MOST_NAME = 15  # an interface's name
_TIMEOUT = 20
# Loose reverse path check: replies may come back over another uplink. A node routes its pods' packets.
_SETTINGS = {"net/ipv4/ip_forward": "1", "net/ipv4/conf/all/rp_filter": "2", "net/ipv4/conf/default/rp_filter": "2"}

Network = ipaddress.IPv4Network


def bridge_name(cluster: str) -> str:
    """$KIND_EXPERIMENTAL_DOCKER_NETWORK, else a name of the cluster's own. Raises KindError when it cannot name an interface."""
    wanted = os.environ.get("KIND_EXPERIMENTAL_DOCKER_NETWORK", "")
    if not wanted:
        return f"kind-{_digest(cluster)}"
    if len(wanted) > _MOST_NAME or "/" in wanted or any(char.isspace() for char in wanted):
        raise KindError(f'KIND_EXPERIMENTAL_DOCKER_NETWORK="{wanted}" cannot name a bridge: at most {_MOST_NAME} characters, no blanks, no "/"')
    return wanted


def port_name(cluster: str, index: int) -> str:
    """The bridge port of a node."""
    return f"kd{_digest(cluster)}-{index}"


def _digest(cluster: str) -> str:
    return hashlib.sha256(cluster.encode()).hexdigest()[:8]


def _ip(*arguments: str, lines: Iterable[str] | None = None, namespace: str | None = None) -> str:
    """Run `ip`. Raises KindError with its own words."""
    prefix = netns.prefix(namespace) if namespace else []
    command = [*prefix, "ip", *arguments]
    script = None if lines is None else "".join(f"{line}\n" for line in lines)
    done = subprocess.run(command, input=script, capture_output=True, text=True, timeout=_TIMEOUT, check=False)
    if done.returncode != 0:
        raise KindError(f'command "{" ".join(command)}" failed with error: exit status {done.returncode}\n{done.stderr.strip() or done.stdout.strip()}')
    return done.stdout


def _used() -> list[Network]:
    """Networks that the host has addresses in or routes to (its default route aside)."""
    found = []
    for route in json.loads(_ip("-j", "-4", "route", "show", "table", "all")):
        with contextlib.suppress(ValueError):
            network = ipaddress.ip_network(route.get("dst", ""), strict=False)
            if isinstance(network, ipaddress.IPv4Network) and network.prefixlen > 0:
                found.append(network)
    return found


def free_subnet(taken: Iterable[Network]) -> Network:
    """The first /16 of Docker's pool that neither the host nor another cluster (`taken`) uses. Raises KindError."""
    occupied = [*_used(), *taken]
    for candidate in _POOL:
        if not any(candidate.overlaps(other) for other in occupied):
            return candidate
    raise KindError(f"no free subnet for the nodes: all of {_POOL[0]} to {_POOL[-1]} overlap with addresses or routes of this host")


def exists(link: str) -> bool:
    return Path(f"/sys/class/net/{link}").exists()


def ensure_bridge(bridge: str, subnet: Network) -> None:
    """Make the bridge with the subnet's first address; it comes out the same when it is there."""
    commands = [] if exists(bridge) else [f"link add {bridge} type bridge"]
    commands.append(f"address replace {subnet[1]}/{subnet.prefixlen} dev {bridge}")
    commands.append(f"link set {bridge} up")
    _ip("-batch", "-", lines=commands)
    # Nodes reach each other over the bridge without the host's firewall having a say (Docker's FORWARD policy is DROP).
    with contextlib.suppress(OSError):
        Path(f"/sys/class/net/{bridge}/bridge/nf_call_iptables").write_text("0")


def missing(nodes: Iterable[str]) -> list[str]:
    """Nodes that have no namespace, or no eth0 in it."""
    found = []
    for node in nodes:
        if not netns.exists(node):
            found.append(node)
            continue
        with netns.entered(node):
            # /proc/net is the calling process' first thread's; this one is inside.
            listed = Path("/proc/thread-self/net/dev").read_text()
        if not any(line.strip().startswith("eth0:") for line in listed.splitlines()):
            found.append(node)
    return found


def build(cluster: str, bridge: str, subnet: Network, nodes: Iterable[tuple[int, str, str]]) -> None:
    """Give each (index, node, address) a namespace with loopback and eth0; what is half there is completed."""
    wanted = list(nodes)
    ports = []
    commands = []
    for index, node, address in wanted:
        if not netns.exists(node):
            netns.create(node)
        port = port_name(cluster, index)
        if exists(port):
            _ip("link", "del", port)
        ports.append(port)
        commands.append(f"link add {port} type veth peer name eth0 netns {node} address {_mac(address)}")
    _ip("-batch", "-", lines=commands)
    for port in ports:
        with contextlib.suppress(FileNotFoundError):  # no IPv6 in this kernel; a bridge's port has no use for an address of its own
            Path(f"/proc/sys/net/ipv6/conf/{port}/disable_ipv6").write_text("1")
    _ip("-batch", "-", lines=[f"link set {port} master {bridge} up" for port in ports])
    for _, node, address in wanted:
        _settings(node)
        _ip("-batch", "-", lines=["link set lo up", f"address replace {address}/{subnet.prefixlen} dev eth0", "link set eth0 up"], namespace=node)


def _mac(address: str) -> str:
    """A node made anew has the hardware address that it had, as Docker derives one: neighbours need not learn another."""
    return "02:42:" + ":".join(f"{byte:02x}" for byte in ipaddress.IPv4Address(address).packed)


def _settings(node: str) -> None:
    with netns.entered(node):
        for name, value in _SETTINGS.items():
            Path("/proc/sys", name).write_text(value)


def remove(cluster: str, bridge: str | None, indexes: Iterable[int]) -> None:
    """Take ports and (when given) the bridge away; no error for what is not there."""
    for link in (*(port_name(cluster, index) for index in indexes), *([bridge] if bridge else [])):
        if exists(link):
            with contextlib.suppress(KindError):  # a port vanishes with its peer: it may be gone by now
                _ip("link", "del", link)
    left = [link for link in [bridge] if link and exists(link)]
    if left:
        raise KindError(f"cannot remove {left[0]}")
