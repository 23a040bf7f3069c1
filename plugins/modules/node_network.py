#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
---
module: node_network
short_description: Give the nodes of a cluster their rack addresses and default routes
description:
  - Sets, on all nodes in one call, the address on the interface towards the rack and the default route to the rack's leaf.
  - The default route that a node had before is recorded, and comes back with O(state=absent).
options:
  nodes:
    description: The nodes, each with C(node), C(interface), C(address), C(prefix_length) and C(gateway). Other keys are ignored.
    type: list
    elements: dict
    required: true
  exec:
    description: Words of a command that runs another command on a node; C({node}) stands for the node's name.
    type: list
    elements: str
    required: true
  record:
    description: File on the lab host that keeps the former default routes.
    type: path
    required: true
  state:
    description: V(present) sets, V(absent) takes away and restores. Nodes that no longer exist are passed over then.
    type: str
    choices: [present, absent]
    default: present
attributes:
  check_mode:
    description: Reports what would change and changes nothing. A node that is not there yet counts as changed.
    support: full
  diff_mode:
    description: Shows the commands.
    support: full
author:
  - The leafspine.calico authors (@leafspine)
"""

EXAMPLES = r"""
- name: Addresses and default routes of the servers
  leafspine.calico.node_network:
    nodes:
      - {node: lab-worker, interface: net0, address: 10.1.5.11, prefix_length: 24, gateway: 10.1.5.1}
    exec: [docker, exec, "{node}"]
    record: /var/lib/leafspine/lab/node-routes.json
"""

RETURN = r"""
commands:
  description: What was run (in check mode, what would be run) on which node.
  returned: always
  type: list
  elements: str
"""

import ipaddress
import json
import os
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.leafspine.calico.plugins.module_utils.files import read_text, write_atomic
from ansible_collections.leafspine.calico.plugins.module_utils.node_network import NodeError, default_route, plan_absent, plan_present


class Node:
    """One node, reached through the command prefix."""

    def __init__(self, module: AnsibleModule, name: str) -> None:
        self.module = module
        self.name = name
        self.prefix = [word.replace("{node}", name) for word in module.params["exec"]]

    def ip(self, *words: str, must: bool = True) -> str | None:
        """Standard output of ``ip`` on the node, None when it failed and need not succeed."""
        try:
            rc, out, err = self.module.run_command([*self.prefix, "ip", *words], handle_exceptions=False)
        except (OSError, ValueError) as error:
            self.module.fail_json(msg=f"exec: {' '.join(self.prefix)} cannot be run on this host: {error}")
        if rc == 0:
            return str(out)
        if must:
            self.module.fail_json(msg=f"{self.name}: ip {' '.join(words)}: {(err or out).strip()}", rc=rc)
        return None

    def observe(self) -> tuple[list[dict[str, Any]], list[dict[str, Any]]] | None:
        """Links with addresses, and IPv4 routes; None when the node cannot be reached."""
        links = self.ip("-j", "address", "show", must=False)
        if links is None:
            return None
        return json.loads(links), json.loads(self.ip("-j", "-4", "route", "show") or "[]")


def read_record(path: str) -> dict[str, Any]:
    """Former default routes by node; raises ValueError when the file is there and cannot be read."""
    try:
        return dict(json.loads(read_text(path) or "{}"))
    except (OSError, ValueError, TypeError) as error:
        raise ValueError(
            f"{path}: the record of former default routes cannot be read ({error}); remove the file, and check the nodes' default routes"
        ) from error


def run(module: AnsibleModule) -> dict[str, Any]:
    present = module.params["state"] == "present"
    record_file = module.params["record"]
    record = read_record(record_file)
    before = json.dumps(record, sort_keys=True)
    recorded = os.path.exists(record_file)
    work: list[tuple[Node, list[str]]] = []
    not_there: list[str] = []
    for entry in module.params["nodes"]:
        node = Node(module, entry["node"])
        seen = node.observe()
        if seen is None:
            not_there.append(node.name)
            continue
        links, routes = seen
        if present:
            route = default_route(routes)
            if node.name not in record or (route and route.get("dev") != entry["interface"]):
                record[node.name] = {key: route[key] for key in ("gateway", "dev") if key in route} if route else {}
            plan = plan_present(entry, links, routes)
        else:
            plan = plan_absent(entry, links, routes, record.pop(node.name, None))
        work += [(node, command) for command in plan]
    if not_there and present and not module.check_mode:
        module.fail_json(msg=f"{', '.join(not_there)}: no such node; build the cluster first: --tags kind_cluster")
    if not module.check_mode:
        if present and json.dumps(record, sort_keys=True) != before:
            write_atomic(record_file, json.dumps(record, indent=1, sort_keys=True))
        for node, command in work:
            node.ip(*command)
        if not present and recorded:
            os.unlink(record_file)
    commands = [f"{node.name}: ip {' '.join(command)}" for node, command in work]
    if present:
        commands += [f"{name}: address and default route" for name in not_there]
    # The record alone is left when its nodes went first; removing it is a change of the host as well.
    return {"changed": bool(commands) or (recorded and not present), "commands": commands, "diff": {"prepared": "".join(f"{line}\n" for line in commands)}}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "nodes": {"type": "list", "elements": "dict", "required": True},
            "exec": {"type": "list", "elements": "str", "required": True},
            "record": {"type": "path", "required": True},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        },
        supports_check_mode=True,
    )
    needed = ("node", "interface", "address", "prefix_length", "gateway")
    for entry in module.params["nodes"]:
        missing = [key for key in needed if key not in entry]
        if missing:
            module.fail_json(msg=f"nodes: {entry.get('node', entry)!r} lacks {', '.join(missing)}; every node needs {', '.join(needed)}")
        try:
            ipaddress.IPv4Interface(f"{entry['address']}/{entry['prefix_length']}")
            ipaddress.IPv4Address(str(entry["gateway"]))
        except ValueError as error:
            module.fail_json(msg=f"nodes: {entry['node']!r}: {error}; address and gateway are IPv4 addresses, prefix_length 0 to 32")
        if not isinstance(entry["node"], str) or not isinstance(entry["interface"], str) or not entry["node"] or not entry["interface"]:
            module.fail_json(msg=f"nodes: {entry['node']!r}: node and interface must be names")
    try:
        result = run(module)
    except NodeError as error:
        if module.check_mode:  # the links come with the same run
            module.exit_json(changed=True, commands=[str(error)])
        module.fail_json(msg=str(error))
    except (OSError, ValueError) as error:
        module.fail_json(msg=str(error))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
