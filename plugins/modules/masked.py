#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
---
module: masked
short_description: Run a module of vyos.vyos without showing passwords
description:
  - Runs another module with C(no_log), so that nothing of it comes into a system's log, and shows what it returns without passwords.
  - With C(no_log) alone a difference and the reason of a failure would be hidden as well.
version_added: 0.1.0
options:
  module:
    description: Name of the module, for example C(vyos.vyos.vyos_config).
    type: str
    required: true
  options:
    description: Options of that module.
    type: dict
    default: {}
  result:
    description:
      - V(masked) returns everything with passwords replaced, for changes and their differences.
      - V(hidden) returns what the module returned, for the tasks that need it, and shows nothing of it; a failure is returned masked.
    type: str
    choices: [masked, hidden]
    default: masked
attributes:
  check_mode:
    description: As the module that it runs.
    support: full
  diff_mode:
    description: As the module that it runs, without passwords.
    support: full
author:
  - The leafspine.calico authors (@leafspine)
"""

EXAMPLES = r"""
- name: Read the running configuration
  leafspine.calico.masked:
    module: vyos.vyos.vyos_command
    options:
      commands: [show configuration commands]
    result: hidden
  register: running

- name: Push lines
  leafspine.calico.masked:
    module: vyos.vyos.vyos_config
    options:
      lines: ["set protocols bgp neighbor 10.1.10.2 password {{ lab_secrets.bgp_password }}"]
"""

RETURN = r"""
"*":
  description: What the module returned.
  returned: always
  type: raw
"""
