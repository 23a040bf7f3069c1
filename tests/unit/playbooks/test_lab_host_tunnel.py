"""How routers are reached, worked out from the lab host's variables: the project's group variables on an inventory of the project.

Ansible works all cases out in one process of its own: its loader of collections is made once for a whole process.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[3]
ALWAYS = (
    "ssh -W %h:%p -o BatchMode=yes -o ConnectTimeout=10 -C -o ControlMaster=auto -o ControlPersist=60s -o ServerAliveInterval=10"
    " -o StrictHostKeyChecking=accept-new"
)

# Reads {"basedir": ..., "cases": {name: [inventory, environment]}} and prints the expressions' values by name.
PROGRAM = """
import json, os, sys
from ansible.plugins.loader import init_plugin_loader
init_plugin_loader()
from ansible.inventory.manager import InventoryManager
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template
from ansible.vars.hostvars import HostVars
from ansible.vars.manager import VariableManager
asked = json.load(sys.stdin)
answers = {}
for name, (folder, environment) in asked["cases"].items():
    os.environ.update(environment)
    loader = DataLoader()
    loader.set_basedir(asked["basedir"])
    inventory = InventoryManager(loader=loader, sources=[folder])
    manager = VariableManager(loader=loader, inventory=inventory)
    manager._hostvars = HostVars(inventory=inventory, variable_manager=manager, loader=loader)
    answers[name] = {}
    for host, variable in (("leaf0", "ansible_libssh_proxy_command"), ("labhost", "ansible_python_interpreter"), ("labhost", "ansible_playbook_python")):
        variables = manager.get_vars(host=inventory.get_host(host))
        answers[name][variable] = Templar(loader=loader, variables=variables).template(trust_as_template("{{ " + variable + " }}"))
    for key in environment:
        del os.environ[key]
json.dump(answers, sys.stdout)
"""

LOCAL: dict[str, dict[str, Any]] = {
    "nothing": {},
    "local, with an address": {"ansible_host": "192.0.2.7", "ansible_user": "ops"},
}
# Variables of a remote lab host, and what comes at the end of the command.
REMOTE: dict[str, tuple[dict[str, Any], str]] = {
    "name only": ({}, "labhost"),
    "address": ({"ansible_host": "lab.example.net"}, "lab.example.net"),
    "user, port and key": (
        {"ansible_host": "192.0.2.7", "ansible_user": "{{ 'op' ~ 's' }}", "ansible_port": "{{ 2200 + 22 }}", "ansible_ssh_private_key_file": "/keys/a b"},
        "-p 2222 -l ops -i '/keys/a b' 192.0.2.7",
    ),
    "jump host": ({"ansible_host": "h", "ansible_ssh_common_args": "-J gate.example.net"}, "-J gate.example.net h"),
    "no shell words": ({"ansible_host": "h; reboot"}, "'h; reboot'"),
    "settings of the controller": ({"ansible_host": "h"}, "-l env -i /keys/env -J env h"),
    "settings and variables": (
        {"ansible_host": "h", "ansible_user": "me", "ansible_ssh_private_key_file": "/mine", "ansible_ssh_common_args": ""},
        "-l me -i /mine h",
    ),
}
SETTINGS = {"ANSIBLE_REMOTE_USER": "env", "ANSIBLE_PRIVATE_KEY_FILE": "/keys/env", "ANSIBLE_SSH_COMMON_ARGS": "-J env"}


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, str]]:
    """What the routers and the lab host have in every case."""
    remote = {name: {"ansible_connection": "ssh"} | variables for name, (variables, _words) in REMOTE.items()}
    cases = {}
    for number, (name, variables) in enumerate((LOCAL | remote).items()):
        folder = tmp_path_factory.mktemp(f"inventory{number}")
        shutil.copytree(ROOT / "inventories" / "embedded", folder, dirs_exist_ok=True)
        (folder / "host_vars").mkdir(exist_ok=True)
        (folder / "host_vars" / "labhost.yml").write_text(yaml.safe_dump(variables))
        cases[name] = (str(folder), SETTINGS if name.startswith("settings") else {})
    environment = {key: text for key, text in os.environ.items() if not key.startswith("ANSIBLE_")} | {"ANSIBLE_CONFIG": str(ROOT / "ansible.cfg")}
    asked = json.dumps({"basedir": str(ROOT / "playbooks"), "cases": cases})
    done = subprocess.run([sys.executable, "-c", PROGRAM], input=asked, capture_output=True, text=True, env=environment, cwd=ROOT, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("name", LOCAL)
def test_routers_of_a_local_lab_host_are_reached_directly(answers: dict[str, dict[str, str]], name: str) -> None:
    assert answers[name]["ansible_libssh_proxy_command"] == ""
    assert answers[name]["ansible_python_interpreter"] == answers[name]["ansible_playbook_python"]


@pytest.mark.parametrize("name", REMOTE)
def test_routers_of_a_remote_lab_host_are_reached_through_it_as_ansible_reaches_it(answers: dict[str, dict[str, str]], name: str) -> None:
    assert answers[name]["ansible_libssh_proxy_command"] == f"{ALWAYS} {REMOTE[name][1]}"
    assert answers[name]["ansible_python_interpreter"] == "/usr/bin/python3"
