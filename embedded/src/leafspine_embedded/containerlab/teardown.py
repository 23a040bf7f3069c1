"""Take a lab, or single nodes of it, away: processes, links, namespaces, bridge, state. Everything may be missing already."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path

from ..common import logs, netns, process, state
from ..vyos import control, daemons
from . import log, observe
from .record import Record
from .wires import Wires
from .wiring import bridge_alias, host_veth


def node(wires: Wires, record: Record, name: str) -> None:
    """Remove one node that this program made, with its links and processes."""
    built = record.nodes[name]
    container(wires, built.node.container)
    # Daemons of a namespace whose name somebody deleted go on in it, nameless.
    lost = process.strays(record.router_dir(name))
    process.kill(lost, timeout=0)
    daemons.remove_logs(lost)
    wires.remove("", host_veth(record.name, name))
    shutil.rmtree(record.router_dir(name), ignore_errors=True)
    log.info(f"Removed container name={built.node.container}")


def container(wires: Wires, name: str) -> None:
    """Remove a namespace with everything in it."""
    if netns.exists(name):
        kill([name])
        wires.empty(name)
        wires.forget(name)
    netns.delete(name)


def kill(containers: Iterable[str]) -> None:
    """End every process of namespaces, all at once. They are killed, not asked: like a container's, they lose their network anyway."""
    processes = [number for name in containers if netns.exists(name) for number in netns.processes(name)]
    process.kill(processes, timeout=0)
    daemons.remove_logs(processes)


def lab(record: Record) -> None:
    """Remove a lab; its state directory goes last, so that an interrupted run can be repeated. The caller holds the lock."""
    control.stop(record.directory)
    kill(built.node.container for built in record.nodes.values() if built.node.built_here)
    places = record.places()
    with Wires(record.name) as wires:
        for link in record.links:
            for end in link.ends:
                if not record.nodes[end.node].node.built_here:
                    wires.remove(places[end.node], end.interface)
        for name, built in record.nodes.items():
            if built.node.built_here:
                node(wires, record, name)
        management_bridge(wires, record.name, record.management.bridge)
    directory(record.directory)


def management_bridge(wires: Wires, name: str, bridge: str) -> None:
    """Remove the bridge when it bears the lab's mark."""
    found = observe.interfaces().get(bridge)
    if found is not None and found.kind == "bridge" and found.alias == bridge_alias(name):
        wires.remove("", bridge)


def unreadable(name: str) -> None:
    """Remove what can be recognised of a lab whose state file is damaged: by namespace names, the bridge's mark and the processes' marks."""
    home = state.lab_dir(name)
    control.stop(home)
    with Wires(name) as wires:
        for entry in sorted(netns.DIRECTORY.glob(f"clab-{name}-*")) if netns.DIRECTORY.exists() else []:
            if (home / "routers" / entry.name.removeprefix(f"clab-{name}-")).exists():
                container(wires, entry.name)
        for bridge, found in observe.interfaces().items():
            if found.alias == bridge_alias(name):
                wires.remove("", bridge)
    directory(home)


def directory(home: Path) -> None:
    """Remove a lab's state directory and the parents that are empty then."""
    process.kill(process.strays(home), timeout=0)
    logs.remove(home)
    shutil.rmtree(home, ignore_errors=True)
    state.remove_empty(home.parent)
