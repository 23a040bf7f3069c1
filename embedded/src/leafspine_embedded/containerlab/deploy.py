"""Deploy: make what is missing, remove what is too much, leave everything else alone.

The modules that write to the network are imported where they are needed: a deploy that has nothing to do, and a dry run, then take
0.2 s and not 0.7 (the netlink library is slow to load).
"""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from ..common import netns, process, state
from ..common.errors import EngineError
from ..vyos import control, daemons
from . import log, plan, preconditions, record
from .model import Topology
from .observe import observe
from .plan import Plan
from .record import Record
from .wiring import host_veth

if TYPE_CHECKING:
    from .wires import Wires

DEFAULT_TIMEOUT = 180.0
LOCK_WAIT = 120.0


def lock_file(lab: str) -> Path:
    """The lock inside a lab's directory."""
    return state.lab_dir(lab) / "lock"


def look(topology: Topology) -> tuple[Record, Record | None, Plan]:
    """What a deploy would do, without doing anything. Raises EngineError when a precondition fails."""
    have = record.read(topology.name)
    want = record.wanted(topology, have)
    seen = observe(want if have is None else _union(want, have))
    preconditions.check(topology, want, have, seen)
    preconditions.check_names(want, have)
    ports = {name: host_veth(topology.name, name) for name, built in want.nodes.items() if built.node.built_here}
    return want, have, plan.make(want, have, seen, ports)


def _union(want: Record, have: Record) -> Record:
    """Everything that either record names, to be looked at or to be remembered while work is going on."""
    both = Record(want.name, want.given, want.file, want.management, dict(have.nodes), list(have.links))
    both.nodes.update(want.nodes)
    both.links += [link for link in want.links if link not in have.links]
    return both


def deploy(topology: Topology, *, timeout: float = DEFAULT_TIMEOUT) -> Plan:
    """Bring the lab to what the topology says and return what was done. The caller holds the lab's lock."""
    preconditions.wait_for_external(topology, timeout)
    want, have, todo = look(topology)
    if any(built.router for built in want.nodes.values()):
        daemons.check_installed()
    if todo.empty:
        want.save()
        return todo
    from . import teardown

    if todo.fresh and have is not None:
        log.info("Removing what an unfinished deploy left behind")
        teardown.lab(have)
        have = None
    for name in todo.new_nodes:
        want.nodes[name].inode = None
    (want if have is None else _union(want, have)).save()
    try:
        _carry_out(topology, want, have, todo)
    except BaseException:
        if todo.fresh:
            teardown.lab(want)
        raise
    want.save()
    return todo


def _carry_out(topology: Topology, want: Record, have: Record | None, todo: Plan) -> None:
    from .wires import Wires

    routers = [name for name, built in want.nodes.items() if built.router]
    if todo.service_missing or (todo.fresh and routers):
        control.start(want.directory)  # first, so that it starts up on the other core while links are made
    with Wires(topology.name) as wires:
        if have is not None:
            _remove(wires, want, have, todo)
        _wire(wires, want, todo)
    if routers:
        _boot(want, timeout=60.0)
    for name in todo.new_nodes:
        want.nodes[name].inode = netns.inode(want.nodes[name].node.container)
    _exec(want, list(want.nodes) if todo.fresh else todo.new_nodes)


def _remove(wires: Wires, want: Record, have: Record, todo: Plan) -> None:
    from . import teardown

    places = have.places()
    for end in todo.deleted_endpoints:
        wires.remove(places[end.node], end.interface)
    gone = [name for name in [*todo.deleted_nodes, *todo.new_nodes] if name in have.nodes and have.nodes[name].node.built_here]
    if gone and not todo.service_missing and any(have.nodes[name].router for name in gone):
        control.request(want.directory, {"do": "drop", "routers": [name for name in gone if have.nodes[name].router]})
    for name in gone:
        teardown.node(wires, have, name)
    for name in todo.deleted_nodes:
        daemons.forget_logs(have.router_dir(name))
    if have.management.bridge != want.management.bridge:
        teardown.management_bridge(wires, have.name, have.management.bridge)


def _wire(wires: Wires, want: Record, todo: Plan) -> None:
    """Bridge, namespaces, management interfaces, links."""
    from .wires import ROUTER_SYSCTLS, write_sysctls

    wires.bridge(want.management)
    places = want.places()
    for name in todo.new_nodes:
        built = want.nodes[name]
        log.info(f"Creating container name={name}")
        netns.create(built.node.container)
        if built.router:
            write_sysctls(built.node.container, ROUTER_SYSCTLS)
        wires.loopback(built.node.container)
    for name in [*todo.new_nodes, *todo.management_ports]:
        built = want.nodes[name]
        wires.management(name, built.node.container, built.address, want.management)
    bridges = {name for name, built in want.nodes.items() if built.node.kind == "bridge"}
    for link in todo.added_links:
        for end in link.ends:
            wires.remove(places[end.node], end.interface)
        wires.link(link, places, bridges)
        log.info(f"Created link: {link.a} ▪┄┄▪ {link.b}")


def _boot(want: Record, timeout: float) -> None:
    """Have the helper take up the routers: it starts the daemons that are missing; new routers boot their configuration, the others are
    brought back to theirs."""
    answer = control.request(want.directory, {"do": "sync"}, timeout)
    if answer["errors"]:
        raise EngineError("\n".join(f'router "{name}": {text}' for name, text in sorted(answer["errors"].items())))


def _exec(want: Record, names: list[str]) -> None:
    """The nodes' `exec` commands. As with the real tool a failing one is a log line, not an error."""
    for name in names:
        built = want.nodes[name]
        for command in built.node.exec:
            done = subprocess.run([*netns.prefix(built.node.container), "sh", "-c", command], capture_output=True, text=True)
            text = f"Executed command node={name} command={command!r} rc={done.returncode} stdout={done.stdout!r} stderr={done.stderr!r}"
            (log.info if done.returncode == 0 else log.warning)(text)


def destroy(name: str) -> bool:
    """Remove a lab; False when there was none. The caller holds the lab's lock."""
    from . import teardown

    try:
        have = record.read(name)
    except EngineError as error:
        log.warning(str(error))
        teardown.unreadable(name)
        return True
    if have is None:
        left = bool(process.strays(state.lab_dir(name)))
        teardown.directory(state.lab_dir(name))
        return left
    log.info(f"Destroying lab name={name}")
    teardown.lab(have)
    return True


def remove_containers(topology: Topology) -> None:
    """--reconfigure: namespaces with the names of this lab's containers that no record knows of (its state was lost)."""
    left = [node.container for node in topology.nodes.values() if node.built_here and netns.exists(node.container)]
    if left:
        from . import teardown
        from .wires import Wires

        with Wires(topology.name) as wires:
            for name in left:
                teardown.container(wires, name)
            teardown.management_bridge(wires, topology.name, topology.management.bridge)


def forget_unbuilt(name: str) -> None:
    """Remove a lab's directory when a deploy was refused before anything was built."""
    if not (state.lab_dir(name) / "state.json").exists():
        from . import teardown

        teardown.directory(state.lab_dir(name))
