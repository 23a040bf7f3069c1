"""What is there: namespaces, interfaces, bridges, processes. Reads only."""

from __future__ import annotations

import contextlib
import json
import subprocess
from dataclasses import dataclass, field
from typing import Any

from ..common import netns, process
from ..common.errors import EngineError
from ..vyos import daemons
from .record import Record

SERVICES = ("helper", "cli")


@dataclass(frozen=True)
class Interface:
    """A network interface as the kernel lists it. peer: index of the other end of a veth in its own namespace; master: its bridge."""

    index: int
    kind: str = ""
    peer: int = 0
    master: str = ""
    alias: str = ""


@dataclass
class Observed:
    """inodes: of each namespace that exists; interfaces: per namespace ("" is the host), by name; dead: router -> its missing daemons."""

    inodes: dict[str, int] = field(default_factory=dict)
    interfaces: dict[str, dict[str, Interface]] = field(default_factory=dict)
    dead: dict[str, list[str]] = field(default_factory=dict)
    service_alive: bool = False

    def interface(self, place: str, name: str) -> Interface | None:
        return self.interfaces.get(place, {}).get(name)


def ip_json(*arguments: str, namespace: str = "") -> Any:
    """Output of `ip -j ...`, in the host's namespace or another one. Raises EngineError with what ip said."""
    place = netns.entered(namespace) if namespace else contextlib.nullcontext()
    with place:
        done = subprocess.run(["ip", "-j", *arguments], capture_output=True, text=True, timeout=20)
    if done.returncode != 0:
        raise EngineError(f"ip {' '.join(arguments)}: {done.stderr.strip()}")
    return json.loads(done.stdout or "[]")


def interfaces(namespace: str = "") -> dict[str, Interface]:
    """All interfaces of a namespace by name."""
    result = {}
    for link in ip_json("-d", "link", "show", namespace=namespace):
        result[link["ifname"]] = Interface(
            index=link["ifindex"],
            kind=link.get("linkinfo", {}).get("info_kind", ""),
            # `link` when the other end is in the same namespace (as a name), `link_index` when it is in another one.
            peer=link.get("link_index", 0),
            master=link.get("master", ""),
            alias=link.get("ifalias", ""),
        )
    return result


def observe(record: Record) -> Observed:
    """The present state of everything the record names."""
    seen = Observed(interfaces={"": interfaces()})
    for built in record.nodes.values():
        name = built.node.container
        if built.node.kind == "bridge" or not netns.exists(name):
            continue
        seen.inodes[name] = netns.inode(name)
        seen.interfaces[name] = interfaces(name)
    for name, built in record.nodes.items():
        if built.router:
            seen.dead[name] = daemons.missing(record.router_dir(name))
    seen.service_alive = all(process.alive(record.directory, name) for name in SERVICES)
    return seen
