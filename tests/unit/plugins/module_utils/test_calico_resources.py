"""When two resources mean the same, and what merging them gives."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.leafspine.calico.plugins.module_utils import calico_resources as resources


def peer(**spec: Any) -> dict[str, Any]:
    return {"kind": "BGPPeer", "metadata": {"name": "a"}, "spec": spec}


def pool(**spec: Any) -> dict[str, Any]:
    return {"kind": "IPPool", "metadata": {"name": "a"}, "spec": {"cidr": "10.244.0.0/16", **spec}}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (peer(asNumber="65005"), peer(asNumber=65005)),
        (peer(asNumber="1.10"), peer(asNumber=65546)),
        (peer(maxRestartTime="2m"), peer(maxRestartTime="2m0s")),
        (peer(maxRestartTime="1h30m"), peer(maxRestartTime="90m")),
        (peer(peerIP="2001:DB8::1"), peer(peerIP="2001:db8:0:0::1")),
        (peer(keepOriginalNextHop=False), peer()),
        (peer(peerSelector="", communities=[]), peer()),
        (pool(), pool(allowedUses=["Tunnel", "Workload"], assignmentMode="Automatic", blockSize=26, nodeSelector="all()", ipipMode="Never", vxlanMode="Never")),
        (pool(natOutgoing=False, disabled=False), pool()),
        (pool(cidr="2001:db8::/64"), pool(cidr="2001:db8::/64", blockSize=122)),
        ({**peer(), "status": {}}, peer()),
        ({"kind": "BGPPeer", "metadata": {"name": "a", "uid": "x", "resourceVersion": "1", "creationTimestamp": "y", "labels": {}}}, peer()),
    ],
)
def test_equal(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert resources.same(one, other) and resources.same(other, one)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (peer(asNumber=65005), peer(asNumber=65008)),
        (peer(asNumber="1.10"), peer(asNumber=110)),
        (peer(maxRestartTime="2m"), peer(maxRestartTime="2s")),
        (peer(peerIP="10.1.5.1"), peer(peerIP="10.1.5.1:179")),
        (peer(keepOriginalNextHop=True), peer()),
        (pool(natOutgoing=True), pool()),
        (pool(blockSize=27), pool()),
        (pool(cidr="2001:db8::/64"), pool(cidr="2001:db8::/64", blockSize=26)),
        # Not a zero value: a mesh that is not mentioned is on.
        ({**peer(nodeToNodeMeshEnabled=False), "kind": "BGPConfiguration"}, {**peer(), "kind": "BGPConfiguration"}),
        # An empty label is a label.
        ({"kind": "BGPPeer", "metadata": {"name": "a", "labels": {"x": ""}}}, peer()),
        ({"kind": "BGPPeer", "metadata": {"name": "a", "annotations": {"x": "y"}}}, peer()),
    ],
)
def test_different(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert not resources.same(one, other) and not resources.same(other, one)


def test_merging_replaces_lists_keeps_the_rest_and_removes_nulls() -> None:
    live = {"spec": {"a": [1, 2], "b": {"c": 1, "d": 2}, "e": 3}}
    assert resources.merged(live, {"spec": {"a": [3], "b": {"c": None}, "f": {"g": None, "h": 1}}}) == {
        "spec": {"a": [3], "b": {"d": 2}, "e": 3, "f": {"h": 1}}
    }
    assert live["spec"]["a"] == [1, 2]


@pytest.mark.parametrize(
    ("word", "kind"),
    [
        ("bgppeers", "BGPPeer"),
        ("BGPConfig", "BGPConfiguration"),
        ("bgpconfigs", "BGPConfiguration"),
        ("nodes", "Node"),
        ("globalnetworkpolicies", "GlobalNetworkPolicy"),
        ("blockaffinities", "BlockAffinity"),
        ("ippool", "IPPool"),
        ("pods", "pods"),
    ],
)
def test_kinds_are_understood_as_calicoctl_understands_them(word: str, kind: str) -> None:
    assert resources.canonical_kind(word) == kind


def test_namespaced_kinds_have_a_namespace_and_others_none() -> None:
    assert str(resources.identity("networkpolicy", "a")) == "NetworkPolicy(default/a)"
    assert str(resources.identity("bgppeer", "a", "ignored")) == "BGPPeer(a)"


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("null", 0),
        ("", 0),
        ("[]", 0),
        ('{"kind":"BGPPeer"}', 1),
        ('[{"kind":"A"},{"kind":"B"}]', 2),
        ('{"kind":"BGPPeerList","items":[{"kind":"BGPPeer"}]}', 1),
        ('{"kind":"BGPPeerList","items":[]}', 0),
    ],
)
def test_every_form_of_get_is_read(text: str, count: int) -> None:
    assert len(resources.parse_output(text)) == count


@pytest.mark.parametrize("text", ["NAME", "[1]", '{"a": 1}', '"x"', "[["])
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        resources.parse_output(text)


def test_a_node_without_a_note_of_its_labels_keeps_them_all_to_kubernetes() -> None:
    node = {"kind": "Node", "metadata": {"name": "a", "labels": {"x": "1"}}, "spec": {"bgp": {"asNumber": 1}, "addresses": [1]}}
    assert resources.document(node, kubernetes=True) == {
        "apiVersion": "projectcalico.org/v3",
        "kind": "Node",
        "metadata": {"name": "a"},
        "spec": {"bgp": {"asNumber": 1}},
    }
    assert resources.document(node, kubernetes=False)["spec"]["addresses"] == [1]


def test_a_patched_node_label_of_kubernetes_is_refused() -> None:
    live = {
        "kind": "Node",
        "metadata": {"name": "a", "labels": {"x": "1"}, "annotations": {"projectcalico.org/kube-labels": json.dumps({"x": "1"})}},
        "spec": {},
    }
    with pytest.raises(resources.BadResource, match="label x is '1' and '2' is wanted"):
        resources.applied_form({"kind": "Node", "metadata": {"name": "a", "labels": {"x": "2"}}}, live, replace=False, kubernetes=True)
