from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from leafspine_embedded.kube.errors import AlreadyExists, Conflict, Expired, Forbidden, NotFound
from leafspine_embedded.kube.resources import CONFIGMAPS, DAEMONSETS, NAMESPACES, PODS
from leafspine_embedded.kube.store import HISTORY, Store


def named(name: str, namespace: str | None = "default", **more: Any) -> dict[str, Any]:
    data: dict[str, Any] = {"name": name}
    if namespace:
        data["namespace"] = namespace
    return {"metadata": data, **more}


@pytest.fixture
def store(tmp_path: Path) -> Store:
    made = Store(tmp_path)
    made.create(NAMESPACES, named("default", None))
    return made


def test_create_fills_what_the_server_owns(store: Store) -> None:
    made = store.create(DAEMONSETS, named("app", spec={"a": 1}))
    assert made["apiVersion"] == "apps/v1" and made["kind"] == "DaemonSet"
    assert made["metadata"]["generation"] == 1
    assert made["metadata"]["resourceVersion"] == str(store.version)
    assert {"uid", "creationTimestamp"} <= made["metadata"].keys()


def test_create_refuses_a_second_one_and_an_unknown_namespace(store: Store) -> None:
    store.create(CONFIGMAPS, named("a"))
    with pytest.raises(AlreadyExists, match='configmaps "a" already exists'):
        store.create(CONFIGMAPS, named("a"))
    with pytest.raises(NotFound, match='namespaces "nowhere" not found'):
        store.create(CONFIGMAPS, named("a", "nowhere"))


def test_generated_names_differ(store: Store) -> None:
    names = {store.create(PODS, {"metadata": {"generateName": "app-", "namespace": "default"}})["metadata"]["name"] for _ in range(20)}
    assert len(names) == 20
    assert all(name.startswith("app-") and len(name) == 9 for name in names)


def test_what_is_returned_is_the_callers_own(store: Store) -> None:
    made = store.create(CONFIGMAPS, named("a", data={"k": "v"}))
    made["data"]["k"] = "changed"
    assert store.get(CONFIGMAPS, "default", "a")["data"] == {"k": "v"}


def test_a_noop_update_keeps_the_resource_version_and_a_real_one_does_not(store: Store) -> None:
    made = store.create(CONFIGMAPS, named("a", data={"k": "v"}))
    same = store.update(CONFIGMAPS, made)
    assert same["metadata"]["resourceVersion"] == made["metadata"]["resourceVersion"]
    made["data"]["k"] = "w"
    assert store.update(CONFIGMAPS, made)["metadata"]["resourceVersion"] != same["metadata"]["resourceVersion"]


def test_a_stale_update_is_a_conflict_and_one_without_version_is_not(store: Store) -> None:
    first = store.create(CONFIGMAPS, named("a", data={"k": "1"}))
    store.update(CONFIGMAPS, named("a", data={"k": "2"}))
    with pytest.raises(Conflict, match="the object has been modified"):
        store.update(CONFIGMAPS, first)


def test_status_and_spec_are_written_apart(store: Store) -> None:
    made = store.create(DAEMONSETS, named("app", spec={"a": 1}))
    made["status"] = {"numberReady": 1}
    assert "status" not in store.update(DAEMONSETS, made)
    made["spec"] = {"a": 2}
    updated = store.update(DAEMONSETS, made, subresource="status")
    assert updated["status"] == {"numberReady": 1} and updated["spec"] == {"a": 1}
    assert updated["metadata"]["generation"] == 1
    updated["spec"] = {"a": 3}
    assert store.update(DAEMONSETS, updated)["metadata"]["generation"] == 2


def test_a_pod_on_a_node_waits_for_its_kubelet(store: Store) -> None:
    store.create(PODS, named("free", spec={}))
    store.create(PODS, named("placed", spec={"nodeName": "n1", "terminationGracePeriodSeconds": 1}))
    store.delete(PODS, "default", "free")
    assert store.find(PODS, "default", "free") is None
    marked = store.delete(PODS, "default", "placed")
    assert marked["metadata"]["deletionGracePeriodSeconds"] == 1
    assert store.find(PODS, "default", "placed") is not None
    store.delete(PODS, "default", "placed", grace_period=0)
    assert store.find(PODS, "default", "placed") is None


def test_finalizers_hold_an_object_until_the_last_is_gone(store: Store) -> None:
    made = store.create(CONFIGMAPS, {"metadata": {"name": "a", "namespace": "default", "finalizers": ["x/y"]}})
    held = store.delete(CONFIGMAPS, "default", "a")
    assert "deletionTimestamp" in held["metadata"]
    held["metadata"]["finalizers"] = []
    store.update(CONFIGMAPS, held)
    assert store.find(CONFIGMAPS, "default", made["metadata"]["name"]) is None


