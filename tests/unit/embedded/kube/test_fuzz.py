"""Whatever a client sends, the API answers with a Status of its own and never with an internal error."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest
from leafspine_embedded.kube import tables, wire
from leafspine_embedded.kube.errors import ApiError
from leafspine_embedded.kube.handlers import Handlers
from leafspine_embedded.kube.objects import clone
from leafspine_embedded.kube.patch import BUILTIN_TYPES
from leafspine_embedded.kube.resources import (
    CLUSTERROLEBINDINGS,
    CONFIGMAPS,
    CRDS,
    DAEMONSETS,
    DEPLOYMENTS,
    ENDPOINTS,
    ENDPOINTSLICES,
    EVENTS,
    NAMESPACES,
    NODES,
    PODS,
    REPLICASETS,
    ROLES,
    SECRETS,
    SERVICES,
    Resource,
)  # fmt: skip
from leafspine_embedded.kube.store import Store

from .conftest import daemonset, definition, pod, service

ROUNDS = 400
SHAPE = wire.Shape()
VALUES: list[Any] = [None, "", "x", "Upper Case", 0, -1, 2**40, 1.5, True, [], {}, [None], [{}], ["x"], {"a": None}, {"a": {}}, {"": ""}]
META = {"name": "x", "namespace": "default", "labels": {"a": "b"}, "annotations": {"c": "d"}, "finalizers": ["e/f"]}
SEEDS: list[tuple[Resource, dict[str, Any]]] = [
    (PODS, pod(tolerations=[{"key": "k"}], volumes=[{"name": "v", "configMap": {"name": "c"}}], nodeSelector={"a": "b"})),
    (PODS, pod(initContainers=[{"name": "i", "image": "x", "env": [{"name": "E", "value": "v"}]}], hostNetwork=True)),
    (DAEMONSETS, daemonset(updateStrategy={"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0}})),
    (DEPLOYMENTS, daemonset(replicas=1, strategy={"type": "Recreate"})),
    (REPLICASETS, daemonset(replicas=1)),
    (SERVICES, service(type="NodePort", selector={"a": "b"}, externalIPs=["1.2.3.4"], sessionAffinity="ClientIP")),
    (CRDS, definition({"type": "object", "properties": {"spec": {"type": "object", "properties": {"a": {"type": "string", "pattern": "x"}}}}})),
    (NODES, {"metadata": {"name": "n"}, "spec": {"taints": [{"key": "a", "effect": "NoSchedule"}], "podCIDR": "10.0.0.0/24"}}),
    (NAMESPACES, {"metadata": {"name": "n"}, "spec": {"finalizers": ["kubernetes"]}}),
    (CONFIGMAPS, {"metadata": META, "data": {"k": "v"}, "immutable": False}),
    (SECRETS, {"metadata": META, "data": {"k": "dg=="}, "stringData": {"k": "v"}, "type": "Opaque"}),
    (ENDPOINTSLICES, {"metadata": META, "addressType": "IPv4", "endpoints": [{"addresses": ["1.2.3.4"]}], "ports": [{"port": 80}]}),
    (ENDPOINTS, {"metadata": META, "subsets": [{"addresses": [{"ip": "1.2.3.4"}], "ports": [{"port": 80}]}]}),
    (EVENTS, {"metadata": META, "involvedObject": {"kind": "Pod", "name": "p"}, "source": {"component": "c"}, "lastTimestamp": "2020-01-01T00:00:00Z"}),
    (ROLES, {"metadata": META, "rules": [{"verbs": ["get"], "resources": ["pods"], "apiGroups": [""]}]}),
    (CLUSTERROLEBINDINGS, {"metadata": {"name": "b"}, "roleRef": {"kind": "ClusterRole", "name": "r"}, "subjects": [{"kind": "User", "name": "u"}]}),
]  # fmt: skip


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = [path] if path else []
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        found.extend(places(item, (*path, key)))
    return found


def mutated(seed: dict[str, Any], rng: random.Random) -> Any:
    value: Any = clone(seed)
    for _ in range(rng.randint(1, 3)):
        options = places(value)
        if not options:
            break
        *way, last = rng.choice(options)
        holder = value
        for key in way:
            holder = holder[key]
        if rng.random() < 0.3 and isinstance(holder, dict):
            del holder[last]
        else:
            holder[last] = clone(rng.choice(VALUES))
    return value


def target(res: Resource, name: str = "") -> wire.Target:
    return wire.Target(res, res.version, "default" if res.namespaced else "", name, "")


@pytest.mark.parametrize(("res", "seed"), SEEDS, ids=[f"{index}-{res.plural}" for index, (res, _) in enumerate(SEEDS)])
def test_mutated_objects_are_taken_or_refused(store: Store, res: Resource, seed: dict[str, Any]) -> None:
    rng = random.Random(json.dumps(seed))
    handlers = Handlers(store, store.admission)  # type: ignore[arg-type]
    taken = refused = 0
    for round_ in range(ROUNDS):
        body = clone(seed) if round_ == 0 else mutated(seed, rng)
        try:
            answer = handlers.create(target(res), body, {}, SHAPE)
        except ApiError as error:
            assert 400 <= error.code < 500 and error.message, body
            refused += 1
            continue
        taken += 1
        made = json.loads(answer.body)  # type: ignore[arg-type]
        name = made["metadata"]["name"]
        # What was taken can be shown, patched and removed.
        tables.table(store, res, [store.peek(res, made["metadata"].get("namespace"), name)], {}, "None")
        for media in BUILTIN_TYPES:
            patch: Any = mutated(seed, rng) if "merge" in media else [{"op": "add", "path": "/metadata/labels", "value": clone(rng.choice(VALUES))}]
            try:
                handlers.patch(target(res, name), patch, media, {}, SHAPE)
            except ApiError as error:
                assert 400 <= error.code < 500 and error.message, patch
        store.finalize(res, made["metadata"].get("namespace"), name)
    assert taken and refused


def test_the_seeds_themselves_are_lawful(store: Store) -> None:
    handlers = Handlers(store, store.admission)  # type: ignore[arg-type]
    for res, seed in SEEDS:
        assert handlers.create(target(res), clone(seed), {"fieldValidation": "Strict", "dryRun": "All"}, SHAPE).status == 201
