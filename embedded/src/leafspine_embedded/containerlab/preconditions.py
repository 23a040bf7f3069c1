"""What must hold on the host before anything is built; nothing here changes anything."""

from __future__ import annotations

import ipaddress
import time
from collections.abc import Callable

from ..common import netns
from ..common.errors import EngineError
from . import catalogue, log, observe
from .model import Topology
from .observe import Observed
from .record import Record
from .wiring import bridge_alias


def check(topology: Topology, want: Record, have: Record | None, seen: Observed) -> None:
    """Images, bridges, foreign interfaces and addresses. Raises EngineError with the real tool's text where it has one."""
    for node in topology.nodes.values():
        if node.kind == "linux":
            catalogue.check(node)
    _bridges(topology, seen)
    _management(topology, have, seen)
    _endpoints(want, have, seen)


def _bridges(topology: Topology, seen: Observed) -> None:
    for node in topology.nodes.values():
        if node.kind == "bridge":
            interface = seen.interface("", node.name)
            if interface is None or interface.kind != "bridge":
                raise EngineError(f'Bridge "{node.name}" referenced in topology but does not exist.')


def _management(topology: Topology, have: Record | None, seen: Observed) -> None:
    net = topology.management
    bridge = seen.interface("", net.bridge)
    if bridge is not None and (bridge.kind != "bridge" or bridge.alias != bridge_alias(topology.name)):
        raise EngineError(f'management bridge "{net.bridge}" already exists and does not belong to lab "{topology.name}"; choose another mgmt bridge')
    ours = {net.bridge} | ({have.management.bridge} if have is not None else set())
    for link in observe.ip_json("-4", "addr", "show"):
        for address in link.get("addr_info", []):
            other = ipaddress.IPv4Interface(f"{address['local']}/{address['prefixlen']}").network
            if link["ifname"] not in ours and other.overlaps(net.subnet):
                raise EngineError(f"management subnet {net.subnet} overlaps {other} of {link['ifname']}: choose another mgmt ipv4-subnet")


def _endpoints(want: Record, have: Record | None, seen: Observed) -> None:
    """An interface that is to be made must not exist, unless an earlier deploy of this lab made it."""
    own = {end for link in (have.links if have is not None else []) for end in link.ends}
    places = want.places()
    for link in want.links:
        for end in link.ends:
            built_here = want.nodes[end.node].node.built_here
            if end not in own and not built_here and seen.interface(places[end.node], end.interface) is not None:
                raise EngineError(f"Interface {end} is defined via topology but already exists: <nil>.")


def check_names(want: Record, have: Record | None) -> None:
    """Namespaces that are to be made must not exist as somebody else's. Raises EngineError."""
    own = {built.node.container for built in have.nodes.values()} if have is not None else set()
    taken = [
        built.node.container
        for built in want.nodes.values()
        if built.node.built_here and built.node.container not in own and netns.exists(built.node.container)
    ]
    if taken:
        names = ", ".join(f'"{name}"' for name in taken)
        raise EngineError(
            f"Containers [{names}] already exist. Add '--reconfigure' flag to the deploy command to first remove the containers and then deploy the lab"
        )


def wait_for_external(topology: Topology, timeout: float, sleep: Callable[[float], None] = time.sleep) -> None:
    """Wait until every ext-container's namespace exists, at most `timeout` seconds, saying each second what is waited for.

    The real tool waits for ever. Raises EngineError.
    """
    waited = 0
    while True:
        absent = [node for node in topology.nodes.values() if node.kind == "ext-container" and not netns.exists(node.container)]
        if not absent:
            return
        if waited >= timeout:
            names = ", ".join(f'"{node.container}"' for node in absent)
            raise EngineError(f"external container {names} did not appear within {timeout:g}s")
        if waited:
            for node in absent:
                log.info(f'node "{node.name}" depends on external container "{node.container}", which is not running yet. Waited {waited}s. Retrying...')
        sleep(1)
        waited += 1
