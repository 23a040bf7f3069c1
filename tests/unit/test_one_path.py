"""No task of a role or playbook depends on the engine, by its name or by a variable that engines set differently."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
NAMES = re.compile(r"\blab_engine\b")
# Where a task decides: whether it runs, how often, what it makes of a result.
DECIDES = ("when", "loop", "until", "failed_when", "changed_when", "ansible.builtin.include_tasks", "ansible.builtin.import_tasks")
WORD = re.compile(r"[A-Za-z_]\w*")
# What every inventory says for the lab host and not the engine: which lab it is, what a role found out.
COMMON = {"lab_state", "lab_host", "lab_dir"}
# Variables that may decide, with the reason. What an engine does not have is skipped by the playbook.
ALLOWED = {
    "lab_lacks": "roles whose work was done elsewhere: there is no lab host to carry a cluster, bridges and routers",
    "calico_bgp_manifest": "empty: Calico is there already and stays as it is",
    "verify_drills": "which drills an owner allows",
    "verify_tries": "how long a condition is awaited, not which",
    "vyos_fabric_mode": "whether a router is the lab's alone (exact) or shared with others (additive)",
}


def documents() -> Iterator[tuple[Path, Any]]:
    """Every file with tasks."""
    for pattern in ("roles/*/tasks/*.yml", "roles/*/handlers/*.yml", "playbooks/*.yml", "playbooks/tasks/*.yml", "playbooks/drills/*.yml"):
        for path in sorted(ROOT.glob(pattern)):
            yield path, yaml.safe_load(path.read_text(encoding="utf-8"))


def engine_variables() -> set[str]:
    """Variables of the engines' inventories, and role variables whose default is made of one, by whatever steps."""
    found: set[str] = set()
    for path in ROOT.glob("inventories/*/group_vars/all/*.yml"):
        found |= set(yaml.safe_load(path.read_text(encoding="utf-8")) or {})
    found -= COMMON
    defaults: dict[str, str] = {}
    for path in (*ROOT.glob("roles/*/defaults/main.yml"), *ROOT.glob("roles/*/vars/main.yml"), ROOT / "playbooks/group_vars/all.yml"):
        defaults |= {key: str(value) for key, value in (yaml.safe_load(path.read_text(encoding="utf-8")) or {}).items() if key not in COMMON}
    while more := {key for key, text in defaults.items() if key not in found and found & set(WORD.findall(text))}:
        found |= more
    return found


def decisions(node: Any, place: str) -> Iterator[tuple[str, str]]:
    """Every deciding expression in a document, with the name of its task."""
    if isinstance(node, list):
        for entry in node:
            yield from decisions(entry, place)
    elif isinstance(node, dict):
        here = f"{place}: {node['name']}" if isinstance(node.get("name"), str) else place
        for key, value in node.items():
            if key in DECIDES:
                yield here, " ".join(map(str, value)) if isinstance(value, list) else str(value)
            else:
                yield from decisions(value, here)


def engine_dependent(document: Any, place: str, variables: set[str]) -> list[str]:
    return [f"{where}: {text}" for where, text in decisions(document, place) if variables & set(WORD.findall(re.sub(r"'[^']*'", "", text)))]


def test_no_role_names_the_engine() -> None:
    """Playbooks may say it in a report."""
    texts = {path: path.read_text(encoding="utf-8") for path in (ROOT / "roles").rglob("*") if path.is_file()}
    assert [str(path.relative_to(ROOT)) for path, text in texts.items() if NAMES.search(text) and path.suffix in (".yml", ".j2")] == []


def test_no_task_decides_by_a_variable_of_an_engine() -> None:
    variables = engine_variables()
    assert {"lab_tools", "lab_node_exec", "containerlab_start_command", *ALLOWED} <= variables
    found = [line for path, document in documents() for line in engine_dependent(document, str(path.relative_to(ROOT)), variables - set(ALLOWED))]
    assert found == []


def test_engines_that_build_a_lab_lack_nothing() -> None:
    """So that what ALLOWED lets through is the same in the two of them."""
    for engine in ("embedded", "containers"):
        values = yaml.safe_load((ROOT / "inventories" / engine / "group_vars/all/engine.yml").read_text(encoding="utf-8"))
        assert "lab_lacks" not in values
        assert "vyos_fabric_mode" not in values
        assert "verify_drills" not in values
        assert values["lab_calico_manifest"]


def test_a_task_that_decides_by_one_is_found() -> None:
    tasks = [
        {"name": "by name", "when": "lab_engine == 'embedded'"},
        {"name": "by proxy", "block": [{"name": "inner", "when": ["not ansible_check_mode", "containerlab_start_command | length > 0"]}]},
        {"name": "by what was found", "when": "lab_state.cluster", "vars": {"x": "{{ lab_node_exec }}"}},
        {"name": "by a text", "when": "item == 'lab_node_exec'"},
    ]
    found = engine_dependent(tasks, "x.yml", {"lab_engine", *engine_variables()})
    assert [line.split(": ")[-2] for line in found] == ["by name", "inner"]
