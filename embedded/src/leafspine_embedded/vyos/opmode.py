"""Operational mode: which commands there are, and the outputs that need nothing but the configuration."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from leafspine_embedded.vyos import optable, schema, shell
from leafspine_embedded.vyos.model import Router
from leafspine_embedded.vyos.optable import OpError
from leafspine_embedded.vyos.tools import BadOption
from leafspine_embedded.vyos.tree import Node, Tree

VERSION = """\
Version:          VyOS 1.4-embedded
Release train:    sagitta
Release flavor:   leafspine

Built by:         leafspine_embedded
Built on:         Thu 01 Jan 1970 00:00 UTC
Build UUID:       00000000-0000-0000-0000-000000000000
Build commit ID:  00000000

Architecture:     x86_64
Boot via:         network namespace
System type:      guest

Hardware vendor:  Unknown
Hardware model:   Unknown
Hardware S/N:     Unknown
Hardware UUID:    Unknown

Copyright:        leafspine.calico (the command line of VyOS, not VyOS itself)
"""


def resolve(words: list[str]) -> list[str]:
    """The full words of a command; `vtysh -c "show ..."` becomes ["vtysh", "show ...", ...], a shell's program ["shell", ...]. Raises OpError."""
    if words[:1] == ["sudo"] and words[1:2] == ["vtysh"]:
        words = words[1:]
    if words[:1] == ["vtysh"]:
        return _vtysh(words[1:])
    if words[:1] and words[0] in shell.PROGRAMS:
        return ["shell", *_checked(words, shell.argv)]
    if not words:
        raise OpError("Incomplete command: run")
    full = optable.resolve(words)
    return _checked(full, shell.monitor) if full[:2] == ["monitor", "traffic"] else full


def _checked(words: list[str], check: Callable[[list[str]], list[str]]) -> list[str]:
    """The words, once the shell's check has nothing against them. Raises OpError."""
    try:
        check(words)
    except BadOption as error:
        raise OpError(f"Invalid command: [{error}] is not supported by the embedded engine") from None
    return words


def _vtysh(rest: list[str]) -> list[str]:
    commands = rest[1::2]
    if not commands or len(rest) % 2 or any(flag != "-c" for flag in rest[::2]):
        raise OpError('Invalid command: vtysh is supported by the embedded engine as: vtysh -c "show ..."')
    for command in commands:
        if not command.split() or command.split()[0] not in ("sh", "sho", "show") or any(c in command for c in "\n\r"):
            raise OpError(f"Invalid command: vtysh [{command}] is not supported by the embedded engine, only show commands are")
    return ["vtysh", *commands]


def pure(router: Router, words: list[str]) -> str | None:
    """The output when it follows from the configuration alone, else None."""
    if words[:2] == ["show", "configuration"]:
        return _configuration(router.running, words[2:])
    if words == ["show", "version"]:
        return VERSION
    if words == ["show", "host", "name"]:
        return f"{router.running.value('system', 'host-name') or 'vyos'}\n"
    if words == ["show", "host", "domain"]:
        return f"{router.running.value('system', 'domain-name') or ''}\n"
    if words == ["show", "system", "commit"]:
        return _commits(router)
    if words[:3] == ["show", "lldp", "neighbors"]:
        return "LLDP not configured\n"
    if words[:2] == ["set", "terminal"]:
        return ""
    return None


def _configuration(tree: Tree, rest: list[str]) -> str | None:
    if not rest:
        return tree.text()
    if rest == ["commands"]:
        return "".join(f"{line}\n" for line in tree.commands())
    if rest == ["json"]:
        return json.dumps(as_json(tree.root, schema.grammar())) + "\n"
    if rest == ["json", "pretty"]:
        return json.dumps(as_json(tree.root, schema.grammar()), indent=4) + "\n"
    return None


def as_json(node: Node, rule: schema.Rule | None) -> dict[str, Any]:
    """The configuration as VyOS's JSON: several-valued leaves are lists, what has no value is {}."""
    found: dict[str, Any] = {}
    for name, child in node.sorted():
        row = rule.children.get(name) if rule else None
        if child.kind == "leaf":
            several = len(child.values) > 1 or (row is not None and row.multi)
            found[name] = {} if not child.values else list(child.values) if several else child.values[0]
        elif child.kind == "tag":
            found[name] = {key: as_json(entry, row) for key, entry in child.sorted()}
        else:
            found[name] = as_json(child, row)
    return found


def _commits(router: Router) -> str:
    lines: list[str] = []
    for number, revision in enumerate(router.revisions):
        lines.append(f"{number}  {revision.when}  by {revision.user}  via {revision.via}")
        if revision.comment:
            lines.append(f"   {revision.comment}")
    return "".join(f"{line}\n" for line in lines)
