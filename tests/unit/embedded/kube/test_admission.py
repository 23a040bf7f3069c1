from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from leafspine_embedded.kube.errors import Forbidden, Invalid
from leafspine_embedded.kube.resources import CONFIGMAPS, DAEMONSETS, NAMESPACES, NODES, PODS, SECRETS, SERVICES
from leafspine_embedded.kube.store import Store

Make = Callable[..., dict[str, Any]]


def refused(store: Store, res: Any, obj: dict[str, Any]) -> str:
    with pytest.raises(Invalid) as caught:
        store.create(res, obj)
    assert caught.value.code == 422 and caught.value.details is not None and caught.value.details["causes"]
    return caught.value.message


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"type": "Foo"}, 'spec.type: Unsupported value: "Foo": supported values: "ClusterIP", "ExternalName", "LoadBalancer", "NodePort"'),
        ({"ports": []}, "spec.ports: Required value"),
        ({"ports": [{"port": 0}]}, "spec.ports[0].port: Invalid value: 0: must be between 1 and 65535, inclusive"),
        ({"ports": [{"port": 80}, {"port": 81}]}, "spec.ports[0].name: Required value"),
        ({"ports": [{"port": 80, "protocol": "ICMP"}]}, 'Unsupported value: "ICMP": supported values: "SCTP", "TCP", "UDP"'),
        ({"externalTrafficPolicy": "Local"}, "may only be set for externally-accessible services"),
        ({"type": "NodePort", "ports": [{"port": 80, "nodePort": 80}]}, "The range of valid ports is 30000-32767"),
        ({"clusterIP": "10.97.0.1"}, "the provided IP (10.97.0.1) is not in the valid range. The range of valid IPs is 10.96.0.0/16"),
        ({"clusterIP": "10.96.0.0"}, "is not in the valid range"),
        ({"clusterIP": "nonsense"}, "must be a valid IP address"),
        ({"ports": [{"port": 80, "nodePort": 30001}]}, "spec.ports[0].nodePort: Forbidden: may not be used when `type` is 'ClusterIP'"),
    ],
)
def test_services_are_refused_as_the_real_api_refuses_them(store: Store, service: Make, change: dict[str, Any], text: str) -> None:
    message = refused(store, SERVICES, service(**change))
    assert message.startswith('Service "svc" is invalid: ') and text in message


def test_node_ports_and_addresses_are_unique_and_come_back(store: Store, service: Make) -> None:
    fixed = service("a", type="NodePort", clusterIP="10.96.0.10", ports=[{"port": 80, "nodePort": 32000}])
    store.create(SERVICES, fixed)
    assert "provided port is already allocated" in refused(store, SERVICES, service("b", type="NodePort", ports=[{"port": 80, "nodePort": 32000}]))
    assert "provided IP is already allocated" in refused(store, SERVICES, service("b", clusterIP="10.96.0.10"))
    store.delete(SERVICES, "default", "a")
    assert store.create(SERVICES, fixed)["spec"]["ports"][0]["nodePort"] == 32000


def test_dynamic_addresses_differ_and_stay_clear_of_the_low_part(store: Store, service: Make) -> None:
    made = [store.create(SERVICES, service(f"s{number}"))["spec"]["clusterIP"] for number in range(50)]
    assert len(set(made)) == 50
    assert all(address.startswith("10.96.") and address.split(".")[2] != "0" for address in made)


def test_an_update_keeps_what_was_allocated_and_a_type_change_drops_the_port(store: Store, service: Make) -> None:
    made = store.create(SERVICES, service(type="NodePort"))
    bare = store.update(SERVICES, service(type="NodePort"))
    assert bare["spec"]["clusterIP"] == made["spec"]["clusterIP"] and bare["spec"]["ports"] == made["spec"]["ports"]
    bare["spec"]["type"] = "ClusterIP"
    plain = store.update(SERVICES, bare)
    assert "nodePort" not in plain["spec"]["ports"][0] and "externalTrafficPolicy" not in plain["spec"]
    plain["spec"]["clusterIP"] = "10.96.0.99"
    plain["spec"]["clusterIPs"] = ["10.96.0.99"]
    with pytest.raises(Invalid, match="may not change once set"):
        store.update(SERVICES, plain)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("Upper", "a DNS-1035 label must consist of lower case alphanumeric characters or '-'"),
        ("1abc", "a DNS-1035 label"),
        ("a" * 64, "must be no more than 63 bytes"),
    ],
)
def test_bad_service_names(store: Store, service: Make, name: str, text: str) -> None:
    assert f'metadata.name: Invalid value: "{name}": {text}' in refused(store, SERVICES, service(name))


def test_bad_labels(store: Store) -> None:
    obj = {"metadata": {"name": "x", "namespace": "default", "labels": {"a b": "c", "ok": "-bad-"}}}
    message = refused(store, CONFIGMAPS, obj)
    assert "name part must consist of alphanumeric characters" in message and "a valid label must be an empty string" in message


