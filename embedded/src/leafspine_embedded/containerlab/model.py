"""What a topology file says, as values: nodes, endpoints, links, the management network."""

from __future__ import annotations

import hashlib
import ipaddress
from dataclasses import dataclass, field
from pathlib import Path

CONFIG_BOOT = "/opt/vyatta/etc/config/config.boot"
DEFAULT_MTU = 9500


@dataclass(frozen=True, order=True)
class Endpoint:
    """One end of a link: an interface of a node. Text form "leaf0:eth1"."""

    node: str
    interface: str

    def __str__(self) -> str:
        return f"{self.node}:{self.interface}"


@dataclass(frozen=True)
class Link:
    """A veth pair. mtu in bytes."""

    a: Endpoint
    b: Endpoint
    mtu: int = DEFAULT_MTU

    def __str__(self) -> str:
        return f"{self.a} <--> {self.b}"

    @property
    def ends(self) -> tuple[Endpoint, Endpoint]:
        return self.a, self.b


@dataclass(frozen=True)
class Management:
    """The management network: a bridge on the host that has the gateway address; every linux node has eth0 in it."""

    network: str
    bridge: str
    subnet: ipaddress.IPv4Network
    gateway: ipaddress.IPv4Address
    mtu: int = 1500


@dataclass(frozen=True)
class Node:
    """One node. `container` is the name of its network namespace (for a bridge: of the bridge). binds: "source:target[:mode]", absolute."""

    name: str
    kind: str
    container: str
    image: str = ""
    management_address: str = ""
    binds: tuple[str, ...] = ()
    env: dict[str, str] = field(default_factory=dict)
    exec: tuple[str, ...] = ()

    @property
    def config_boot(self) -> Path | None:
        """The host file that is the router's boot configuration, None when the node is no router."""
        for bind in self.binds:
            source, _, target = bind.partition(":")
            if target.split(":")[0] == CONFIG_BOOT:
                return Path(source)
        return None

    @property
    def built_here(self) -> bool:
        """True for nodes whose namespace this program makes (the others exist before and after)."""
        return self.kind == "linux"


@dataclass(frozen=True)
class Topology:
    """A validated topology file. `given` is the file name as the command line had it."""

    name: str
    given: str
    file: Path
    management: Management
    nodes: dict[str, Node]
    links: tuple[Link, ...]


def mac_address(lab: str, endpoint: Endpoint) -> str:
    """A fixed address per lab and endpoint, in containerlab's own range aa:c1:ab."""
    digest = hashlib.sha256(f"{lab}/{endpoint}".encode()).digest()
    return "aa:c1:ab:" + ":".join(f"{byte:02x}" for byte in digest[:3])
