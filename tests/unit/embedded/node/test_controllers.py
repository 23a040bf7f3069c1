"""Scheduler, DaemonSet, Deployment, endpoints and garbage on a store in memory; the kubelet's part is played by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from leafspine_embedded.kube.admission import Rules
from leafspine_embedded.kube.context import ClusterContext, Node
from leafspine_embedded.kube.lifecycle import Lifecycle
from leafspine_embedded.kube.resources import (
    CONTROLLERREVISIONS,
    DAEMONSETS,
    DEPLOYMENTS,
    ENDPOINTS,
    ENDPOINTSLICES,
    EVENTS,
    NAMESPACES,
    NODES,
    PODS,
    REPLICASETS,
    SERVICES,
)
from leafspine_embedded.kube.store import Store
from leafspine_embedded.node.controllers import daemonset, deployment, endpoints, placement, podgc, pods, scheduler

NAMES = ("n0", "n1", "n2")


@pytest.fixture
def store() -> Store:
    made = Store()
    made.admission = Rules(made, "10.131.64.0/18")
    Lifecycle(made, "ca").start()
    made.create(NAMESPACES, {"metadata": {"name": "default"}})
    for name in NAMES:
        node(made, name)
    return made


def node(store: Store, name: str, *, ready: bool = True, taints: list[dict[str, str]] | None = None, labels: dict[str, str] | None = None) -> None:
    spec: dict[str, Any] = {"taints": taints} if taints else {}
    store.create(NODES, {"metadata": {"name": name, "labels": {"kubernetes.io/hostname": name, **(labels or {})}}, "spec": spec})
    found = store.get(NODES, None, name)
    found["status"] = {"conditions": [{"type": "Ready", "status": "True" if ready else "False"}]}
    store.update(NODES, found, subresource="status")


def template(image: str = "nettool:1", **spec: Any) -> dict[str, Any]:
    return {"metadata": {"labels": {"app": "app"}}, "spec": {"containers": [{"name": "c", "image": image}], **spec}}


def daemon(store: Store, name: str = "app", **more: Any) -> None:
    spec = {"selector": {"matchLabels": {"app": "app"}}, "template": template(), **more}
    store.create(DAEMONSETS, {"metadata": {"name": name, "namespace": "default"}, "spec": spec})


def settle(store: Store, rounds: int = 4) -> None:
    """Let every controller look until nothing moves."""
    looks = (daemonset.DaemonSets(store).look, deployment.Deployments(store).look, deployment.ReplicaSets(store).look, scheduler.Scheduler(store).look)
    for _ in range(rounds):
        for look in looks:
            look()


def run_pods(store: Store, ready: bool = True) -> None:
    """Play kubelet: give every scheduled pod an address and readiness, end those that are to be deleted."""
    for index, pod in enumerate(store.list(PODS)):
        meta = pod["metadata"]
        if "deletionTimestamp" in meta:
            store.delete(PODS, "default", meta["name"], grace_period=0)
        elif pod["spec"].get("nodeName"):
            conditions = [entry for entry in pod["status"].get("conditions", []) if entry["type"] != "Ready"]
            conditions.append({"type": "Ready", "status": "True" if ready else "False", "lastTransitionTime": "2026-01-01T00:00:00Z"})
            pod["status"] = {"phase": "Running", "podIP": pod["status"].get("podIP") or f"10.131.128.{index + 1}", "conditions": conditions}
            store.update(PODS, pod, subresource="status")


def placed(store: Store) -> dict[str, str]:
    return {pod["spec"].get("nodeName", ""): pod["metadata"]["name"] for pod in store.list(PODS) if "deletionTimestamp" not in pod["metadata"]}


# -- DaemonSet


def test_one_pod_on_every_node_made_as_the_real_controller_makes_it(store: Store) -> None:
    daemon(store)
    settle(store)
    assert set(placed(store)) == set(NAMES)
    pod = store.list(PODS)[0]
    labels = pod["metadata"]["labels"]
    assert labels["pod-template-generation"] == "1" and labels["controller-revision-hash"] == pods.template_hash(
        store.get(DAEMONSETS, "default", "app")["spec"]["template"]
    )
    assert [(entry["key"].rpartition("/")[2], entry["effect"]) for entry in pod["spec"]["tolerations"]] == list(daemonset.TOLERATIONS)
    (owner,) = pod["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["name"], owner["controller"]) == ("DaemonSet", "app", True)
    assert pod["metadata"]["generateName"] == "app-" and pod["metadata"]["generation"] == 1
    (condition,) = pod["status"]["conditions"]
    assert (condition["type"], condition["status"]) == ("PodScheduled", "True")


def test_the_counts_are_the_real_ones(store: Store) -> None:
    daemon(store)
    settle(store)
    status = store.get(DAEMONSETS, "default", "app")["status"]
    assert status == {
        "currentNumberScheduled": 3,
        "desiredNumberScheduled": 3,
        "numberMisscheduled": 0,
        "numberReady": 0,
        "numberUnavailable": 3,
        "observedGeneration": 1,
        "updatedNumberScheduled": 3,
    }
    run_pods(store)
    settle(store)
    status = store.get(DAEMONSETS, "default", "app")["status"]
    assert (status["numberReady"], status["numberAvailable"], "numberUnavailable" in status) == (3, 3, False)


def test_selector_taint_and_readiness_keep_pods_away(store: Store) -> None:
    node(store, "tainted", taints=[{"key": "k", "effect": "NoSchedule"}])
    node(store, "asleep", ready=False)
    node(store, "labelled", labels={"disk": "ssd"})
    daemon(store)
    settle(store)
    assert set(placed(store)) == {*NAMES, "labelled"}
    found = store.get(DAEMONSETS, "default", "app")
    found["spec"]["template"]["spec"]["nodeSelector"] = {"disk": "ssd"}
    store.update(DAEMONSETS, found)
    for _ in range(3):
        settle(store)
        run_pods(store)
    assert set(placed(store)) == {"labelled"}
    assert store.get(DAEMONSETS, "default", "app")["status"]["desiredNumberScheduled"] == 1


def test_tolerating_everything_goes_everywhere(store: Store) -> None:
    node(store, "tainted", taints=[{"key": "k", "effect": "NoSchedule"}])
    node(store, "asleep", ready=False)
    daemon(store, template=template(tolerations=[{"operator": "Exists"}]))
    settle(store)
    assert set(placed(store)) == {*NAMES, "tainted", "asleep"}


def test_a_new_template_replaces_one_pod_at_a_time(store: Store) -> None:
    daemon(store)
    settle(store)
    run_pods(store)
    before = set(placed(store).values())
    found = store.get(DAEMONSETS, "default", "app")
    found["spec"]["template"]["spec"]["containers"][0]["image"] = "nettool:2"
    store.update(DAEMONSETS, found)
    steps = 0
    while before & set(placed(store).values()):
        settle(store)
        going = [pod for pod in store.list(PODS) if "deletionTimestamp" in pod["metadata"]]
        assert len(going) <= 1
        run_pods(store)
        steps += 1
        assert steps < 20
    settle(store)
    run_pods(store)
    settle(store)
    images = {pod["spec"]["containers"][0]["image"] for pod in store.list(PODS)}
    status = store.get(DAEMONSETS, "default", "app")["status"]
    assert images == {"nettool:2"} and (status["updatedNumberScheduled"], status["numberAvailable"]) == (3, 3)
    assert {pod["metadata"]["labels"]["pod-template-generation"] for pod in store.list(PODS)} == {"2"}
    assert sorted(int(item["revision"]) for item in store.list(CONTROLLERREVISIONS)) == [1, 2]


def test_a_broken_template_stops_after_the_allowed_number(store: Store) -> None:
    daemon(store)
    settle(store)
    run_pods(store)
    settle(store)
    found = store.get(DAEMONSETS, "default", "app")
    found["spec"]["template"]["spec"]["containers"][0]["image"] = "ghost:2"
    store.update(DAEMONSETS, found)
    for _ in range(6):
        settle(store)
        for pod in store.list(PODS):
            if "deletionTimestamp" in pod["metadata"]:
                store.delete(PODS, "default", pod["metadata"]["name"], grace_period=0)
    images = sorted(pod["spec"]["containers"][0]["image"] for pod in store.list(PODS))
    assert images == ["ghost:2", "nettool:1", "nettool:1"]


def test_on_delete_waits_for_somebody_to_delete(store: Store) -> None:
    daemon(store, updateStrategy={"type": "OnDelete"})
    settle(store)
    run_pods(store)
    found = store.get(DAEMONSETS, "default", "app")
    found["spec"]["template"]["spec"]["containers"][0]["image"] = "nettool:2"
    store.update(DAEMONSETS, found)
    settle(store)
    assert not [pod for pod in store.list(PODS) if "deletionTimestamp" in pod["metadata"]]


def test_a_second_look_changes_nothing(store: Store) -> None:
    daemon(store)
    settle(store)
    run_pods(store)
    settle(store)
    version = store.version
    settle(store)
    assert store.version == version


def test_failed_and_deleted_pods_are_replaced(store: Store) -> None:
    daemon(store)
    settle(store)
    run_pods(store)
    first = placed(store)
    failed = store.get(PODS, "default", first["n0"])
    failed["status"]["phase"] = "Failed"
    store.update(PODS, failed, subresource="status")
    store.delete(PODS, "default", first["n1"])
    for _ in range(3):
        settle(store)
        run_pods(store)
    now = placed(store)
    assert set(now) == set(NAMES) and now["n0"] != first["n0"] and now["n1"] != first["n1"] and now["n2"] == first["n2"]


# -- scheduler


def bare(store: Store, name: str, **spec: Any) -> dict[str, Any]:
    return store.create(PODS, {"metadata": {"name": name, "namespace": "default"}, "spec": {"containers": [{"name": "c", "image": "nettool:1"}], **spec}})


def test_bare_pods_are_spread(store: Store) -> None:
    for index in range(6):
        bare(store, f"p{index}")
    scheduler.Scheduler(store).look()
    assert sorted(pod["spec"]["nodeName"] for pod in store.list(PODS)) == ["n0", "n0", "n1", "n1", "n2", "n2"]
    assert "Successfully assigned default/p0 to n0" in {event["message"] for event in store.list(EVENTS)}


def test_a_pod_that_fits_nowhere_says_why_and_is_taken_when_it_can(store: Store) -> None:
    node(store, "tainted", taints=[{"key": "k", "value": "v", "effect": "NoSchedule"}])
    bare(store, "p", nodeSelector={"disk": "ssd"})
    scheduler.Scheduler(store).look()
    (condition,) = store.get(PODS, "default", "p")["status"]["conditions"]
    assert condition["reason"] == "Unschedulable"
    assert condition["message"].startswith(
        "0/4 nodes are available: 3 node(s) didn't match Pod's node affinity/selector, 1 node(s) had untolerated taint {k: v}."
    )
    version = store.version
    scheduler.Scheduler(store).look()
    assert store.version == version
    found = store.get(NODES, None, "n2")
    found["metadata"]["labels"]["disk"] = "ssd"
    store.update(NODES, found)
    scheduler.Scheduler(store).look()
    assert store.get(PODS, "default", "p")["spec"]["nodeName"] == "n2"


def test_another_scheduler_s_pods_are_left_alone(store: Store) -> None:
    bare(store, "p", schedulerName="other")
    scheduler.Scheduler(store).look()
    assert "nodeName" not in store.get(PODS, "default", "p")["spec"]


@pytest.mark.parametrize(
    ("toleration", "holds"),
    [
        ({"operator": "Exists"}, True),
        ({"key": "k", "operator": "Exists"}, True),
        ({"key": "k", "value": "v"}, True),
        ({"key": "k", "value": "v", "effect": "NoExecute"}, False),
        ({"key": "k", "value": "w"}, False),
        ({"key": "j", "operator": "Exists"}, False),
    ],
)
def test_tolerations(toleration: dict[str, str], holds: bool) -> None:
    assert placement.tolerates([toleration], {"key": "k", "value": "v", "effect": "NoSchedule"}) is holds


@pytest.mark.parametrize(
    ("expression", "holds"),
    [
        ({"key": "a", "operator": "In", "values": ["1", "2"]}, True),
        ({"key": "a", "operator": "NotIn", "values": ["1"]}, False),
        ({"key": "b", "operator": "DoesNotExist"}, True),
        ({"key": "a", "operator": "Gt", "values": ["0"]}, True),
        ({"key": "a", "operator": "Lt", "values": ["1"]}, False),
        ({"key": "b", "operator": "Gt", "values": ["0"]}, False),
    ],
)
def test_node_affinity(expression: dict[str, Any], holds: bool) -> None:
    required = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [{"matchExpressions": [expression]}]}}
    found = {"metadata": {"name": "n", "labels": {"a": "1"}}}
    assert placement.selected(found, {"affinity": {"nodeAffinity": required}}) is holds


# -- Deployment


def deploy(store: Store, replicas: int = 2, **more: Any) -> None:
    spec = {"replicas": replicas, "selector": {"matchLabels": {"app": "app"}}, "template": template(), **more}
    store.create(DEPLOYMENTS, {"metadata": {"name": "web", "namespace": "default"}, "spec": spec})


def step(store: Store, times: int = 4) -> None:
    for _ in range(times):
        settle(store)
        run_pods(store)
    settle(store)


def test_a_deployment_keeps_its_replicas_and_counts_them(store: Store) -> None:
    deploy(store)
    step(store)
    status = store.get(DEPLOYMENTS, "default", "web")["status"]
    assert (status["replicas"], status["readyReplicas"], status["availableReplicas"], status["updatedReplicas"]) == (2, 2, 2, 2)
    assert {entry["type"]: (entry["status"], entry["reason"]) for entry in status["conditions"]} == {
        "Available": ("True", "MinimumReplicasAvailable"),
        "Progressing": ("True", "NewReplicaSetAvailable"),
    }
    found = store.get(DEPLOYMENTS, "default", "web")
    found["spec"]["replicas"] = 1
    store.update(DEPLOYMENTS, found)
    step(store)
    assert len(store.list(PODS)) == 1 and store.get(DEPLOYMENTS, "default", "web")["status"]["replicas"] == 1


@pytest.mark.parametrize("strategy", ["RollingUpdate", "Recreate"])
def test_a_changed_template_replaces_the_pods(store: Store, strategy: str) -> None:
    deploy(store, strategy={"type": strategy})
    step(store)
    found = store.get(DEPLOYMENTS, "default", "web")
    found["spec"]["template"]["spec"]["containers"][0]["image"] = "nettool:2"
    store.update(DEPLOYMENTS, found)
    settle(store)
    living = [pod["spec"]["containers"][0]["image"] for pod in store.list(PODS) if "deletionTimestamp" not in pod["metadata"]]
    assert ("nettool:1" in living) is (strategy == "RollingUpdate")
    step(store, 8)
    assert {pod["spec"]["containers"][0]["image"] for pod in store.list(PODS)} == {"nettool:2"} and len(store.list(PODS)) == 2
    assert sorted(item["spec"]["replicas"] for item in store.list(REPLICASETS)) == [0, 2]
    assert store.get(DEPLOYMENTS, "default", "web")["metadata"]["annotations"][deployment.REVISION] == "2"
    version = store.version
    settle(store)
    assert store.version == version


def test_a_template_that_never_gets_ready_leaves_the_old_pods(store: Store) -> None:
    deploy(store)
    step(store)
    found = store.get(DEPLOYMENTS, "default", "web")
    found["spec"]["template"]["spec"]["containers"][0]["image"] = "ghost:2"
    store.update(DEPLOYMENTS, found)
    settle(store, 8)
    assert sorted(pod["spec"]["containers"][0]["image"] for pod in store.list(PODS)) == ["ghost:2", "ghost:2", "nettool:1", "nettool:1"]


# -- endpoints


@pytest.fixture
def slices(store: Store) -> endpoints.EndpointSlices:
    control = Node("n0", "control-plane", "n0", 0, "10.131.200.2")
    return endpoints.EndpointSlices(store, ClusterContext("te", Path("/nowhere"), "10.131.128.0/18", "10.131.64.0/18", [control]))


def make_service(store: Store, **spec: Any) -> None:
    ports = [{"name": "http", "port": 80, "targetPort": 8080}]
    store.create(SERVICES, {"metadata": {"name": "app", "namespace": "default"}, "spec": {"selector": {"app": "app"}, "ports": ports, **spec}})


def only_slice(store: Store) -> dict[str, Any]:
    (found,) = store.list(ENDPOINTSLICES)
    return found


def test_endpoints_follow_readiness(store: Store, slices: endpoints.EndpointSlices) -> None:
    make_service(store)
    slices.look()
    assert only_slice(store)["endpoints"] == [] and "subsets" not in store.get(ENDPOINTS, "default", "app")
    daemon(store)
    settle(store)
    run_pods(store, ready=False)
    slices.look()
    assert {entry["conditions"]["ready"] for entry in only_slice(store)["endpoints"]} == {False}
    assert list(store.get(ENDPOINTS, "default", "app")["subsets"][0]) == ["notReadyAddresses", "ports"]
    name = only_slice(store)["metadata"]["name"]
    run_pods(store)
    slices.look()
    found = only_slice(store)
    assert found["metadata"]["name"] == name and name.startswith("app-") and len(found["endpoints"]) == 3
    assert {entry["conditions"]["ready"] for entry in found["endpoints"]} == {True} and found["ports"] == [{"name": "http", "port": 8080, "protocol": "TCP"}]
    version = store.version
    slices.look()
    assert store.version == version


def test_a_terminating_pod_is_not_ready_but_serves(store: Store, slices: endpoints.EndpointSlices) -> None:
    make_service(store)
    daemon(store)
    settle(store)
    run_pods(store)
    store.delete(PODS, "default", placed(store)["n0"])
    slices.look()
    assert {entry["nodeName"]: entry["conditions"] for entry in only_slice(store)["endpoints"]}["n0"] == {"ready": False, "serving": True, "terminating": True}
    assert len(store.get(ENDPOINTS, "default", "app")["subsets"][0]["addresses"]) == 2


def test_named_target_ports_and_foreign_pods(store: Store, slices: endpoints.EndpointSlices) -> None:
    make_service(store, ports=[{"port": 80, "targetPort": "web"}])
    ports = [{"name": "web", "containerPort": 9090}]
    for name, labels in (("in", {"app": "app"}), ("out", {"app": "other"})):
        meta = {"name": name, "namespace": "default", "labels": labels}
        store.create(PODS, {"metadata": meta, "spec": {"nodeName": "n0", "containers": [{"name": "c", "image": "x", "ports": ports}]}})
    run_pods(store)
    slices.look()
    found = only_slice(store)
    assert [entry["targetRef"]["name"] for entry in found["endpoints"]] == ["in"] and found["ports"][0]["port"] == 9090


def test_a_service_that_goes_takes_its_endpoints_along(store: Store, slices: endpoints.EndpointSlices) -> None:
    make_service(store)
    slices.look()
    store.delete(SERVICES, "default", "app")
    slices.look()
    assert store.list(ENDPOINTSLICES) == [] and store.list(ENDPOINTS) == []


def test_hand_made_slices_are_left_alone(store: Store, slices: endpoints.EndpointSlices) -> None:
    labels = {"kubernetes.io/service-name": "ext"}
    store.create(ENDPOINTSLICES, {"metadata": {"name": "mine", "namespace": "default", "labels": labels}, "addressType": "IPv4", "endpoints": []})
    slices.look()
    assert only_slice(store)["metadata"]["name"] == "mine"


def test_the_api_server_stands_behind_kubernetes(store: Store, slices: endpoints.EndpointSlices) -> None:
    store.create(SERVICES, {"metadata": {"name": "kubernetes", "namespace": "default"}, "spec": {"ports": [{"name": "https", "port": 443}]}})
    slices.look()
    assert only_slice(store)["endpoints"] == [{"addresses": ["10.131.200.2"], "conditions": {"ready": True}}]


# -- garbage


def test_pods_of_lost_nodes_and_too_many_finished_ones_are_garbage() -> None:
    def pod(name: str, node: str, phase: str, created: str = "2026-01-01T00:00:00Z") -> dict[str, Any]:
        return {"metadata": {"name": name, "creationTimestamp": created}, "spec": {"nodeName": node}, "status": {"phase": phase}}

    every = [
        pod("lives", "n0", "Running"),
        pod("lost", "gone", "Running"),
        pod("old", "n0", "Failed"),
        pod("new", "n0", "Succeeded", "2026-01-02T00:00:00Z"),
    ]
    assert [item["metadata"]["name"] for item in podgc.garbage(every, {"n0"}, 1)] == ["lost", "old"]
    assert [item["metadata"]["name"] for item in podgc.garbage(every, {"n0", "gone"}, 5)] == []
