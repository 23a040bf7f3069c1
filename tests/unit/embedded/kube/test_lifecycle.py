from __future__ import annotations

from collections.abc import Callable
from typing import Any

from leafspine_embedded.kube.lifecycle import Lifecycle
from leafspine_embedded.kube.objects import owner_reference
from leafspine_embedded.kube.resources import CONFIGMAPS, DAEMONSETS, EVENTS, NAMESPACES, PODS, SERVICEACCOUNTS
from leafspine_embedded.kube.store import Store

Make = Callable[..., dict[str, Any]]


def owned(pod: Make, owner: dict[str, Any], name: str = "p", **spec: Any) -> dict[str, Any]:
    made = pod(name, **spec)
    made["metadata"]["ownerReferences"] = [owner_reference(owner)]
    return made


def test_a_namespace_is_furnished(store: Store) -> None:
    store.create(NAMESPACES, {"metadata": {"name": "n"}})
    assert store.find(SERVICEACCOUNTS, "n", "default") is not None
    assert store.get(CONFIGMAPS, "n", "kube-root-ca.crt")["data"] == {"ca.crt": "the authority"}


def test_a_deleted_namespace_goes_with_its_contents(store: Store) -> None:
    store.create(NAMESPACES, {"metadata": {"name": "n"}})
    store.create(CONFIGMAPS, {"metadata": {"name": "a", "namespace": "n"}})
    store.delete(NAMESPACES, None, "n")
    assert store.find(NAMESPACES, None, "n") is None
    assert store.list(CONFIGMAPS, "n") == [] and store.list(SERVICEACCOUNTS, "n") == []


def test_a_namespace_waits_for_a_pod_that_its_kubelet_still_ends(store: Store, pod: Make) -> None:
    store.create(NAMESPACES, {"metadata": {"name": "n"}})
    placed = pod(nodeName="n1")
    placed["metadata"]["namespace"] = "n"
    store.create(PODS, placed)
    store.delete(NAMESPACES, None, "n")
    assert store.get(NAMESPACES, None, "n")["status"]["phase"] == "Terminating"
    store.delete(PODS, "n", "p", grace_period=0)
    assert store.find(NAMESPACES, None, "n") is None


def test_dependents_go_with_their_owner(store: Store, pod: Make, daemonset: Make) -> None:
    owner = store.create(DAEMONSETS, daemonset())
    store.create(PODS, owned(pod, owner))
    store.create(PODS, pod("free"))
    store.delete(DAEMONSETS, "default", "app")
    assert [entry["metadata"]["name"] for entry in store.list(PODS)] == ["free"]


def test_orphans_stay_and_forget_their_owner(store: Store, pod: Make, daemonset: Make) -> None:
    owner = store.create(DAEMONSETS, daemonset())
    store.create(PODS, owned(pod, owner))
    store.delete(DAEMONSETS, "default", "app", propagation="Orphan")
    assert store.find(DAEMONSETS, "default", "app") is None
    assert "ownerReferences" not in store.get(PODS, "default", "p")["metadata"]


def test_foreground_deletion_waits_for_the_last_dependent(store: Store, pod: Make, daemonset: Make) -> None:
    owner = store.create(DAEMONSETS, daemonset())
    store.create(PODS, owned(pod, owner, nodeName="n1"))
    store.delete(DAEMONSETS, "default", "app", propagation="Foreground")
    assert "deletionTimestamp" in store.get(DAEMONSETS, "default", "app")["metadata"]
    assert "deletionTimestamp" in store.get(PODS, "default", "p")["metadata"]
    store.delete(PODS, "default", "p", grace_period=0)
    assert store.find(DAEMONSETS, "default", "app") is None


def test_a_dependent_made_too_late_goes_at_once(store: Store, pod: Make, daemonset: Make) -> None:
    owner = store.create(DAEMONSETS, daemonset())
    late = owned(pod, owner)
    store.delete(DAEMONSETS, "default", "app")
    store.create(PODS, late)
    assert store.find(PODS, "default", "p") is None


def test_with_a_second_owner_alive_the_object_stays(store: Store, pod: Make, daemonset: Make) -> None:
    first, second = store.create(DAEMONSETS, daemonset("one")), store.create(DAEMONSETS, daemonset("two"))
    both = owned(pod, first)
    both["metadata"]["ownerReferences"].append(owner_reference(second, controller=False))
    store.create(PODS, both)
    store.delete(DAEMONSETS, "default", "one")
    assert [entry["name"] for entry in store.get(PODS, "default", "p")["metadata"]["ownerReferences"]] == ["two"]


def test_a_half_finished_namespace_deletion_is_finished_after_a_restart() -> None:
    store = Store()
    for name in ("default", "n"):
        store.create(NAMESPACES, {"metadata": {"name": name}})
    store.create(CONFIGMAPS, {"metadata": {"name": "a", "namespace": "n"}})
    store.delete(NAMESPACES, None, "n")  # no lifecycle runs: as if the process had been killed right here
    assert store.find(NAMESPACES, None, "n") is not None
    Lifecycle(store, "ca").start()
    assert store.find(NAMESPACES, None, "n") is None


def test_events_live_an_hour(store: Store) -> None:
    for name, stamp in (("old", "2020-01-01T00:00:00Z"), ("new", None)):
        store.create(EVENTS, {"metadata": {"name": name, "namespace": "default"}, "involvedObject": {}, "lastTimestamp": stamp})
    Lifecycle(store, "ca").expire_events()
    assert [entry["metadata"]["name"] for entry in store.list(EVENTS)] == ["new"]
