"""The real vyos.vyos modules over network_cli and libssh against two routers: changed first, then not; facts and commands parse."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from containerlab_lab import PASSWORD, Lab, bgp_lines, wait_until

pytestmark = pytest.mark.root
NUMBER = 81
PLAYBOOK = """
- hosts: all
  gather_facts: false
  tasks:
    - vyos.vyos.vyos_config: {lines: "{{ lines }}", save: true}
      register: config
    - vyos.vyos.vyos_command: {commands: ['show ip route', 'vtysh -c "show bgp summary json"', 'show interfaces', 'show bgp summary']}
      register: shown
    - vyos.vyos.vyos_facts: {gather_subset: all, gather_network_resources: [interfaces, l3_interfaces, hostname, bgp_global]}
      register: facts
    - vyos.vyos.vyos_ping: {dest: "{{ peer }}", count: 2}
    - ansible.builtin.copy:
        dest: "{{ out }}/{{ inventory_hostname }}.json"
        content: "{{ {'changed': config.changed, 'commands': config.commands, 'shown': shown.stdout, 'facts': facts.ansible_facts} | to_json }}"
        mode: '0600'
      delegate_to: localhost
      vars: {ansible_connection: local}
"""


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    lab = Lab(tmp_path_factory.mktemp("lab"), NUMBER)
    with contextlib.suppress(AssertionError):
        lab.clean_host()
    lab.prepare_host()
    try:
        lab.deploy()
        yield lab
    finally:
        lab.run("destroy", "--name", lab.name)
        lab.clean_host()


def play(lab: Lab, out: Path) -> dict[str, dict[str, object]]:
    """Run the playbook; per router what it wrote down."""
    out.mkdir()
    peers = {"leaf0": lab.addresses["spine0"], "spine0": lab.addresses["leaf0"]}
    lines = bgp_lines(NUMBER)
    hosts = {name: {"ansible_host": address, "lines": lines[name], "peer": peers[name]} for name, address in lab.addresses.items()}
    variables = {
        "ansible_connection": "ansible.netcommon.network_cli",
        "ansible_network_os": "vyos.vyos.vyos",
        "ansible_user": "vyos",
        "ansible_password": PASSWORD,
        "ansible_network_cli_ssh_type": "libssh",
        "ansible_host_key_checking": False,
        "ansible_python_interpreter": sys.executable,
        "out": str(out),
    }
    (out / "inventory.json").write_text(json.dumps({"all": {"vars": variables, "hosts": hosts}}))
    (out / "play.yml").write_text(PLAYBOOK)
    command = [str(Path(sys.executable).with_name("ansible-playbook")), "-i", str(out / "inventory.json"), str(out / "play.yml")]
    # An inventory of its own, not a fabric file: read by the plugin that the project does not enable.
    environment = {**os.environ, "ANSIBLE_HOST_KEY_CHECKING": "False", "ANSIBLE_INVENTORY_ENABLED": "ansible.builtin.yaml", "HOME": str(out)}
    done = subprocess.run(command, capture_output=True, text=True, timeout=180, env=environment, cwd=out)
    assert done.returncode == 0, done.stdout + done.stderr
    return {name: json.loads((out / f"{name}.json").read_text()) for name in lab.addresses}


def test_changed_then_not(lab: Lab, tmp_path: Path) -> None:
    first = play(lab, tmp_path / "first")
    assert {name: result["changed"] for name, result in first.items()} == {"leaf0": True, "spine0": True}
    wait_until("Established", lambda: lab.show("leaf0", 'vtysh -c "show bgp summary json"').count('"state":"Established"') == 2)
    second = play(lab, tmp_path / "second")
    assert {name: result["changed"] for name, result in second.items()} == {"leaf0": False, "spine0": False}
    facts = second["leaf0"]["facts"]
    assert isinstance(facts, dict)
    assert facts["ansible_net_hostname"] == "leaf0"
    assert facts["ansible_net_version"].startswith("VyOS 1.4")
    resources = facts["ansible_network_resources"]
    addresses = {entry["name"]: entry.get("ipv4", []) for entry in resources["l3_interfaces"]}
    assert addresses["eth1"] == [{"address": f"10.129.{NUMBER}.1/30"}]
    shown = second["leaf0"]["shown"]
    assert isinstance(shown, list)
    peers = json.loads(shown[1])["ipv4Unicast"]["peers"]
    assert {peer["state"] for peer in peers.values()} == {"Established"}
    assert lab.plan() == {}
