from __future__ import annotations

import pytest
from leafspine_embedded.kube.errors import BadRequest
from leafspine_embedded.kube.selectors import fields, labels, matches_label_selector

OBJ = {"metadata": {"name": "a", "labels": {"app": "web", "tier": "1"}}, "spec": {"nodeName": "n1"}, "status": {"phase": "Running"}}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("app=web", True), ("app==web", True), ("app=db", False), ("app!=db", True), ("app!=web", False), ("missing!=x", True),
        ("app", True), ("!app", False), ("!missing", True), ("app in (web, db)", True), ("app in (db)", False), ("app notin (db)", True),
        ("missing notin (x)", True), ("app=web,tier=1", True), ("app=web,tier=2", False), ("tier>0", True), ("tier<1", False), ("app in (web),!missing", True),
    ],
)  # fmt: skip
def test_label_selectors(text: str, expected: bool) -> None:
    predicate = labels(text)
    assert predicate is not None and predicate(OBJ) is expected


def test_an_empty_selector_selects_everything() -> None:
    assert labels("") is None and fields(" ", "Pod") is None


@pytest.mark.parametrize("text", ["a b=c", "a in b", "(", "a=b c", "=x"])
def test_nonsense_is_refused(text: str) -> None:
    with pytest.raises(BadRequest, match="unable to parse requirement"):
        labels(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("metadata.name=a", True),
        ("metadata.name!=a", False),
        ("spec.nodeName=n1,status.phase=Running", True),
        ("status.phase!=Running", False),
        ("spec.nodeName=", False),
    ],
)
def test_field_selectors(text: str, expected: bool) -> None:
    predicate = fields(text, "Pod")
    assert predicate is not None and predicate(OBJ) is expected


def test_fields_that_are_not_indexed_are_refused() -> None:
    with pytest.raises(BadRequest, match=r"field label not supported: spec\.foo"):
        fields("spec.foo=1", "Pod")


@pytest.mark.parametrize(
    ("selector", "expected"),
    [
        (None, False), ({}, True), ({"matchLabels": {"app": "web"}}, True), ({"matchLabels": {"app": "db"}}, False),
        ({"matchExpressions": [{"key": "app", "operator": "In", "values": ["web"]}]}, True),
        ({"matchExpressions": [{"key": "app", "operator": "NotIn", "values": ["web"]}]}, False),
        ({"matchExpressions": [{"key": "x", "operator": "Exists"}]}, False), ({"matchExpressions": [{"key": "x", "operator": "DoesNotExist"}]}, True),
    ],
)  # fmt: skip
def test_label_selector_objects(selector: dict[str, object] | None, expected: bool) -> None:
    assert matches_label_selector(selector, {"app": "web"}) is expected
