#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
---
module: lab_secrets
short_description: Keep a lab's generated secrets on the lab host
description:
  - Generates each secret once and keeps it in a file of its own, mode 0600, in a folder of mode 0700.
  - Use C(no_log) on the task, the module returns the secrets.
options:
  directory:
    description: Folder for the secrets.
    type: path
    required: true
  lengths:
    description: Name and length in characters of every secret; letters and digits are drawn.
    type: dict
    required: true
attributes:
  check_mode:
    description: In check mode a missing secret is drawn but not kept.
    support: full
  diff_mode:
    description: Secrets are never shown.
    support: none
author:
  - The leafspine.calico authors (@leafspine)
"""

EXAMPLES = r"""
- name: The lab's secrets
  leafspine.calico.lab_secrets:
    directory: /var/lib/leafspine/calico-bgp-rr/secrets
    lengths: {router_password: 24}
  register: secrets
  no_log: true
"""

RETURN = r"""
secrets:
  description: Every secret by name.
  returned: always
  type: dict
"""

import os
import secrets
import string

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.leafspine.calico.plugins.module_utils.files import read_text, write_atomic

ALPHABET = string.ascii_letters + string.digits


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "directory": {"type": "path", "required": True},
            "lengths": {"type": "dict", "required": True, "no_log": False},
        },
        supports_check_mode=True,
    )
    directory = module.params["directory"]
    result: dict[str, str] = {}
    changed = False
    try:
        for name, length in module.params["lengths"].items():
            path = os.path.join(directory, name)
            value = read_text(path)
            if not value:
                value = "".join(secrets.choice(ALPHABET) for _letter in range(int(length)))
                changed = True
                if not module.check_mode:
                    write_atomic(path, value)
            elif os.stat(path).st_mode & 0o777 != 0o600:
                changed = True
                if not module.check_mode:
                    os.chmod(path, 0o600)
            result[name] = value
    except OSError as error:
        module.fail_json(msg=f"{directory}: {error}")
    module.exit_json(changed=changed, secrets=result)


if __name__ == "__main__":
    main()
