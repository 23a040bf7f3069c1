"""`exec` and `restart`: run a command in a lab's containers, start a node anew.

A command sees its container's network only: processes and files are the machine's, so one that looks for processes has to compare network
namespaces (`[ /proc/$p/ns/net -ef /proc/self/ns/net ]`, which is right in a real container too).
"""

from __future__ import annotations

import json
import shlex
import subprocess
from collections.abc import Sequence
from typing import Any

from ..common import netns
from ..common.errors import EngineError
from ..vyos import control
from . import deploy, log, record, topology
from .record import Record

LABELS = ("clab-node-name", "clab-node-kind", "containerlab")
EXEC_TIMEOUT = 60.0


def _record(name: str) -> Record:
    have = record.read(name)
    if have is None:
        raise EngineError(f"lab {name} is not deployed")
    return have


def chosen(lab: Record, labels: Sequence[str]) -> list[str]:
    """Nodes of a lab that have all the labels (`key=value`). Raises EngineError for a label that no node can have."""
    wanted = [label.partition("=") for label in labels]
    for key, _equals, _value in wanted:
        if key not in LABELS:
            raise EngineError(f'label "{key}" is not supported by the embedded containerlab, only {", ".join(LABELS)}')
    found = []
    for name, built in lab.nodes.items():
        has = {"clab-node-name": name, "clab-node-kind": built.node.kind, "containerlab": lab.name}
        if built.node.built_here and netns.exists(built.node.container) and all(has[key] == value for key, _equals, value in wanted):
            found.append(name)
    return found


def execute(name: str, labels: Sequence[str], commands: Sequence[str]) -> dict[str, list[dict[str, Any]]]:
    """Container -> results of the commands in the shape of the real tool's JSON. As there, a command that fails is a result."""
    lab = _record(name)
    nodes = chosen(lab, labels)
    if not nodes:
        raise EngineError("filter did not match any containers")
    found: dict[str, list[dict[str, Any]]] = {}
    for node in nodes:
        container = lab.nodes[node].node.container
        for command in commands:
            found.setdefault(container, []).append(_run(container, command))
    return found


def _run(container: str, command: str) -> dict[str, Any]:
    try:
        argv = shlex.split(command)
    except ValueError as error:
        raise EngineError(f"command {command!r}: {error}") from None
    if not argv:
        raise EngineError("an empty command")
    try:
        done = subprocess.run([*netns.prefix(container), *argv], capture_output=True, text=True, timeout=EXEC_TIMEOUT, check=False)
        code, out, err = done.returncode, done.stdout, done.stderr
    except subprocess.TimeoutExpired:
        code, out, err = 124, "", f"no end within {EXEC_TIMEOUT:.0f} s"
    return {"cmd": argv, "return-code": code, "stdout": out, "stderr": err}


def show(found: dict[str, list[dict[str, Any]]], form: str) -> None:
    """Print results: JSON to standard output, plain as log lines."""
    if form == "json":
        print(json.dumps(found))
        return
    for container, results in found.items():
        for result in results:
            texts = [f"{title}={result[title]!r}" for title in ("stdout", "stderr") if result[title]]
            log.info(" ".join([f"Executed command node={container} command={shlex.join(result['cmd'])!r} rc={result['return-code']}", *texts]))


def restart(name: str, nodes: Sequence[str]) -> None:
    """Start nodes anew, links included, from what they have saved. The caller holds the lab's lock."""
    from . import teardown
    from .wires import Wires

    lab = _record(name)
    for node in nodes:
        if node not in lab.nodes or not lab.nodes[node].node.built_here:
            raise EngineError(f'node "{node}" is not a container of lab {name}')
    routers = [node for node in nodes if lab.nodes[node].router]
    if routers:
        control.request(lab.directory, {"do": "drop", "routers": routers})
    with Wires(name) as wires:
        for node in nodes:
            log.info(f"Restarting node={node}")
            teardown.node(wires, lab, node)
    deploy.deploy(topology.load(lab.file))