@pytest.mark.parametrize(
    ("spec", "text"),
    [
        ({"containers": []}, "spec.containers: Required value"),
        ({"containers": [{"name": "c"}]}, "spec.containers[0].image: Required value"),
        ({"containers": [{"name": "c", "image": "x"}, {"name": "c", "image": "x"}]}, 'spec.containers[1].name: Duplicate value: "c"'),
        ({"restartPolicy": "Sometimes"}, 'Unsupported value: "Sometimes": supported values: "Always", "OnFailure", "Never"'),
        ({"containers": [{"name": "c", "image": "x", "volumeMounts": [{"name": "v", "mountPath": "/v"}]}]}, 'volumeMounts[0].name: Not found: "v"'),
        ({"containers": [{"name": "c", "image": "x", "ports": [{"containerPort": 70000}]}]}, "must be between 1 and 65535, inclusive"),
    ],
)
def test_pods_are_refused_as_the_real_api_refuses_them(store: Store, pod: Make, spec: dict[str, Any], text: str) -> None:
    assert text in refused(store, PODS, pod(**spec))


def test_a_pod_needs_its_service_account_and_priority_class(store: Store, pod: Make) -> None:
    with pytest.raises(Forbidden, match='error looking up service account default/nobody: serviceaccount "nobody" not found'):
        store.create(PODS, pod(serviceAccountName="nobody"))
    with pytest.raises(Forbidden, match="no PriorityClass with name urgent was found"):
        store.create(PODS, pod(priorityClassName="urgent"))
    assert store.create(PODS, pod())["spec"]["serviceAccountName"] == "default"


def test_a_pods_spec_is_fixed_but_for_its_image_and_its_first_node(store: Store, pod: Make) -> None:
    made = store.create(PODS, pod())
    made["spec"]["containers"][0]["image"] = "y:2"
    made["spec"]["nodeName"] = "n1"
    made = store.update(PODS, made)
    for field, value in (("nodeName", "n2"), ("hostNetwork", True)):
        changed = {**made, "spec": {**made["spec"], field: value}}
        with pytest.raises(Invalid, match="spec: Forbidden: pod updates may not change fields other than"):
            store.update(PODS, changed)


@pytest.mark.parametrize(
    ("image", "policy"), [("x", "Always"), ("x:latest", "Always"), ("reg:5000/x:1", "IfNotPresent"), ("reg:5000/x", "Always"), ("x@sha256:0", "IfNotPresent")]
)
def test_the_pull_policy_follows_the_tag(store: Store, pod: Make, image: str, policy: str) -> None:
    made = store.create(PODS, pod(containers=[{"name": "c", "image": image}]))
    assert made["spec"]["containers"][0]["imagePullPolicy"] == policy


def test_daemonsets_need_a_selector_that_matches_and_keep_it(store: Store, daemonset: Make) -> None:
    assert "`selector` does not match template `labels`" in refused(store, DAEMONSETS, daemonset(selector={"matchLabels": {"app": "other"}}))
    assert "empty selector is invalid" in refused(store, DAEMONSETS, daemonset(selector={}))
    made = store.create(DAEMONSETS, daemonset())
    made["spec"]["selector"]["matchLabels"]["x"] = "y"
    made["spec"]["template"]["metadata"]["labels"]["x"] = "y"
    with pytest.raises(Invalid, match=r"spec\.selector: Invalid value: .*: field is immutable"):
        store.update(DAEMONSETS, made)


def test_a_missing_selector_is_named(store: Store, daemonset: Make) -> None:
    obj = daemonset()
    del obj["spec"]["selector"]
    assert "spec.selector: Required value" in refused(store, DAEMONSETS, obj)


def test_a_daemonset_counts_the_generations_of_its_template(store: Store, daemonset: Make) -> None:
    made = store.create(DAEMONSETS, daemonset())
    made["spec"]["minReadySeconds"] = 1
    made = store.update(DAEMONSETS, made)
    assert made["metadata"]["annotations"]["deprecated.daemonset.template.generation"] == "1"
    made["spec"]["template"]["spec"]["containers"][0]["image"] = "x:2"
    made = store.update(DAEMONSETS, made)
    assert made["metadata"]["annotations"]["deprecated.daemonset.template.generation"] == "2"
    assert made["metadata"]["generation"] == 3


def test_secrets_take_plain_text_and_keep_their_type(store: Store) -> None:
    made = store.create(SECRETS, {"metadata": {"name": "s", "namespace": "default"}, "stringData": {"k": "v"}})
    assert made["data"] == {"k": "dg=="} and made["type"] == "Opaque" and "stringData" not in made
    made["type"] = "other"
    with pytest.raises(Invalid, match="field is immutable"):
        store.update(SECRETS, made)


def test_namespaces_that_hold_the_cluster_together_stay(store: Store) -> None:
    assert store.admission is not None
    with pytest.raises(Forbidden, match="this namespace may not be deleted"):
        store.admission.delete(NAMESPACES, "default")  # type: ignore[attr-defined]
    store.admission.delete(NAMESPACES, "mine")  # type: ignore[attr-defined]


def test_taints_are_checked(store: Store) -> None:
    node = {"metadata": {"name": "n"}, "spec": {"taints": [{"key": "a", "effect": "Never"}]}}
    assert 'Unsupported value: "Never": supported values: "NoSchedule", "PreferNoSchedule", "NoExecute"' in refused(store, NODES, node)
    node["spec"]["taints"][0]["effect"] = "NoSchedule"  # type: ignore[index]
    store.create(NODES, node)
