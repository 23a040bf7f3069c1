"""All objects of one cluster: in memory, journalled to disk, with resource versions, watches and the rules every type shares.

One event loop, synchronous methods. What is returned is the caller's own copy; what callbacks and `Change` carry is shared and must not
be written to. Defaults, allocation and validation per type come in through `admission` (see kube/admission.py).
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from leafspine_embedded.kube.errors import AlreadyExists, BadRequest, Conflict, Expired, Forbidden, NotFound
from leafspine_embedded.kube.journal import COMPACT_BYTES, Journal
from leafspine_embedded.kube.objects import Object, clone, meta, new_uid, now, parse_time, random_suffix
from leafspine_embedded.kube.resources import CRDS, NAMESPACES, PODS, Registry, Resource
from leafspine_embedded.kube.selectors import Predicate

log = logging.getLogger(__name__)

HISTORY = 512  # changes a watch may still start from
_DEFAULT_GRACE = 30
_OWNED = ("uid", "creationTimestamp", "resourceVersion", "generation", "deletionTimestamp", "deletionGracePeriodSeconds")  # metadata only the server writes


@dataclass(frozen=True)
class Change:
    """One event. `type`: ADDED, MODIFIED, DELETED; `obj` after (for DELETED: last state), `old` before (None for ADDED). Read only."""

    type: str
    resource: Resource
    obj: Object
    old: Object | None
    version: int


class Admission(Protocol):
    """Per-type rules. They may change `obj` in place and raise ApiError."""

    def create(self, res: Resource, obj: Object) -> None: ...

    def update(self, res: Resource, obj: Object, old: Object, subresource: str | None) -> None: ...


class Watch:
    """A running subscription: `async for change in watch`; `close()` when done."""

    def __init__(self, store: Store, res: Resource, namespace: str | None) -> None:
        self._store = store
        self.resource = res
        self.namespace = namespace
        self.queue: asyncio.Queue[Change | None] = asyncio.Queue()

    def wants(self, change: Change) -> bool:
        if change.resource.key != self.resource.key:
            return False
        return self.namespace is None or change.obj["metadata"].get("namespace") == self.namespace

    def close(self) -> None:
        self._store.watches.discard(self)
        self.queue.put_nowait(None)

    def __aiter__(self) -> AsyncIterator[Change]:
        return self

    async def __anext__(self) -> Change:
        change = await self.queue.get()
        if change is None:
            raise StopAsyncIteration
        return change


class Store:
    """See the module text. `directory` None keeps everything in memory only (tests)."""

    def __init__(self, directory: Path | None = None, *, registry: Registry | None = None, admission: Admission | None = None) -> None:
        self.registry = registry or Registry()
        self.admission = admission
        self.version = 0
        self.watches: set[Watch] = set()
        self._objects: dict[tuple[str, str], dict[tuple[str, str], Object]] = {}
        self._history: deque[Change] = deque(maxlen=HISTORY)
        self._oldest = 0  # changes up to here are no longer in the history
        self._callbacks: list[Callable[[Change], None]] = []
        self._pending: deque[Change] = deque()
        self._dispatching = False
        self._journal = Journal(directory) if directory is not None else None
        if self._journal is not None:
            self._load(self._journal)

    # -- reading

    def get(self, res: Resource, namespace: str | None, name: str) -> Object:
        """One object. Raises NotFound."""
        return clone(self.peek(res, namespace, name))

    def peek(self, res: Resource, namespace: str | None, name: str) -> Object:
        """Like `get` without the copy: read only."""
        obj = self._table(res).get((namespace or "", name))
        if obj is None:
            raise NotFound(res, name)
        return obj

    def find(self, res: Resource, namespace: str | None, name: str) -> Object | None:
        """Like `get`, None when it is not there."""
        obj = self._table(res).get((namespace or "", name))
        return None if obj is None else clone(obj)

    def list(self, res: Resource, namespace: str | None = None, selector: Mapping[str, str] | None = None) -> list[Object]:
        """All objects, by namespace and name; `selector`: labels that must all be equal."""
        return [clone(obj) for obj in self.scan(res, namespace) if _labelled(obj, selector)]

    def scan(self, res: Resource, namespace: str | None = None, matching: Predicate | None = None) -> Iterable[Object]:
        """Like `list` without copies: read only."""
        table = self._table(res)
        for key in sorted(table):
            obj = table[key]
            if (not namespace or key[0] == namespace) and (matching is None or matching(obj)):
                yield obj

    def _table(self, res: Resource) -> dict[tuple[str, str], Object]:
        return self._objects.setdefault(res.key, {})

    # -- writing

    def create(self, res: Resource, obj: Object, *, dry_run: bool = False) -> Object:
        """Store a new object; fills uid, creationTimestamp, resourceVersion, generation and a generated name.

        Raises AlreadyExists, NotFound (namespace), Forbidden (namespace is going away) and what admission refuses.
        """
        obj = clone(obj)
        data = meta(obj)
        obj["apiVersion"], obj["kind"] = res.api_version, res.kind
        if not data.get("name") and data.get("generateName"):
            data["name"] = self._generated_name(res, data)
        for owned in (*_OWNED, "managedFields", "selfLink"):
            data.pop(owned, None)
        self._check_scope(res, data)
        if self.admission is not None:
            self.admission.create(res, obj)
        key = (data.get("namespace") or "", data["name"])
        if key in self._table(res):
            raise AlreadyExists(res, data["name"])
        data["creationTimestamp"] = now()
        data["uid"] = new_uid()
        if res.generation:
            data["generation"] = 1
        if dry_run:
            return obj
        return clone(self._commit("ADDED", res, key, obj, None))

    def update(self, res: Resource, obj: Object, *, subresource: str | None = None, dry_run: bool = False) -> Object:
        """Replace an object (subresource "status": only its status). A no-op keeps the resource version.

        For types with a status subresource the plain update leaves the status as it is, as in the real API.
        Raises NotFound, Conflict (stale resourceVersion or other uid), and what admission refuses.
        """
        data = obj["metadata"]
        key = (data.get("namespace") or "", data["name"])
        old = self._table(res).get(key)
        if old is None:
            raise NotFound(res, data["name"])
        self._check_preconditions(res, old, uid=data.get("uid"), version=data.get("resourceVersion"))
        new = self._merged(res, clone(obj), old, subresource)
        if self.admission is not None:
            self.admission.update(res, new, old, subresource)
        _count_generation(res, new, old, subresource)
        if new == old:
            return clone(old)
        if dry_run:
            return new
        if self._released(new):
            return self._remove(res, key, new)
        return clone(self._commit("MODIFIED", res, key, new, old))

    def delete(
        self,
        res: Resource,
        namespace: str | None,
        name: str,
        *,
        uid: str | None = None,
        resource_version: str | None = None,
        grace_period: int | None = None,
        propagation: str | None = None,
        dry_run: bool = False,
    ) -> Object:
        """Delete, or mark for deletion: objects with finalizers, namespaces, and pods on a node (the kubelet ends those with grace_period=0).

        propagation: Background, Foreground or Orphan. Returns the last state. Raises NotFound, Conflict.
        """
        key = (namespace or "", name)
        old = self._table(res).get(key)
        if old is None:
            raise NotFound(res, name)
        self._check_preconditions(res, old, uid=uid, version=resource_version)
        new = clone(old)
        data = new["metadata"]
        _set_propagation(data, propagation)
        seconds = _grace(res, old, grace_period)
        if not seconds and not data.get("finalizers") and res.key != NAMESPACES.key:
            return clone(old) if dry_run else self._remove(res, key, old)
        if "deletionTimestamp" not in data:
            data["deletionTimestamp"] = now()
            if res.generation:
                data["generation"] = data.get("generation", 0) + 1
        if seconds is not None and seconds <= data.get("deletionGracePeriodSeconds", seconds):
            data["deletionGracePeriodSeconds"] = seconds
        if res.key == NAMESPACES.key:
            new["status"] = {**new.get("status", {}), "phase": "Terminating"}
        if dry_run or new == old:
            return new
        return clone(self._commit("MODIFIED", res, key, new, old))

    def finalize(self, res: Resource, namespace: str | None, name: str) -> None:
        """Remove an object for good, whatever it waits for (namespace and garbage collection use this). Nothing happens when it is gone."""
        key = (namespace or "", name)
        old = self._table(res).get(key)
        if old is not None:
            self._remove(res, key, old)

    # -- following changes

    def subscribe(self, res: Resource, namespace: str | None = None, since: int | None = None) -> Watch:
        """Changes as `Change` objects (shared, read only). since None: first every present object as ADDED; else what came after that version.

        Raises Expired when the history does not reach back that far.
        """
        watch = Watch(self, res, namespace or None)
        if since is None:
            for obj in self.scan(res, namespace):
                watch.queue.put_nowait(Change("ADDED", res, obj, None, int(obj["metadata"]["resourceVersion"])))
        else:
            if since < self._oldest:
                raise Expired(since, self._oldest)
            for change in self._history:
                if change.version > since and watch.wants(change):
                    watch.queue.put_nowait(change)
        self.watches.add(watch)
        return watch

    async def watch(self, res: Resource, namespace: str | None = None, since: int | None = None) -> AsyncIterator[tuple[str, Object]]:
        """(ADDED | MODIFIED | DELETED, object) for ever; see `subscribe`."""
        subscription = self.subscribe(res, namespace, since)
        try:
            async for change in subscription:
                yield change.type, clone(change.obj)
        finally:
            subscription.close()

    def on_change(self, callback: Callable[[Change], None]) -> None:
        """Call back after every change, in order; a callback may write to the store (its changes follow)."""
        self._callbacks.append(callback)

    def close(self) -> None:
        for watch in tuple(self.watches):
            watch.close()
        if self._journal is not None:
            self._journal.close()

    # -- inside

    def _load(self, journal: Journal) -> None:
        self.version, saved = journal.load()
        self._oldest = self.version
        # Custom resources can only be placed once their definitions are known: definitions first.
        for text, obj in sorted(saved.items(), key=lambda item: not item[0].startswith(f"{CRDS.group}/{CRDS.plural}/")):
            group, plural, namespace, name = text.split("/", 3)
            self._objects.setdefault((group, plural), {})[(namespace, name)] = obj

    def _commit(self, kind: str, res: Resource, key: tuple[str, str], obj: Object, old: Object | None) -> Object:
        version = self.version + 1
        obj["metadata"]["resourceVersion"] = str(version)
        table = self._table(res)
        if self._journal is not None:
            self._journal.append(version, "/".join((*res.key, *key)), None if kind == "DELETED" else obj)
        self.version = version
        if kind == "DELETED":
            table.pop(key, None)
        else:
            table[key] = obj
        self._publish(Change(kind, res, obj, old, version))
        if self._journal is not None and self._journal.size > COMPACT_BYTES:
            self._journal.compact(self.version, self._flat())
        return obj

    def _flat(self) -> dict[str, Object]:
        return {"/".join((*res, *key)): obj for res, table in self._objects.items() for key, obj in table.items()}

    def _publish(self, change: Change) -> None:
        if len(self._history) == HISTORY:
            self._oldest = self._history[0].version
        self._history.append(change)
        for watch in self.watches:
            if watch.wants(change):
                watch.queue.put_nowait(change)
        self._pending.append(change)
        if self._dispatching:
            return
        self._dispatching = True
        try:
            while self._pending:
                current = self._pending.popleft()
                for callback in self._callbacks:
                    try:
                        callback(current)
                    except Exception:
                        # The change is stored and acknowledged: a reader's fault must not turn into the writer's error.
                        log.exception("a reader of changes failed on %s %s", current.type, current.resource.qualified)
        finally:
            self._dispatching = False

    def _remove(self, res: Resource, key: tuple[str, str], old: Object) -> Object:
        return clone(self._commit("DELETED", res, key, clone(old), old))

    def _released(self, obj: Object) -> bool:
        data = obj["metadata"]
        return "deletionTimestamp" in data and not data.get("finalizers") and not data.get("deletionGracePeriodSeconds") and obj["kind"] != "Namespace"

    def _generated_name(self, res: Resource, data: Object) -> str:
        for _ in range(8):
            name = f"{data['generateName'][:58]}{random_suffix()}"
            if (data.get("namespace") or "", name) not in self._table(res):
                return name
        raise AlreadyExists(res, name)

    def _check_scope(self, res: Resource, data: Object) -> None:
        if not data.get("name"):
            raise BadRequest("name or generateName is required")
        if not res.namespaced:
            data.pop("namespace", None)
            return
        namespace = data.get("namespace")
        if not namespace:
            raise BadRequest("an empty namespace may not be set during creation")
        holder = self._table(NAMESPACES).get(("", namespace))
        if holder is None:
            raise NotFound(NAMESPACES, namespace)
        if "deletionTimestamp" in holder["metadata"]:
            raise Forbidden(res, data["name"], f"unable to create new content in namespace {namespace} because it is being terminated")

    @staticmethod
    def _check_preconditions(res: Resource, old: Object, *, uid: str | None, version: str | None) -> None:
        have = old["metadata"]
        if uid and uid != have["uid"]:
            raise Conflict(res, have["name"], f"Precondition failed: UID in precondition: {uid}, UID in object meta: {have['uid']}")
        if version and version != "0" and version != have["resourceVersion"]:
            raise Conflict(res, have["name"])

    @staticmethod
    def _merged(res: Resource, new: Object, old: Object, subresource: str | None) -> Object:
        """What the caller may change, over what it may not."""
        if subresource == "status":
            merged = clone(old)
            if "status" in new:
                merged["status"] = new["status"]
            else:
                merged.pop("status", None)
            return merged
        new["apiVersion"], new["kind"] = res.api_version, res.kind
        if res.status:
            if "status" in old:
                new["status"] = clone(old["status"])
            else:
                new.pop("status", None)
        data, have = new["metadata"], old["metadata"]
        for owned in (*_OWNED, "generateName", "namespace"):
            if owned in have:
                data[owned] = have[owned]
            else:
                data.pop(owned, None)
        data.pop("managedFields", None)
        return new


def _labelled(obj: Object, selector: Mapping[str, str] | None) -> bool:
    if not selector:
        return True
    have = obj["metadata"].get("labels") or {}
    return all(have.get(key) == value for key, value in selector.items())


def _count_generation(res: Resource, new: Object, old: Object, subresource: str | None) -> None:
    if not res.generation or subresource is not None:
        return
    ignored = {"metadata", "status", "apiVersion", "kind"} if res.status else {"metadata", "apiVersion", "kind"}
    if {key: value for key, value in new.items() if key not in ignored} != {key: value for key, value in old.items() if key not in ignored}:
        new["metadata"]["generation"] = old["metadata"].get("generation", 0) + 1


def _set_propagation(data: Object, propagation: str | None) -> None:
    """As the real API keeps the choice: a finalizer that the garbage collector removes when it has done its part."""
    finalizer = {"Foreground": "foregroundDeletion", "Orphan": "orphan"}.get(propagation or "")
    if finalizer is None:
        return
    present = data.setdefault("finalizers", [])
    if finalizer not in present:
        present.append(finalizer)


def _grace(res: Resource, old: Object, wanted: int | None) -> int | None:
    """Seconds a pod gets to end; None for everything that goes at once."""
    if res.key != PODS.key:
        return None
    spec = old.get("spec", {})
    if not spec.get("nodeName") or old.get("status", {}).get("phase") in {"Succeeded", "Failed"}:
        return 0
    return int(spec.get("terminationGracePeriodSeconds", _DEFAULT_GRACE)) if wanted is None else max(0, wanted)


def age_seconds(timestamp: str | None) -> float:
    """Seconds since an API time stamp; 0 for none."""
    return (parse_time(now()) - parse_time(timestamp)).total_seconds() if timestamp else 0.0
