from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from leafspine_embedded.kube import crds, tables
from leafspine_embedded.kube.errors import Invalid
from leafspine_embedded.kube.resources import CRDS, Resource
from leafspine_embedded.kube.store import Store

Make = Callable[..., dict[str, Any]]

SCHEMA = {
    "type": "object",
    "properties": {
        "spec": {
            "type": "object",
            "required": ["size"],
            "properties": {
                "size": {"type": "integer", "minimum": 1, "maximum": 5},
                "colour": {"type": "string", "enum": ["red", "green"], "default": "red"},
                "cidr": {"type": "string", "pattern": "^[0-9./]+$"},
                "port": {"x-kubernetes-int-or-string": True},
                "tags": {"type": "array", "maxItems": 2, "items": {"type": "string"}},
                "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
                "map": {"type": "object", "additionalProperties": {"type": "integer"}},
                "one": {
                    "oneOf": [{"required": ["a"]}, {"required": ["b"]}],
                    "type": "object",
                    "properties": {"a": {"type": "string"}, "b": {"type": "string"}},
                },
            },
        },
        "status": {"type": "object", "properties": {"ready": {"type": "boolean"}}},
    },
}


@pytest.fixture
def widgets(store: Store, definition: Make) -> Resource:
    store.create(CRDS, definition(SCHEMA, subresources={"status": {}}))
    found = store.registry.find("example.com", "widgets")
    assert found is not None
    return found


def widget(name: str = "w", **spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": name, "namespace": "default"}, "spec": {"size": 1, **spec}}


def test_a_definition_adds_its_resource_and_takes_it_and_its_objects_away(store: Store, definition: Make) -> None:
    assert store.registry.find("example.com", "widgets") is None
    made = store.create(CRDS, definition())
    assert made["spec"]["names"]["listKind"] == "WidgetList"
    assert {entry["type"]: entry["status"] for entry in made["status"]["conditions"]} == {"NamesAccepted": "True", "Established": "True"}
    res = store.registry.by_kind("example.com", "Widget")
    assert res is not None and res.short_names == ("wd",)
    store.create(res, widget())
    store.delete(CRDS, None, "widgets.example.com")
    assert store.registry.find("example.com", "widgets") is None
    assert store.list(res) == []


@pytest.mark.parametrize(
    ("spec", "text"),
    [
        ({"size": "big"}, 'spec.size: Invalid value: "string": spec.size in body must be of type integer: "string"'),
        ({"size": 0}, "spec.size: Invalid value: 0: spec.size in body should be greater than or equal to 1"),
        ({"size": 6}, "should be less than or equal to 5"),
        ({"colour": "blue"}, 'spec.colour: Unsupported value: "blue": supported values: "red", "green"'),
        ({"cidr": "x"}, "spec.cidr in body should match '^[0-9./]+$'"),
        ({"port": 1.5}, "must be of type integer,string"),
        ({"tags": ["a", "b", "c"]}, "spec.tags: Too many: 3: must have at most 2 items"),
        ({"map": {"k": "v"}}, "spec.map.k in body must be of type integer"),
        ({"one": {"a": "1", "b": "2"}}, "must validate one and only one schema (oneOf)"),
    ],
)
def test_objects_that_break_the_schema_are_refused(store: Store, widgets: Resource, spec: dict[str, Any], text: str) -> None:
    with pytest.raises(Invalid) as caught:
        store.create(widgets, widget(**spec))
    assert caught.value.message.startswith('Widget.example.com "w" is invalid: ') and text in caught.value.message


def test_a_missing_required_field_is_named(store: Store, widgets: Resource) -> None:
    obj = widget()
    del obj["spec"]["size"]
    with pytest.raises(Invalid, match=r"spec\.size: Required value"):
        store.create(widgets, obj)


def test_lawful_objects_are_taken(store: Store, widgets: Resource) -> None:
    made = store.create(widgets, widget(size=5, colour="green", cidr="10.0.0.0/8", port="http", tags=["a"], free={"any": 1}, map={"k": 1}, one={"a": "1"}))
    assert made["apiVersion"] == "example.com/v1" and made["metadata"]["generation"] == 1


def test_unknown_fields_are_pruned_and_defaults_filled_in(store: Store, widgets: Resource) -> None:
    obj = widget(bogus=1, free={"kept": True})
    obj["other"] = {}
    assert sorted(crds.prune(store, widgets, obj)) == ["other", "spec.bogus"]
    assert obj["spec"] == {"size": 1, "free": {"kept": True}, "colour": "red"}


def test_status_is_a_subresource_only_when_the_definition_says_so(store: Store, widgets: Resource) -> None:
    made = store.create(widgets, widget())
    made["status"] = {"ready": True}
    assert "status" not in store.update(widgets, made)
    assert store.update(widgets, made, subresource="status")["status"] == {"ready": True}


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"group": "nodot"}, "should be a domain with at least one dot"),
        ({"scope": "Global"}, 'Unsupported value: "Global": supported values: "Cluster", "Namespaced"'),
        ({"conversion": {"strategy": "Webhook"}}, "spec.conversion.strategy"),
        (
            {"versions": [{"name": "v1", "served": True, "storage": False, "schema": {"openAPIV3Schema": {"type": "object"}}}]},
            "exactly one version marked as storage",
        ),
        ({"versions": [{"name": "v1", "served": True, "storage": True}]}, "schemas are required"),
    ],
)
def test_bad_definitions_are_refused(store: Store, definition: Make, change: dict[str, Any], text: str) -> None:
    obj = definition()
    obj["spec"].update(change)
    with pytest.raises(Invalid) as caught:
        store.create(CRDS, obj)
    assert text in caught.value.message


