"""`containerlab`: deploy, destroy, inspect, exec, restart, validate, version. JSON and tables go to standard output, log lines and errors to standard error."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

from ..common import state
from ..common.errors import EngineError
from . import listing, log, options, topology
from .model import Topology
from .plan import Plan

MIMICKED = "0.79.0"


def main(argv: list[str] | None = None) -> int:
    """Entry point; the exit code. Every error is one line on standard error and 1."""
    try:
        given = options.parse(sys.argv[1:] if argv is None else argv)
        level = "debug" if getattr(given, "debug", False) else getattr(given, "log_level", "info")
        if not log.set_level(level):
            raise EngineError(f'unknown log level "{level}"')
        if getattr(given, "runtime", "docker") != "docker":
            raise EngineError(f'container runtime "{given.runtime}" is not supported by the embedded containerlab')
        commands: dict[str, Callable[[argparse.Namespace], int]] = {
            "deploy": _deploy,
            "destroy": _destroy,
            "exec": _exec,
            "inspect": _inspect,
            "restart": _restart,
            "validate": _validate,
            "version": _version,
        }
        return commands[given.command](given)
    except EngineError as error:
        print(f"Error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Error: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 1


def _topo(given: argparse.Namespace) -> str:
    """The topology file: as given, or the one *.clab.yml of the current directory. Raises EngineError."""
    path = getattr(given, "topo", None)
    if path is not None:
        return str(path)
    found = sorted(str(file) for pattern in ("*.clab.yml", "*.clab.yaml") for file in Path().glob(pattern))
    if len(found) != 1:
        raise EngineError(f"provide a topology file with --topo: {'several' if found else 'no'} *.clab.yml in the current directory")
    return found[0]


def _read(given: argparse.Namespace) -> Topology:
    log.info(f"Parsing & checking topology file={_topo(given)}")
    return topology.load(_topo(given))


def _need_root() -> None:
    if os.geteuid() != 0:
        raise EngineError("containerlab needs root: it makes network namespaces and links")


def _deploy(given: argparse.Namespace) -> int:
    from . import deploy

    _need_root()
    log.info(f"Containerlab started version={MIMICKED} engine=embedded")
    wanted = _read(given)
    if getattr(given, "name", None) not in (None, wanted.name):
        raise EngineError(f'--name "{given.name}" is not the name in the topology file ("{wanted.name}")')
    if given.dry_run:
        plan = (Plan(fresh=True) if given.reconfigure else deploy.look(wanted)[2]).as_json(wanted.name)
        print(json.dumps(plan, indent=2) if given.format == "json" else _plan_text(plan))
        return 0
    with state.lock(deploy.lock_file(wanted.name), wait=deploy.LOCK_WAIT):
        try:
            if given.reconfigure:
                deploy.destroy(wanted.name)
                deploy.remove_containers(wanted)
            deploy.deploy(wanted, timeout=getattr(given, "timeout", deploy.DEFAULT_TIMEOUT))
        finally:
            deploy.forget_unbuilt(wanted.name)
    _print(listing.labs(wanted.name), given.format, with_lab=False)
    return 0


def _plan_text(plan: dict[str, object]) -> str:
    """The plan for people: one line for each list that is not empty."""
    if plan["deployed-lab"]:
        return f"lab {plan['lab-name']} would be deployed"
    lines = [f"{key}: {', '.join(value)}" for key, value in plan.items() if isinstance(value, list) and value]
    return "\n".join(lines) or "no changes"


def _destroy(given: argparse.Namespace) -> int:
    from . import deploy

    _need_root()
    one = getattr(given, "name", None)
    names = state.list_labs() if given.all else [one or _read_name(given)]
    for name in names:
        if not state.lab_dir(name).exists():
            log.info(f"no containers of lab {name} found")
            continue
        with state.lock(deploy.lock_file(name), wait=deploy.LOCK_WAIT):
            deploy.destroy(name)
    return 0


def _read_name(given: argparse.Namespace) -> str:
    """The lab's name in a topology file. A file that has become wrong (a bind's source is gone) must not keep a lab alive."""
    from . import yamlfile

    path = Path(_topo(given))
    try:
        data = yamlfile.load(path.read_text())
    except (OSError, UnicodeDecodeError) as error:
        raise EngineError(f"failed to read topology file: {error}") from None
    if not isinstance(data, dict) or not isinstance(data.get("name"), str):
        raise EngineError("missing lab name")
    return str(data["name"])


def _inspect(given: argparse.Namespace) -> int:
    if given.all:
        _print(listing.labs(), given.format, with_lab=True)
        return 0
    name = getattr(given, "name", None)
    if name is None:
        name = _read_name(given)
        found = listing.labs(name)
        if not found:
            raise EngineError(f"Failed to list containers based on topology: could not get container for node of lab {name}: it is not deployed")
    else:
        found = listing.labs(name)
    _print(found, given.format, with_lab=False)
    return 0


def _print(found: dict[str, list[dict[str, str]]], form: str, *, with_lab: bool) -> None:
    if form == "json":
        print(listing.as_json(found))
    elif found:
        print(listing.as_table(found, with_lab=with_lab))
    else:
        log.info("no containers found")


def _lab(given: argparse.Namespace) -> str:
    """The lab that is meant: by its name or its topology file."""
    return str(getattr(given, "name", None) or _read_name(given))


def _exec(given: argparse.Namespace) -> int:
    from . import lifecycle

    _need_root()
    lifecycle.show(lifecycle.execute(_lab(given), given.label, given.cmd), given.format)
    return 0


def _restart(given: argparse.Namespace) -> int:
    from . import deploy, lifecycle

    _need_root()
    name = _lab(given)
    with state.lock(deploy.lock_file(name), wait=deploy.LOCK_WAIT):
        lifecycle.restart(name, [node for text in given.node for node in text.split(",")])
    return 0


def _validate(given: argparse.Namespace) -> int:
    read = _read(given)
    log.info(f"Topology is valid name={read.name} nodes={len(read.nodes)} links={len(read.links)}")
    return 0


def _version(_: argparse.Namespace) -> int:
    print(f"    version: {MIMICKED}\n     engine: embedded (leafspine), network namespaces instead of containers")
    return 0


if __name__ == "__main__":
    sys.exit(main())
