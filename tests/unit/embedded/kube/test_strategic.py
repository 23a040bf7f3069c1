from __future__ import annotations

from typing import Any

import pytest
from leafspine_embedded.kube.errors import ApiError, BadRequest, UnsupportedMediaType
from leafspine_embedded.kube.patch import APPLY_PATCH, JSON_PATCH, MERGE_PATCH, STRATEGIC_PATCH, apply
from leafspine_embedded.kube.resources import PODS, Resource
from leafspine_embedded.kube.strategic import merge

POD: dict[str, Any] = {
    "spec": {
        "containers": [
            {"name": "a", "image": "x:1", "env": [{"name": "E", "value": "1"}], "args": ["one", "two"]},
            {"name": "b", "image": "y:1"},
        ],
        "tolerations": [{"key": "t"}],
    }
}


def names(value: dict[str, Any]) -> list[str]:
    return [entry["name"] for entry in value["spec"]["containers"]]


def test_lists_with_a_key_are_merged_item_by_item() -> None:
    made = merge(POD, {"spec": {"containers": [{"name": "b", "image": "y:2"}, {"name": "c", "image": "z"}]}}, "Pod")
    assert [entry["image"] for entry in made["spec"]["containers"]] == ["x:1", "y:2", "z"]
    assert POD["spec"]["containers"][1]["image"] == "y:1"


def test_lists_without_a_key_are_replaced() -> None:
    made = merge(POD, {"spec": {"containers": [{"name": "a", "args": ["three"]}], "tolerations": []}}, "Pod")
    assert made["spec"]["containers"][0]["args"] == ["three"] and made["spec"]["tolerations"] == []
    assert made["spec"]["containers"][0]["env"] == [{"name": "E", "value": "1"}]


def test_nested_keys_work_too() -> None:
    made = merge(POD, {"spec": {"containers": [{"name": "a", "env": [{"name": "F", "value": "2"}]}]}}, "Pod")
    assert [entry["name"] for entry in made["spec"]["containers"][0]["env"]] == ["E", "F"]


def test_null_removes_a_field_and_delete_removes_an_item() -> None:
    made = merge(POD, {"spec": {"tolerations": None, "containers": [{"name": "a", "$patch": "delete"}]}}, "Pod")
    assert "tolerations" not in made["spec"] and names(made) == ["b"]


def test_replace_replaces_a_list_and_a_map() -> None:
    made = merge(POD, {"spec": {"containers": [{"name": "z", "image": "z"}, {"$patch": "replace"}]}}, "Pod")
    assert names(made) == ["z"]
    made = merge({"spec": {"type": "NodePort", "selector": {"a": "b"}}}, {"spec": {"selector": {"c": "d", "$patch": "replace"}}}, "Service")
    assert made["spec"]["selector"] == {"c": "d"}


def test_set_element_order_sorts_and_keeps_what_only_the_server_has() -> None:
    patch = {"spec": {"$setElementOrder/containers": [{"name": "b"}, {"name": "a"}], "containers": [{"name": "b", "image": "y:3"}]}}
    assert names(merge(POD, patch, "Pod")) == ["b", "a"]
    three = {"spec": {"containers": [{"name": "a"}, {"name": "server"}, {"name": "b"}]}}
    order = {"spec": {"$setElementOrder/containers": [{"name": "a"}, {"name": "new"}, {"name": "b"}], "containers": [{"name": "new"}]}}
    assert names(merge(three, order, "Pod")) == ["a", "new", "server", "b"]


def test_plain_lists_merge_as_sets() -> None:
    obj = {"metadata": {"finalizers": ["a", "b"]}}
    assert merge(obj, {"metadata": {"finalizers": ["b", "c"]}}, "Pod")["metadata"]["finalizers"] == ["a", "b", "c"]
    assert merge(obj, {"metadata": {"$deleteFromPrimitiveList/finalizers": ["a"]}}, "Pod")["metadata"]["finalizers"] == ["b"]


def test_retain_keys_drops_the_others() -> None:
    obj = {"spec": {"strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}}}}
    made = merge(obj, {"spec": {"strategy": {"$retainKeys": ["type"], "type": "Recreate"}}}, "Deployment")
    assert made["spec"]["strategy"] == {"type": "Recreate"}


def test_labels_merge_key_by_key() -> None:
    made = merge({"metadata": {"labels": {"a": "1", "b": "2"}}}, {"metadata": {"labels": {"b": None, "c": "3"}}}, "Pod")
    assert made["metadata"]["labels"] == {"a": "1", "c": "3"}


def test_an_item_without_its_key_is_refused() -> None:
    with pytest.raises(BadRequest, match="does not contain declared merge key: name"):
        merge(POD, {"spec": {"containers": [{"image": "x"}]}}, "Pod")


def test_merge_patch_replaces_lists() -> None:
    made = apply(PODS, POD, {"spec": {"containers": [{"name": "z"}], "tolerations": None}}, MERGE_PATCH)
    assert made == {"spec": {"containers": [{"name": "z"}]}}


def test_json_patch_and_its_failure() -> None:
    made = apply(PODS, POD, [{"op": "replace", "path": "/spec/containers/0/image", "value": "q"}], JSON_PATCH)
    assert made["spec"]["containers"][0]["image"] == "q"
    with pytest.raises(ApiError) as caught:
        apply(PODS, POD, [{"op": "remove", "path": "/spec/nothing"}], JSON_PATCH)
    assert caught.value.code == 422


def test_unserved_patch_types_are_refused() -> None:
    custom = Resource("example.com", "v1", "Widget", "widgets", True, custom=True)
    for res, media in ((PODS, APPLY_PATCH), (custom, STRATEGIC_PATCH), (PODS, "text/plain")):
        with pytest.raises(UnsupportedMediaType):
            apply(res, POD, {}, media)
    with pytest.raises(UnsupportedMediaType, match="server-side apply is not supported by the embedded engine"):
        apply(PODS, POD, {}, APPLY_PATCH)