def test_built_in_groups_and_broken_patterns_are_refused(store: Store, definition: Make) -> None:
    taken = definition()
    taken["spec"].update(group="rbac.authorization.k8s.io")
    taken["metadata"]["name"] = "widgets.rbac.authorization.k8s.io"
    with pytest.raises(Invalid, match="this group is built in"):
        store.create(CRDS, taken)
    with pytest.raises(Invalid, match="must be a valid regular expression"):
        store.create(CRDS, definition({"type": "object", "properties": {"x": {"type": "string", "pattern": "("}}}))
    with pytest.raises(Invalid, match=r"must be spec.names.plural"):
        store.create(CRDS, {**definition(), "metadata": {"name": "wrong.example.com"}})


def test_additional_printer_columns(store: Store, definition: Make) -> None:
    columns = [
        {"name": "Size", "type": "integer", "jsonPath": ".spec.size"},
        {"name": "Ready", "type": "string", "jsonPath": '.status.conditions[?(@.type=="Ready")].status'},
        {"name": "Label", "type": "string", "jsonPath": ".metadata.labels.app\\.example\\.com/x", "priority": 1},
        {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"},
    ]
    store.create(CRDS, definition({"type": "object", "x-kubernetes-preserve-unknown-fields": True}, additionalPrinterColumns=columns))
    res = store.registry.find("example.com", "widgets")
    assert res is not None
    obj = widget()
    obj["metadata"]["labels"] = {"app.example.com/x": "yes"}
    obj["status"] = {"conditions": [{"type": "Other", "status": "False"}, {"type": "Ready", "status": "True"}]}
    made = tables.table(store, res, [store.create(res, obj), store.create(res, widget("bare"))], {}, "None")
    assert [column["priority"] for column in made["columnDefinitions"]] == [0, 0, 0, 1, 0]
    assert made["rows"][0]["cells"][:4] == ["w", 1, "True", "yes"] and made["rows"][1]["cells"][2] is None
    assert made["rows"][0]["cells"][4].endswith("s")


def test_rules_that_nobody_evaluates_are_noticed(definition: Make) -> None:
    assert not crds.unsupported_rules(definition())
    assert crds.unsupported_rules(definition({"type": "object", "x-kubernetes-validations": [{"rule": "true"}]}))
