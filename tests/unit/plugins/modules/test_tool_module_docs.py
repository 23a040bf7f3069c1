"""The documentation of the modules that wrap calicoctl and kind says what their argument specifications say."""

from __future__ import annotations

import re
from types import ModuleType
from typing import Any

import pytest
import yaml
from ansible_collections.leafspine.calico.plugins.module_utils import calicoctl_errors, kind
from ansible_collections.leafspine.calico.plugins.modules import calicoctl, kind_cluster

MODULES = pytest.mark.parametrize("module", [calicoctl, kind_cluster], ids=["calicoctl", "kind_cluster"])


def load(module: ModuleType, part: str) -> Any:
    return yaml.safe_load(getattr(module, part))


@MODULES
def test_options_types_choices_and_defaults_agree(module: ModuleType) -> None:
    options = load(module, "DOCUMENTATION")["options"]
    assert set(options) == set(module.ARGUMENTS)
    for name, spec in module.ARGUMENTS.items():
        said = {key: options[name].get(key) for key in ("type", "elements", "choices", "default", "required")}
        assert said == {key: spec.get(key) for key in said}, name


@MODULES
def test_examples_use_only_options_that_exist(module: ModuleType) -> None:
    name = module.__name__.rsplit(".", 1)[1]
    tasks = load(module, "EXAMPLES")
    assert tasks and all(set(task[f"leafspine.calico.{name}"]) <= set(module.ARGUMENTS) for task in tasks)


@MODULES
def test_what_the_text_refers_to_exists(module: ModuleType) -> None:
    text = module.DOCUMENTATION + module.RETURN
    options, values = set(module.ARGUMENTS), set(load(module, "RETURN"))
    assert {name.split("=")[0] for name in re.findall(r"\bO\(([^)]*)\)", text)} <= options
    assert set(re.findall(r"\bRV\(([^)]*)\)", text)) <= values


@pytest.mark.parametrize(("module", "rules"), [(calicoctl, calicoctl_errors._RULES), (kind_cluster, kind._RULES)], ids=["calicoctl", "kind_cluster"])
def test_every_reason_is_documented(module: ModuleType, rules: Any) -> None:
    documented = set(re.findall(r"V\((\w+)\)", str(load(module, "RETURN")["reason"]["description"])))
    assert {rule[0] for rule in rules} - documented <= {"calico_not_running"}
