"""The inventory plugin as Ansible runs it, and that its documentation says what the schema says."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.leafspine.calico.plugins.inventory import fabric
from ansible_collections.leafspine.calico.plugins.module_utils.fabric_schema import SCHEMA, with_defaults
from ansible_collections.leafspine.calico.plugins.module_utils.intent import load

ROOT = Path(__file__).parents[4]
REFERENCE = ROOT / "inventories" / "embedded" / "fabric.yml"


def ansible_inventory(path: Path, tmp_path: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run ansible-inventory from the checkout, whose ansible.cfg names the plugin."""
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "LC_ALL": "C.UTF-8",
        "ANSIBLE_INVENTORY_ENABLED": "leafspine.calico.fabric",
        "ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED": "true",
    }
    program = str(Path(sys.executable).parent / "ansible-inventory")
    return subprocess.run([program, "-i", str(path), *arguments], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120, check=False)


def written(tmp_path: Path, text: str | bytes, name: str = "fabric.yml") -> Path:
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_hosts_groups_and_variables_of_the_reference_lab(tmp_path: Path) -> None:
    result = ansible_inventory(REFERENCE, tmp_path, "--list")
    assert (result.returncode, result.stderr) == (0, "")
    listed = json.loads(result.stdout)
    groups = {name: sorted(value.get("hosts", value.get("children", []))) for name, value in listed.items() if name not in ("_meta", "all")}
    assert groups == {
        "lab_hosts": ["labhost"],
        "routers": ["leaves", "spines"],
        "spines": ["spine0", "spine1"],
        "leaves": ["leaf0", "leaf1"],
        "servers": ["control-plane", "worker", "worker2", "worker3"],
        "rack_rack0": ["control-plane", "leaf0", "worker"],
        "rack_rack1": ["leaf1", "worker2", "worker3"],
    }
    intent, _problems = load(REFERENCE.read_text())
    assert intent is not None
    variables = listed["_meta"]["hostvars"]
    for router in intent["routers"]:
        found = variables[router["name"]]
        assert (found["fabric"], found["router"], found["ansible_host"]) == (intent, router, router["management"]["address"])
    for server in intent["servers"]:
        assert (variables[server["name"]]["fabric"], variables[server["name"]]["server"]) == (intent, server)
        assert "ansible_host" not in variables[server["name"]]
    assert variables["labhost"]["fabric"] == intent


def test_every_problem_is_in_the_error(tmp_path: Path) -> None:
    text = REFERENCE.read_text().replace("worker: 10.1.5.11", "worker: 10.1.9.11").replace("asn: 800", "asn: 0")
    path = written(tmp_path, text)
    result = ansible_inventory(path, tmp_path, "--list")
    assert result.returncode != 0
    assert f"{path} has 2 problems:" in result.stderr
    assert "\n  spines.spine1.asn: 0 is a reserved AS number (RFC 7607); allowed: 1 - 4294967294 without 23456 and 65535\n" in result.stderr
    assert "\n  racks.rack0.servers.worker: 10.1.9.11 is outside the rack's subnet 10.1.5.0/24; allowed: 10.1.5.2 - 10.1.5.254\n" in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "(file): the file is empty"),
        ("[1, 2]", "(file): found a list"),
        ("a: [", "(file): not YAML"),
        (b"lab_name: \xff\xfe", "(file): the text is not UTF-8"),
        (REFERENCE.read_text().replace("plugin: leafspine.calico.fabric\n", ""), "plugin: missing"),
    ],
    ids=["empty", "list", "no YAML", "no UTF-8", "no plugin"],
)
def test_bad_files_are_refused(tmp_path: Path, text: str | bytes, message: str) -> None:
    result = ansible_inventory(written(tmp_path, text), tmp_path, "--list")
    assert result.returncode != 0
    assert message in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(("name", "taken"), [("fabric.yml", True), ("lab-fabric.yaml", True), ("fabric.json", False), ("hosts.yml", False)])
def test_files_are_told_by_their_names(tmp_path: Path, name: str, taken: bool) -> None:
    path = written(tmp_path, "x", name)
    assert fabric.InventoryModule().verify_file(str(path)) is taken
    assert not fabric.InventoryModule().verify_file(str(tmp_path / "absent" / name))


def test_the_documentation_has_the_schema_s_keys_and_defaults() -> None:
    options: dict[str, Any] = yaml.safe_load(fabric.DOCUMENTATION)["options"]
    assert sorted(options) == sorted(SCHEMA["properties"])
    for name, option in options.items():
        part = SCHEMA["properties"][name]
        assert option.get("required", False) is (name in SCHEMA["required"])
        assert option.get("default") == part.get("default")
        if "enum" in part:
            assert option["choices"] == part["enum"]
    text = json.dumps(options)
    for name, part in SCHEMA["properties"].items():
        for key in part.get("properties", {}):
            assert f"C({key})" in text, f"{name}.{key}"


def test_the_example_is_accepted() -> None:
    assert load(fabric.EXAMPLES)[1] == []


def test_every_optional_property_has_a_default_or_says_what_its_absence_means() -> None:
    def parts(schema: dict[str, Any], place: str) -> list[tuple[str, dict[str, Any], bool]]:
        found = []
        for name, part in schema.get("properties", {}).items():
            found.append((f"{place}.{name}", part, name in schema.get("required", [])))
            found += parts(part, f"{place}.{name}")
        for key in ("additionalProperties", "items"):
            if isinstance(schema.get(key), dict):
                found += parts(schema[key], f"{place}[]")
        return found

    for place, part, required in parts(SCHEMA, ""):
        assert part["description"].endswith("."), place
        if not required and "default" not in part:
            assert "absent:" in part["description"] or "left out" in part["description"] or "properties" in part, place


def test_defaults_do_not_touch_the_document() -> None:
    document: dict[str, Any] = {"cluster": {}}
    assert with_defaults(document)["cluster"]["naming"] == "kind"
    assert document == {"cluster": {}}