def test_a_namespace_that_ends_takes_nothing_new(store: Store) -> None:
    store.create(NAMESPACES, named("brief", None))
    assert store.delete(NAMESPACES, None, "brief")["status"]["phase"] == "Terminating"
    with pytest.raises(Forbidden, match="because it is being terminated"):
        store.create(CONFIGMAPS, named("a", "brief"))


def test_everything_survives_a_restart_and_a_torn_last_line(store: Store, tmp_path: Path) -> None:
    store.create(CONFIGMAPS, named("kept"))
    store.create(CONFIGMAPS, named("gone"))
    store.delete(CONFIGMAPS, "default", "gone")
    version = store.version
    store.close()
    with (tmp_path / "journal.jsonl").open("a") as journal:
        journal.write('{"v": 99, "k": "/configmaps/default/torn", "o": {"metad')
    again = Store(tmp_path)
    assert [obj["metadata"]["name"] for obj in again.list(CONFIGMAPS)] == ["kept"]
    assert again.version == version
    again.create(CONFIGMAPS, named("after"))
    again.close()
    assert len(Store(tmp_path).list(CONFIGMAPS)) == 2


def test_compaction_interrupted_after_the_snapshot_repeats_nothing(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store.create(CONFIGMAPS, named("a"))
    before = (tmp_path / "journal.jsonl").read_text()
    monkeypatch.setattr("leafspine_embedded.kube.store.COMPACT_BYTES", 0)
    store.delete(CONFIGMAPS, "default", "a")
    assert (tmp_path / "journal.jsonl").read_text() == ""
    store.close()
    (tmp_path / "journal.jsonl").write_text(before)
    again = Store(tmp_path)
    assert again.list(CONFIGMAPS) == []
    assert again.version == json.loads((tmp_path / "snapshot.json").read_text())["version"]


def test_changes_arrive_in_order_even_when_a_reader_writes(store: Store) -> None:
    seen: list[tuple[str, str]] = []

    def react(change: Any) -> None:
        if change.type == "ADDED" and change.obj["metadata"]["name"] == "a":
            store.create(CONFIGMAPS, named("b"))

    store.on_change(react)
    store.on_change(lambda change: seen.append((change.type, change.obj["metadata"]["name"])))
    store.create(CONFIGMAPS, named("a"))
    store.delete(CONFIGMAPS, "default", "a")
    assert seen == [("ADDED", "a"), ("ADDED", "b"), ("DELETED", "a")]


async def test_watch_lists_first_and_then_follows(store: Store) -> None:
    store.create(CONFIGMAPS, named("a"))
    seen: list[tuple[str, str]] = []

    async def read() -> None:
        async for kind, obj in store.watch(CONFIGMAPS, "default"):
            seen.append((kind, obj["metadata"]["name"]))
            if len(seen) == 3:
                return

    reader = asyncio.create_task(read())
    await asyncio.sleep(0)
    store.create(NAMESPACES, named("other", None))
    store.create(CONFIGMAPS, named("elsewhere", "other"))
    store.create(CONFIGMAPS, named("b"))
    store.delete(CONFIGMAPS, "default", "a")
    await asyncio.wait_for(reader, 2)
    assert seen == [("ADDED", "a"), ("ADDED", "b"), ("DELETED", "a")]


async def test_watch_from_a_version_resumes_or_says_that_it_cannot(store: Store) -> None:
    store.create(CONFIGMAPS, named("a"))
    start = store.version
    store.create(CONFIGMAPS, named("b"))
    watch = store.subscribe(CONFIGMAPS, None, start)
    assert (await anext(watch)).obj["metadata"]["name"] == "b"
    watch.close()
    for number in range(HISTORY):
        store.update(CONFIGMAPS, named("b", data={"n": str(number)}))
    with pytest.raises(Expired):
        store.subscribe(CONFIGMAPS, None, start)


def test_a_dry_run_changes_nothing(store: Store) -> None:
    version = store.version
    assert store.create(CONFIGMAPS, named("a"), dry_run=True)["metadata"]["uid"]
    assert store.find(CONFIGMAPS, "default", "a") is None
    store.create(CONFIGMAPS, named("a"))
    store.delete(CONFIGMAPS, "default", "a", dry_run=True)
    store.update(CONFIGMAPS, named("a", data={"x": "y"}), dry_run=True)
    assert "data" not in store.get(CONFIGMAPS, "default", "a")
    assert store.version == version + 1
