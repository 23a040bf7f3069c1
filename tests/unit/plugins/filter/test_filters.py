"""The filters as Ansible finds and calls them; what they compute is tested with module_utils."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.errors import AnsibleFilterError
from ansible_collections.leafspine.calico.plugins.filter import checks, daemonset_env, drills, results, versions, vyos_delta

ROOT = Path(__file__).parents[4]
FOLDER = ROOT / "plugins" / "filter"
MANIFEST = """\
kind: DaemonSet
metadata: {name: calico-node}
spec: {template: {spec: {containers: [{name: calico-node}]}}}
---
# an empty document
---
kind: ConfigMap
metadata: {name: c}
"""


NO_CONTAINER = {"kind": "DaemonSet", "metadata": {"name": "calico-node"}, "spec": {"template": {"spec": {"containers": []}}}}


def offered() -> dict[str, Any]:
    filters: dict[str, Any] = {}
    for plugin in (checks, daemonset_env, drills, results, versions, vyos_delta):
        filters.update(plugin.FilterModule().filters())
    return filters


def test_every_filter_is_documented_with_its_arguments_in_order() -> None:
    for name, function in offered().items():
        documentation = yaml.safe_load((FOLDER / f"{name}.yml").read_text())["DOCUMENTATION"]
        positional = [word.strip() for word in documentation["positional"].split(",")]
        code = function.__code__
        assert documentation["name"] == name
        assert positional[0] == "_input"
        arguments = list(code.co_varnames[1 : code.co_argcount])
        assert positional[1:] == arguments[: len(positional) - 1], name
        assert set(documentation["options"]) == {"_input", *arguments}, name
    assert {path.stem for path in FOLDER.glob("*.yml")} == set(offered())


@pytest.mark.parametrize(
    ("documents", "words"),
    [
        pytest.param([{"kind": "ConfigMap", "metadata": {"name": "c"}}], "no DaemonSet", id="no daemonset"),
        pytest.param([{"kind": "DaemonSet", "metadata": {"name": "calico-node"}}], "spec", id="a daemonset without a spec"),
        pytest.param([NO_CONTAINER], "index", id="no container"),
    ],
)
def test_a_manifest_that_does_not_fit_is_an_error_of_the_filter(documents: list[Any], words: str) -> None:
    with pytest.raises(AnsibleFilterError, match=rf"daemonset_env: .*{words}"):
        daemonset_env.daemonset_env(documents, "calico-node", {})


@pytest.mark.parametrize(
    ("wanted", "mode", "words"),
    [
        pytest.param(["delete protocols bgp"], "exact", "not a set-line", id="a line that is not set"),
        pytest.param([], "gentle", "allowed: exact, additive", id="an unknown mode"),
    ],
)
def test_lines_and_modes_are_checked(wanted: list[str], mode: str, words: str) -> None:
    with pytest.raises(AnsibleFilterError, match=f"vyos_delta: .*{words}"):
        vyos_delta.vyos_delta("", wanted, ["protocols bgp"], mode=mode)


PLAYBOOK = """
- hosts: localhost
  gather_facts: false
  vars:
    manifest: "{{ text | from_yaml_all | leafspine.calico.daemonset_env('calico-node', {'IPIP': 'Never'}) }}"
    running: "set protocols bgp system-as '1'\\nset protocols bgp neighbor 10.0.0.1 remote-as '2'\\n"
    wanted: [set protocols bgp system-as 1]
    server: {node: worker, address: 10.1.5.11, labels: {rack: rack0}}
  tasks:
    - ansible.builtin.assert:
        that:
          - manifest | map(attribute='kind') == ['DaemonSet', 'ConfigMap']
          - manifest[0].spec.template.spec.containers[0].env == [dict(name='IPIP', value='Never')]
          - running | leafspine.calico.vyos_delta(wanted, ['protocols bgp']) == ['delete protocols bgp neighbor']
          - running | leafspine.calico.vyos_delta(wanted, ['protocols bgp'], mode='additive') == []
          - ([server] | leafspine.calico.node_findings([])) | length == 1
    - ansible.builtin.debug:
        msg: "{{ running | leafspine.calico.vyos_delta(wanted, [], [], 'gentle') }}"
      ignore_errors: true
      register: refused
    - ansible.builtin.assert:
        that:
          - refused is failed
          - "'allowed: exact, additive' in refused.msg"
"""


def test_ansible_finds_the_filters_and_shows_their_errors(tmp_path: Path) -> None:
    """In a process of its own: this one has imported the collection as a plain package."""
    playbook = tmp_path / "filters.yml"
    playbook.write_text(PLAYBOOK)
    command = [str(Path(sys.executable).parent / "ansible-playbook"), "-i", "localhost,", "-c", "local", str(playbook), "-e", json.dumps({"text": MANIFEST})]
    environment = os.environ | {"ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_NOCOLOR": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=ROOT, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


HEAVY = ("matplotlib", "numpy", "pygraphviz")


@pytest.mark.parametrize("used", [False, True], ids=["loaded", "used"])
def test_loading_the_filters_loads_nothing_that_only_the_report_needs(used: bool) -> None:
    """Each task with a filter loads them all, in a process of its own. That the measure can fail shows the report itself."""
    modules = [f"ansible_collections.leafspine.calico.plugins.filter.{path.stem}" for path in sorted(FOLDER.glob("*.py"))]
    modules += ["ansible_collections.leafspine.calico.plugins.module_utils.lab_report"] if used else []
    program = f"import importlib, sys; [importlib.import_module(name) for name in {modules}]; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, env={**os.environ, "PYTHONPATH": str(ROOT / "collections")}
    )
    assert [name for name in HEAVY if name in done.stdout.split()] == (list(HEAVY) if used else [])
