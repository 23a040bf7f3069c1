#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
---
module: containerlab
short_description: Deploy, reconcile and destroy a containerlab topology
description:
  - Keeps a lab as its topology says. What has to be done comes from containerlab's own dry-run plan, so a lab that is
    as it should be is not touched and reports no change.
  - With O(reconcile=false), for a containerlab before 0.77 and for topologies with C(network-mode=container) nodes, which containerlab cannot
    reconcile, the module looks itself - at the topology last deployed, containers, their network namespaces and links - and repairs with
    C(containerlab restart -n) or deploys anew. It never combines C(--node-filter) with C(--reconfigure), which destroys nodes and then fails.
  - What containerlab would wait for without end, or needs and does not make, is looked for first (O(external_nodes), O(bridges)).
  - The boot configuration of a router is written once. The router saves its own configuration to the same file; a file
    that exists is replaced only when the text given here has changed since it was written.
options:
  name:
    description: Name of the lab.
    type: str
    required: true
  directory:
    description: Folder on the lab host that holds the topology file, the boot configurations and containerlab's own files.
    type: path
    required: true
  topology:
    description: Text of the topology file, as containerlab reads it.
    type: str
  boot_configs:
    description: Text of each router's boot configuration; key is the router's name. Written to C(routers/<name>/config.boot) below O(directory).
    type: dict
    default: {}
  ready:
    description: C(address:port) of every service that must accept TCP connections before the module returns.
    type: list
    elements: str
    default: []
  ready_timeout:
    description: Seconds to wait for O(ready).
    type: int
    default: 120
  reconcile:
    description: containerlab can bring a running lab in line by C(deploy), and say by C(--dry-run) what that would do (0.77 and later).
    type: bool
    default: true
  nodes:
    description: Nodes that containerlab makes containers for; looked at with O(reconcile=false).
    type: list
    elements: str
    default: []
  shared:
    description: Nodes that live in the network namespace of another container, and that container's name; looked at with O(reconcile=false).
    type: dict
    default: {}
  interfaces:
    description: Interfaces that each node's links end on, by node; looked at with O(reconcile=false).
    type: dict
    default: {}
  external_nodes:
    description: Containers of others that have to run before a deploy. containerlab waits without end for one that does not.
    type: list
    elements: str
    default: []
  bridges:
    description: Bridges that have to exist before a deploy. What containerlab leaves of firewall rules for them is removed with O(state=absent).
    type: list
    elements: str
    default: []
  host_interfaces:
    description:
      - Ends of links on O(bridges). containerlab leaves them behind when it destroys a lab and then refuses to deploy it; they are removed after
        that and before a first deploy, if they are virtual Ethernet pairs on one of O(bridges).
    type: list
    elements: str
    default: []
  node_exec:
    description: Words of a command that runs another command in a container; C({node}) stands for the container's name.
    type: list
    elements: str
    default: []
  start_command:
    description: Words of a command that starts a stopped container of the lab; C({node}) stands for its name. Empty when deploy does it.
    type: list
    elements: str
    default: []
  executable:
    description: The containerlab command, a name on the PATH or a path.
    type: str
    default: containerlab
  timeout:
    description: Seconds after which a containerlab command is stopped. Give it ample time, a stopped deploy may destroy the lab.
    type: int
    default: 600
  state:
    description: V(present) deploys or reconciles, V(absent) destroys and removes the files.
    type: str
    choices: [present, absent]
    default: present
attributes:
  check_mode:
    description: Runs the dry-run plan and changes nothing.
    support: full
  diff_mode:
    description: Shows the topology file and the plan; boot configurations are shown without their secrets.
    support: full
author:
  - The leafspine.calico authors (@leafspine)
"""

EXAMPLES = r"""
- name: Routers and links
  leafspine.calico.containerlab:
    name: calico-bgp-rr
    directory: /var/lib/leafspine/calico-bgp-rr
    topology: "{{ lookup('ansible.builtin.template', 'clab.yml.j2') }}"
    ready: ["172.20.20.2:22"]

- name: Take the lab down
  leafspine.calico.containerlab:
    name: calico-bgp-rr
    directory: /var/lib/leafspine/calico-bgp-rr
    state: absent
"""

RETURN = r"""
plan:
  description: What containerlab's plan named, by kind of work; empty when nothing was to be done.
  returned: always
  type: dict
  sample: {added-links: ["leaf0:eth1 -- spine0:eth1"]}
containers:
  description: The containers of the lab, as C(containerlab inspect) lists them.
  returned: when O(state=present) and not in check mode
  type: dict
"""


from ansible.module_utils.basic import AnsibleModule
from ansible_collections.leafspine.calico.plugins.module_utils.containerlab_lab import Lab, absent, present
from ansible_collections.leafspine.calico.plugins.module_utils.tool import Failure


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str", "required": True},
            "directory": {"type": "path", "required": True},
            "topology": {"type": "str"},
            "boot_configs": {"type": "dict", "default": {}, "no_log": True},  # password hashes
            "ready": {"type": "list", "elements": "str", "default": []},
            "ready_timeout": {"type": "int", "default": 120},
            "reconcile": {"type": "bool", "default": True},
            "nodes": {"type": "list", "elements": "str", "default": []},
            "shared": {"type": "dict", "default": {}},
            "interfaces": {"type": "dict", "default": {}},
            "external_nodes": {"type": "list", "elements": "str", "default": []},
            "bridges": {"type": "list", "elements": "str", "default": []},
            "host_interfaces": {"type": "list", "elements": "str", "default": []},
            "node_exec": {"type": "list", "elements": "str", "default": []},
            "start_command": {"type": "list", "elements": "str", "default": []},
            "executable": {"type": "str", "default": "containerlab"},
            "timeout": {"type": "int", "default": 600},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        },
        required_if=[("state", "present", ["topology"])],
        supports_check_mode=True,
    )
    wrong = [str(router) for router, text in module.params["boot_configs"].items() if not isinstance(router, str) or not isinstance(text, str)]
    if wrong:
        module.fail_json(msg=f"boot_configs: {', '.join(wrong)}: a configuration must be a text, by the router's name")
    lab = Lab(module.params, module.check_mode)
    try:
        result = present(lab) if module.params["state"] == "present" else absent(lab)
    except Failure as failure:
        module.fail_json(**failure.as_result())
    except (OSError, ValueError) as error:
        module.fail_json(msg=f"lab {lab.name}: {error}", reason="unknown", hint="")
    module.exit_json(**result)


if __name__ == "__main__":
    main()
