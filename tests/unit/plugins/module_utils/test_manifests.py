"""Environment variables of a published manifest's DaemonSet."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from ansible_collections.leafspine.calico.plugins.module_utils.manifests import with_daemonset_env


def daemonset(name: str = "calico-node", env: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    container: dict[str, Any] = {"name": "calico-node", "image": "x"} | ({"env": env} if env is not None else {})
    containers = [container, {"name": "second", "env": []}]
    return {"kind": "DaemonSet", "metadata": {"name": name}, "spec": {"template": {"spec": {"containers": containers}}}}


def env_of(document: dict[str, Any], container: int = 0) -> Any:
    return document["spec"]["template"]["spec"]["containers"][container]["env"]


def test_a_variable_that_is_there_gets_the_value_in_its_place() -> None:
    before = [{"name": "A", "value": "1"}, {"name": "IPIP", "value": "Always"}, {"name": "B", "value": "2"}]
    result = with_daemonset_env([daemonset(env=before)], "calico-node", {"IPIP": "Never"})
    assert env_of(result[0]) == [{"name": "A", "value": "1"}, {"name": "IPIP", "value": "Never"}, {"name": "B", "value": "2"}]


def test_a_reference_gives_way_to_the_value() -> None:
    before = [{"name": "MTU", "valueFrom": {"configMapKeyRef": {"name": "c", "key": "k"}}}]
    assert env_of(with_daemonset_env([daemonset(env=before)], "calico-node", {"MTU": 1500})[0]) == [{"name": "MTU", "value": "1500"}]  # type: ignore[dict-item]


@pytest.mark.parametrize("env", [None, []], ids=["no list", "an empty list"])
def test_others_are_appended_in_order(env: list[dict[str, Any]] | None) -> None:
    result = with_daemonset_env([daemonset(env=env)], "calico-node", {"B": "1", "A": "2"})
    assert env_of(result[0]) == [{"name": "B", "value": "1"}, {"name": "A", "value": "2"}]


def test_only_the_first_container_of_the_named_daemonset_changes() -> None:
    other = daemonset("other", env=[])
    result = with_daemonset_env([other, daemonset(env=[])], "calico-node", {"A": "1"})
    assert env_of(result[0]) == []
    assert env_of(result[1], 1) == []
    assert env_of(result[1]) == [{"name": "A", "value": "1"}]


def test_the_input_stays_as_it_was() -> None:
    documents = [daemonset(env=[{"name": "A", "value": "1"}])]
    before = copy.deepcopy(documents)
    with_daemonset_env(documents, "calico-node", {"A": "2"})
    assert documents == before


def test_empty_documents_are_left_out_and_others_kept() -> None:
    config = {"kind": "ConfigMap", "metadata": {"name": "c"}}
    assert with_daemonset_env([None, config, {}, daemonset(env=[])], "calico-node", {}) == [config, daemonset(env=[])]


@pytest.mark.parametrize(
    ("documents", "found"),
    [
        pytest.param([{"kind": "ConfigMap", "metadata": {"name": "calico-node"}}], "found: ConfigMap", id="another kind of that name"),
        pytest.param([daemonset("other")], "found: DaemonSet", id="another name"),
        pytest.param([None], "found: nothing", id="nothing"),
    ],
)
def test_a_manifest_without_the_daemonset_is_refused(documents: list[Any], found: str) -> None:
    with pytest.raises(ValueError, match=f"no DaemonSet calico-node; {found}"):
        with_daemonset_env(documents, "calico-node", {"A": "1"})
