"""Calico's objects in the cluster's store: access by plural, a parsed snapshot that all nodes share, and a signal for what changed."""

from __future__ import annotations

import asyncio
import contextlib
import weakref
from dataclasses import dataclass, field
from typing import Any

from leafspine_embedded.kube.errors import NotFound
from leafspine_embedded.kube.objects import Object
from leafspine_embedded.kube.resources import ENDPOINTSLICES, NODES, SECRETS, SERVICES, Resource
from leafspine_embedded.kube.store import Change, Store

from .model import BgpConfiguration, Node, Pool, bgp_configuration_of, node_of, pools_of

GROUP = "crd.projectcalico.org"
_BUILTIN = {NODES.key, SERVICES.key, ENDPOINTSLICES.key, SECRETS.key}
# What a kubelet's heartbeat leaves alone: a Node that differs in none of these is no news.
_NODE_PARTS = (("metadata", "labels"), ("metadata", "annotations"), ("status", "addresses"))


class NotInstalled(LookupError):
    """Calico's definitions are not in the cluster: its manifest was not applied, or was deleted."""


def resource(store: Store, plural: str) -> Resource:
    """The resource of a Calico CRD. Raises NotInstalled."""
    found = store.registry.find(GROUP, plural)
    if found is None:
        raise NotInstalled(f"{plural}.{GROUP} is not defined: apply Calico's manifest first")
    return found


def scan(store: Store, plural: str) -> list[Object]:
    """All objects of a Calico CRD, read only; none when the CRD is not there."""
    found = store.registry.find(GROUP, plural)
    return [] if found is None else list(store.scan(found))


def find(store: Store, plural: str, name: str) -> Object | None:
    """The caller's own copy of an object, None when it (or its CRD) is not there."""
    found = store.registry.find(GROUP, plural)
    return None if found is None else store.find(found, None, name)


def create(store: Store, plural: str, name: str, spec: Object) -> Object:
    """Make an object with this spec. Raises NotInstalled, AlreadyExists and what admission refuses."""
    res = resource(store, plural)
    return store.create(res, {"apiVersion": res.api_version, "kind": res.kind, "metadata": {"name": name}, "spec": spec})


def update(store: Store, plural: str, obj: Object) -> Object:
    """Write a changed copy back. Raises Conflict when somebody else was faster."""
    return store.update(resource(store, plural), obj)


def delete(store: Store, plural: str, name: str) -> None:
    """Remove an object; nothing happens when it is gone."""
    found = store.registry.find(GROUP, plural)
    if found is not None:
        with contextlib.suppress(NotFound):
            store.delete(found, None, name)


@dataclass(frozen=True)
class Snapshot:
    """What BGP and NAT of every node are computed from. Objects are the store's own: read only."""

    nodes: tuple[Node, ...]
    pools: tuple[Pool, ...]
    config: BgpConfiguration
    peers: tuple[Object, ...]
    blocks: tuple[Object, ...]
    services: tuple[Object, ...]
    slices: tuple[Object, ...]
    ready: bool

    def node(self, name: str) -> Node | None:
        return next((node for node in self.nodes if node.name == name), None)


def snapshot(store: Store) -> Snapshot:
    """Read everything now."""
    default = find(store, "bgpconfigurations", "default")
    information = find(store, "clusterinformations", "default")
    return Snapshot(
        nodes=tuple(node_of(obj) for obj in store.scan(NODES)),
        pools=pools_of(scan(store, "ippools")),
        config=bgp_configuration_of(default),
        peers=tuple(scan(store, "bgppeers")),
        blocks=tuple(scan(store, "ipamblocks")),
        services=tuple(store.scan(SERVICES)),
        slices=tuple(store.scan(ENDPOINTSLICES)),
        ready=((information or {}).get("spec") or {}).get("datastoreReady", True) is not False,
    )


def secret_text(store: Store, name: str, key: str, namespace: str = "kube-system") -> str | None:
    """A value of a Secret in calico-node's namespace, None when it is not there or is no text."""
    import base64

    obj: dict[str, Any] = store.find(SECRETS, namespace, name) or {}
    plain = (obj.get("stringData") or {}).get(key)
    encoded = (obj.get("data") or {}).get(key)
    try:
        return plain if isinstance(plain, str) else base64.b64decode(encoded).decode() if encoded else None
    except ValueError:
        return None


@dataclass
class Hub:
    """Wakes the agents of one store when something they read has changed, and keeps one snapshot for all of them."""

    store: Store
    _waiting: set[asyncio.Event] = field(default_factory=set)
    _snapshot: Snapshot | None = None

    def subscribe(self) -> asyncio.Event:
        """An event that is set now and at every change; the caller clears it. Give it back with `unsubscribe`."""
        event = asyncio.Event()
        event.set()
        self._waiting.add(event)
        return event

    def unsubscribe(self, event: asyncio.Event) -> None:
        self._waiting.discard(event)

    def current(self) -> Snapshot:
        """The snapshot of this moment, computed once for all nodes."""
        if self._snapshot is None:
            self._snapshot = snapshot(self.store)
        return self._snapshot

    def changed(self, change: Change) -> None:
        """The store's callback."""
        key = change.resource.key
        if key[0] != GROUP and key not in _BUILTIN:
            return
        if key == NODES.key and change.type == "MODIFIED" and change.old is not None and _same_node(change.obj, change.old):
            return
        self._snapshot = None
        for event in self._waiting:
            event.set()


def _same_node(new: Object, old: Object) -> bool:
    return all((new.get(a) or {}).get(b) == (old.get(a) or {}).get(b) for a, b in _NODE_PARTS)


_hubs: weakref.WeakKeyDictionary[Store, Hub] = weakref.WeakKeyDictionary()


def hub(store: Store) -> Hub:
    """The one hub of a store."""
    found = _hubs.get(store)
    if found is None:
        found = _hubs[store] = Hub(store)
        store.on_change(found.changed)
    return found
