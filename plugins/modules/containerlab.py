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
  - The topology must use the C(ext-container) form for nodes that others own; containerlab cannot reconcile the
    C(network-mode=container) form.
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

import hashlib
import json
import os
import re
import shutil
import socket
import tempfile
import time
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.leafspine.calico.plugins.module_utils.containerlab import (
    containers_of,
    error_of,
    hint_for,
    parse_json,
    work_of,
)
from ansible_collections.leafspine.calico.plugins.module_utils.files import read_text, write_atomic
from ansible_collections.leafspine.calico.plugins.module_utils.tool import Failure, Tool

SECRET = re.compile(r"(password|secret|key)(\s+)\S+")


class Lab:
    """One lab on this host: its files and the containerlab commands on them."""

    def __init__(self, module: AnsibleModule) -> None:
        self.module = module
        self.name: str = module.params["name"]
        self.directory: str = module.params["directory"]
        self.topology_file = os.path.join(self.directory, "clab.yml")
        self.wanted: str = module.params["topology"] or ""
        self.tool = Tool([module.params["executable"]], timeout=module.params["timeout"])

    def must(self, *words: str) -> str:
        """Run containerlab and return its standard output (JSON; the log is on standard error). A failure ends the module with what to do."""
        done = self.tool.run(*words)
        if done.rc == 0:
            return done.stdout
        hint = hint_for(done.stderr)
        said = error_of(done.stderr) if done.rc is not None else f"did not end within {self.tool.timeout} s: {error_of(done.stderr)}"
        raise Failure(f"containerlab {words[0]}: {said}", reason="containerlab_failed", hint=hint, **done.as_details())

    def containers(self) -> dict[str, dict[str, Any]]:
        return containers_of(parse_json(self.must("inspect", "--all", "--format", "json")), self.name)

    def boot_file(self, router: str) -> str:
        return os.path.join(self.directory, "routers", router, "config.boot")

    def stale_boot_configs(self) -> dict[str, str]:
        """Routers whose boot configuration has to be written: there is none, or the given text is not the one last written."""
        stale = {}
        for router, text in self.module.params["boot_configs"].items():
            digest = hashlib.sha256(text.encode()).hexdigest()
            if read_text(self.boot_file(router)) is None or read_text(self.boot_file(router) + ".sha256") != digest:
                stale[router] = text
        return stale

    def write_boot_configs(self, stale: dict[str, str]) -> None:
        for router, text in stale.items():
            write_atomic(self.boot_file(router), text)
            write_atomic(self.boot_file(router) + ".sha256", hashlib.sha256(text.encode()).hexdigest())

    def plan(self) -> dict[str, list[Any]]:
        """The dry-run plan of the wanted topology; in check mode of a copy beside the file, removed at once."""
        if read_text(self.topology_file) == self.wanted or not self.module.check_mode:
            return work_of(parse_json(self.must("deploy", "--topo", self.topology_file, "--dry-run", "--format", "json")))
        with tempfile.TemporaryDirectory() as folder:
            copy = os.path.join(folder, "clab.yml")
            write_atomic(copy, self.wanted)
            return work_of(parse_json(self.must("deploy", "--topo", copy, "--dry-run", "--format", "json")))


def wait_ready(module: AnsibleModule) -> None:
    """Wait until every address:port of O(ready) accepts a connection, all at once."""
    deadline = time.monotonic() + module.params["ready_timeout"]
    missing = list(module.params["ready"])
    while True:
        still = []
        for place in missing:
            address, port = place.rsplit(":", 1)
            try:
                socket.create_connection((address, int(port)), timeout=1).close()
            except OSError:
                still.append(place)
        missing = still
        if not missing:
            return
        if time.monotonic() > deadline:
            module.fail_json(msg=f"no connection to {', '.join(missing)} within {module.params['ready_timeout']} s: look at the routers' logs")
        time.sleep(0.1)


