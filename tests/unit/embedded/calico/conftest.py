"""A store in memory that knows Calico's definitions, as if the engine's manifest had been applied."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from leafspine_embedded.calico import manifest
from leafspine_embedded.kube.resources import NAMESPACES, NODES, Resource
from leafspine_embedded.kube.store import Store


def add_calico(store: Store) -> None:
    for document in yaml.safe_load_all(manifest.text()):
        if document["kind"] == "CustomResourceDefinition":
            names, spec = document["spec"]["names"], document["spec"]
            store.registry.add(Resource(spec["group"], "v1", names["kind"], names["plural"], False, custom=True, generation=True))


def add_node(store: Store, name: str, labels: dict[str, str] | None = None, annotations: dict[str, str] | None = None, ip: str = "") -> dict[str, Any]:
    status = {"addresses": [{"type": "InternalIP", "address": ip}]} if ip else {}
    return store.create(NODES, {"metadata": {"name": name, "labels": labels or {}, "annotations": annotations or {}}, "status": status})


@pytest.fixture
def empty_store() -> Store:
    store = Store()
    for name in ("default", "kube-system"):
        store.create(NAMESPACES, {"metadata": {"name": name}})
    return store


@pytest.fixture
def store(empty_store: Store) -> Store:
    add_calico(empty_store)
    for node in ("n1", "n2"):
        add_node(empty_store, node, {"rack": f"rack{node[1]}"})
    return empty_store
