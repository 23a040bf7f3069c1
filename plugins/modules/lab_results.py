#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
---
module: lab_results
short_description: Keep and read the files of results
description:
  - Writes texts into a folder of the lab host, where a later job finds them, and the same texts into a folder of the controller, where people do.
  - Folders it makes have mode 0700, files mode 0600. Each file is replaced as a whole.
  - A record of what was seen is no change of the lab, so the task never counts as changed.
options:
  directory:
    description: Folder on the lab host.
    type: path
    required: true
  controller:
    description: Folder on the controller. Left out, nothing is written there.
    type: path
  files:
    description: Text by file name.
    type: dict
    default: {}
  read:
    description: Patterns of file names in O(directory); files of JSON that fit are returned. A file that is no JSON is an error.
    type: list
    elements: str
    default: []
attributes:
  check_mode:
    description: In check mode nothing is written.
    support: full
  diff_mode:
    description: Results are never shown as a difference.
    support: none
author:
  - The leafspine.calico authors (@leafspine)
"""

EXAMPLES = r"""
- name: Keep the result
  leafspine.calico.lab_results:
    directory: /var/lib/leafspine/calico-bgp-rr/results
    controller: "{{ lab_results }}"
    files:
      verify.json: "{{ result | to_nice_json }}"

- name: Read what was kept
  leafspine.calico.lab_results:
    directory: /var/lib/leafspine/calico-bgp-rr/results
    read: [verify.json, drill-*.json]
  register: kept
"""

RETURN = r"""
paths:
  description: Files on the lab host.
  returned: always
  type: list
documents:
  description: What the files that fit O(read) hold, sorted by name.
  returned: always
  type: list
"""

import fnmatch
import json
import os
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.leafspine.calico.plugins.module_utils.files import read_text, write_texts


def documents(directory: str, patterns: list[str]) -> list[Any]:
    """JSON of the files that fit one of the patterns. Raises OSError, and ValueError with the name of a file that is no JSON."""
    found = []
    for name in sorted(os.listdir(directory)) if patterns and os.path.isdir(directory) else []:
        if any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns):
            try:
                found.append(json.loads(read_text(os.path.join(directory, name)) or ""))
            except ValueError as error:
                raise ValueError(f"{name}: {error}") from error
    return found


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "directory": {"type": "path", "required": True},
            "controller": {"type": "path"},
            "files": {"type": "dict", "default": {}},
            "read": {"type": "list", "elements": "str", "default": []},
        },
        supports_check_mode=True,
    )
    directory, files = module.params["directory"], module.params["files"]
    odd = sorted(name for name in files if os.path.basename(name) != name or name in ("", ".", ".."))
    if odd:
        module.fail_json(msg=f"files: {', '.join(map(repr, odd))}: a file name without folders is needed")
    try:
        if not module.check_mode:
            write_texts(directory, files)
        found = documents(directory, module.params["read"])
    except (OSError, ValueError) as error:
        module.fail_json(msg=f"{directory}: {error}")
    module.exit_json(changed=False, paths=sorted(os.path.join(directory, name) for name in files), documents=found)


if __name__ == "__main__":
    main()
