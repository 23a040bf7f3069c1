"""The lab as clabernetes' resource: what the role renders is what the resource's schema allows, and says the same lab."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

ROOT = Path(__file__).parents[2]
SCHEMA = yaml.safe_load((Path(__file__).parent / "data" / "clabernetes_topology.yaml").read_text())
ROUTERS = ["leaf0", "leaf1", "spine0", "spine1"]
PLAY = """
- hosts: lab_hosts
  gather_facts: false
  vars_files: [{role}/defaults/main.yml, {role}/vars/main.yml]
  vars:
    lab_state: {{tools: {{}}}}
    lab_secrets: {{router_password: x, router_salt: y}}
    containerlab_boot_configs: {{leaf0: "a: {{}}\\n", leaf1: b, spine0: c, spine1: d}}
    ansible_python_interpreter: "{{{{ ansible_playbook_python }}}}"
  tasks:
    - ansible.builtin.copy:
        content: "{{{{ lookup('ansible.builtin.template', 'clabernetes.yml.j2') }}}}"
        dest: "{{{{ playbook_dir }}}}/out.yml"
      vars:
        containerlab_server_mode: node
        containerlab_boot_directory: /clabernetes
"""


@pytest.fixture(scope="module")
def documents(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """The role's template, rendered by Ansible for the reference lab."""
    folder = tmp_path_factory.mktemp("clabernetes")
    (folder / "templates").symlink_to(ROOT / "roles/containerlab/templates")
    (folder / "play.yml").write_text(PLAY.format(role=ROOT / "roles/containerlab"))
    (folder / "group_vars").symlink_to(ROOT / "playbooks/group_vars")
    command = [ROOT / ".venv/bin/ansible-playbook", "-i", ROOT / "inventories/containers", folder / "play.yml", "-e", "ansible_become=false"]
    environment = os.environ | {"ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "LC_ALL": "C.UTF-8"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=ROOT, check=False, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    return list(yaml.safe_load_all((folder / "out.yml").read_text()))


@pytest.fixture(scope="module")
def topology(documents: list[dict[str, Any]]) -> dict[str, Any]:
    return next(document for document in documents if document["kind"] == "Topology")


@pytest.fixture(scope="module")
def lab(topology: dict[str, Any]) -> dict[str, Any]:
    """The topology file inside the resource."""
    text: dict[str, Any] = yaml.safe_load(topology["spec"]["definition"]["containerlab"])
    return text


def test_the_resource_is_what_its_schema_allows(topology: dict[str, Any]) -> None:
    jsonschema.validate(topology, SCHEMA)


@pytest.mark.parametrize("path", [["spec", "expose", "exposeTyp"], ["spec", "naming"], ["spec", "deployment", "filesFromConfigMap", "leaf0"]])
def test_a_resource_that_it_does_not_allow_is_found(topology: dict[str, Any], path: list[str]) -> None:
    broken = yaml.safe_load(yaml.safe_dump(topology))
    place = broken
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = "x"
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(broken, SCHEMA)


def test_every_router_gets_its_configuration_where_it_is_bound_from(documents: list[dict[str, Any]], topology: dict[str, Any], lab: dict[str, Any]) -> None:
    maps = {document["metadata"]["name"]: document["data"] for document in documents if document["kind"] == "ConfigMap"}
    files = topology["spec"]["deployment"]["filesFromConfigMap"]
    assert sorted(files) == ROUTERS
    for router, (file,) in files.items():
        assert file["configMapPath"] in maps[file["configMapName"]]
        assert f"{file['filePath']}:/opt/vyatta/etc/config/config.boot" in lab["topology"]["nodes"][router]["binds"]
    assert maps["calico-bgp-rr-leaf0"] == {"config.boot": "a: {}\n"}


def test_it_is_the_same_lab(lab: dict[str, Any]) -> None:
    """Routers, servers and, as nodes of their own, the racks' bridges; every end of a link is a node; nothing of a host."""
    nodes = lab["topology"]["nodes"]
    assert sorted(nodes) == sorted([*ROUTERS, "br-leaf0", "br-leaf1", "server1", "server2", "server3", "server4"])
    assert {node["kind"] for node in nodes.values()} == {"linux"}
    ends = [end for link in lab["topology"]["links"] for end in link["endpoints"]]
    assert len(lab["topology"]["links"]) == 10
    assert {end.split(":")[0] for end in ends} == set(nodes)
    assert len(set(ends)) == len(ends)
    assert not any("network-mode" in node for node in nodes.values())


def test_racks_are_joined_and_servers_have_their_addresses(lab: dict[str, Any]) -> None:
    nodes = lab["topology"]["nodes"]
    ends = {end.split(":")[1] for link in lab["topology"]["links"] for end in link["endpoints"] if end.startswith("br-leaf0:")}
    assert {line.split()[3] for line in nodes["br-leaf0"]["exec"] if "master rack" in line} == ends == {"br-leaf0-net0", "br-leaf0-net1", "br-leaf0-net2"}
    assert nodes["server3"]["exec"] == ["ip address add 10.1.8.10/24 dev net0", "ip route replace default via 10.1.8.1"]
