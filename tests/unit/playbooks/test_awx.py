"""playbooks/awx.yml without AWX: its data against awx.awx's own argument specs, its playbooks, surveys, workflows and rights."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template

ROOT = Path(__file__).resolve().parents[3]
PLAYBOOKS = ROOT / "playbooks"
TASKS: list[dict[str, Any]] = yaml.safe_load((PLAYBOOKS / "awx.yml").read_text())[0]["tasks"]
NEEDED = ("lab_site", "lab_verify", "lab_drill", "lab_report", "lab_destroy", "fabric_push")
Objects = dict[str, Any]


@pytest.fixture(scope="module")
def objects() -> Objects:
    return DataLoader().load_from_file(str(PLAYBOOKS / "awx" / "objects.yml"), trusted_as_template=True)


def rendered(objects: Objects, template: Any, item: Any = None) -> Any:
    return Templar(loader=DataLoader(), variables=objects | {"item": item}).template(trust_as_template(template) if isinstance(template, str) else template)


def module_of(task: dict[str, Any]) -> tuple[str, str]:
    """Name of the awx.awx module and the template of its arguments."""
    (name,) = [key for key in task if key.startswith("awx.awx.")]
    return name.rpartition(".")[2], task[name]


def calls(objects: Objects) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every call that the playbook makes: module and arguments."""
    for task in TASKS:
        module, template = module_of(task)
        for item in rendered(objects, task["loop"]) if "loop" in task else [None]:
            yield module, rendered(objects, template, item)


class Spec(Exception):
    """Carries what a module's main was about to check its arguments with."""


def refused(monkeypatch: pytest.MonkeyPatch, module: str, arguments: dict[str, Any]) -> list[str]:
    """What the module's own argument spec says against these arguments."""
    code = importlib.import_module(f"ansible_collections.awx.awx.plugins.modules.{module}")

    def stop(*_args: Any, argument_spec: dict[str, Any], **options: Any) -> None:
        raise Spec(argument_spec, options)

    monkeypatch.setattr(code, "ControllerAPIModule", stop)
    with pytest.raises(Spec) as caught:
        code.main()
    spec, options = caught.value.args
    exclusive = options.get("mutually_exclusive")
    return list(ArgumentSpecValidator(spec, mutually_exclusive=exclusive).validate(arguments).error_messages)


def test_awx_awx_accepts_every_object(objects: Objects, monkeypatch: pytest.MonkeyPatch) -> None:
    found = [(module, arguments.get("name"), refused(monkeypatch, module, arguments)) for module, arguments in calls(objects)]
    assert [entry for entry in found if entry[2]] == []
    assert {module for module, _name, _errors in found} == {
        *("organization", "team", "credential_type", "credential", "execution_environment", "project", "inventory", "inventory_source", "host"),
        *("job_template", "workflow_job_template", "role"),
    }


def test_awx_awx_refuses_what_it_does_not_know(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "colour" in refused(monkeypatch, "job_template", {"name": "x", "colour": "red"})[0]
    assert "one of: run, check" in refused(monkeypatch, "job_template", {"name": "x", "job_type": "fly"})[0]


def test_every_playbook_exists_and_every_template_is_there(objects: Objects) -> None:
    templates = {template["name"]: template for template in objects["awx_job_templates"]}
    assert set(NEEDED) <= set(templates)
    assert [name for name, template in templates.items() if not (ROOT / template["playbook"]).is_file()] == []
    assert (ROOT / objects["awx_inventory_source"]["source_path"]).is_file()


def surveys(objects: Objects) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Template or workflow, its playbook's name, and a question of its survey."""
    playbooks = {template["name"]: Path(template["playbook"]).stem for template in objects["awx_job_templates"]}
    for owner in [*objects["awx_job_templates"], *objects["awx_workflows"]]:
        used = {playbooks[owner["name"]]} if owner["name"] in playbooks else {playbooks[name] for name in jobs(owner)}
        for question in owner.get("survey_spec", {}).get("spec", []):
            for playbook in used:
                yield owner["name"], playbook, question


def jobs(workflow: dict[str, Any]) -> list[str]:
    return [node["unified_job_template"]["name"] for node in workflow["workflow_nodes"] if node["unified_job_template"]["type"] == "job_template"]


def test_surveys_ask_for_variables_that_have_an_argument_spec(objects: Objects) -> None:
    specs = yaml.safe_load((PLAYBOOKS / "files" / "argument_specs.yml").read_text())
    asked = list(surveys(objects))
    assert {owner for owner, _playbook, _question in asked} >= {"lab_drill", "fabric_push", "fabric_change"}
    assert [entry for entry in asked if entry[2]["variable"] not in specs.get(entry[1], {})] == []
    unread = [(playbook, name) for playbook, spec in specs.items() for name in spec if name not in (PLAYBOOKS / f"{playbook}.yml").read_text()]
    assert unread == []


def test_the_drill_survey_offers_every_scenario(objects: Objects) -> None:
    scenarios = yaml.safe_load((PLAYBOOKS / "drills" / "scenarios.yml").read_text())["drill_scenarios"]
    (question,) = [entry[2] for entry in surveys(objects) if entry[2]["variable"] == "drill_name"]
    assert question["choices"] == ["all", *scenarios]


def edges(workflow: dict[str, Any]) -> dict[str, set[str]]:
    """Nodes and those that follow each."""
    return {node["identifier"]: {after["identifier"] for kind in node.get("related", {}).values() for after in kind} for node in workflow["workflow_nodes"]}


def order(workflow: dict[str, Any]) -> list[str]:
    return list(reversed(list(TopologicalSorter(edges(workflow)).static_order())))


def test_workflows_are_acyclic_and_nothing_is_destroyed_or_pushed_without_approval(objects: Objects) -> None:
    templates = {template["name"] for template in objects["awx_job_templates"]}
    for workflow in objects["awx_workflows"]:
        nodes = {node["identifier"]: node["unified_job_template"] for node in workflow["workflow_nodes"]}
        assert set(order(workflow)) == set(nodes)
        assert set(jobs(workflow)) <= templates
        for last in ("destroy", "push"):
            before = [nodes[name]["type"] for name, after in edges(workflow).items() if last in after]
            assert last not in nodes or before == ["workflow_approval"]
    lab, change = objects["awx_workflows"]
    positions = [order(lab).index(name) for name in ("site", "verify", "drill", "report", "agree", "destroy")]
    assert positions == sorted(positions)
    assert [node.get("job_type") for node in change["workflow_nodes"]] == ["check", None, "run"]


def test_a_cycle_is_found() -> None:
    node = {"identifier": "a", "related": {"success_nodes": [{"identifier": "a"}]}}
    with pytest.raises(CycleError):
        order({"workflow_nodes": [node]})


def test_operators_launch_and_approve_but_do_not_edit(objects: Objects) -> None:
    rights = {role["role"] for role in objects["awx_roles"]}
    assert rights == {"execute", "approval", "read"}
    assert {role["team"] for role in objects["awx_roles"]} == {objects["awx_team"]["name"]}


def test_no_secret_is_in_the_file(objects: Objects) -> None:
    assert [objects[name] for name in ("awx_ssh_key", "awx_become_password", "awx_vault_password", "awx_kubeconfig")] == [""] * 4
    kubeconfig = objects["awx_credential_types"][0]
    assert [field["id"] for field in kubeconfig["inputs"]["fields"] if field.get("secret")] == ["kubeconfig"]
