#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
---
module: lab_archive
short_description: Make an archive for a bug report, with every secret masked
description:
  - Puts texts, outputs of commands on the lab host, and files of the lab host into one archive (tar, gzip, mode 0600).
  - The lab's generated secrets are masked wherever they stand, as are passwords, hashes, tokens and private keys by their form.
    Files that are nothing but a secret are left out.
  - A command that fails and a file that cannot be read are told in the archive; they are no error.
  - The archive is no part of the lab, so the task never counts as changed.
options:
  path:
    description: The archive.
    type: path
    required: true
  name:
    description: Folder in the archive that holds everything.
    type: str
    required: true
  texts:
    description: Text by path in the archive.
    type: dict
    default: {}
  commands:
    description: Commands to run on the lab host, in words, by path in the archive.
    type: dict
    default: {}
  paths:
    description: Files and folders of the lab host. One that is not there is left out.
    type: list
    elements: path
    default: []
  secrets:
    description: Folder with the lab's secrets, whose values are masked.
    type: path
    required: true
attributes:
  check_mode:
    description: In check mode nothing is made.
    support: full
  diff_mode:
    description: There is nothing to compare.
    support: none
author:
  - The leafspine.calico authors (@leafspine)
"""

EXAMPLES = r"""
- name: Everything about the lab
  leafspine.calico.lab_archive:
    path: /var/lib/leafspine/calico-bgp-rr/results/collect.tar.gz
    name: calico-bgp-rr
    texts: {leaf0/bgp: "{{ leaf0.stdout[0] }}"}
    commands: {host/links: [ip, -d, link]}
    paths: [/run/leafspine/labs/calico-bgp-rr]
    secrets: /var/lib/leafspine/calico-bgp-rr/secrets
"""

RETURN = r"""
contents:
  description: What is in the archive, with remarks.
  returned: always
  type: list
"""

import subprocess

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.leafspine.calico.plugins.module_utils import archive

SECONDS = 20


def output(argv: list[str]) -> str:
    """What a command printed, and how it ended when that was not well."""
    try:
        done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", timeout=SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"{' '.join(argv)}: {error}\n"
    return done.stdout + (f"[exit code {done.returncode}]\n" if done.returncode else "")


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "path", "required": True},
            "name": {"type": "str", "required": True},
            "texts": {"type": "dict", "default": {}},
            "commands": {"type": "dict", "default": {}},
            "paths": {"type": "list", "elements": "path", "default": []},
            "secrets": {"type": "path", "required": True, "no_log": False},
        },
        supports_check_mode=True,
    )
    if module.check_mode:
        module.exit_json(changed=False, contents=[])
    texts = {path: str(text) for path, text in module.params["texts"].items()}
    try:
        secrets = archive.known_secrets(module.params["secrets"])
        texts |= {path: output(argv) for path, argv in module.params["commands"].items()}
        contents = archive.write(module.params["path"], module.params["name"], texts, module.params["paths"], secrets)
    except OSError as error:
        module.fail_json(msg=f"{module.params['path']}: {error}")
    module.exit_json(changed=False, contents=contents)


if __name__ == "__main__":
    main()
