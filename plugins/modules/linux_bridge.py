#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
---
module: linux_bridge
short_description: Keep the Linux bridges of a lab's racks
description:
  - Creates, repairs and removes bridges on the lab host, all of a lab's in one call.
  - A bridge carries its lab's name in its alias, so that a lab never takes over or removes a bridge that is not its own.
  - Where bridged packets pass through iptables (C(net.bridge.bridge-nf-call-iptables=1), which Docker switches on),
    Docker's FORWARD policy drops a rack's traffic; the module then owns an accept rule per bridge and removes it with the bridge.
options:
  bridges:
    description:
      - The bridges of the lab. A bridge that carries the lab's mark and is not among them (its rack left the inventory) is removed.
      - Required with O(state=present); O(state=absent) removes every bridge with the lab's mark.
    type: list
    elements: dict
    suboptions:
      name:
        description: Name of the bridge, at most 15 characters.
        type: str
        required: true
      mtu:
        description: Largest packet in bytes.
        type: int
        default: 1500
  owner:
    description: Name of the lab the bridges belong to.
    type: str
    required: true
  firewall_accept:
    description:
      - V(auto) keeps the accept rules where bridged packets pass through iptables, V(always) keeps them anyway, V(never) keeps none.
    type: str
    choices: [auto, always, never]
    default: auto
  state:
    description: V(present) creates, repairs and removes what is left over, V(absent) removes the lab's bridges and their rules.
    type: str
    choices: [present, absent]
    default: present
attributes:
  check_mode:
    description: Reports what would change and changes nothing.
    support: full
  diff_mode:
    description: Shows bridges and firewall rules before and after.
    support: full
author:
  - The leafspine.calico authors (@leafspine)
"""

EXAMPLES = r"""
- name: One bridge a rack
  leafspine.calico.linux_bridge:
    owner: calico-bgp-rr
    bridges:
      - {name: br-leaf0, mtu: 1500}
      - {name: br-leaf1, mtu: 1500}
"""

RETURN = r"""
commands:
  description: The commands that were run (in check mode, that would be run), in order.
  returned: always
  type: list
  elements: str
"""

import json
import os

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.leafspine.calico.plugins.module_utils.bridges import Bridge, BridgeError, Observed, plan, rule_key, snapshot


def observe(module: AnsibleModule) -> Observed:
    """Read bridges, aliases and our kind of firewall rules from the kernel."""
    _rc, out, _err = module.run_command(["ip", "-j", "-d", "link", "show"], check_rc=True)
    links = {}
    for link in json.loads(out or "[]"):
        links[link["ifname"]] = Bridge(
            name=link["ifname"],
            mtu=link["mtu"],
            up="UP" in link["flags"],
            alias=link.get("ifalias", ""),
            is_bridge=link.get("linkinfo", {}).get("info_kind") == "bridge",
        )
    iptables = module.get_bin_path("iptables", opt_dirs=["/usr/sbin", "/sbin"])
    rules: list[str] = []
    if iptables:
        rc, out, _err = module.run_command([iptables, "-w", "-S"])
        rules = out.splitlines() if rc == 0 else []
    switch = "/proc/sys/net/bridge/bridge-nf-call-iptables"
    filtered = False
    if os.path.exists(switch):
        with open(switch, encoding="ascii") as handle:
            filtered = handle.read().strip() == "1"
    return Observed(links=links, rules=rules, iptables=iptables, filtered=filtered)


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "bridges": {
                "type": "list",
                "elements": "dict",
                "options": {"name": {"type": "str", "required": True}, "mtu": {"type": "int", "default": 1500}},
            },
            "owner": {"type": "str", "required": True},
            "firewall_accept": {"type": "str", "choices": ["auto", "always", "never"], "default": "auto"},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        },
        supports_check_mode=True,
    )
    wanted, owner, state = module.params["bridges"] or [], module.params["owner"], module.params["state"]
    if state == "present" and module.params["bridges"] is None:  # a null too, which required_if would take
        module.fail_json(msg="state is present but bridges is missing: name the lab's bridges, [] for none")
    observed = observe(module)
    try:
        commands = plan(wanted, owner, state, module.params["firewall_accept"], observed)
    except BridgeError as error:
        module.fail_json(msg=str(error))
    names = [bridge["name"] for bridge in wanted]
    before = snapshot(names, owner, observed)
    if not module.check_mode:
        for command in commands:
            rc, out, err = module.run_command(command)
            if rc != 0:
                module.fail_json(msg=f"{' '.join(command)}: {(err or out).strip()}", rc=rc, commands=[" ".join(c) for c in commands])
    after = before
    if commands:
        after = snapshot(names, owner, observe(module)) if not module.check_mode else f"{before}" + "".join(f"would run: {' '.join(c)}\n" for c in commands)
    module.exit_json(
        changed=bool(commands),
        commands=[" ".join(command) for command in commands],
        diff={"before": before, "after": after, "before_header": rule_key(owner), "after_header": rule_key(owner)},
    )


if __name__ == "__main__":
    main()