def present(lab: Lab) -> dict[str, Any]:
    module = lab.module
    stale = lab.stale_boot_configs()
    before = read_text(lab.topology_file) or ""
    shown = "".join(f"# {router}\n" + SECRET.sub(r"\1\2********", text) for router, text in stale.items())
    diff = [{"before": before, "after": lab.wanted, "before_header": lab.topology_file, "after_header": lab.topology_file}]
    if stale:
        diff.append({"before": "", "after": shown, "before_header": "boot configurations", "after_header": "boot configurations"})
    file_changed = before != lab.wanted
    if lab.tool.find() is None:
        if module.check_mode:  # on an empty machine the tools come with the same run
            return {"changed": True, "plan": {"deployed-lab": [lab.name]}, "diff": diff}
        lab.tool.require()
    if module.check_mode and (stale or not before):
        # The plan would fail on bind sources that do not exist yet; what it would say is known.
        work: dict[str, list[Any]] = {"recreated-nodes": sorted(stale)} if lab.containers() else {"deployed-lab": [lab.name]}
        return {"changed": True, "plan": work, "diff": diff}
    if not module.check_mode:
        lab.write_boot_configs(stale)
        if file_changed:
            write_atomic(lab.topology_file, lab.wanted)
    work = lab.plan()
    result: dict[str, Any] = {"changed": bool(work or stale or file_changed), "plan": work, "diff": [*diff, {"prepared": json.dumps(work, indent=1)}]}
    if module.check_mode:
        return result
    if work:
        lab.must("deploy", "--topo", lab.topology_file, "--format", "json")
    containers = lab.containers()
    stopped = sorted(name for name, entry in containers.items() if entry.get("state") != "running")
    if not containers or stopped:
        what = f"{', '.join(stopped)} not running" if stopped else "containerlab inspect lists no container"
        module.fail_json(msg=f"lab {lab.name}: {what} after deploy; see the routers' logs", containers=containers)
    wait_ready(module)
    return {**result, "containers": containers}


def absent(lab: Lab) -> dict[str, Any]:
    module = lab.module
    ours = (lab.topology_file, os.path.join(lab.directory, "routers"), os.path.join(lab.directory, f"clab-{lab.name}"))
    files = [path for path in ours if os.path.exists(path)]
    found = lab.tool.find() is not None
    running = found and bool(lab.containers())
    if running and not os.path.exists(lab.topology_file):
        module.fail_json(msg=f"lab {lab.name} runs, but its topology file {lab.topology_file} is gone; build it again (--tags containerlab), then destroy it")
    diff = {"before": "".join(f"{path}\n" for path in files) + (f"lab {lab.name} running\n" if running else ""), "after": ""}
    if not module.check_mode:
        # Also when nothing runs: a deploy that was cut off may have left links and namespaces that inspect does not list.
        if found and os.path.exists(lab.topology_file):
            cleanup = ["--cleanup"] if running else []
            lab.must("destroy", "--topo", lab.topology_file, *cleanup)
        for path in files:
            if os.path.isdir(path):
                shutil.rmtree(path)
            elif os.path.exists(path):
                os.unlink(path)
    return {"changed": bool(files) or running, "plan": {}, "diff": diff}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str", "required": True},
            "directory": {"type": "path", "required": True},
            "topology": {"type": "str"},
            "boot_configs": {"type": "dict", "default": {}, "no_log": True},  # password hashes
            "ready": {"type": "list", "elements": "str", "default": []},
            "ready_timeout": {"type": "int", "default": 120},
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
    lab = Lab(module)
    try:
        result = present(lab) if module.params["state"] == "present" else absent(lab)
    except Failure as failure:
        module.fail_json(**failure.as_result())
    except (OSError, ValueError) as error:
        module.fail_json(msg=f"lab {lab.name}: {error}")
    module.exit_json(**result)


if __name__ == "__main__":
    main()
