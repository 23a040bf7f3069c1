#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
---
module: lab_lock
short_description: Keep two runs off one lab
description:
  - Takes a lock on the lab host that lasts as long as this run of C(ansible-playbook), however it ends. Nothing has to release it, nothing stays behind.
  - While another run holds it, waits, and then fails with who it is.
  - Taking it again in the same run does nothing. Has an action plugin of the same name, which holds the connection open.
options:
  path:
    description: File that stands for the lock, on the lab host.
    type: path
    required: true
  wait:
    description: Seconds to wait for another run.
    type: float
    default: 0.0
  token:
    description: Marks this run. Set by the action plugin.
    type: str
attributes:
  check_mode:
    description: Takes no lock in check mode, a look ahead changes nothing.
    support: full
  diff_mode:
    description: There is nothing to show, the module changes nothing.
    support: none
author:
  - The leafspine.calico authors (@leafspine)
"""

EXAMPLES = r"""
- name: One run at a time
  leafspine.calico.lab_lock:
    path: /run/lock/leafspine-calico-bgp-rr
    wait: 10
"""

RETURN = r"""
holder:
  description: What stands in the lock's file, see O(path).
  returned: success
  type: dict
"""

import time

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.leafspine.calico.plugins.module_utils.lab_lock import describe, holder

# Seconds that the holder has to start, beyond those that it waits for others.
GRACE = 30.0


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "path", "required": True},
            "wait": {"type": "float", "default": 0.0},
            "token": {"type": "str", "no_log": False},
        },
        supports_check_mode=True,
    )
    path, wait, token = module.params["path"], module.params["wait"], module.params["token"]
    if module.check_mode or not token:
        module.exit_json(changed=False, holder=holder(path) or {})
    began = time.monotonic()
    while True:
        found = holder(path)
        if found is not None and found.get("token") == token:
            module.exit_json(changed=False, holder=found)
        waited = time.monotonic() - began
        if found and waited > wait:
            module.fail_json(
                msg=f"another run works on this lab: {describe(found)}; waited {wait:g} s. Run again when it has ended, or wait longer "
                f"(preflight_lock_wait). The lock is {path}",
                holder=found,
            )
        if waited > wait + GRACE:
            module.fail_json(msg=f"the lock {path} could not be taken within {wait + GRACE:g} s and nobody holds it; is python3 on this host's PATH?")
        time.sleep(0.05)


if __name__ == "__main__":
    main()
